"""Small cubes that are no complete 8-day grid: towers with gaps, months, a cross-section, planar places."""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.data.cube import Cube
from bench.data.rhythm import RHYTHMS

LEVELS = ("CRO", "ENF", "GRA")


def make_towers(n_cells: int = 24, n_years: int = 3, seed: int = 0, several: bool = False) -> Cube:
    """Monthly towers: ragged periods and gaps, a class of vegetation, places in pairs half a degree apart."""
    generator = np.random.default_rng(seed)
    first = np.datetime64(f"{2021 - n_years}-01")
    time = (first + np.arange(12 * n_years)).astype("datetime64[D]")
    climate = generator.normal(size=(n_cells, len(time), 3)).astype(np.float32)
    label = generator.integers(len(LEVELS), size=n_cells)
    season = np.sin(2 * np.pi * np.arange(len(time)) / 12)
    target = 3 + label[:, None] + climate[:, :, 0] + season + 0.1 * generator.normal(size=(n_cells, len(time)))
    start = generator.integers(0, len(time) // 2, size=(n_cells, 1))
    step = np.arange(len(time))
    target[(step < start) | (generator.uniform(size=target.shape) < 0.1)] = np.nan
    second = np.where(generator.uniform(size=target.shape) < 0.2, np.nan, 0.5 * target)
    centre = generator.uniform((-100, 30), (100, 60), size=((n_cells + 1) // 2, 2))
    places = np.repeat(centre, 2, axis=0)[:n_cells]
    places[1::2] += 0.5
    return Cube(
        name="towers_toy",
        climate=climate,
        static=np.eye(len(LEVELS), dtype=np.float32)[label],
        target=(np.stack([target, second], axis=2) if several else target).astype(np.float32),
        lon=places[:, 0],
        lat=places[:, 1],
        time=time,
        feature_names=("tair", "rad", "vpd"),
        feature_units=("degC", "W m-2", "kPa"),
        static_names=tuple(f"IGBP={level}" for level in LEVELS),
        static_units=("1",) * len(LEVELS),
        n_land_cover=0,
        target_name="GPP",
        target_units="gC m-2 d-1",
        provenance={"title": "towers made for tests"},
        rhythm=RHYTHMS["month"],
        several_targets={"GPP": "gC m-2 d-1", "RECO": "gC m-2 d-1"} if several else {},
        place_names=tuple(f"T-{index:02d}" for index in range(n_cells)),
        groupings=("IGBP",),
    ).validate()


def make_months(n_cells: int = 30, n_years: int = 2, seed: int = 0) -> Cube:
    """A complete monthly grid with land cover."""
    cube = make_towers(n_cells, n_years, seed)
    season = np.sin(2 * np.pi * cube.step_of_year / 12)
    target = 3 + cube.climate[:, :, 0] + season + cube.static[:, :1]
    return dataclasses.replace(
        cube,
        name="months_toy",
        target=target.astype(np.float32),
        static_names=tuple(f"land_cover_{level}" for level in LEVELS),
        n_land_cover=len(LEVELS),
        groupings=(),
        place_names=None,
    ).validate()


def make_houses(n_cells: int = 120, seed: int = 0, planar: bool = True) -> Cube:
    """A cross-section, one sample a place, no static feature; two of the samples lie at one place."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n_cells, 1, 3)).astype(np.float32)
    east, north = generator.uniform(0, 1, size=(2, n_cells))
    east[1], north[1] = east[0], north[0]
    target = 20 + (2 + 3 * east) * features[:, 0, 0] + north * features[:, 0, 1] + generator.normal(size=n_cells) / 10
    x, y = (530_000 + 40_000 * east, 180_000 + 30_000 * north) if planar else (-85 + 4 * east, 31 + 3 * north)
    return Cube(
        name="houses_toy",
        climate=features,
        static=np.empty((n_cells, 0), np.float32),
        target=target[:, None].astype(np.float32),
        lon=x,
        lat=y,
        time=np.array(["2000-01-01"], "datetime64[D]"),
        feature_names=("floor", "age", "distance"),
        feature_units=("m2", "a", "m"),
        static_names=(),
        static_units=(),
        n_land_cover=0,
        target_name="price",
        target_units="1000 GBP",
        provenance={"title": "houses made for tests"},
        rhythm=RHYTHMS["none"],
        crs="EPSG:27700" if planar else None,
    ).validate()
