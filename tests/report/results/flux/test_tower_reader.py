"""Numbers per tower: equal to those from the predictions, pooled over folds, paired over labelled towers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.report.results.flux.flux_rows import FluxRowResult, find, flux_rows
from bench.report.results.flux.knowledge import best_row, compared, pairs_of
from bench.report.results.flux.lines import flux_lines
from bench.report.results.flux.same_values import differing_values
from bench.report.results.flux.tower_reader import TowerReader, sums_per_tower
from bench.report.results.selection import Selection, select
from bench.report.results.statistics_reader import StatisticsReader
from bench.scoring.metrics import STATISTICS
from bench.scoring.towers import MEDIAN_R2
from bench.store.reading import CorruptRecord
from bench.store.store import Store
from bench.suites.flux import FEW, IMPUTATION, PLACES
from bench.system.disk import sha256
from tests.support.flux_store import (
    DERE,
    LIGHTGBM,
    SHARES,
    TARGETS,
    add_flux_manifest,
    make_flux_job,
    make_flux_towers,
    publish_flux,
    split_of,
    statistics_of_predictions,
)


def the_row(
    selection: Selection, design: str, runner: str, override: dict[str, object], size: int | None = None
) -> FluxRowResult:
    row = find(flux_rows(selection, design, size), runner, override)
    assert row is not None
    return row


def by_hand(reader: TowerReader, row: FluxRowResult, target: str) -> list[pd.DataFrame]:
    """Per repetition, the predictions of all folds together."""
    frames: dict[int, list[pd.DataFrame]] = {}
    for record in row.result.records:
        frames.setdefault(record.job.repetition, []).append(reader.predictions(record))
    together = [pd.concat(own) for own in frames.values()]
    return [frame[frame["variable"] == target] for frame in together]


def rmse_of(frame: pd.DataFrame) -> float:
    return float(np.sqrt((frame["prediction"].astype(float) - frame["target"].astype(float)).pow(2).mean()))


def test_metrics_are_those_of_the_predictions(flux_selection: Selection, flux_reader: TowerReader) -> None:
    row = the_row(flux_selection, PLACES, "flux_transformer", DERE)
    for target in TARGETS:
        frames = by_hand(flux_reader, row, target)
        errors = [(own["prediction"].astype(float) - own["target"].astype(float)) for own in frames]
        variances = [own["target"].astype(float).var(ddof=0) for own in frames]
        expected = {
            "rmse": np.mean([np.sqrt((error**2).mean()) for error in errors]),
            "mae": np.mean([error.abs().mean() for error in errors]),
            "r2": np.mean([1 - (error**2).mean() / own for error, own in zip(errors, variances, strict=True)]),
            "bias": np.mean([error.mean() for error in errors]),
        }
        for metric, value in expected.items():
            found = flux_reader.estimate(row, target, metric)
            assert found is not None and found.value == pytest.approx(value, rel=1e-6, abs=1e-9)
            assert found.low < found.value < found.high


def test_a_group_is_its_towers(flux: tuple[Store, Cube], flux_selection: Selection, flux_reader: TowerReader) -> None:
    row = the_row(flux_selection, PLACES, "flux_transformer", DERE)
    labels = flux[1].labels_of("IGBP")
    groups = flux_reader.groups(row, "GPP")
    assert {name: n for name, n in groups.items() if name.startswith("IGBP")} == {
        f"IGBP:{level}": int((labels == level).sum()) for level in np.unique(labels)
    }
    frames = [own[labels[own["cell"]] == "ENF"] for own in by_hand(flux_reader, row, "GPP")]
    errors = [(own["prediction"].astype(float) - own["target"].astype(float)) for own in frames]
    found = flux_reader.estimate(row, "GPP", "rmse", "IGBP:ENF")
    assert found is not None
    assert found.value == pytest.approx(np.mean([np.sqrt((error**2).mean()) for error in errors]), rel=1e-6)


def test_ratios_are_paired_and_mean_ratios_are_geometric(flux_selection: Selection, flux_reader: TowerReader) -> None:
    found = flux_rows(flux_selection, PLACES)
    pairs = pairs_of(found, "dere")
    assert [row.backbone for row, _ in pairs] == ["Transformer", "SimpleTM"]
    ratios = [flux_reader.ratio(row, other, "GPP") for row, other in pairs]
    mean = flux_reader.mean_ratio(pairs, "GPP")
    assert mean is not None
    assert mean.value == pytest.approx(np.exp(np.mean([np.log(own.value) for own in ratios if own is not None])))
    assert 0.7 < mean.value < 0.9
    alone = [flux_reader.estimate(row, "GPP", "rmse") for row in pairs[0]]
    assert alone[0] is not None and alone[1] is not None and ratios[0] is not None
    assert ratios[0].value == pytest.approx(alone[0].value / alone[1].value)
    rest = flux_reader.ratio(*pairs[0], "GPP", "r2")
    assert rest is not None and rest.value < 1


def test_few_towers_are_compared_over_the_samples_that_both_have(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    jobs = {
        (name, repetition): [
            make_flux_job(cube, runner, override, split_of("few", fold, 10, repetition), repetition=repetition)
            for fold in (1, 2)
        ]
        for name, runner, override, repetitions in (
            ("dere", "flux_transformer", DERE, (0, 1, 2)),
            ("lightgbm", "flux_lightgbm", LIGHTGBM, (1, 2)),
        )
        for repetition in repetitions
    }
    add_flux_manifest(store, cube, [job for own in jobs.values() for job in own])
    for (name, repetition), own in jobs.items():
        for job in own:
            publish_flux(store, cube, job, {"dere": 0.5, "lightgbm": 1.0}[name] * (1 + repetition))
    selection, reader = select(store, "flux"), TowerReader(store)
    ours = the_row(selection, FEW, "flux_transformer", DERE, 10)
    theirs = the_row(selection, FEW, "flux_lightgbm", LIGHTGBM, 10)
    found = reader.ratio(ours, theirs, "GPP")
    assert found is not None
    own, other = ([rmse_of(frame) for frame in by_hand(reader, row, "GPP")] for row in (ours, theirs))
    assert len(own) == 3 and len(other) == 2
    assert found.value == pytest.approx(np.mean(own[1:]) / np.mean(other), rel=1e-5)


def test_scores_of_imputations_are_means_over_months(flux_selection: Selection, flux_reader: TowerReader) -> None:
    row = the_row(flux_selection, IMPUTATION, "flux_imputation", {"method": "csdi"})
    frame = pd.concat([flux_reader.predictions(record) for record in row.result.records]).query("variable == 'NEE'")
    for score in ("crps", "inside_50", "inside_90"):
        found = flux_reader.estimate(row, "NEE", score)
        assert found is not None and found.value == pytest.approx(frame[score].astype(float).mean(), rel=1e-6)
    found = flux_reader.estimate(row, "NEE", "inside_90")
    assert found is not None and 0 <= found.low < found.value < found.high <= 1


def test_the_median_of_towers_is_that_of_each_tower(flux_selection: Selection, flux_reader: TowerReader) -> None:
    row = the_row(flux_selection, PLACES, "flux_lightgbm", LIGHTGBM)
    [frame] = by_hand(flux_reader, row, "RECO")
    of_tower = [
        1 - ((own["prediction"] - own["target"]).astype(float) ** 2).mean() / own["target"].astype(float).var(ddof=0)
        for _, own in frame.groupby("cell")
    ]
    found = flux_reader.estimate(row, "RECO", MEDIAN_R2)
    assert found is not None and found.value == pytest.approx(np.median(of_tower), rel=1e-5)


def test_knowledge_is_counted_by_backbone_and_the_best_row_by_its_ratio(
    flux_selection: Selection, flux_reader: TowerReader
) -> None:
    found = [row for row in flux_rows(flux_selection, PLACES) if row.is_main]
    for item in compared(flux_reader, found, "dere", TARGETS):
        assert set(item.of_backbone) == {"Transformer", "SimpleTM"} and not item.hurt
    best = best_row(flux_reader, found, TARGETS)
    assert best is not None and best.row.name == "Transformer, DERE" and set(best.ratios) == set(TARGETS)


def test_lines_have_target_split_and_towers(flux_selection: Selection, flux_reader: TowerReader) -> None:
    lines = pd.DataFrame(flux_lines(flux_selection, flux_reader, {"all"}))
    key = ["runner", "variant", "split", "train_cells", "target", "metric", "group"]
    assert not lines.duplicated(key).any()
    assert set(lines["split"]) == {"places", "few", "imputation"} and set(lines["target"]) == set(TARGETS)
    assert (lines["towers"] == 40).all()
    assert set(lines.loc[lines["split"] == "imputation", "metric"]) >= {"crps", "inside_50", "inside_90"}
    some = pd.DataFrame(flux_lines(flux_selection, flux_reader, {"IGBP:ENF"}))
    assert set(some["group"]) == {"IGBP:ENF"} and (some["towers"] < 40).all()


def test_sums_are_those_of_the_statistics_file(flux: tuple[Store, Cube], flux_selection: Selection) -> None:
    record = flux_selection.done[0]
    reader = StatisticsReader(flux[0])
    sums = sums_per_tower(TowerReader(flux[0]).predictions(record))
    for target in TARGETS:
        stored = reader.sums(record, "test", target)
        assert stored is not None
        assert sums[target][1][: len(STATISTICS)] == pytest.approx(stored.values[:, 0], rel=1e-5, abs=1e-4)


def test_other_values_and_other_towers_are_found(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    jobs = [
        make_flux_job(cube, "flux_transformer", override, split_of("places", fold), repetition=repetition)
        for override, repetition in ((SHARES, 0), (SHARES, 1), (DERE, 0))
        for fold in (1, 2)
    ]
    add_flux_manifest(store, cube, jobs)
    for job in jobs:
        publish_flux(store, cube, job, 1.0)
    selection = select(store, "flux")
    assert differing_values(store, selection) == (2, ())
    record = selection.records[jobs[-1].id]
    folder = store.root / "cells" / record.job_id
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame = frame[frame["cell"] != frame["cell"].iloc[0]]
    frame.to_parquet(folder / "predictions.parquet", index=False)
    statistics_of_predictions(frame).to_parquet(folder / "statistics.parquet", index=False)
    files = {name: sha256(folder / name) for name in record.files}
    changed = record.model_copy(update={"files": files, "metrics": {}})  # sound, but of fewer towers
    (folder / "record.json").write_text(changed.model_dump_json())
    selection, reader = select(store, "flux"), TowerReader(store)
    n_splits, sentences = differing_values(store, selection)
    assert n_splits == 2 and len(sentences) == 1 and changed.job_id in sentences[0]
    rows = [the_row(selection, PLACES, "flux_transformer", override) for override in (DERE, SHARES)]
    assert reader.ratio(rows[0], rows[1], "GPP") is None  # other towers: no ratio, no wrong one
    assert reader.estimate(rows[0], "GPP", "rmse") is not None


def test_a_file_of_another_suite_is_refused(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(12)
    job = make_flux_job(cube, "flux_mean", None, split_of("places", 1))
    add_flux_manifest(store, cube, [job])
    record = publish_flux(store, cube, job, 1.0)
    path = store.root / "cells" / job.id / "predictions.parquet"
    pd.read_parquet(path).drop(columns="variable").to_parquet(path, index=False)
    changed = record.model_copy(update={"files": record.files | {"predictions.parquet": sha256(path)}})
    with pytest.raises(CorruptRecord, match="lacks column variable"):
        TowerReader(store).predictions(changed)
