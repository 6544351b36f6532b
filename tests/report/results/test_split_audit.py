"""The audit from a store alone finds what is wrong, and the fit of every row is audited by a test."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.audit import audit_split
from bench.data.splits import fewshot_parameters, make_split
from bench.report.results.selection import select
from bench.report.results.split_audit import JobAudit, SplitAuditor
from bench.runners.catalogue import CATALOGUE
from bench.store.records import Record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import ROOT, make_cube
from tests.report.html.conftest import describe_dataset, publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    split = fewshot_parameters(cube, (10, 40), 12, 0)
    jobs = [make_job(suite="fewshot", runner=name, split=split) for name in ("climatology", "gwr_mgwr")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite="fewshot")
    for job in jobs:
        publish(store, job, cube, 0.3)
    return store


def audits(store: Store) -> list[JobAudit]:
    selection = select(store, "fewshot")
    auditor = SplitAuditor(store, selection)
    return [auditor.audit(record) for record in selection.done]


def rewrite(store: Store, runner: str, change: object, **fields: object) -> None:
    """Changes the stored predictions of a runner and, so that its hash agrees, its record."""
    [record] = [item for item in store.records() if item.job.runner == runner]
    folder = store.jobs_dir / record.job_id
    frame = pd.read_parquet(folder / "predictions.parquet")
    change(frame).to_parquet(folder / "predictions.parquet", index=False)  # type: ignore[operator]
    files = record.files | {"predictions.parquet": sha256(folder / "predictions.parquet")}
    changed: Record = record.model_copy(update={"files": files, **fields})
    (folder / "record.json").write_text(changed.model_dump_json())


def test_jobs_that_were_scored_on_the_same_values_share_a_digest(store: Store) -> None:
    first, second = audits(store)
    assert first.samples is not None and second.samples is not None
    assert first.samples.digest == second.samples.digest and first.samples.n == 60
    assert first.problem is None and first.geometry is None


def test_another_target_value_is_another_digest_and_the_order_of_lines_is_not(store: Store) -> None:
    before = audits(store)[0].samples
    rewrite(store, "climatology", lambda frame: frame.sample(frac=1, random_state=0))
    assert before is not None and audits(store)[0].samples.digest == before.digest  # type: ignore[union-attr]
    moved = ["target", "prediction"]  # together, so that the errors stay those of the record
    rewrite(store, "climatology", lambda frame: frame.assign(**frame[moved] + np.float32(1e-4)))
    assert audits(store)[0].samples.digest != before.digest  # type: ignore[union-attr]


def test_with_the_record_of_the_data_set_the_split_is_rebuilt_as_bench_data_audit_does(store: Store) -> None:
    cube = make_cube()
    describe_dataset(store, cube, "f" * 64)
    first, _ = audits(store)
    assert first.problem is None
    with_values = audit_split(cube, make_split(cube, fewshot_parameters(cube, (10, 40), 12, 0)))
    assert with_values.twins == 0
    assert first.geometry == replace(with_values, twins=None)  # the store has no features to compare


@pytest.mark.parametrize(
    ("change", "fields", "problem"),
    [
        (lambda frame: frame.assign(time=frame["time"] - 46), {}, "not those of the split"),
        (lambda frame: frame, {"n_train": 5}, "says 5 training samples, the split has 552"),
    ],
)
def test_what_does_not_agree_is_named(store: Store, change: object, fields: dict[str, object], problem: str) -> None:
    describe_dataset(store, make_cube(), "f" * 64)
    rewrite(store, "climatology", change, **fields)
    assert problem in (audits(store)[0].problem or "")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda frame: frame.iloc[:-1], "says 60 test samples, 59 are stored"),
        (lambda frame: frame.iloc[[*range(59), 0]], "1 test samples are stored twice"),
    ],
)
def test_a_job_with_other_samples_than_its_record_says_is_damaged(store: Store, change: object, problem: str) -> None:
    rewrite(store, "climatology", change)
    selection = select(store, "fewshot")
    assert len(selection.done) == 1 and len(selection.damaged) == 1
    assert problem in next(iter(selection.damaged.values()))


def test_damaged_predictions_are_a_finding_and_no_crash(store: Store) -> None:
    selection = select(store, "fewshot")
    record = selection.done[0]  # a job damaged before it is selected is left out
    (store.jobs_dir / record.job_id / "predictions.parquet").write_bytes(b"x")
    assert "missing or damaged" in (SplitAuditor(store, selection).audit(record).problem or "")


def test_tests_prove_of_every_row_that_suites_plan_that_its_fit_reads_the_training_part_alone() -> None:
    audited: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "assert trained_on_training_only(" in path.read_text():
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            audited |= audited_by(module)
    fits = {
        entry.name for entry in CATALOGUE if not entry.by_name and not entry.withheld
    }  # withheld data: not in the test cube
    assert audited >= fits


def audited_by(module: object) -> set[str]:
    """Names of runners that a module's tests hand to the counterfactual audit."""
    found: set[str] = set()
    for _, function in inspect.getmembers(module, inspect.isfunction):
        source = inspect.getsource(function)
        if "assert trained_on_training_only(" in source:
            found |= set(re.findall(r'assert trained_on_training_only\("(\w+)"', source))
            for mark in getattr(function, "pytestmark", []):
                if mark.name == "parametrize" and mark.args[0] in ("name", "runner"):
                    found |= set(mark.args[1])
    return found
