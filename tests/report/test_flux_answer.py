"""The answer about fluxes: three sentences from the store, that invent nothing."""

from __future__ import annotations

from pathlib import Path

from bench.data.cube import Cube
from bench.report.answer import answer
from bench.report.flux_answer import UNKNOWN_PAPER, flux_sentences
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection, select
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.store import Store
from tests.support.flux_store import BASELINE, DERE, IMPUTATIONS, LIGHTGBM, SHARES, Rows, make_flux_store


def sentences_of(folder: Path, rows: Rows, **changes: object) -> tuple[str, ...]:
    store, _ = make_flux_store(folder, rows, repetitions=1, sizes=(), imputations=(), **changes)  # type: ignore[arg-type]
    return flux_sentences(select(store, "flux"), TowerReader(store))


def test_three_sentences_knowledge_best_row_and_what_could_not_be_had(
    flux: tuple[Store, Cube], flux_selection: Selection
) -> None:
    found = answer({"flux": flux_selection}, StatisticsReader(flux[0]))
    knowledge, best, paper = found.sentences
    assert "*DERE*" in knowledge and "mean over 2 backbones, 2 runs; less in GPP, RECO and NEE" in knowledge
    assert "*KGML + shares*" in knowledge and "not told apart in GPP, RECO and NEE" in knowledge
    assert "with 10 labelled towers 0.8" in knowledge.replace("0.79", "0.80") and "with 20 labelled towers" in knowledge
    assert (
        best.startswith("The row with the least errors, *Transformer, DERE*, errs 0.") and "told apart in all" in best
    )
    assert "could not be had" in paper and paper == UNKNOWN_PAPER
    assert not any("GPP claims" in text or "gradient boosting" in text for text in found.plain)


def test_knowledge_that_harms_is_said_to(tmp_path: Path) -> None:
    rows: Rows = (
        ("flux_transformer", SHARES, 1.0),
        ("flux_transformer", DERE, 1.6),
        ("flux_lightgbm", LIGHTGBM, 1.0),
    )
    knowledge, best, _ = sentences_of(tmp_path, rows)
    assert "more in GPP, RECO and NEE" in knowledge and "it does harm to GPP of Transformer" in knowledge
    assert "*Transformer, Baseline + shares*" in best


def test_without_the_same_inputs_the_baseline_stands_in_and_is_named(tmp_path: Path) -> None:
    rows: Rows = (
        ("flux_transformer", SHARES, 1.0),
        ("flux_transformer", BASELINE, 1.2),
        ("flux_transformer", DERE, 0.8),
        ("flux_simpletm", BASELINE, 1.2),
        ("flux_simpletm", DERE, 0.8),
    )
    knowledge, best, _ = sentences_of(tmp_path, rows)
    assert "mean over one backbone" in knowledge and "without shares, over 2 backbones" in knowledge
    assert "cannot" not in knowledge and "No row" in best


def test_nothing_is_said_of_what_did_not_run(tmp_path: Path) -> None:
    knowledge, best, _ = sentences_of(tmp_path, (("flux_mean", None, 1.0),))
    assert "cannot be said" in knowledge and "No row" in best
    store, _ = make_flux_store(tmp_path / "imputed", (), imputations=IMPUTATIONS)
    knowledge, _, _ = flux_sentences(select(store, "flux"), TowerReader(store))
    assert "cannot be said" in knowledge


def test_the_smoke_profile_is_not_judged(tmp_path: Path) -> None:
    rows: Rows = (("flux_transformer", SHARES, 1.0), ("flux_transformer", DERE, 0.5))
    first, paper = sentences_of(tmp_path, rows, profile="smoke")
    assert "not judged (smoke)" in first and "[" not in first and paper == UNKNOWN_PAPER
