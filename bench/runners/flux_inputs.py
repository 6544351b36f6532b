"""What flux runners are given: a task as towers, months and three fluxes. No torch is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import Cube
from bench.data.tower_roles import Roles
from bench.errors import BenchError
from bench.runners.base import Task

if TYPE_CHECKING:
    from models.flux import TowerPanel

FLUX_TARGETS = ("GPP", "RECO", "NEE")
"""Targets of the data, in the order in which every flux model gives them."""
SHARE_NAMES = ("share_broadleaf", "share_needleleaf", "share_grass")
"""Static features that are the shares of plant types where they were measured; else the class tells them."""
LAND_COVER_CATEGORY = "IGBP"
"""Category of the static features that is a tower's land-cover class."""
SHARES_TOLERANCE = 1e-4
"""By which measured shares may miss 1, being float32; they are then scaled to 1."""


def panel_of(cube: Cube) -> TowerPanel:
    """The towers of a cube, without their fluxes.

    Raises:
        BenchError: the data are not such; the message is that of `models.flux.TowerPanel`.
    """
    from models.flux import TowerPanel

    try:
        return TowerPanel(
            drivers=np.asarray(cube.climate, np.float64),
            driver_names=cube.feature_names,
            month_of_year=cube.step_of_year,
            igbp=tuple(cube.labels_of(LAND_COVER_CATEGORY).tolist()),
            lat=cube.lat,
            lon=cube.lon,
            given_shares=_measured_shares(cube),
        )
    except ValueError as error:
        raise BenchError(f"Data set {cube.name!r} cannot be modelled: {error}") from error


def _measured_shares(cube: Cube) -> Doubles | None:
    if not set(SHARE_NAMES) <= set(cube.static_names):
        return None
    shares = np.asarray(cube.static[:, [cube.static_names.index(name) for name in SHARE_NAMES]], np.float64)
    total = shares.sum(axis=1, keepdims=True)
    # Rounding to float32 is mended, a mistake is not: `TowerPanel` refuses it.
    return np.asarray(np.where(np.abs(total - 1) < SHARES_TOLERANCE, shares / total, shares))


def fluxes_of(task: Task) -> npt.NDArray[np.float64]:
    """(tower, month, 3) what the training part knows of the fluxes; NaN elsewhere."""
    known = np.full((task.cube.n_cells, task.cube.n_times, len(FLUX_TARGETS)), np.nan)
    known[np.ix_(task.train.cells, task.train.times)] = task.train_target
    return known


def roles_of(task: Task) -> Roles:
    """What each tower is for.

    Raises:
        BenchError: the split does not say.
    """
    if task.roles is None:
        raise BenchError("A flux runner needs a split that names validation towers; use it with --suite flux.")
    return task.roles
