"""The variance behind RMSE and R²: in print it differs between rows, in our own sums it may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.report.paper import implied_variance as audit
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.tables import render
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import ROOT, make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job

FINDINGS = (ROOT / "docs" / "findings.md").read_text()
SECTION = " ".join(FINDINGS.partition("## The published numbers")[2].partition("\n## ")[0].split())


def rows_of(group: str) -> dict[str, audit.ImpliedVariance]:
    return {row.runner: row for row in audit.implied_variances() if row.group == group}


def test_rmse_and_r2_give_back_the_variance_of_the_target() -> None:
    generator = np.random.default_rng(0)
    target = generator.gamma(2, 2, 1000)
    errors = generator.normal(size=1000)
    rmse, r2 = np.sqrt((errors**2).mean()), 1 - (errors**2).sum() / ((target - target.mean()) ** 2).sum()
    assert audit._variance(rmse, r2) == pytest.approx(target.var())


def test_the_range_holds_every_number_that_rounds_to_the_print() -> None:
    row = rows_of("Table 1, test")["lightgbm_large"]
    for rmse in (1.06251, 1.063, 1.06349):
        for r2 in (0.88551, 0.886, 0.88649):
            assert row.low < rmse**2 / (1 - r2) < row.high
    assert row.low == pytest.approx(1.0625**2 / (1 - 0.8855)) and row.high == pytest.approx(1.0635**2 / (1 - 0.8865))


def test_a_perfect_fit_allows_any_variance() -> None:
    assert audit._variance(0.1, 1.0) == float("inf")


def test_table_1_has_no_common_variance_and_its_families_are_apart() -> None:
    rows = rows_of("Table 1, test")
    machine = [row for row in rows.values() if row.family == "Tabular Machine Learning"]
    deep = [row for row in rows.values() if row.family == "Tabular Deep Learning"]
    assert len(rows) == 14 and len(machine) == 9 and len(deep) == 4
    assert audit.common_range(rows.values()) is None and audit.common_range(deep) is None
    common = audit.common_range(machine)
    assert common is not None
    for row in (*deep, rows["dual_branch"]):
        assert all(audit.common_range((row, other)) is None for other in machine)
    assert audit.compatible(rows["dual_branch"], rows.values()) == 0
    assert f"between {common[0]:.2f} and {common[1]:.2f}" in SECTION
    assert f"between {min(row.low for row in deep):.2f} and {max(row.high for row in deep):.2f}" in SECTION
    proposed = rows["dual_branch"]
    assert f"between {proposed.low:.2f} and {proposed.high:.2f}" in SECTION
    assert rows["excelformer"].r2 == rows["resnet"].r2 == 0.878
    assert audit.common_range((rows["excelformer"], rows["resnet"])) is None


def test_the_findings_repeat_what_the_code_computes() -> None:
    block = FINDINGS.partition("<!-- audit:begin -->")[2].partition("<!-- audit:end -->")[0]
    assert block.strip() == render.markdown(audit.table([])).partition("\n\n")[0]
    rows = rows_of("Table 1, test")
    ours = rows["dual_branch"]
    for other in ("lightgbm_large", "tabnet"):
        by_share = np.sqrt((1 - ours.r2) / (1 - rows[other].r2))
        assert f"{ours.rmse / rows[other].rmse:.3f}" in SECTION and f"{by_share:.3f}" in SECTION
    test, train = rows_of("Table 3, week 40, test"), rows_of("Table 3, week 40, train")
    assert f"GNNWR implies {test['gnnwr'].value:.2f} and the proposed model {test['dual_branch'].value:.2f}" in SECTION
    assert f"part {train['gnnwr'].value:.2f} and {train['dual_branch'].value:.2f}" in SECTION


def test_table_2_contradicts_itself_in_the_weeks_that_the_findings_name() -> None:
    weeks = {week: rows_of(f"Table 2, week {week}, test") for week in (1, 10, 20, 30, 40)}
    assert [week for week, rows in weeks.items() if audit.common_range(rows.values()) is None] == [20, 30, 40]
    assert "no contradiction in weeks 1 and 10, one in weeks 20, 30 and 40" in SECTION
    for pair in (("gwr", "gtwr"), ("gnnwr", "dual_branch")):
        assert audit.common_range(weeks[20][name] for name in pair) is not None
    for week in (30, 40):
        assert audit.compatible(weeks[week]["dual_branch"], weeks[week].values()) == 0


def test_the_committed_reference_run_has_one_variance() -> None:
    metrics = pd.read_csv(ROOT / "tables" / "reference" / "northchina-laptop" / "metrics_full.csv")
    plain = metrics[(metrics["group"] == "all") & (metrics["weighting"] == "plain") & (metrics["rmse"] > 1e-6)]
    for part in ("test", "train"):
        rows = plain[plain["part"] == part]
        variance = rows["rmse"] ** 2 / (1 - rows["r2"])
        precise = variance[rows["r2"] < 0.99]  # 1 − R² of a closer fit loses the stored digits
        assert len(precise) >= 6 and precise.max() / precise.min() - 1 < 1e-3
        assert f"{precise.median():.3f} on the {part}" in SECTION.replace("on the training part", "on the train part")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    jobs = [make_job(runner=name) for name in ("climatology", "training_mean", "lightgbm")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for index, job in enumerate(jobs):
        store_job(store, job, cube, 0.1 + index)
    return store


def own(store: Store) -> list[audit.OwnTargets]:
    return audit.own_targets(select(store, "full"), StatisticsReader(store))


def test_own_rows_are_equal_and_have_the_cubes_variance(store: Store) -> None:
    test, train = own(store)
    cube = make_cube()
    assert (test.group, test.jobs, test.n, test.problems) == ("Table 1", 3, 30 * 46, ())
    assert test.variance == pytest.approx(cube.target[:, 46:].astype(float).var())
    assert train.variance == pytest.approx(cube.target[:, :46].astype(float).var()) and train.problems == ()


def change(store: Store, runner: str, column: str, factor: float) -> str:
    """Alters the stored sums of one job, as a run on other data would; returns the job's id."""
    [record] = [item for item in store.records() if item.job.runner == runner]
    path = store.jobs_dir / record.job_id / "statistics.parquet"
    frame = pd.read_parquet(path)
    frame[column] = (frame[column] * factor).astype(frame[column].dtype)
    frame.to_parquet(path, index=False)
    changed = record.model_copy(update={"files": {"statistics.parquet": sha256(path)}})
    (path.parent / "record.json").write_text(changed.model_dump_json())
    return record.job_id


@pytest.mark.parametrize("column", ["target", "squared_target", "n"])
def test_a_row_scored_on_other_values_is_named(store: Store, column: str) -> None:
    job_id = change(store, "lightgbm", column, 2 if column == "n" else 1 + 1e-9)
    for targets in own(store):
        [problem] = targets.problems
        assert f"lightgbm #0 ({job_id}) was scored on other values than" in problem
    table = audit.table(own(store))
    assert "Not the same values: Table 1, test: lightgbm" in table.caption
    assert [row.values["same"].text for row in table.rows[-2:]] == ["1 differ", "1 differ"]


def test_the_order_of_addition_is_no_difference(store: Store) -> None:
    change(store, "lightgbm", "target", 1 + 1e-15)
    assert all(targets.problems == () for targets in own(store))
