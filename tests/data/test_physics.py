"""True sensitivities of North China's cube against finite differences through the same equations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.data import northchina, pml
from bench.data.cube import Cube
from bench.data.physics import gpp_with_lai, physics_of, true_sensitivities
from bench.data.splits import Part
from bench.errors import BenchError
from tests.conftest import make_cube

RANGES = {
    "Tmax": (18, 32),
    "Tmin": (2, 16),
    "Tavg": (5, 28),
    "q": (0.004, 0.009),
    "Rln": (250, 400),
    "Rs": (80, 280),
    "Pa": (85, 101),
    "U2": (0, 8),
    "Prcp": (0, 10),
}


def growing_season(n_cells: int = 12) -> Cube:
    """North China's features and land cover with invented values; in double precision, for small differences."""
    generator = np.random.default_rng(5)
    toy = make_cube(n_cells)
    shape = (n_cells, toy.n_times)
    climate = np.stack([generator.uniform(low, high, shape) for low, high in RANGES.values()], axis=-1)
    return dataclasses.replace(
        toy,
        name="northchina",
        climate=climate,
        static=generator.dirichlet(np.ones(17), n_cells).astype(np.float32),
        feature_names=tuple(northchina.FEATURES),
        feature_units=tuple(northchina.FEATURES.values()),
        static_names=tuple(f"land_cover_{name}" for name in pml.IGBP_CLASSES),
        static_units=("1",) * 17,
        n_land_cover=17,
    )


def test_derivatives_equal_central_differences_along_every_feature() -> None:
    pytest.importorskip("torch")
    cube = growing_season()
    part = Part(np.arange(12), np.arange(46, 92))
    lai = part.of(cube.withheld["LAI"]).astype(np.float64)
    exact = true_sensitivities(cube, part)
    assert exact.shape == (12, 46, 9)
    for index, (name, (low, high)) in enumerate(RANGES.items()):
        step = 1e-6 * (high - low)
        sides = []
        for sign in (1, -1):
            climate = cube.climate.copy()
            climate[..., index] += sign * step
            sides.append(gpp_with_lai(dataclasses.replace(cube, climate=climate), part, lai))
        np.testing.assert_allclose(
            exact[..., index], (sides[0] - sides[1]) / (2 * step), rtol=1e-4, atol=1e-6, err_msg=name
        )
        assert np.any(exact[..., index] != 0) == (name in northchina.DRIVERS)


def test_a_data_set_without_its_hidden_vegetation_knows_no_truth() -> None:
    cube = growing_season()
    assert physics_of(cube) is not None
    for stranger in (dataclasses.replace(cube, withheld={}), make_cube()):
        assert physics_of(stranger) is None
        with pytest.raises(BenchError, match="no known sensitivities"):
            true_sensitivities(stranger, Part(np.arange(1), np.arange(1)))
