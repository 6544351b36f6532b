"""The plan learns from stored runs: what was measured is scaled by samples and epochs, of the same model only."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from bench.data.splits import full_parameters
from bench.execution.learned import DEFAULT_EPOCHS, JobSize, epochs_of, seconds
from bench.execution.planning import estimate
from bench.runners import registry
from bench.runners.entry import Cost
from bench.store.records import Record
from bench.system.host import this_host
from tests.conftest import ROOT, make_cube
from tests.store.test_store import make_job, make_record

LINEAR = Cost(seconds_per_million=1.0)


def record(n_train: int, fit: float, **job: Any) -> Record:
    made = make_record(make_job(**({"runner": "lightgbm", "parameters": {}} | job)))
    return made.model_copy(
        update={"n_train": n_train, "n_test": 100, "fit_seconds": fit, "wall_seconds": fit + 2.0, "host": this_host()}
    )


def estimated(n_train: int, known: list[Record], cost: Cost = LINEAR, epochs: bool = False, **job: Any) -> float | None:
    planned = make_job(**({"runner": "lightgbm", "parameters": {}} | job))
    return seconds(planned, JobSize(n_train, 100), cost, known, trains_in_epochs=epochs)


def test_a_fit_is_scaled_by_its_samples() -> None:
    assert estimated(1000, [record(1000, 10.0)]) == pytest.approx(12.0)
    assert estimated(10_000, [record(1000, 10.0)]) == pytest.approx(100 + 2 * 10_100 / 1100)


def test_models_of_all_pairs_grow_with_the_square() -> None:
    found = estimated(10_000, [record(1000, 10.0)], Cost(seconds_per_million_pairs=1.0))
    assert found == pytest.approx(1000 + 2 * 10_100 / 1100)


def test_the_papers_network_follows_its_measured_rate_to_the_papers_size_and_epochs() -> None:
    of_laptop = {"node_share": 0.95, "training": {"epochs": 8, "batch_size": 96}}
    known = [record(95_128, 1761.0, runner="dual_branch", parameters=of_laptop)]
    found = estimated(52_000_000, known, epochs=True, runner="dual_branch", parameters={"node_share": 0.95})
    assert found == pytest.approx(1761 * 52_000_000 / 95_128 * DEFAULT_EPOCHS / 8, rel=0.01)


@pytest.mark.parametrize(("runner", "longer"), [("dual_branch", (26 + 2) / (9 + 2)), ("dual_branch_plus", 1.0)])
def test_the_papers_network_takes_longer_with_more_climate_features(runner: str, longer: float) -> None:
    parameters = registry.get(runner).parameters_for("laptop")
    took = []
    for count in (9, 26):
        cube = make_cube(n_years=3)
        names = tuple(f"feature_{number}" for number in range(count))
        climate = np.zeros((cube.n_cells, cube.n_times, count), np.float32)
        cube = dataclasses.replace(cube, climate=climate, feature_names=names, feature_units=("1",) * count)
        job = make_job(runner=runner, parameters=parameters, profile="laptop", split=full_parameters(cube))
        took.append(estimate(job, cube).seconds - registry.get(runner).cost.seconds)
    assert took[1] / took[0] == pytest.approx(longer)


def test_only_the_same_model_tells_and_the_nearest_run_first() -> None:
    small = {"node_share": 0.2, "training": {"epochs": 1}}
    assert estimated(1000, [record(1000, 9.0, parameters=small)], parameters={"node_share": 0.95}) is None
    assert estimated(1000, [record(1000, 9.0, view="window")], view="located") is None
    assert estimated(1000, [record(1000, 9.0).model_copy(update={"status": "failed"})]) is None
    near = estimated(1000, [record(10, 9.0), record(900, 9.0)])
    assert near is not None and near < 20
    elsewhere = record(1000, 500.0).model_copy(update={"host": this_host().model_copy(update={"processor": "other"})})
    assert estimated(1000, [elsewhere, record(500, 5.0)]) == pytest.approx(10 + 2 * 1100 / 600)


def test_the_usual_number_of_epochs_is_that_of_the_training() -> None:
    from models.training.options import TrainingOptions

    assert epochs_of({}) == DEFAULT_EPOCHS == TrainingOptions().epochs
    assert epochs_of({"training": {"epochs": 3}}) == 3


def test_the_cost_of_the_papers_network_is_its_committed_rate() -> None:
    entry = registry.get("dual_branch")
    record = json.loads((ROOT / "tables" / "reference" / "perf" / "dual_branch.json").read_text())
    rate = record["median"]["northchina"][f"version {entry.version}"]
    assert entry.cost.seconds_per_million == pytest.approx(DEFAULT_EPOCHS * 1e6 / rate, rel=0.01)
