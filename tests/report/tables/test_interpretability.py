"""The interpretability table: stored explanations against the stored truth, and the two ends joined by the commands."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.datasets import open_dataset
from bench.errors import BenchError
from bench.report.results.explanations import LEAST_PRODUCTIVITY
from bench.report.results.selection import select
from bench.report.table import Row, Table
from bench.report.tables import render
from bench.report.tables.interpretability import COLUMNS, interpretability
from bench.runners import registry
from bench.scoring.agreement import DOMINANT, FEATURES, PLACES, SCORES, SIGN, STEPS
from bench.store.jobs import Job
from bench.store.names import CONTRIBUTIONS, IMPORTANCE, PRODUCTIVITY, SENSITIVITIES
from bench.store.records import Manifest
from bench.store.sensitivities_record import LAST_YEAR, TARGET, dataset_folder, record_sensitivities
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import Bench
from tests.data.test_physics import growing_season
from tests.store.test_store import make_job, make_record, sums

pytestmark = pytest.mark.skipif(registry.get("dual_branch_plus").unavailable() is not None, reason="needs torch")


def write_places(store: Store, cube: Cube) -> Path:
    """The part of the data set's record that says where the cells are."""
    path = dataset_folder(store, cube.fingerprint) / "cells.parquet"
    if not path.exists():
        pd.DataFrame({"lon": cube.lon, "lat": cube.lat}).to_parquet(path)
    return path


def explained_store(folder: Path, weights: dict[tuple[str, int], pd.DataFrame], cube: Cube) -> Store:
    """A store with the truth of a cube and jobs (runner, repetition) of the given importance weights."""
    store = Store(folder, create=True)
    record_sensitivities(store, cube, ["gwr"], print)
    write_places(store, cube)
    jobs: list[Job] = []
    for (runner, repetition), frame in weights.items():
        job = make_job(
            runner=runner,
            repetition=repetition,
            seed=repetition,
            dataset="northchina",
            dataset_fingerprint=cube.fingerprint,
        )
        work = store.new_work_folder(job.id)
        frame.to_parquet(work / IMPORTANCE)
        predicted = cube.target[frame["cell"], frame["time"]]  # the model predicts without error
        frame[["cell", "time"]].assign(target=predicted, prediction=predicted).to_parquet(work / "predictions.parquet")
        (work / "statistics.parquet").write_bytes(sums())  # a job that is done has one
        names = (IMPORTANCE, "predictions.parquet", "statistics.parquet")
        store.publish(work, make_record(job, files={name: sha256(work / name) for name in names}))
        jobs.append(job)
    manifest = Manifest(
        created="2026-01-01T00:00:00Z",
        suite="full",
        dataset_spec="northchina",
        dataset_reason="",
        dataset_title="made for tests",
        target_name="GPP",
        target_units="gC m-2 d-1",
        options={},
        jobs=jobs,
    )
    store.add_manifest(manifest)
    return store


@pytest.fixture(scope="module")
def cube() -> Cube:
    return growing_season(60)


