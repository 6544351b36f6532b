"""Places that train are few and far where half or less of all do, and the next one is hundreds of kilometres away."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.parts import Part
from bench.data.spacing import FAR_KM, few_and_far
from tests.conftest import make_cube


def spaced(degrees: float, n_cells: int = 40) -> Cube:
    """Places along the equator, so many degrees from one to the next."""
    lon = (np.arange(n_cells) - n_cells / 2) * degrees
    return dataclasses.replace(make_cube(n_cells), lon=lon, lat=np.zeros(n_cells))


@pytest.mark.parametrize(
    ("degrees", "every", "expected"),
    [(1.4, 2, False), (1.6, 2, True), (0.7, 4, False), (0.8, 4, True), (5.0, 1, False), (5.0, 2, True)],
)
def test_it_depends_on_the_distance_to_the_next_training_place_and_on_their_share(
    degrees: float, every: int, expected: bool
) -> None:
    cube = spaced(degrees)
    chosen = np.arange(0, cube.n_cells, every)
    assert few_and_far(cube, Part(chosen, np.arange(10))) is expected
    assert 111.0 < FAR_KM < 1000.0


def test_planar_places_and_a_single_one_are_never_far() -> None:
    cube = spaced(5.0)
    assert not few_and_far(dataclasses.replace(cube, crs="EPSG:3857"), Part(np.arange(0, 40, 2), np.arange(10)))
    assert not few_and_far(cube, Part(np.array([3]), np.arange(10)))
