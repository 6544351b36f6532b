"""Verdicts: what counts as reproduced, better or worse, and when nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.splits import fewshot_parameters
from bench.report.paper import check
from bench.report.paper.check import Comparison, compare, verdict
from bench.report.paper.rankings import NOT_REACHED, REACHED, Claim, spearman
from bench.report.paper.scores import Scores
from bench.report.results.comparison import Measure
from bench.report.results.differences import differences
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.tables import render
from bench.report.tables.numbered import table1, table3
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job


@pytest.mark.parametrize(
    ("value", "interval", "lower_is_better", "expected"),
    [
        (1.0, (0.5, 2.0), True, "reproduced"),
        (1.05, None, True, "reproduced"),
        (1.2, (1.0, 1.4), True, "cannot say"),
        (0.8, (0.6, 0.9), True, "cannot say"),
        (1.2, (1.15, 1.3), True, "worse"),
        (0.8, (0.7, 0.85), True, "better"),
        (1.2, (1.15, 1.3), False, "better"),
        (0.8, None, False, "worse"),
        (1.2, None, True, "worse"),
        (1.2, None, None, "not reproduced"),
    ],
)
def test_verdict_of_a_number_that_is_allowed_from_0_9_to_1_1(
    value: float, interval: tuple[float, float] | None, lower_is_better: bool | None, expected: str
) -> None:
    assert verdict((0.9, 1.1), value, interval, lower_is_better) == expected


def make_store(folder: Path, noises: dict[str, float], dataset: str = "toy", suite: str = "full") -> Store:
    store, cube = Store(folder / "runs", create=True), make_cube()
    splits = {"full": [None], "fewshot": [fewshot_parameters(cube, (30, 40), 12, 0)]}
    jobs = []
    for index, name in enumerate(noises):
        extra = {"split": splits["fewshot"][0]} if suite == "fewshot" else {}
        # The repetition seeds the noise of a stored job: another one makes errors of models independent.
        jobs.append(make_job(runner=name, dataset=dataset, suite=suite, repetition=index, **extra))
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite=suite)
    for job, noise in zip(jobs, noises.values(), strict=True):
        store_job(store, job, cube, noise)
    return store


def compared(store: Store, suite: str = "full") -> tuple[dict[str, Comparison], dict[str, Claim]]:
    numbers, claims = compare(select(store, suite), StatisticsReader(store))
    return (
        {f"{item.heading}: {item.label}": item for item in numbers},
        {f"{item.heading}: {item.label}": item for item in claims},
    )


NOISES = {"lightgbm_large": 1.063, "tabnet": 0.944, "dual_branch": 0.836, "dual_branch_plus": 0.3, "lightgbm": 1.5}


def test_on_other_data_only_ratios_and_rankings_are_compared(tmp_path: Path) -> None:
    numbers, claims = compared(make_store(tmp_path, NOISES))
    assert {str(item.heading) for item in numbers.values()} == {"Table 1, ratio of test RMSE"}
    ours = numbers["Table 1, ratio of test RMSE: Dual-branch (paper) ÷ LightGBM Large"]
    assert ours.published == pytest.approx(0.836 / 1.063) and ours.verdict == "reproduced"
    assert ours.ours is not None and ours.ours.value == pytest.approx(0.786, abs=0.03) and len(ours.jobs) == 2
    assert numbers["Table 1, ratio of test RMSE: Dual-branch (paper) ÷ TabNet"].published == pytest.approx(
        0.886, abs=5e-4
    )
    assert numbers["Table 1, ratio of test RMSE: Dual-branch plus ÷ LightGBM Large"].verdict == REACHED
    assert numbers["Table 1, ratio of test RMSE: LightGBM ÷ LightGBM Large"].verdict == "worse"
    missing = numbers["Table 1, ratio of test RMSE: CatBoost ÷ LightGBM Large"]
    assert missing.ours is None and missing.verdict == "cannot say"
    assert len(numbers) == 12 + 2 + 2  # 12 baselines, and the letter and its variant by LightGBM Large and by TabNet
    assert claims["Table 1, rankings: lowest RMSE"].verdict == "reproduced"
    assert claims["Table 1, rankings: lowest RMSE"].ours == "Dual-branch (paper)"
    assert claims["Table 1, rankings: rank correlation"].ours == pytest.approx(1.0)
    assert claims["Table 1, rankings: Proposed before Tabular Deep Learning"].verdict == "reproduced"
    assert claims["Table 1, rankings, with Dual-branch plus: lowest RMSE"].ours == "Dual-branch plus"


def test_rankings_that_do_not_hold_are_not_reproduced(tmp_path: Path) -> None:
    _, claims = compared(make_store(tmp_path, NOISES | {"dual_branch": 3.0}))
    lost = claims["Table 1, rankings: lowest RMSE"]
    assert (lost.verdict, lost.ours) == ("not reproduced", "TabNet")
    assert lost.decides is not None and lost.decides.low is not None and lost.decides.low > 1
    assert claims["Table 1, rankings: Proposed before Tabular Deep Learning"].verdict == "not reproduced"


def test_models_that_are_alike_leave_the_ranking_open(tmp_path: Path) -> None:
    _, claims = compared(make_store(tmp_path, {"lightgbm_large": 1.0, "tabnet": 1.0, "dual_branch": 1.0}))
    lowest = claims["Table 1, rankings: lowest RMSE"]
    assert lowest.verdict == "cannot say" and lowest.decides is not None
    assert lowest.decides.low is not None and lowest.decides.high is not None
    assert lowest.decides.low < 1 < lowest.decides.high


def test_our_variant_reaches_or_does_not_but_reproduces_nothing(tmp_path: Path) -> None:
    numbers, claims = compared(make_store(tmp_path, NOISES | {"dual_branch_plus": 3.0}, dataset="climate2gpp"))
    verdicts = [item.verdict for key, item in (numbers | claims).items() if "Dual-branch plus" in key]
    assert NOT_REACHED in verdicts and set(verdicts) <= {REACHED, NOT_REACHED, "cannot say"}
    others = [item.verdict for key, item in (numbers | claims).items() if "Dual-branch plus" not in key]
    assert not {REACHED, NOT_REACHED} & set(others) and "reproduced" in others


def test_the_smoke_profile_has_no_verdict(tmp_path: Path) -> None:
    numbers, claims = compare(select(make_store(tmp_path, NOISES), "full"), StatisticsReader(Store(tmp_path / "runs")))
    table = check.table(numbers, claims, "Data set toy.", judged=False)
    assert {row.values["verdict"].text for row in table.rows} == {"not judged (smoke)"}
    assert check.counts(numbers, claims, judged=False) == "not judged (smoke)"


def test_the_page_has_one_comparison_for_each_table_of_the_paper(tmp_path: Path) -> None:
    store = make_store(tmp_path, {"gnnwr": 1.0, "dual_branch": 0.838}, suite="fewshot")
    whole = check.table(*compare(select(store, "fewshot"), StatisticsReader(store)), "Data set toy.")
    parts = check.by_published_table(whole)
    assert [part.name for part in parts] == ["check_table2", "check_table3"]
    assert sorted(row.label for part in parts for row in part.rows) == sorted(row.label for row in whole.rows)


def test_rankings_of_models_that_did_not_run_cannot_be_said(tmp_path: Path) -> None:
    _, claims = compared(make_store(tmp_path, {"lightgbm_large": 1.0, "lightgbm": 1.1}))
    assert {item.verdict for item in claims.values()} == {"cannot say"}
    assert all(item.ours is None for item in claims.values())


def test_on_the_papers_data_absolute_numbers_are_compared_too(tmp_path: Path) -> None:
    numbers, _ = compared(make_store(tmp_path, NOISES, dataset="climate2gpp"))
    assert numbers["Table 1, test RMSE: LightGBM Large"].verdict == "reproduced"
    assert numbers["Table 1, test RMSE: LightGBM Large"].low == pytest.approx(1.063 * 0.95 - 0.0005)
    assert numbers["Table 1, test RMSE: LightGBM"].verdict == "worse"
    assert numbers["Table 1, test RMSE: Dual-branch plus"].verdict == REACHED
    share = 1 - 0.886
    assert numbers["Table 1, test R²: LightGBM Large"].high == pytest.approx(0.886 + 0.1 * share + 0.0005)
    assert len([item for item in numbers.values() if str(item.heading) == "Table 1, test R²"]) == 15


def test_weeks_and_gaps_of_the_fewshot_suite(tmp_path: Path) -> None:
    store = make_store(tmp_path, {"gnnwr": 1.0, "gwr": 2.0, "gtwr": 2.1, "dual_branch": 0.838}, suite="fewshot")
    numbers, claims = compared(store, "fewshot")
    assert len(numbers) == 5 * 3 + 3  # a variant without results has no row
    week = numbers["Table 2, ratio of test RMSE: Dual-branch (paper) ÷ GNNWR, week 40"]
    assert week.published == pytest.approx(0.700 / 0.835) and week.ours is not None
    assert week.ours.value == pytest.approx(0.838, abs=0.15)
    assert numbers["Table 2, ratio of test RMSE: Dual-branch (paper) ÷ GNNWR, week 20"].ours is None  # not scored
    train = numbers["Table 3, ratio of train RMSE: Dual-branch (paper) ÷ GNNWR, week 40"]
    assert train.published == pytest.approx(0.627 / 0.478)
    # GNNWR is fitted on step means, and this store has no such part: no training error as published.
    assert train.ours is None and train.verdict == "cannot say"
    assert claims["Table 3, rankings: smaller gap, week 40"].verdict == "cannot say"
    assert claims["Table 2, rankings: lowest RMSE, week 40"].ours == "Dual-branch (paper)"


def test_ratios_are_paired_by_the_blocks_that_both_share(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    jobs = [make_job(runner=name) for name in ("gwr", "gnnwr")]  # one repetition: the same noise, scaled
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise in zip(jobs, (1.0, 2.0), strict=True):
        store_job(store, job, cube, noise)
    scores = Scores(select(store, "full"), StatisticsReader(store))
    found, single = scores.ratio("gwr", "gnnwr", Measure("rmse")), scores.number("gwr", Measure("rmse"))
    assert found is not None and (found.low, found.high) == pytest.approx((0.5, 0.5), rel=1e-5)
    assert single is not None and single.low is not None and single.high is not None
    assert single.high - single.low > 0.01
    assert scores.ratio("gwr", "lightgbm", Measure("rmse")) is None


def test_numbers_ratios_and_intervals_are_those_of_the_tables(tmp_path: Path) -> None:
    store = make_store(tmp_path, NOISES, dataset="climate2gpp")
    selection, reader = select(store, "full"), StatisticsReader(store)
    numbers, claims = compared(store)
    table, apart = table1(selection, reader), differences(selection, reader)
    for title in ("Dual-branch (paper)", "Dual-branch plus", "TabNet", "LightGBM"):
        [row] = [row for row in table.rows if row.label == title]
        for metric, label in (("rmse", "RMSE"), ("r2", "R²")):
            assert numbers[f"Table 1, test {label}: {title}"].ours == replace(row.values[metric], tied=False)
        assert numbers[f"Table 1, ratio of test RMSE: {title} ÷ LightGBM Large"].ours == row.values["ratio"]
    [row] = [row for row in apart.rows if (row.family, row.label) == ("Dual-branch (paper)", "TabNet")]
    assert numbers["Table 1, ratio of test RMSE: Dual-branch (paper) ÷ TabNet"].ours == row.values["ratio"]
    assert claims["Table 1, rankings: lowest RMSE"].decides == row.values["ratio"]


def test_gaps_are_those_of_table_3(tmp_path: Path) -> None:
    store = make_store(tmp_path, {"gwr": 1.0, "dual_branch": 0.838}, dataset="climate2gpp", suite="fewshot")
    numbers, _ = compared(store, "fewshot")
    table = table3(select(store, "fewshot"), StatisticsReader(store))
    [row] = [row for row in table.rows if row.name == "dual_branch"]
    gap = row.values["gap_published"]
    assert gap.low is not None and gap == replace(row.values["gap"], tied=False)
    assert gap.value == pytest.approx(row.values["test_rmse"].value - row.values["fitted_rmse"].value)
    [found] = [
        item for key, item in numbers.items() if key.startswith("Table 3, gap") and ": Dual-branch (paper)" in key
    ]
    assert found.ours == gap


def test_rank_correlation_is_spearmans() -> None:
    from scipy.stats import spearmanr

    generator = np.random.default_rng(0)
    theirs, ours = np.array([1.0, 2.0, 2.0, 5.0]), generator.normal(size=(4, 3))
    assert spearman(theirs, ours) == pytest.approx([spearmanr(theirs, ours[:, i]).statistic for i in range(3)])


def test_the_table_has_a_verdict_in_every_row_and_every_form(tmp_path: Path) -> None:
    store = make_store(tmp_path, NOISES)
    numbers, claims = compare(select(store, "full"), StatisticsReader(store))
    table = check.table(numbers, claims, "Data set toy.")
    assert len(table.rows) == len(numbers) + len(claims)
    assert all(row.values["verdict"].text for row in table.rows)
    assert f"| {REACHED} |" in render.markdown(table) and "& reproduced" in render.latex(table)
    assert ",verdict,cannot say,,,,no result," in render.as_csv(table)
    counted = check.counts(numbers, claims)
    assert sum(int(part.split()[0]) for part in counted.split(", ")) == len(table.rows)
