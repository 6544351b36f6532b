"""The answer says what the store says: who leads, by how much, whether that can be told apart, and what was not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.splits import fewshot_parameters
from bench.report.answer import Answer, answer
from bench.report.results.data_words import spoken
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.tables.numbered import table1
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job

FULL = {"climatology": 0.1, "lightgbm_large": 1.0, "tabnet": 0.9, "dual_branch": 1.3, "dual_branch_plus": 0.5}
FEW = {"climatology": 0.1, "gnnwr": 1.0, "lightgbm": 0.7, "dual_branch_plus": 0.5}


def make_store(
    folder: Path,
    full: dict[str, float],
    few: dict[str, float],
    ended: str | None = None,
    **changes: object,
) -> Store:
    store, cube = Store(folder / "runs", create=True), make_cube()
    for suite, noises in (("full", full), ("fewshot", few)):
        split = {"split": fewshot_parameters(cube, (30, 40), 12, 0)} if suite == "fewshot" else {}
        # The repetition seeds the noise: another one makes errors of models independent.
        jobs = [
            make_job(runner=name, suite=suite, repetition=index, **({"profile": "laptop"} | split | changes))
            for index, name in enumerate(noises)
        ]
        if jobs:
            add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite=suite)
        for job, noise in zip(jobs, noises.values(), strict=True):
            store_job(store, job, cube, noise, training_ended=ended)
    return store


def answer_of(store: Store) -> Answer:
    suites = {manifest.suite for manifest in store.manifests()}
    chosen = {name: select(store, name) for name in ("full", "fewshot") if name in suites}
    return answer(chosen, StatisticsReader(store))


def test_three_sentences_claim_network_and_variant(tmp_path: Path) -> None:
    store = make_store(tmp_path, FULL, FEW, "converged")
    claim, network, variant = answer_of(store).sentences
    assert "0.79 times as much as LightGBM Large" in claim and "5 of 5 weeks" in claim
    table = table1(select(store, "full"), StatisticsReader(store))
    ratios = {row.name: row.values["ratio"] for row in table.rows if "ratio" in row.values}
    for sentence, name in ((network, "dual_branch"), (variant, "dual_branch_plus")):
        found = ratios[name]
        assert f"errs {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] times as much" in sentence
    assert "(told apart; 1 run)" in network and "*Dual-branch (paper)*" in network
    assert "it is trained to the end" in network
    assert "the paper's ratio is reached by our variant" in variant and "reproduced" not in variant
    assert "it leads the best of 2 baselines, *TabNet*, with 0.5" in variant
    assert "it leads in 2 of 2 weeks" in variant


def test_a_variant_that_is_behind_says_where_and_of_whom(tmp_path: Path) -> None:
    *_, variant = answer_of(make_store(tmp_path, FULL | {"dual_branch_plus": 2.0}, FEW | {"lightgbm": 0.2})).sentences
    assert (
        "not reached by our variant" in variant and "it is behind the best of 2 baselines, *TabNet*, with 2." in variant
    )
    assert "it leads in 0 of 2 weeks (1 run); it is behind in week 30 (2." in variant


def test_a_baseline_of_an_easy_sample_is_compared_on_that_sample_alone(tmp_path: Path) -> None:
    noises = {
        "gnnwr": {0: 0.6},  # of all the least error, on the sample where the variant has less
        "lightgbm": {0: 0.9, 1: 1.6, 2: 1.6},
        "dual_branch_plus": {0: 0.5, 1: 2.0, 2: 2.0},
    }
    store, cube = make_store(tmp_path, FULL, {}), make_cube()
    jobs = {
        (name, sample): make_job(
            runner=name,
            suite="fewshot",
            repetition=sample,
            profile="laptop",
            split=fewshot_parameters(cube, (30, 40), 12, sample),
        )
        for name, samples in noises.items()
        for sample in samples
    }
    add_manifest(store, "2026-01-01T00:00:00Z", list(jobs.values()), suite="fewshot")
    for (name, sample), job in jobs.items():
        store_job(store, job, cube, noises[name][sample])
    *_, variant = answer_of(store).sentences
    assert "it leads in 0 of 2 weeks (3 runs); it is behind in week 30 (1." in variant
    assert "times *LightGBM*" in variant and "GNNWR" not in variant


@pytest.mark.parametrize(
    ("rule", "plus", "said"),
    [
        (
            0.7,
            0.5,
            "times its error (told apart), and the reference row *PML_V2, last year's LAI*, which errs less than",
        ),
        (0.7, 0.8, "it leads the best of 2 baselines, *TabNet*, with 0."),
        (
            0.7,
            0.8,
            "), but is behind the reference row *PML_V2, last year's LAI*, which errs less than every baseline, ",
        ),
        (0.7, 2.0, "), and the reference row *PML_V2, last year's LAI*, which errs less than every baseline, with 2."),
    ],
)
def test_a_reference_row_that_errs_less_than_every_baseline_is_named(
    tmp_path: Path, rule: float, plus: float, said: str
) -> None:
    full = {name: noise for name, noise in FULL.items() if name != "climatology"}
    sentences = answer_of(
        make_store(tmp_path, full | {"pml_last_year_lai": rule, "dual_branch_plus": plus}, FEW)
    ).sentences
    assert len(sentences) == 3 and said in sentences[-1]
    assert sentences[-1].count("reference row") == 1 and "baselines, *PML" not in sentences[-1]


def test_a_reference_row_that_a_baseline_beats_is_not_named(tmp_path: Path) -> None:
    full = {name: noise for name, noise in FULL.items() if name != "climatology"} | {"pml_last_year_lai": 0.95}
    assert "reference row" not in " ".join(answer_of(make_store(tmp_path, full, FEW)).sentences)


@pytest.mark.parametrize(
    ("full", "few", "said"),
    [
        ({"dual_branch_plus": 0.5}, {}, "has an error, but no baseline of the same suite has one"),
        ({"dual_branch_plus": 0.5, "climatology": 0.1}, {}, "has an error, but no baseline of the same suite has one"),
        ({"lightgbm_large": 1.0}, {"dual_branch_plus": 0.5}, "has an error, but no baseline of the same suite has one"),
        ({"climatology": 0.1}, {}, "has no result in this store"),
        ({"dual_branch_plus": 0.5, "tabnet": 1.0}, {}, "leads the only baseline, *TabNet*"),
        ({}, FEW, "leads, when few places train, in 2 of 2 weeks"),
    ],
)
def test_a_variant_without_something_to_compare_it_with_is_said_to_have_a_result(
    tmp_path: Path, full: dict[str, float], few: dict[str, float], said: str
) -> None:
    variant = answer_of(make_store(tmp_path, full, few)).sentences[-1]
    assert variant.startswith(f"*Dual-branch plus*, this project's variant of it, {said}")


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("budget", "it is not trained to the end"),
        (None, "was not measured"),
        ("schedule", "to the end of its schedule"),
    ],
)
def test_whether_the_network_was_trained_to_the_end_is_said(tmp_path: Path, ended: str | None, said: str) -> None:
    _, network, _ = answer_of(make_store(tmp_path, FULL, {}, ended)).sentences
    assert said in network


def test_what_did_not_run_is_not_invented(tmp_path: Path) -> None:
    _, network, variant = answer_of(make_store(tmp_path, {"lightgbm_large": 1.0}, {})).sentences
    assert "no result of that network" in network and "has no result in this store" in variant
    _, network, _ = answer_of(make_store(tmp_path / "alone", {"dual_branch": 1.0}, {})).sentences
    assert "none of LightGBM Large" in network


def test_the_smoke_profile_is_not_judged(tmp_path: Path) -> None:
    claim, rest = answer_of(make_store(tmp_path, FULL, FEW, profile="smoke")).plain
    assert claim.startswith("The paper claims") and "not judged (smoke)" in rest
    assert "[" not in rest and "told apart" not in rest


def test_of_other_data_the_best_row_is_named_and_no_ratio_of_the_paper(tmp_path: Path) -> None:
    store = make_store(tmp_path, FULL, {})
    for path in (store.root / "manifests").glob("*.json"):
        path.write_text(path.read_text().replace('"GPP"', '"NEE"'))
    answered = answer_of(Store(store.root)).plain
    assert answered[0] == "The paper has no numbers for a toy."
    assert (
        "Dual-branch plus has the least RMSE of NEE, 0.4" in answered[1] and "that of the next, TabNet (" in answered[1]
    )
    assert "0.79" not in " ".join(answered)


def test_data_sets_are_named_in_words() -> None:
    assert spoken("simulated:cells=20000,years=3,seed=0", "x") == "a simulated world of 20,000 cells, 3 years"
    assert spoken("simulated:cells=800,seed=4", "x") == "a simulated world of 800 cells, seed 4"
    assert spoken("northchina", "North China, 8-day: of many sources") == "North China, 8-day"
    assert spoken("mine", "") == "mine"
