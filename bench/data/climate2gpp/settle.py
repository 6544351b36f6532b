"""What the frames of a variable are: their unit, what the hours or midnights of totals mean, and which hold nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bench.data.climate2gpp.accumulation import HourlyTotals, settled_hours
from bench.data.climate2gpp.calendar import ranges
from bench.data.climate2gpp.decisions import decide
from bench.data.climate2gpp.source import VariableSource
from bench.data.climate2gpp.steadiness import require_steady
from bench.data.climate2gpp.survey import LayerSurvey, empty_times, look_at
from bench.data.climate2gpp.units import Unit
from bench.data.climate2gpp.variables import of_hours
from bench.errors import BenchError

MidnightTotals = Literal["previous-day", "same-day"]
_FEWER = 0.9
"""A frame with less than this share of the values that frames usually have is told of."""


@dataclass(frozen=True)
class Choices:
    """What the user says of the files where they do not.

    Attributes:
        midnight_totals: of which day the totals are whose only hour is midnight; None if there are none such.
        hourly_totals: what hourly totals are, where they are not what ERA5-Land publishes.
        units: of all files of a variable, by its name in the table.
    """

    midnight_totals: MidnightTotals | None = None
    hourly_totals: HourlyTotals | None = None
    units: Mapping[str, Unit] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A source of which everything is known.

    Attributes:
        source: with its unit and the meaning of its times.
        notes: what the report should say.
        empty: what has no value at all, as one text per run of frames.
    """

    source: VariableSource
    notes: tuple[str, ...]
    empty: tuple[str, ...]


def settled(source: VariableSource, years: tuple[int, ...], choices: Choices) -> Settled:
    """Decides what the frames are, and looks for those that hold nothing.

    Args:
        source: as its files are.
        years: that are wanted.
        choices: the user's word.

    Raises:
        BenchError: it cannot be told what the values are, they contradict what is said of them, or files disagree.
    """
    variable, layers = source.variable, source.layers
    survey = look_at(variable, layers, years)
    given = choices.units.get(variable.name)
    decision = decide(variable, layers, survey, source.kind, given)
    require_steady(variable, layers, survey, decision.unit)
    notes = [note] if (note := decision.note(variable)) else []
    source = dataclasses.replace(source, decision=decision, fills=survey.fills)
    notes += [f"{fill:g} repeats and is taken as missing, which the file does not say" for fill in survey.fills]
    per_hour = any(of_hours(layer.name) for layer in layers)
    if source.kind == "hourly" and variable.daily == "total" and not source.rate:
        is_per_hour, note = settled_hours(source, choices.hourly_totals, per_hour, survey.rows, survey.fills)
        source = dataclasses.replace(source, per_hour=is_per_hour)
        notes += [note] if note else []
    elif per_hour:
        raise BenchError(
            f"{layers[0].where} is named as amounts of single hours, but has no value for each hour; sum the 24 hours "
            "of each day and name the sums as the table does (docs/climate2gpp.md)."
        )
    source = dataclasses.replace(source, next_midnight=_next_midnight(source, choices.midnight_totals))
    notes += ["totals at 00:00 are those of the day before"] if source.next_midnight else []
    notes += _preliminary(source) + _fewer_values(source, survey)
    return Settled(source, tuple(notes), tuple(_empty(source, survey, years)))


def _next_midnight(source: VariableSource, midnight_totals: MidnightTotals | None) -> bool:
    """Whether daily totals are dated by the following midnight, which a file does not say.

    Raises:
        BenchError: they may be, and the option does not tell.
    """
    if source.kind != "daily" or source.variable.daily != "total" or source.rate:
        return False
    stamps = np.concatenate([layer.times for layer in source.layers])
    accumulated = [layer for layer in source.layers if layer.accumulated]
    if not accumulated or (stamps != stamps.astype("datetime64[D]")).any():
        return False  # sums that somebody made of days, dated by these
    if midnight_totals is None:
        raise BenchError(
            f"{accumulated[0].where} holds accumulations at 00:00 only: of the day before, if these are hours of "
            "ERA5-Land as it publishes them, or of the day, if they were summed later; say which by --midnight-totals "
            "previous-day or same-day."
        )
    return midnight_totals == "previous-day"


def _preliminary(source: VariableSource) -> list[str]:
    months = np.unique(np.concatenate([layer.preliminary for layer in source.layers]).astype("datetime64[M]"))
    if not len(months):
        return []
    return [
        f"preliminary values (expver 5) in {', '.join(str(month) for month in months)}; final ones replace them within "
        "three months"
    ]


def _fewer_values(source: VariableSource, survey: LayerSurvey) -> list[str]:
    """Says which frames have fewer values than others."""
    there = survey.valid > 0
    if not there.any():
        return []
    most = float(np.median(survey.valid[there]))
    fewer = there & (survey.valid < _FEWER * most)
    if not fewer.any():
        return []
    share = float(survey.valid[fewer].min()) / most
    shown = ranges(survey.times[fewer], source.spacing_hours)
    more = f" and {len(shown) - 3} more times" if len(shown) > 3 else ""
    return [f"fewer values than at other times ({share:.0%} at the least) on {', '.join(shown[:3])}{more}"]


def _empty(source: VariableSource, survey: LayerSurvey, years: tuple[int, ...]) -> list[str]:
    """One text per run of frames of the years that hold no value, as for frames that are not there."""
    needed = np.concatenate([source.needed(year)[0] for year in years])
    positions = [
        at for at in empty_times(source.variable, source.layers, survey) if _time(source, survey, at) in needed
    ]
    times = np.array([_time(source, survey, at) for at in positions], "datetime64[h]")
    found = []
    for text in ranges(times, source.spacing_hours):
        first = np.datetime64(text.split(" ")[0], "h")
        path = source.layers[survey.layer[positions[int(np.flatnonzero(times == first)[0])]]].path
        found.append(f"{source.variable.name} of {text} has no value at all in {path}")
    return found


def _time(source: VariableSource, survey: LayerSurvey, position: int) -> np.datetime64:
    """Of a frame, as the source dates it: daily values are stamped at noon by some."""
    time = survey.times[position]
    return np.datetime64(time if source.kind == "hourly" else time.astype("datetime64[D]"), "h")
