"""Splits by name, as people write them: ``last-year``, ``places:2/5``, ``blocks:3,5``; and what a name means of a cube.

A name without a fold stands for all of them: every sample is then tested once, and tables pool the folds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.data.coordinate_units import UNDESCRIBED, CoordinateUnits
from bench.data.cube import Cube
from bench.data.folds import NEAR_KM
from bench.data.own_split import TESTS, TRAINS
from bench.errors import BenchError, unknown
from bench.system.text import counted

_LARGEST = 2**53  # whole numbers up to here are exact as floats
KINDS = ("last-year", "last-year-of-each-place", "column", "share", "blocks", "places", "published")
"""All names; what each takes after a colon stands in `FORMS`."""
FORMS = {
    "last-year": "last-year",
    "last-year-of-each-place": "last-year-of-each-place",
    "column": "column",
    "share": "share:SHARE or share:SHARE,SEED, such as share:0.2",
    "blocks": "blocks:SIZE,FOLDS or blocks:SIZE,FOLD/FOLDS, such as blocks:3,5 or blocks:3,2/5",
    "places": "places:FOLDS, places:FOLD/FOLDS or either with ,DISTANCE, such as places:5 or places:2/5,100",
    "published": "published",
}
PUBLISHED = "published_split"
"""Key of a cube's provenance: who published the split that it brings."""


@dataclass(frozen=True)
class SplitName:
    """A split as it was named.

    Attributes:
        text: as it was given, without blanks around it.
        kind: one of `KINDS`.
        numbers: what stands before the folds or instead of them.
        fold: from 1; None for all folds.
        folds: how many; None where the kind has none.
    """

    text: str
    kind: str
    numbers: tuple[float, ...] = ()
    fold: int | None = None
    folds: int | None = None

    @property
    def each(self) -> list[int]:
        """The folds that are meant."""
        if self.folds is None:
            return []
        return [self.fold] if self.fold is not None else list(range(1, self.folds + 1))


def parse_split(text: str) -> SplitName:
    """Reads the name of a split.

    Raises:
        BenchError: the kind is unknown or what follows is not of its form.
    """
    kind, colon, rest = text.strip().partition(":")
    if kind not in KINDS:
        raise unknown("split", kind, KINDS, "see --split in `bench run --help`")
    items = [item.strip() for item in rest.split(",")] if colon else []
    fold: int | None = None
    folds: int | None = None
    try:
        if kind in ("blocks", "places"):
            at = 1 if kind == "blocks" else 0
            match = re.fullmatch(r"(?:(\d+)/)?(\d+)", items.pop(at))
            if match is None:
                raise ValueError("no fold")
            fold, folds = (int(match[1]) if match[1] else None), int(match[2])
        numbers = tuple(float(item) for item in items)
    except (IndexError, ValueError) as error:
        raise BenchError(f"Split {text!r} is not of the form {FORMS[kind]}; correct --split.") from error
    least, most = {"share": (1, 2), "blocks": (1, 1), "places": (0, 1)}.get(kind, (0, 0))
    if not least <= len(numbers) <= most or (colon and not rest):
        raise BenchError(f"Split {text!r} is not of the form {FORMS[kind]}; correct --split.")
    _check_numbers(text, kind, numbers, fold, folds)
    return SplitName(text.strip(), kind, numbers, fold, folds)


def _check_numbers(text: str, kind: str, numbers: tuple[float, ...], fold: int | None, folds: int | None) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise BenchError(f"Split {text!r} holds a number that is not finite; correct --split.")
    if any(abs(number) >= _LARGEST for number in (*numbers, fold or 0, folds or 0)):
        raise BenchError(f"Split {text!r} holds a number that is too large; correct --split.")
    if folds is not None and (folds < 2 or (fold is not None and not 1 <= fold <= folds)):
        raise BenchError(f"Split {text!r}: there must be at least 2 folds, counted from 1; correct --split.")
    if kind == "share" and not 0 < numbers[0] < 1:
        raise BenchError(f"Split {text!r}: the share that tests must lie between 0 and 1; correct --split.")
    if kind == "share" and len(numbers) > 1 and (numbers[1] < 0 or numbers[1] != int(numbers[1])):
        raise BenchError(f"Split {text!r}: the seed must be a whole number from 0 on; correct --split.")
    if kind == "blocks" and numbers[0] <= 0:
        raise BenchError(f"Split {text!r}: the edge of a block must be positive; correct --split.")
    if kind == "places" and numbers and numbers[0] < 0:
        raise BenchError(f"Split {text!r}: the distance must not be negative; correct --split.")


