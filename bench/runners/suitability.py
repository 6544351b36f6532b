"""Which data a runner is made for: each need is a rule from a cube and a split to a reason why not.

A plan asks before anything starts, so that a row says in one sentence why it has no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bench.data.cube import Cube
from bench.data.parts import Part, Split
from bench.errors import BenchError
from bench.system.text import counted

SPARE_PLACES = 2
"""Places beyond the parameters of a local regression (columns and intercept) that AICc asks for."""
HELD_OUT_FOLDS = 5
"""Of the bandwidths that are chosen by held-out places: a fifth of them are missing from each fit."""


def unsuited(needs: Sequence[str], cube: Cube, split: Split) -> str | None:
    """Why a runner with these needs cannot run, as the rest of a sentence that begins with its name; None if it can.

    Args:
        needs: names in `NEEDS`.
        cube: the data with one target.
        split: that it would be fitted and scored on.
    """
    reasons = (NEEDS[need](cube, split) for need in needs)
    return next((reason for reason in reasons if reason is not None), None)


def _places_per_step(cube: Cube, split: Split) -> str | None:
    return _too_few_per_step(cube, split, held_out=False)


def _places_per_step_held_out(cube: Cube, split: Split) -> str | None:
    return _too_few_per_step(cube, split, held_out=True)


def _panel(cube: Cube, split: Split) -> str | None:
    return _too_few_whole(cube, split, held_out=False)


def _panel_held_out(cube: Cube, split: Split) -> str | None:
    return _too_few_whole(cube, split, held_out=True)


def _seasons(cube: Cube, split: Split) -> str | None:
    if cube.rhythm.has_seasons:
        return None
    return f"weights by the time of the year, and these data have none (rhythm {cube.rhythm.name!r})"


def _fluxes(cube: Cube, split: Split) -> str | None:
    from bench.runners.flux_inputs import FLUX_TARGETS, LAND_COVER_CATEGORY, panel_of

    if cube.target_names != FLUX_TARGETS or split.roles is None:
        return (
            f"predicts {', '.join(FLUX_TARGETS)} of towers together; use it with --suite flux on data that have these"
        )
    if cube.rhythm.name != "month" or cube.n_times < cube.steps_per_year:
        have = f"{counted(cube.n_times, 'step')} of rhythm {cube.rhythm.name!r}"
        return f"needs a year of months or more, and the data have {have}"
    if LAND_COVER_CATEGORY not in cube.categories:
        return f"needs the category {LAND_COVER_CATEGORY} among the static features"
    return _refused(lambda: panel_of(cube))


def _fluxes_and_weather(cube: Cube, split: Split) -> str | None:
    from bench.runners.flux_inputs import panel_of

    return _fluxes(cube, split) or _refused(lambda: panel_of(cube).weather())


def _refused(make: Callable[[], object]) -> str | None:
    try:
        make()
    except (BenchError, ValueError) as error:
        return f"cannot be given these data: {error}".rstrip(".")
    return None


NEEDS: dict[str, Callable[[Cube, Split], str | None]] = {
    "places_per_step": _places_per_step,
    "places_per_step_held_out": _places_per_step_held_out,
    "panel": _panel,
    "panel_held_out": _panel_held_out,
    "seasons": _seasons,
    "fluxes": _fluxes,
    "fluxes_and_weather": _fluxes_and_weather,
}


def _places_needed(cube: Cube, split: Split, held_out: bool) -> tuple[int, str]:
    """Places that a local regression on the design of `bench.runners.geographical` needs, and why."""
    from bench.runners.geographical import design_columns

    parameters = len(cube.feature_names) + len(design_columns(cube, split.train.cells)) + 1
    least, why = parameters + SPARE_PLACES, f"for its {parameters} parameters and {SPARE_PLACES} to spare"
    if not held_out:
        return least, why
    least = math.ceil(least * HELD_OUT_FOLDS / (HELD_OUT_FOLDS - 1))
    return least, f"{why} without the one in {HELD_OUT_FOLDS} that is held out"


def _too_few_per_step(cube: Cube, split: Split, held_out: bool) -> str | None:
    least, why = _places_needed(cube, split, held_out)
    places = _places_of_steps(cube, split.train)
    for part in (split.test, split.scored_train):
        for step in np.unique(cube.step_of_year[part.times]).tolist():
            if places[step - 1].sum() < least:
                which = f" in {cube.rhythm.step} {step} of the year" if cube.rhythm.has_seasons else ""
                return f"needs {least} training places{which} {why}; {places[step - 1].sum()} were measured"
    return None


def _too_few_whole(cube: Cube, split: Split, held_out: bool) -> str | None:
    reason = _seasons(cube, split)
    if reason is not None:
        return reason
    least, why = _places_needed(cube, split, held_out)
    whole = int(_places_of_steps(cube, split.train).all(axis=0).sum())
    if whole >= least:
        return None
    return (
        f"needs {least} training places {why} that were measured in every {cube.rhythm.step} of the year; there are "
        f"{whole}"
    )


def _places_of_steps(cube: Cube, part: Part) -> npt.NDArray[np.bool_]:
    """(step of the year, n_cells) whether a cell of a part has a sample in that step."""
    step_of_year = cube.step_of_year[part.times]
    found = np.zeros((cube.steps_per_year, len(part.cells)), bool)
    for step in np.unique(step_of_year):
        columns = step_of_year == step
        found[step - 1] = True if part.mask is None else part.mask[:, columns].any(axis=1)
    return found