@pytest.fixture(scope="module")
def truth(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    store = Store(tmp_path_factory.mktemp("truth") / "runs", create=True)
    record_sensitivities(store, cube, ["gwr"], print)
    folder = dataset_folder(store, cube.fingerprint)
    return {name: pd.read_parquet(folder / name) for name in (SENSITIVITIES, CONTRIBUTIONS)}


def table_of(store: Store) -> Table:
    table = interpretability(store, select(store, "full"))
    assert table is not None
    return table


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def test_each_kind_is_scored_against_its_own_truth(cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    features = list(cube.feature_names)
    sizes = truth[SENSITIVITIES].copy()
    grew = np.maximum(cube.target[sizes["cell"], sizes["time"]], LEAST_PRODUCTIVITY)
    sizes[features] = sizes[features].abs().div(grew, axis=0)  # a share has no unit of the target
    contributions = truth[CONTRIBUTIONS].copy()
    contributions.loc[contributions["cell"] % 2 == 1, features] = np.nan  # TreeSHAP explains a part of the jobs
    found = {("gwr", 0): truth[SENSITIVITIES], ("gwr_rf", 0): sizes, ("lightgbm_shap", 0): contributions}
    table = table_of(explained_store(tmp_path / "runs", found, cube))
    for label, note, scores in (
        ("GWR", "", SCORES),
        ("Geographical RF", "unsigned", (PLACES, STEPS, FEATURES, DOMINANT)),
        ("LightGBM, TreeSHAP", "contributions", SCORES),
    ):
        row = row_of(table, label)
        assert row.note == note and len(row.jobs) == 1
        assert {name: row.values[name].value for name in row.values} == pytest.approx(
            dict.fromkeys(scores, 1.0) | {"runs": 1}
        ), label
        assert row.values[FEATURES].low == pytest.approx(1) == row.values[FEATURES].high
    assert {name: row_of(table, "Chance").values[name].value for name in SCORES} == pytest.approx(
        {SIGN: 0.5, PLACES: 0, STEPS: 0, FEATURES: 0, DOMINANT: 1 / 9}
    )
    constant = row_of(table, "True mean, the same everywhere").values
    assert constant[PLACES].value == constant[STEPS].value == 0
    assert 1 / 9 < constant[DOMINANT].value < 1 and not row_of(table, "Chance").ranked


def test_a_row_whose_runner_is_gone_is_named_and_not_scored(
    cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    right = truth[SENSITIVITIES]
    table = table_of(explained_store(tmp_path / "runs", {("gwr", 0): right, ("of_before", 0): right}, cube))
    assert [row.label for row in table.rows if row.family != "Reference"] == ["GWR"]
    assert "Left out, since no runner here says what their weights mean: of_before." in table.caption
    alone = table_of(explained_store(tmp_path / "alone", {("gwr", 0): right}, cube))
    assert "Left out" not in alone.caption


def grown(cube: Cube) -> np.ndarray:
    """(cell, step, 1) target of the test year."""
    return np.maximum(cube.target[:, 46:, None], LEAST_PRODUCTIVITY)


def test_sensitivities_are_relative_to_productivity_and_naming_it_says_nothing(
    cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    features, naming = list(cube.feature_names), truth[SENSITIVITIES].copy()
    known = naming[features].to_numpy().reshape(60, 46, -1) / grown(cube)
    signs = np.sign(known.mean(axis=(0, 1)))
    naming[features] = (signs * grown(cube)).reshape(-1, len(features))
    store = explained_store(tmp_path / "runs", {("gwr", 0): truth[SENSITIVITIES], ("gnnwr", 0): naming}, cube)
    table = table_of(store)
    assert "relative to productivity" in table.caption and "above 0.3" in table.caption
    own = row_of(table, "GNNWR").values
    assert (own[PLACES].value, own[STEPS].value) == (0, 0) and own[SIGN].value > 0.5
    assert row_of(table, "GWR").values[PLACES].value == pytest.approx(1)
    titles = [row.label for row in table.rows if row.family == "Reference"]
    assert titles[:2] == ["Chance", "True mean, the same everywhere"] and titles[2].endswith(" everywhere")
    assert titles[3:] == ["True mean of each step", "+1 × last year's value", "Known sign × last year's value"]
    # A store of an older version has no productivity: absolute sensitivities, and no last year's value.
    (dataset_folder(store, cube.fingerprint) / PRODUCTIVITY).unlink()
    older = table_of(store)
    assert "Sensitivities are absolute" in older.caption and row_of(older, "GNNWR").values[PLACES].value != 0
    assert row_of(older, "GWR").values[PLACES].value == pytest.approx(1)
    assert not any("last year" in row.label for row in older.rows)
    record_sensitivities(store, cube, ["gwr"], print)
    assert render.as_csv(table_of(store)) == render.as_csv(table), "the next run adds what is missing"


def test_only_what_beats_every_reference_row_is_bold(
    cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    features, random = list(cube.feature_names), truth[SENSITIVITIES].copy()
    random[features] = np.random.default_rng(0).normal(size=random[features].shape)
    blind = table_of(explained_store(tmp_path / "blind", {("gwr", 0): random}, cube))
    assert all(column.best is None for column in blind.columns) and "**" not in render.markdown(blind)
    found = {("gwr", 0): truth[SENSITIVITIES], ("gnnwr", 0): random}
    right = table_of(explained_store(tmp_path / "right", found, cube))
    bold = {column.key for column in right.columns if column.best}
    assert {PLACES, STEPS, FEATURES, DOMINANT} <= bold <= {column.key for column in COLUMNS}
    line = next(line for line in render.markdown(right).splitlines() if line.startswith("| GWR |"))
    assert line.count("**") >= 8 and not row_of(right, "GNNWR").values[PLACES].tied
    twice = {("gwr", 0): truth[SENSITIVITIES], ("gnnwr", 0): truth[SENSITIVITIES]}
    alike = table_of(explained_store(tmp_path / "alike", twice, cube))
    assert all(row_of(alike, title).values[PLACES].tied for title in ("GWR", "GNNWR"))


def test_productivity_is_the_target_and_last_years(cube: Cube, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", create=True)
    record_sensitivities(store, cube, ["gwr"], print)
    table = pd.read_parquet(dataset_folder(store, cube.fingerprint) / PRODUCTIVITY)
    np.testing.assert_array_equal(table[TARGET], cube.target[table["cell"], table["time"]])
    np.testing.assert_array_equal(table[LAST_YEAR], cube.target[table["cell"], table["time"] - 46])


def test_seeds_are_averaged_and_widen_the_interval(cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    features = list(cube.feature_names)
    right, wrong = truth[SENSITIVITIES], truth[SENSITIVITIES].copy()
    wrong[features] = -wrong[features]
    alike = table_of(explained_store(tmp_path / "alike", {("gwr", 0): right, ("gwr", 1): right}, cube))
    apart = table_of(explained_store(tmp_path / "apart", {("gwr", 0): right, ("gwr", 1): wrong}, cube))
    assert row_of(alike, "GWR").values[SIGN].low == 1
    sign = row_of(apart, "GWR").values[SIGN]
    assert (sign.value, sign.low, sign.high) == pytest.approx((0.5, 0, 1)), "two of two draws may be the same seed"
    assert row_of(apart, "GWR").values["runs"].value == 2
    for text in (render.latex(apart), render.markdown(apart), render.as_csv(apart)):
        assert "GWR" in text and "Chance" in text


def test_no_table_without_truth_or_explanations_and_a_sentence_for_a_damaged_truth(
    cube: Cube, truth: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    store = explained_store(tmp_path / "runs", {("gwr", 0): truth[SENSITIVITIES]}, cube)
    folder = dataset_folder(store, cube.fingerprint)
    (folder / SENSITIVITIES).write_bytes(b"PAR1 no")
    with pytest.raises(BenchError, match=r"sensitivities.parquet cannot be read .*issue `bench run` again"):
        interpretability(store, select(store, "full"))
    (folder / SENSITIVITIES).unlink()
    assert interpretability(store, select(store, "full")) is None
    nobody = explained_store(tmp_path / "nobody", {("climatology", 0): truth[SENSITIVITIES]}, cube)
    assert interpretability(nobody, select(nobody, "full")) is None


@pytest.mark.runners
def test_run_and_report_make_the_table_and_a_second_run_restores_the_truth(bench: Bench, tmp_path: Path) -> None:
    spec = "simulated:cells=80,years=2"
    names = "dual_branch_plus_gradient,dual_branch_plus_free"
    arguments = ("run", "--suite", "fewshot", "--profile", "smoke", "--dataset", spec, "--only", names)
    first = bench(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    store, cube = Store(tmp_path / "runs"), open_dataset(spec).cube
    path = dataset_folder(store, cube.fingerprint) / SENSITIVITIES
    content = path.read_bytes()
    path.unlink()
    assert bench(*arguments).returncode == 0
    assert path.read_bytes() == content
    write_places(store, cube)
    report = bench("report", "--suite", "fewshot")
    assert report.returncode == 0, report.stdout + report.stderr
    assert "Dominant driver" in report.stdout
    files = {suffix: store.root / "report" / f"interpretability_fewshot.{suffix}" for suffix in ("tex", "md", "csv")}
    assert all(file.is_file() for file in files.values())
    with files["csv"].open(newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["family"] == "Proposed"]
    assert {line["method"] for line in lines} == {"Dual-branch plus, gradients", "Dual-branch plus, free weights"}
    assert {line["column"] for line in lines} == {*SCORES, "runs"}
    for line in lines:
        if line["column"] != "runs":
            assert float(line["low"]) <= float(line["value"]) <= float(line["high"])