def default_split(cube: Cube) -> str:
    """The split where none is named: the cube's own, else a seeded share where there is no time, else the last year."""
    if cube.split is not None:
        return "column"
    return "share:0.2" if cube.rhythm.name == "none" else "last-year"


def split_parameters(cube: Cube, name: SplitName, max_cells: int | None = None) -> list[dict[str, Any]]:
    """Parameters of the splits that a name stands for, one per fold.

    Args:
        cube: the data.
        name: of the split.
        max_cells: keep only this many cells, evenly spaced in the cube's order (the smoke profile); None keeps all.

    Raises:
        BenchError: the data do not allow this split.
    """
    thinned = {"max_cells": max_cells if max_cells is not None and max_cells < cube.n_cells else None}
    where = f"Data set {cube.name!r}"
    if name.kind == "last-year":
        years = _until_last_measured(cube)
        if len(years) < 2:
            held = f"the single year {years[0]}" if cube.n_times > 1 else "a single step"
            raise BenchError(
                f"{where} holds {held}; a test on the last year needs at least two: use "
                "--suite full with another --split, such as places:5 or share:0.2."
            )
        return [{"kind": "full", "test_year": years[-1]} | thinned]
    if name.kind == "last-year-of-each-place":
        if len(np.unique(cube.year)) < 2:
            raise BenchError(f"{where} holds a single year, so that no place has one to test on; use another --split.")
        return [{"kind": name.kind} | thinned]
    if name.kind in ("column", "published"):
        return [{"kind": name.kind} | _own_split(cube, name.kind, where) | thinned]
    if name.kind == "share":
        seed = int(name.numbers[1]) if len(name.numbers) > 1 else 0
        return [{"kind": name.kind, "share": name.numbers[0], "share_seed": seed} | thinned]
    assert name.folds is not None  # of the two kinds that are left
    if name.kind == "blocks":
        own: dict[str, Any] = {"block_size": name.numbers[0]}
    else:
        own = {"near": name.numbers[0] if name.numbers else (0.0 if cube.is_planar else NEAR_KM)}
    return [{"kind": name.kind} | own | {"fold": fold, "folds": name.folds} | thinned for fold in name.each]


def _until_last_measured(cube: Cube) -> list[int]:
    """The years up to the last one in which a target is measured; all of them where none is, which others refuse."""
    years = sorted({int(year) for year in cube.year})
    for end in range(len(years), 0, -1):
        if np.isfinite(cube.target[:, cube.year == years[end - 1]]).any():
            return years[:end]
    return years


def _own_split(cube: Cube, kind: str, where: str) -> dict[str, Any]:
    if cube.split is None:
        raise BenchError(f"{where} brings no split of its own; name another one with --split.")
    for code, what in ((TRAINS, "train"), (TESTS, "test")):
        if not (cube.split == code).any():
            raise BenchError(
                f"{where}: its own split leaves no sample to {what} on; correct it or use another --split."
            )
    if kind == "published" and PUBLISHED not in cube.provenance:
        raise BenchError(f"{where}: its split was not published with it; name it `column`.")
    return {}


def text_of(parameters: Mapping[str, Any]) -> str:
    """The name that gives these parameters, its fold included: what ``--split`` takes."""
    if "test_year" in parameters:
        return "last-year"
    kind = parameters["kind"]
    fold = f"{parameters['fold']}/{parameters['folds']}" if "folds" in parameters else ""
    if kind == "share":
        return f"share:{parameters['share']!r},{parameters['share_seed']}"
    if kind == "blocks":
        return f"blocks:{parameters['block_size']!r},{fold}"
    if kind == "places":
        return f"places:{fold},{parameters['near']!r}"
    return str(kind)


def describe(parameters: Mapping[str, Any], units: CoordinateUnits = UNDESCRIBED) -> str:
    """A split's parameters in words, as the middle of a sentence: ``tested on the year 2020``.

    Args:
        parameters: of a split; of several folds, any one's.
        units: of the data set's coordinates.
    """
    kind = parameters["kind"]
    if "test_year" in parameters:
        return f"tested on the year {parameters['test_year']}"
    folds = f"{parameters['folds']} folds" if "folds" in parameters else ""
    if kind == "last-year-of-each-place":
        return "tested on the last measured year of each place"
    if kind == "cells":
        return f"tested on {counted(len(parameters['test_cells']), 'named place')}"
    if kind == "share":
        return f"tested on a random {parameters['share']:.0%} of the samples"
    if kind == "blocks":
        return f"tested on whole blocks of {units.size(parameters['block_size'])}, in {folds}"
    if kind == "places":
        near = parameters["near"]
        together = f", those within {units.distance(near)} together" if near else ""
        return f"tested on whole places{together}, in {folds}"
    return "tested on the data's published split" if kind == "published" else "tested on the data's own split"
