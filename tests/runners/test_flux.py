"""Rows of the suite of fluxes: the balance, what they may read, and the same numbers whoever computed a stage."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.audit import scramble_outside
from bench.data.cube import Cube
from bench.data.splits import Split, make_split
from bench.errors import BenchError
from bench.execution.inprocess import build_runner, checked_prediction, trained_on_training_only
from bench.execution.several_targets import several_statistics
from bench.runners import registry
from bench.runners.base import SeveralTargetsRunner
from bench.runners.suitability import unsuited
from bench.scoring.metrics import evaluate
from bench.suites.flux import ROWS, parameters_of, split_of_design
from bench.suites.options import SuiteOptions
from tests.support.flux_cube import make_flux_cube

torch = pytest.importorskip("torch")
CUBE = make_flux_cube()
BY_NAME = {row.name: row for row in ROWS}
SMOKE = SuiteOptions(profile="smoke")
QUICK = ("mean", "climatology", "process", "process_calibrated", "lightgbm", "lightgbm_process")
NETWORKS = ("transformer_baseline_shares", "timexer_dere", "dual_branch_plus", "dual_branch")


def split_of(design: str, cube: Cube = CUBE) -> Split:
    return make_split(cube, split_of_design(cube, design, SMOKE))


def fitted(name: str, split: Split, folder: Path, cube: Cube = CUBE, checkpoint: str | None = None) -> Any:
    row = BY_NAME[name]
    folder.mkdir(exist_ok=True)
    runner = build_runner(
        row.runner,
        cube,
        split,
        view=None,
        seed=3,
        threads=1,
        parameters=parameters_of(row.runner, dict(row.override or {}), "smoke"),
        scratch=folder,
        checkpoint=None if checkpoint is None else folder / checkpoint,
    )
    runner.fit()
    return runner


@pytest.mark.parametrize("name", [*QUICK, *NETWORKS])
def test_nee_is_reco_less_gpp_and_deviations_are_numbers(name: str, tmp_path: Path) -> None:
    split = split_of("places")
    runner = fitted(name, split, tmp_path)
    fluxes = checked_prediction(runner, split.test, "test", name, 3)
    np.testing.assert_allclose(fluxes[..., 2], fluxes[..., 1] - fluxes[..., 0], atol=1e-5)
    deviation = runner.deviation(split.test)
    assert deviation.shape == fluxes.shape and (split.test.select(deviation) >= 0).all()


@pytest.mark.parametrize("design", ["places", "years", "few", "tropics"])
def test_references_know_no_more_than_the_learning_towers(design: str, tmp_path: Path) -> None:
    split = split_of(design)
    assert split.roles is not None
    known = CUBE.target[split.roles.learning]
    mean = fitted("mean", split, tmp_path).predict(split.test)
    inside = np.zeros(CUBE.target.shape[:2], bool)
    inside[split.train.samples()] = True
    expected = known[inside[split.roles.learning]].mean(axis=0)
    np.testing.assert_allclose(mean[0, 0, :2], expected[:2], rtol=1e-5)


@pytest.mark.parametrize("name", ["climatology", "process_calibrated", "lightgbm"])
def test_fits_depend_on_the_training_part_alone(name: str) -> None:
    assert trained_on_training_only(BY_NAME[name].runner, CUBE, split_of("places"), "smoke")


@pytest.mark.parametrize("name", ["transformer_dere", "imputation_weighted", "timexer_kgml_shares"])
@pytest.mark.parametrize("design", ["places", "few"])
def test_no_stage_reads_a_test_tower(name: str, design: str, tmp_path: Path) -> None:
    """Also not its weather: all of it is replaced, and the predictions of the training towers stay to the bit."""
    split = split_of(design)
    assert split.roles is not None
    whole = np.concatenate([split.roles.simulated, split.roles.pretraining_validation])
    other = scramble_outside(CUBE, split.train, whole)
    assert not np.array_equal(other.climate[split.test.cells], CUBE.climate[split.test.cells])
    first = fitted(name, split, tmp_path / "a").predict(split.scored_train)
    second = fitted(name, split, tmp_path / "b", cube=other).predict(split.scored_train)
    assert np.array_equal(first, second)


def test_a_stage_that_another_job_computed_gives_the_same_numbers(tmp_path: Path) -> None:
    """Rows of one backbone, fold and seed share their pretraining, whoever comes first."""
    split = split_of("places")
    alone = fitted("no_competition", split, tmp_path / "alone", checkpoint="x")
    shared = tmp_path / "shared"
    fitted("transformer_dere", split, shared, checkpoint="first")
    after = fitted("no_competition", split, shared, checkpoint="second")
    assert [report.found for report in after._model.reports] == [True, False]
    assert [report.name for report in after._model.reports] == ["branches", "towers"]
    assert np.array_equal(after.predict(split.test), alone.predict(split.test))


def test_few_labelled_towers_share_the_pretraining_of_all(tmp_path: Path) -> None:
    fitted("transformer_dere", split_of("places"), tmp_path, checkpoint="all")
    few = fitted("transformer_dere", split_of("few"), tmp_path, checkpoint="few")
    assert [(report.name, report.found) for report in few._model.reports] == [
        ("branches", True),
        ("competition", True),
        ("cells", True),
        ("towers", False),
    ]
    assert {epoch.member for epoch in few.history()} == {"branches", "competition", "cells", "towers"}
    assert few.training_ended() in ("budget", "converged") and few.trained_on()[1] == "float32"


def test_a_damaged_shared_stage_is_computed_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = split_of("places")
    first = fitted("no_competition", split, tmp_path, checkpoint="first").predict(split.test)
    [stage] = (tmp_path / "stages").glob("branches-*.stage")
    stage.write_bytes(stage.read_bytes()[:100])
    second = fitted("no_competition", split, tmp_path, checkpoint="second").predict(split.test)
    assert np.array_equal(first, second) and "starting anew" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["csdi", "linear", "climatology"])
def test_imputations_are_scored_at_hidden_months(method: str, tmp_path: Path) -> None:
    split = split_of("imputation")
    runner = fitted(f"imputation_by_{method}", split, tmp_path)
    middle = checked_prediction(runner, split.test, "test", method, 3)
    target = split.test.of(CUBE.target)
    scores = {name: split.test.select(values) for name, values in runner.scores(split.test, target).items()}
    assert set(scores) == {"crps", "inside_50", "inside_90"}
    error = np.abs(split.test.select(middle) - split.test.select(target))
    assert (scores["crps"] <= error.max(axis=0) + 1e-4).all() and (scores["crps"].mean(axis=0) > 0).all()
    assert (scores["inside_90"] | ~scores["inside_50"]).all()


def test_the_normal_distributions_crps_is_that_of_many_samples(tmp_path: Path) -> None:
    from models.flux import crps

    split = split_of("imputation")
    runner = fitted("imputation_by_linear", split, tmp_path)
    target = split.test.of(CUBE.target)
    found = split.test.select(runner.scores(split.test, target)["crps"])
    middle, spread = (split.test.select(part(split.test)) for part in (runner.predict, runner.deviation))
    drawn = middle + spread * np.random.default_rng(0).normal(size=(4000, *middle.shape))
    np.testing.assert_allclose(found, crps(drawn, split.test.select(target)), rtol=0.04, atol=0.05)


def test_sums_of_each_target_are_those_of_its_own_errors() -> None:
    split = split_of("places")
    generator = np.random.default_rng(0)
    predictions = {
        name: generator.normal(size=(*part.shape, 3)).astype(np.float32)
        for name, part in (("test", split.test), ("train", split.scored_train))
    }
    table = evaluate(several_statistics(CUBE, split, predictions)).query("weighting == 'plain' and part == 'test'")
    rmse = table.set_index("group")["rmse"]
    error = split.test.select(predictions["test"] - split.test.of(CUBE.target))
    for index, target in enumerate(CUBE.target_names):
        assert rmse[target] == pytest.approx(np.sqrt((error[:, index].astype(float) ** 2).mean()))
    assert {"GPP/IGBP:ENF", "RECO/season:JJA"} <= set(rmse.index)


def test_a_runner_of_one_target_is_refused() -> None:
    entry = registry.get("flux_mean")
    single = CUBE.for_target("GPP")
    split = make_split(single, {"kind": "published", "max_cells": None})
    reason = unsuited(entry.needs, single, split)
    assert reason is not None and "--suite flux" in reason


def _with(cube: Cube, **changes: Any) -> Cube:
    return dataclasses.replace(cube, **changes)


def _shares(cube: Cube, total: float) -> Cube:
    shares = np.tile(np.array([[0.5, 0.3, total - 0.8]], np.float32), (cube.n_cells, 1))
    names = ("share_broadleaf", "share_needleleaf", "share_grass")
    return _with(
        cube,
        static=np.concatenate([cube.static, shares], axis=1),
        static_names=cube.static_names + names,
        static_units=cube.static_units + ("1",) * 3,
    )


def test_plans_say_why_data_cannot_be_modelled() -> None:
    split = split_of("places")
    needs = registry.get("flux_transformer").needs
    assert unsuited(needs, CUBE, split) is None
    assert unsuited(needs, _shares(CUBE, 1.0), split) is None
    without = _with(CUBE, feature_names=("tmin", "tmax", "srad", "co2", "vpd", "snow"))
    other = _with(CUBE, static_names=tuple(name.replace("ENF", "XXX") for name in CUBE.static_names))
    short = _with(CUBE, climate=CUBE.climate[:, :6], target=CUBE.target[:, :6], time=CUBE.time[:6], split=None)
    for cube, said in (
        (_shares(CUBE, 1.3), "sum"),
        (without, "precip"),
        (other, "XXX"),
        (short, "a year of months"),
    ):
        reason = unsuited(needs, cube, split)
        assert reason is not None and said in reason, reason


def test_a_tower_without_fluxes_is_in_no_part(tmp_path: Path) -> None:
    target = CUBE.target.copy()
    target[5] = np.nan
    split = split_of("places", _with(CUBE, target=target))
    assert split.roles is not None
    assert 5 not in [*split.train.cells, *split.test.cells, *split.roles.simulated]


def test_flux_runners_need_roles() -> None:
    split = dataclasses.replace(split_of("places"), roles=None)
    with pytest.raises(BenchError, match="validation towers"):
        fitted("mean", split, Path("."))
    assert issubclass(registry.get("flux_mean").load(), SeveralTargetsRunner)


def test_few_samples_of_the_true_distribution_score_and_cover_as_many_do() -> None:
    """What 20 samples say of it is neither narrower nor worse than what 2,000 say."""
    from bench.data.parts import Part
    from bench.runners.flux_imputation import CsdiImputation

    generator = np.random.default_rng(0)
    target, part = generator.normal(size=(100, 40, 3)), Part(np.arange(100), np.arange(40))
    found = {}
    for n_samples in (20, 2000):
        runner = CsdiImputation.__new__(CsdiImputation)
        runner._towers, runner._drawn = np.arange(100), generator.normal(size=(n_samples, 100, 40, 3))
        found[n_samples] = {name: values.mean() for name, values in runner.scores(part, target).items()}
    assert found[20]["crps"] == pytest.approx(found[2000]["crps"], abs=0.01)
    assert found[20]["inside_50"] == pytest.approx(0.5, abs=0.02)
    assert found[20]["inside_90"] == pytest.approx(0.9, abs=0.02)
