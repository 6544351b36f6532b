"""The floors: equations that know all give the target back, and disturbances alone make the floor."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.datasets import open_dataset
from bench.data.simulated import vegetation
from bench.data.simulated.climate import describe_places
from bench.data.simulated.land import choose_cells
from bench.data.splits import full_parameters, make_split
from tools import floors

WORLD = "simulated:cells=64,years=2,seed=5"


def test_what_knows_all_errs_nothing_and_what_knows_less_errs_more() -> None:
    lines = {str(line["known"]): line for line in floors.floors(WORLD, open_dataset(WORLD).cube)}
    rmse = {known: float(str(line["rmse"])) for known, line in lines.items()}
    assert rmse["this year's LAI"] == 0.0
    assert 0.05 < rmse["all but this year's disturbance"] < rmse["last year's LAI"]
    assert {line["dataset"] for line in lines.values()} == {WORLD}


def test_what_the_floor_lacks_is_the_disturbance_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    cube = open_dataset(WORLD).cube
    test = make_split(cube, full_parameters(cube)).test
    true = test.of(cube.target)
    capacity = test.of(cube.withheld["capacity"])[:, :1]
    calm = vegetation.disturbance_field(5, cube.n_times).at(describe_places(choose_cells(cube.n_cells), 5).unit_vectors)
    once = floors.undisturbed(cube, test, 5) * capacity
    residual, moved = np.log(np.maximum(true, 1e-6) / np.maximum(once, 1e-6)), test.of(calm)
    counted = true > 0.5
    assert np.corrcoef(residual[counted], moved[counted])[0, 1] > 0.95
    monkeypatch.setattr(vegetation, "DISTURBANCE", 0.0)
    np.testing.assert_allclose(floors.undisturbed(cube, test, 5) * capacity, true, atol=1e-4)


def test_the_seed_is_that_of_the_words() -> None:
    assert floors.seed_of("simulated:cells=64,years=2,seed=5") == 5 and floors.seed_of("simulated") == 0
