"""A small data set of invented towers whose fluxes follow the process model, with gaps and published halves."""

from __future__ import annotations

import numpy as np

from bench.data.cube import Cube
from bench.data.own_split import TESTS, TRAINS
from bench.data.rhythm import RHYTHMS
from bench.data.split_names import PUBLISHED
from tests.support.flux_towers import CLASSES, towers

UNITS = "gC m-2 d-1"


def make_flux_cube(n_towers: int = 30, n_months: int = 24, seed: int = 0, tropical: int = 2) -> Cube:
    """Towers far apart; the first few have names of MetaFlux's tropical ones."""
    panel, targets = towers(n_towers, n_months, seed)
    generator = np.random.default_rng(seed)
    targets[:, 0] = np.where(np.isnan(targets[:, 0]), 1.0, targets[:, 0])  # no tower is without any month
    targets[..., 2] = targets[..., 1] - targets[..., 0]
    levels = sorted(set(CLASSES))
    static = np.array([[name == level for level in levels] for name in panel.igbp], np.float32)
    half = np.where(np.arange(n_months) < n_months // 2, TRAINS, TESTS)
    split = np.where(np.isnan(targets[..., 0]), 0, half[None, :]).astype(np.int8)
    names = ["AU-Ade", "GF-Guy"][:tropical]
    return Cube(
        name="flux_toy",
        climate=panel.drivers.astype(np.float32),
        static=static,
        target=targets.astype(np.float32),
        lon=np.linspace(-150, 150, n_towers) + generator.uniform(0, 1, n_towers),
        lat=np.asarray(panel.lat, np.float64),
        time=(np.datetime64("2001-01") + np.arange(n_months)).astype("datetime64[D]"),
        feature_names=panel.driver_names,
        feature_units=("degC", "degC", "MJ m-2 d-1", "ppm", "hPa", "mm d-1"),
        static_names=tuple(f"IGBP={level}" for level in levels),
        static_units=("1",) * len(levels),
        n_land_cover=0,
        target_name="GPP",
        target_units=UNITS,
        provenance={"title": "towers made for tests", PUBLISHED: "nobody: the first half of the months trains"},
        rhythm=RHYTHMS["month"],
        split=split,
        several_targets={"GPP": UNITS, "RECO": UNITS, "NEE": UNITS},
        place_names=tuple(names + [f"T-{row:02d}" for row in range(len(names), n_towers)]),
        groupings=("IGBP",),
    ).validate()
