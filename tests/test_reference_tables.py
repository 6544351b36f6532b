"""The committed results are what the committed records say, and the README repeats them faithfully."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.scoring.metrics import METRICS, STATISTICS
from bench.store.reference import Reference
from tests.conftest import ROOT
from tools.trial_inputs import GIVEN

REFERENCE = ROOT / "tables" / "reference"
FOLDERS = sorted(path.parent for path in REFERENCE.glob("*/records"))


@pytest.mark.parametrize(
    "folder", [path for path in FOLDERS if (path / "table1.csv").exists()], ids=lambda folder: folder.name
)
def test_every_number_of_table_1_follows_from_a_committed_record(folder: Path) -> None:
    table = pd.read_csv(folder / "table1.csv")
    records = {path.stem: json.loads(path.read_text()) for path in (folder / "records").glob("*.json")}
    assert not table.duplicated(["family", "method", "column"]).any()
    checked = 0
    for line in table[table["column"].isin(["rmse", "r2", "mae", "bias", "train_rmse"])].itertuples():
        part, metric = ("train", "rmse") if line.column == "train_rmse" else ("test", line.column)
        values = [records[job]["metrics"][part][metric] for job in line.cells.split()]
        if any("fold" in records[job]["cell"]["split"] for job in line.cells.split()):
            values = pooled(folder, records, line.cells.split(), part, metric)
        assert line.value == pytest.approx(sum(values) / len(values), rel=1e-9)
        if line.column in ("rmse", "r2", "mae") and line.low == line.low:  # few blocks give no interval
            assert line.low <= line.value <= line.high
        checked += 1
    assert checked >= 5 * table[table["column"] == "rmse"]["method"].nunique() > 0


def pooled(folder: Path, records: dict[str, dict[str, Any]], jobs: list[str], part: str, metric: str) -> list[float]:
    """A metric of each repetition, over the samples of all its folds."""
    of_repetition: dict[int, list[pd.DataFrame]] = {}
    reference = Reference(folder)
    for job in jobs:
        record = reference.record(job)
        assert record is not None
        own = reference.statistics(record)
        own = own[(own["part"] == part) & (own["group"] == "all") & (own["weighting"] == "plain")]
        of_repetition.setdefault(records[job]["cell"]["repetition"], []).append(own)
    sums = [pd.concat(parts)[list(STATISTICS)].sum() for parts in of_repetition.values()]
    return [float(METRICS[metric].of({name: np.asarray(own[name]) for name in STATISTICS})) for own in sums]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_raw_numbers_are_complete_and_unique(folder: Path) -> None:
    for path in folder.glob("metrics_*.csv"):
        metrics = pd.read_csv(path)
        target = ["target"] if "target" in metrics else []  # of jobs that predict several at once
        assert not metrics.duplicated(["cell", *target, "part", "group", "weighting"]).any()
        assert metrics[["n", "rmse", "mae", "bias"]].notna().all().all()
        assert set(metrics["cell"]) <= {item.stem for item in (folder / "records").glob("*.json")}
    for path in (folder / "records").glob("*.json"):
        record = json.loads(path.read_text())
        assert record["status"] == "done" and record["cell_id"] == path.stem


def test_validation_records_are_complete_and_of_training_data_only() -> None:
    for path in (REFERENCE / "validation").glob("*.csv"):
        runs = pd.read_csv(path)
        assert not runs.duplicated([name for name in GIVEN if name in runs]).any()
        measured = runs[["rmse_seen", "rmse_unseen"]]
        assert (measured.isna() | (measured > 0)).all().all() and measured.notna().any(axis=1).all()
        for text in (*runs["options"], *runs["training"]):
            assert isinstance(json.loads(text), dict)


def test_the_readme_repeats_the_committed_table() -> None:
    committed = (ROOT / "tables" / "reference" / "northchina-laptop" / "table1.md").read_text().strip()
    assert committed in (ROOT / "README.md").read_text()


def test_links_in_readme_and_docs_lead_somewhere() -> None:
    import re

    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
