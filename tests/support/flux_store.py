"""A store of the flux suite whose predictions are the truth and an error of known size, without any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.cube import Cube
from bench.data.splits import make_split
from bench.scoring.metrics import KEYS, STATISTICS
from bench.store.dataset_record import write_dataset_record
from bench.store.jobs import Job
from bench.store.records import Manifest, Record, RowTitle
from bench.store.store import Store
from bench.system.disk import sha256
from tests.store.test_store import HOST
from tests.support.cubes import make_towers

TARGETS = ("GPP", "RECO", "NEE")
UNITS = "gC m-2 d-1"
FOLDS = 2
TITLES = {
    "flux_transformer": ("Transformer", "Sequence Models"),
    "flux_simpletm": ("SimpleTM", "Sequence Models"),
    "flux_mean": ("Training mean", "Reference"),
    "flux_lightgbm": ("LightGBM", "Reference"),
    "flux_imputation": ("Imputation", "Sequence Models"),
}
BASELINE, SHARES = {"variant": "baseline"}, {"variant": "baseline_shares"}
KGML, KGML_SHARES, DERE = {"variant": "kgml"}, {"variant": "kgml_shares"}, {"variant": "dere"}
FROZEN = {"variant": "dere", "tuned": "frozen"}
NO_SHARES = {"variant": "dere", "shares": "none"}
LIGHTGBM, PROCESS = {"process": False}, {"process": True}
Rows = Sequence[tuple[str, Mapping[str, Any] | None, float]]
"""Runner, override, and the factor of its error."""
ROWS: Rows = (
    *[
        (runner, override, factor * scale)
        for runner, scale in (("flux_transformer", 1.0), ("flux_simpletm", 1.1))
        for override, factor in ((BASELINE, 1.2), (SHARES, 1.0), (KGML, 1.15), (KGML_SHARES, 0.99), (DERE, 0.8))
    ],
    ("flux_transformer", FROZEN, 1.3),
    ("flux_transformer", NO_SHARES, 0.95),
    ("flux_mean", None, 2.5),
    ("flux_lightgbm", LIGHTGBM, 1.0),
    ("flux_lightgbm", PROCESS, 0.97),
)
IMPUTATIONS: Rows = (
    ("flux_imputation", {"method": "csdi"}, 0.6),
    ("flux_imputation", {"method": "linear"}, 1.0),
    ("flux_imputation", {"method": "climatology"}, 1.5),
)


def make_flux_towers(n_cells: int = 40) -> Cube:
    """Monthly towers with GPP, RECO and NEE = RECO − GPP, with a class of vegetation each."""
    cube = make_towers(n_cells, 2)
    gpp = cube.target
    reco = 0.5 * gpp + 1
    target = np.stack([gpp, reco, reco - gpp], axis=2).astype(np.float32)
    return dataclasses.replace(cube, target=target, several_targets=dict.fromkeys(TARGETS, UNITS)).validate()


def split_of(design: str, fold: int, labelled: int | None = None, repetition: int = 0) -> dict[str, Any]:
    """Parameters of a split as the suite has them."""
    split: dict[str, Any] = {"kind": "places", "near": 111.195, "fold": fold, "folds": FOLDS, "max_cells": None}
    split |= {"design": design, "targets": list(TARGETS), "validation_share": 0.1}
    if labelled is not None:
        split |= {"labelled": labelled, "labelled_seed": repetition}
    if design == "imputation":
        split |= {"hidden_share": 0.3, "hidden_seed": 0}
    return split


def make_flux_job(
    cube: Cube, runner: str, override: Mapping[str, Any] | None, split: dict[str, Any], **changes: object
) -> Job:
    fields = {
        "suite": "flux",
        "dataset": cube.name,
        "dataset_fingerprint": cube.fingerprint,
        "split": split,
        "runner": runner,
        "runner_version": 1,
        "parameters": {"options": dict(override or {})},
        "view": None,
        "profile": "laptop",
        "repetition": 0,
        "seed": None if runner in ("flux_mean", "flux_lightgbm") else 7,
        "packages": {},
        "override": None if override is None else dict(override),
    }
    return Job.model_validate(fields | changes)


def predictions_of(cube: Cube, job: Job, factor: float) -> pd.DataFrame:
    """Every test month: the truth and an error that depends on the tower, the month and the repetition."""
    seed = [job.repetition, job.split.get("labelled", 0)]
    generator = np.random.default_rng(seed)  # the same errors for all rows of a repetition, apart from their size
    level = generator.lognormal(0, 0.3, cube.n_cells)
    noise = generator.normal(size=cube.target.shape) * level[:, None, None]
    own = np.random.default_rng([*seed, int(1000 * factor)]).normal(size=cube.target.shape)
    error = factor * (noise + 0.3 * own)
    frames = []
    test = make_split(cube, job.split).test
    tested = np.zeros((cube.n_cells, len(cube.time)), bool)
    tested[tuple(test.samples())] = True
    for index, target in enumerate(job.split["targets"]):
        cell, time = np.nonzero(np.isfinite(cube.target[:, :, index]) & tested)
        truth, wrong = cube.target[cell, time, index], error[cell, time, index]
        frame = pd.DataFrame({"cell": cell.astype(np.int32), "time": time.astype(np.int32), "variable": target})
        frame["target"], frame["prediction"] = truth, (truth + wrong).astype(np.float32)
        frame["deviation"] = np.float32(factor)
        if job.split["design"] == "imputation":
            frame["crps"] = (0.5 * np.abs(wrong)).astype(np.float32)
            frame["inside_50"], frame["inside_90"] = np.abs(wrong) < 0.7 * factor, np.abs(wrong) < 1.8 * factor
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def statistics_of_predictions(frame: pd.DataFrame) -> pd.DataFrame:
    """Sums per target and tower, the tower taken as its block."""
    error = (frame["prediction"] - frame["target"]).astype(float)
    table = frame[["variable", "cell"]].assign(
        n=1, weight=1.0, error=error, absolute_error=error.abs(), squared_error=error**2, target=frame["target"]
    )
    table["squared_target"] = table["target"].astype(float) ** 2
    sums = table.groupby(["variable", "cell"], as_index=False)[list(STATISTICS)].sum()
    sums = sums.rename(columns={"variable": "group", "cell": "block"}).assign(part="test", weighting="plain", year=0)
    return sums[[*KEYS, *STATISTICS]]


def publish_flux(store: Store, cube: Cube, job: Job, factor: float, **changes: object) -> Record:
    """Publishes a job as the suite does."""
    work = store.new_work_folder(job.id)
    frame = predictions_of(cube, job, factor)
    frame.to_parquet(work / "predictions.parquet", index=False)
    statistics = statistics_of_predictions(frame)
    statistics.to_parquet(work / "statistics.parquet", index=False)
    gpp = statistics[statistics["group"] == "GPP"]
    fields = {
        "cell_id": job.id,
        "cell": job,
        "status": "done",
        "metrics": {"test": {"GPP_rmse": float(np.sqrt(gpp["squared_error"].sum() / gpp["weight"].sum()))}},
        "fit_seconds": 12.0,
        "peak_memory_bytes": 10**9,
        "threads": 1,
        "training_ended": "converged" if job.seed is not None else None,
        "n_test": len(make_split(cube, job.split).test),
        "files": {name: sha256(work / name) for name in ("predictions.parquet", "statistics.parquet")},
        "started": "2026-01-01T00:00:00.000Z",
        "finished": "2026-01-01T00:01:02.000Z",
        "host": HOST,
        "bench_version": "0",
    }
    record = Record.model_validate(fields | changes)
    store.publish(work, record)
    return record


def add_flux_manifest(store: Store, cube: Cube, jobs: Sequence[Job], created: str = "2026-01-01T00:00:00Z") -> None:
    store.add_manifest(
        Manifest(
            created=created,
            suite="flux",
            dataset_spec=cube.name,
            dataset_reason="for tests",
            dataset_title="towers made for tests",
            target_name="GPP",
            target_units=UNITS,
            several_targets=dict.fromkeys(TARGETS, UNITS),
            options={},
            rows={name: RowTitle(title=title, family=family) for name, (title, family) in TITLES.items()},
            jobs=list(jobs),
        )
    )


def make_flux_store(
    folder: Path,
    rows: Rows = ROWS,
    *,
    repetitions: int = 2,
    sizes: Sequence[int] = (10, 20),
    imputations: Rows = IMPUTATIONS,
    **changes: object,
) -> tuple[Store, Cube]:
    """A store with the designs places, few (DERE, the same inputs and LightGBM) and imputation, all done."""
    store, cube = Store(folder / "runs", create=True), make_flux_towers()
    planned: list[tuple[Job, float]] = []
    for runner, override, factor in rows:
        for repetition in range(1 if TITLES[runner][1] in ("Reference",) or runner == "flux_lightgbm" else repetitions):
            for fold in range(1, FOLDS + 1):
                job = make_flux_job(cube, runner, override, split_of("places", fold), repetition=repetition, **changes)
                planned.append((job, factor))
        if override in (SHARES, DERE, LIGHTGBM):
            for size in sizes:
                for repetition in range(repetitions):
                    for fold in range(1, FOLDS + 1):
                        split = split_of("few", fold, size, repetition)
                        job = make_flux_job(cube, runner, override, split, repetition=repetition, **changes)
                        planned.append((job, factor * (1 + 2 / size)))
    for runner, override, factor in imputations:
        for fold in range(1, FOLDS + 1):
            planned.append((make_flux_job(cube, runner, override, split_of("imputation", fold), **changes), factor))
    write_dataset_record(store, cube)
    add_flux_manifest(store, cube, [job for job, _ in planned])
    for job, factor in planned:
        publish_flux(store, cube, job, factor)
    return store, cube
