"""Every kind of runner on ragged towers, months, a cross-section and planar places, in one process each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.audit import saw_training_only
from bench.data.cube import Cube
from bench.data.parts import Part
from bench.data.rhythm import RHYTHMS
from bench.data.split_names import parse_split, split_parameters
from bench.data.splits import Split, fewshot_parameters, make_split
from bench.execution.inprocess import build_runner, checked_prediction, trained_on_training_only
from bench.runners import registry
from bench.runners.base import Runner
from bench.runners.dual_branch import MASKED_OF_KNOWN, DualBranchPlusRunner, DualBranchRunner
from bench.runners.flux_dual_branch import FluxDualBranchPlus
from bench.runners.geographical import StepMeans, design_columns
from bench.runners.suitability import NEEDS, unsuited
from bench.scoring.metrics import evaluate, statistics_of
from tests.support.cubes import make_houses, make_months, make_towers

DATA = {
    "towers": (make_towers(40), "last-year-of-each-place"),
    "towers by place": (make_towers(40), "places:1/4"),
    "months": (make_months(40), "last-year"),
    "houses": (make_houses(), "share:0.25"),
    "houses in degrees": (make_houses(planar=False), "places:1/4,0"),
}
QUICK = ("training_mean", "climatology", "gwr", "gwr_validated", "gtwr", "dual_branch_plus")


def split_of(cube: Cube, name: str) -> Split:
    return make_split(cube, split_parameters(cube, parse_split(name))[0])


BRIEF = {"training": {"epochs": 2, "least_steps": 0}}
"""A training that shows that a network takes the data, not how well."""


def fitted(name: str, cube: Cube, split: Split, scratch: Path, **changes: Any) -> Runner:
    brief = BRIEF if name == "dual_branch_plus" else {}
    parameters = registry.get(name).parameters_for("smoke") | brief | changes
    runner = build_runner(name, cube, split, view=None, seed=1, threads=1, parameters=parameters, scratch=scratch)
    runner.fit()
    return runner


@pytest.mark.parametrize("data", list(DATA))
@pytest.mark.parametrize("name", QUICK)
def test_a_row_predicts_every_test_sample_or_the_plan_says_why_not(name: str, data: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube, split_name = DATA[data]
    split = split_of(cube, split_name)
    reason = unsuited(registry.get(name).needs, cube, split)
    if reason is not None:
        assert (name, data) in {("gtwr", "houses"), ("gtwr", "houses in degrees")}
        assert "none (rhythm 'none')" in reason
        return
    runner = fitted(name, cube, split, tmp_path)
    predictions = {
        "test": checked_prediction(runner, split.test, "test", name),
        "train": checked_prediction(runner, split.scored_train, "train", name),
    }
    table = evaluate(statistics_of(cube, split, predictions)).query("group == 'all' and weighting == 'plain'")
    assert table.set_index("part")["n"].to_dict() == {"test": len(split.test), "train": len(split.train)}
    explained = runner.explain(split.test)
    if explained is not None:
        n_features = len(cube.feature_names) + len(cube.static_names)
        assert np.isfinite(split.test.select(explained)).all() and explained.shape[2] == n_features


def test_the_paper_s_network_takes_a_single_step_without_static_features(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube, name = DATA["houses"]
    split = split_of(cube, name)
    runner = fitted("dual_branch", cube, split, tmp_path, training={"epochs": 1, "batch_size": 512})
    assert checked_prediction(runner, split.test, "test", "dual_branch").shape == split.test.shape


def make_years() -> Cube:
    """24 places, six years, one step a year."""
    months = make_months(24, 6)
    every = slice(None, None, 12)
    return dataclasses.replace(
        months,
        climate=months.climate[:, every],
        target=months.target[:, every],
        time=months.time[every],
        rhythm=RHYTHMS["year"],
    ).validate()


def in_unit(cube: Cube, size: float, offset: float = 0.0) -> Cube:
    """The same data, their target in another unit."""
    return dataclasses.replace(cube, target=np.asarray(size * cube.target + offset, np.float32)).validate()


ODD = {
    "cross-section": (make_houses(), "share:0.25"),
    "cross-section in 10^5": (in_unit(make_houses(), 5000.0), "share:0.25"),
    "years": (make_years(), "last-year"),
    "years with an offset": (in_unit(make_years(), 1.0, 280.0), "places:1/4,0"),
    "months in 10^-5": (in_unit(make_towers(24), 1e-5), "last-year-of-each-place"),
}
SMALL_NETWORK: dict[str, dict[str, Any]] = {
    "dual_branch": {"options": {"k": 4, "width": 16, "blocks": 1}},
    "dual_branch_plus": {"options": {"members": [{"hidden": 64}], "layers": 2}},
}


@pytest.mark.parametrize("data", list(ODD))
@pytest.mark.parametrize("name", list(SMALL_NETWORK))
def test_a_network_beats_the_mean_on_few_rows_of_any_unit(name: str, data: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube, split_name = ODD[data]
    split = split_of(cube, split_name)
    usual = registry.get(name).parameters_for("laptop")
    parameters = {**usual, **SMALL_NETWORK[name]}
    runner = build_runner(name, cube, split, view=None, seed=1, threads=1, parameters=parameters, scratch=tmp_path)
    runner.fit()
    truth = split.test.select(split.test.of(cube.target))
    error = np.sqrt(np.mean((split.test.select(runner.predict(split.test)) - truth) ** 2))
    mean = split.train.select(split.train.of(cube.target)).mean()
    assert error < 0.8 * np.sqrt(np.mean((mean - truth) ** 2))


def test_few_samples_narrow_the_networks_and_many_leave_them(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for (cube, split_name), hidden, nodes in (
        ((make_houses(), "share:0.25"), 45, 18),  # 90 samples
        ((make_months(40), "last-year"), 240, 38),  # 480 samples at 40 places
        ((make_months(40, 3), "last-year"), 256, 38),
    ):
        split = split_of(cube, split_name)
        plus, paper = (
            build_runner(name, cube, split, view=None, seed=1, threads=1, parameters=parameters, scratch=tmp_path)
            for name, parameters in (("dual_branch_plus", {}), ("dual_branch", {"node_share": 0.95}))
        )
        assert isinstance(plus, DualBranchPlusRunner) and isinstance(paper, DualBranchRunner)
        assert plus._make_estimator().options.members[0].hidden == hidden
        assert paper._make_estimator().options.n_nodes == nodes
        passes = 100 if cube.n_times == 1 else None
        assert {made._make_estimator().training.most_passes for made in (plus, paper)} == {passes}


def test_neighbours_stand_in_more_often_where_most_places_do_not_train(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from models.dual_branch import DualBranchPlusOptions

    own = DualBranchPlusOptions().masked_share
    for split_name, parameters, share in (
        ("share:0.25", {}, MASKED_OF_KNOWN),
        ("share:0.75", {}, own),
        ("share:0.25", {"options": {"masked_share": 0.4}}, 0.4),  # as it was set
    ):
        cube = make_houses()
        split = split_of(cube, split_name)
        made = build_runner(
            "dual_branch_plus", cube, split, view=None, seed=1, threads=1, parameters=parameters, scratch=tmp_path
        )
        assert isinstance(made, DualBranchPlusRunner)
        assert made._make_estimator().options.masked_share == share
    flux = FluxDualBranchPlus._kind
    assert flux is not DualBranchPlusRunner and flux._masking(made) == {}


def test_lightgbm_learns_from_measured_rows_only(tmp_path: Path) -> None:
    pytest.importorskip("autogluon.tabular")
    cube, name = DATA["towers"]
    split = split_of(cube, name)
    runner = fitted("lightgbm", cube, split, tmp_path)
    table, target = runner.task.training_table()
    assert len(target) == len(split.train) and np.isfinite(target).all() and len(table.values) == len(target)
    error = split.test.select(runner.predict(split.test)) - split.test.select(split.test.of(cube.target))
    assert np.sqrt((error**2).mean()) < split.test.select(split.test.of(cube.target)).std()


@pytest.mark.parametrize("name", ["training_mean", "climatology", "gwr"])
@pytest.mark.parametrize("data", ["towers", "houses"])
def test_a_fit_on_ragged_data_depends_on_its_training_samples_alone(name: str, data: str) -> None:
    pytest.importorskip("torch")
    cube, split_name = DATA[data]
    assert trained_on_training_only(name, cube, split_of(cube, split_name), "smoke")


def test_a_network_s_fit_on_ragged_data_depends_on_its_training_samples_alone(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube, name = DATA["towers"]
    split = split_of(cube, name)

    def fit_predict(data: Cube, part: Part) -> np.ndarray:
        runner = fitted("dual_branch_plus", data, split, tmp_path / str(data is cube))
        return np.asarray(part.select(runner.predict(part)))

    assert saw_training_only(fit_predict, cube, split)


def test_the_climatology_falls_back_to_the_season_then_to_the_place(tmp_path: Path) -> None:
    cube = make_towers(n_cells=3, n_years=2)
    target = np.full(cube.target.shape, np.nan, np.float32)
    target[0, :3] = 10.0, 20.0, 5.0  # January, February, March
    target[1, 6] = 7.0  # July only
    target[2, :12] = 1.0
    target[:, 12:] = 0.0
    cube = dataclasses.replace(cube, target=target)
    split = split_of(cube, "last-year")
    predicted = fitted("climatology", cube, split, tmp_path).predict(split.test)
    january, february, march, april, july, december = (predicted[:, index] for index in (0, 1, 2, 3, 6, 11))
    assert (january[0], february[0], march[0]) == (10.0, 20.0, 5.0)
    assert december[0] == 15.0  # winter: January and February
    assert april[0] == 5.0  # spring: March
    assert july[0] == pytest.approx(35 / 3)  # no summer: all that was measured there
    assert (january[1], july[1]) == (7.0, 7.0)


def test_the_climatology_of_a_place_never_seen_is_the_step_s_mean_over_places(tmp_path: Path) -> None:
    cube = make_months()
    split = split_of(cube, "places:1/4,0")
    predicted = fitted("climatology", cube, split, tmp_path).predict(split.test)
    trained = cube.target[split.train.cells].astype(np.float64)
    expected = [trained[:, cube.step_of_year == step].mean() for step in cube.step_of_year[split.test.times]]
    np.testing.assert_allclose(predicted, np.tile(expected, (len(split.test.cells), 1)), rtol=1e-5)


def test_step_means_are_those_of_the_measured_samples(tmp_path: Path) -> None:
    cube, name = DATA["towers"]
    split = split_of(cube, name)
    means = StepMeans(fitted("training_mean", cube, split, tmp_path))
    cells, times = split.train.samples()
    for row in (0, 7):
        for step in (1, 8):
            own = times[(cells == split.train.cells[row]) & (cube.step_of_year[times] == step)]
            if len(own) == 0:
                assert np.isnan(means.target[row, step - 1])
            else:
                expected = cube.target[split.train.cells[row], own].mean(dtype=np.float64)
                assert means.target[row, step - 1] == pytest.approx(expected, rel=1e-6)


def test_a_design_leaves_out_the_commonest_level_of_each_category() -> None:
    cube = make_towers()
    kept = design_columns(cube, np.arange(cube.n_cells))
    counts = cube.static.sum(axis=0)
    assert sorted(kept) == sorted(set(range(3)) - {int(counts.argmax())})
    assert design_columns(make_houses(), np.arange(120)) == []


def test_local_regressions_say_when_there_are_too_few_places() -> None:
    cube = make_towers(n_cells=8)
    reason = unsuited(("places_per_step",), cube, split_of(cube, "last-year-of-each-place"))
    assert reason is not None and "training places in month" in reason
    assert "were measured" in reason and "\n" not in reason
    houses = make_houses(n_cells=7)
    split = split_of(houses, "share:0.3")
    assert "of the year" not in (unsuited(("places_per_step_held_out",), houses, split) or "")
    for need in (name for name in NEEDS if not name.startswith("fluxes")):  # those are of towers with three targets
        assert unsuited((need,), make_months(40), split_of(make_months(40), "last-year")) is None


def test_gtwr_takes_the_places_that_were_measured_in_every_month(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube, name = DATA["towers"]
    target = np.array(cube.target)
    target[:5, cube.step_of_year == 4] = np.nan
    cube = dataclasses.replace(cube, target=target)
    runner = fitted("gtwr", cube, split_of(cube, name), tmp_path)
    assert not runner._means.complete[:5].any()  # type: ignore[attr-defined]
    few = np.array(cube.target)
    few[5:, cube.step_of_year == 9] = np.nan
    sparse = dataclasses.replace(cube, target=few)
    reason = unsuited(("panel",), sparse, split_of(sparse, name))
    assert reason is not None and "measured in every month of the year" in reason


def test_fewshot_on_months_is_scored_on_its_own_steps(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube = make_months(40)
    split = make_split(cube, fewshot_parameters(cube, (1, 5, 11), 30, 0))
    runner = fitted("gwr", cube, split, tmp_path)
    assert runner.task.scored_steps == (1, 5, 11)
    own = runner.fitted()
    assert own is not None and own.steps == (1, 5, 11)
    assert np.isfinite(runner.predict(split.test)).all()


@pytest.mark.parametrize("name", ["gwr", "gwr_rf"])
def test_planar_distances_reach_the_models(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    houses = make_houses()
    split = split_of(houses, "share:0.25")
    plain = fitted(name, houses, split, tmp_path / "a").predict(split.test)
    # Moving the plane changes no distance; degrees on a sphere would change all of them, or leave their range.
    moved = dataclasses.replace(houses, lon=houses.lon + 7e6, lat=houses.lat - 5e5)
    np.testing.assert_allclose(fitted(name, moved, split, tmp_path / "b").predict(split.test), plain, rtol=1e-4)
