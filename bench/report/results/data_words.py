"""What captions say of a data set: its steps, its split, and whether the paper's numbers can stand beside it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from bench.data.coordinate_units import UNDESCRIBED, CoordinateUnits, units_of
from bench.data.rhythm import EIGHT_DAY, Rhythm
from bench.data.split_names import describe
from bench.report.results.selection import Selection
from bench.scoring.draws import WINDOW_BLOCKS
from bench.scoring.metrics import BLOCK_DEGREES, PLANAR_BLOCKS
from bench.store.dataset_record import read_dataset_record
from bench.store.reading import CorruptRecord
from bench.store.store import Store
from bench.system.text import counted

PAPER_TARGET = "GPP"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NO_UNIT = ("", "1", "-")


@dataclass(frozen=True)
class DataWords:
    """What captions say of the data of a selection.

    Attributes:
        rhythm: how the steps divide the year; the paper's where the store has no record of the data set.
        split: what tests, in words: ``test year 2020``, or ``tested on whole places, in 5 folds``.
        of_paper: whether the data are of the paper's kind (8-day GPP, tested on the last year), so that its tables and
            ratios may stand beside ours.
        is_planar: whether places have planar coordinates.
        coordinates: units of the places' coordinates.
        target: name of the target.
        units: of the target, and so of errors, as printed; "" where it has none.
    """

    rhythm: Rhythm
    split: str
    of_paper: bool
    is_planar: bool
    coordinates: CoordinateUnits
    target: str
    units: str

    @property
    def week(self) -> str:
        """What a scored step of the year is called: ``week`` of 8-day steps, as in the paper; ``month`` of months."""
        return "week" if self.rhythm == EIGHT_DAY else self.rhythm.step

    def measured(self, *numbers: str) -> str:
        """What numbers of a table are of: ``RMSE and MAE of GPP in gC m⁻² d⁻¹``."""
        named = " and ".join(filter(None, (", ".join(numbers[:-1]), numbers[-1])))
        return f"{named} of {in_units(self.target, self.units)}"

    def table(self, number: int) -> str:
        """Which table of the paper a table of ours stands beside, in brackets, if any."""
        return f" (Table {number} of the paper)" if self.of_paper else ""

    @property
    def window(self) -> str:
        """Edge of the windows of places that intervals redraw."""
        if self.is_planar:
            return f"{WINDOW_BLOCKS / PLANAR_BLOCKS:.0%} of the longer side of their extent"
        return f"{WINDOW_BLOCKS * BLOCK_DEGREES:g}°"

    def long_step(self, step: int) -> str:
        """A step of the year in a heading: ``Step 10`` of 8-day data, else such as ``Month 3``."""
        return f"Step {step}" if self.rhythm == EIGHT_DAY else self.short_step(step)

    def short_step(self, step: int) -> str:
        """A step of the year in a column heading: ``W40``, or ``Month 4``."""
        return f"W{step}" if self.rhythm == EIGHT_DAY else f"{self.rhythm.step.capitalize()} {step}"


def words_of(store: Store, selection: Selection) -> DataWords:
    """What captions say of the data of a selection.

    Args:
        store: that holds the record of the data set.
        selection: the jobs.
    """
    job = selection.jobs[0]
    try:
        record = read_dataset_record(store, job.dataset_fingerprint)
    except CorruptRecord:
        record = None
    rhythm = record.rhythm if record is not None else EIGHT_DAY
    planar = record is not None and record.description.crs is not None
    coordinates = units_of(record.description.crs) if record is not None else UNDESCRIBED
    of_paper = (
        rhythm == EIGHT_DAY
        and "test_year" in job.split
        and not planar
        and selection.manifest.target_name == PAPER_TARGET
    )
    split = f"test year {job.split['test_year']}" if "test_year" in job.split else describe(job.split, coordinates)
    if "folds" in job.split:
        split += _some_folds({job.split["fold"] for job in selection.jobs if "fold" in job.split}, job.split["folds"])
    manifest = selection.manifest
    return DataWords(rhythm, split, of_paper, planar, coordinates, manifest.target_name, units(manifest.target_units))


def _some_folds(asked: Collection[int], folds: int) -> str:
    """What to add to a split in words where no row was asked for all of its folds."""
    if len(asked) == folds:
        return ""
    named = f"{'fold' if len(asked) == 1 else 'folds'} {', '.join(map(str, sorted(asked)))}"
    return f", of which only {named} {'was' if len(asked) == 1 else 'were'} run"


def units(text: str) -> str:
    """Units as printed: ``gC m-2 d-1`` becomes ``gC m⁻² d⁻¹``; nothing of a number without one."""
    raised = re.sub(r"(?<=[A-Za-z])-?\d+", lambda match: match[0].translate(_SUPERSCRIPTS), text.strip())
    return "" if raised in _NO_UNIT else raised.replace(". ", ".")  # a sentence ends with a stop and a space


def in_units(target: str, printed: str) -> str:
    """A target with its units, in words: ``GPP in gC m⁻² d⁻¹``."""
    return f"{target} in {printed}" if printed else f"{target} (no unit)"


def suite_title(suite: str) -> str:
    """A suite in words, within a sentence."""
    return {"fewshot": "few-shot suite"}.get(suite, f"{suite} suite")


def spoken(dataset: str, title: str) -> str:
    """A data set in words that a sentence can hold, instead of the text that opens it.

    Args:
        dataset: its name, of simulated data with options: ``simulated:cells=800,years=2,seed=0``.
        title: its title; what follows a colon is left out.
    """
    name, _, options = dataset.partition(":")
    if name != "simulated":
        return title.partition(": ")[0].strip() or dataset
    given = dict(item.split("=", 1) for item in options.split(",") if "=" in item)
    cells = f" of {counted(int(given['cells']), 'cell')}" if given.get("cells", "").isdecimal() else ""
    years = f", {counted(int(given['years']), 'year')}" if given.get("years", "").isdecimal() else ""
    seed = f", seed {given['seed']}" if given.get("seed", "0") != "0" else ""
    return f"a simulated world{cells}{years}{seed}"
