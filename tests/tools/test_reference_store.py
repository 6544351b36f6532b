"""A reference gets rows of a store that lacks its other jobs, and is what one store of all of them would give."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.store.jobs import Job
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job
from tools.update_reference import extend, make_reference, replace

FIRST = [(make_job(), 0.5), (make_job(runner="lightgbm", view="located"), 1.0)]
SECOND = [(make_job(runner="catboost", view="located", seed=1), 2.0)]


def reference_of(store: Store, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    newest = {manifest.suite: manifest for manifest in store.manifests()}
    replace(folder, lambda made: make_reference(store.root, store, FIRST[0][0], newest, made))
    return folder


@pytest.fixture(scope="module")
def first_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference of the first jobs; tests copy it."""
    root = tmp_path_factory.mktemp("first")
    return reference_of(store_of(root / "store", FIRST, 1), root / "reference" / "toy-smoke")


@pytest.fixture
def folder(first_reference: Path, tmp_path: Path) -> Path:
    """A reference of the first jobs of its own."""
    return Path(shutil.copytree(first_reference, tmp_path / "reference" / "toy-smoke"))


def store_of(root: Path, jobs: list[tuple[Job, float]], day: int) -> Store:
    """A store of done jobs, run on a day, each with noise of the given size."""
    store = Store(root, create=True)
    add_manifest(store, f"2026-01-0{day}T00:00:00Z", [job for job, _ in jobs])
    for job, noise in jobs:
        store_job(store, job, make_cube(), noise)
    return store


def contents(folder: Path) -> dict[str, bytes]:
    """Of what all of a reference follows from, but for when its runs were started."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "manifests" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_rows_are_added_as_if_one_store_had_all_of_them(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    extend(folder, store_of(tmp_path / "second", SECOND, 2), SECOND[0][0])
    at_once = contents(
        reference_of(store_of(tmp_path / "both", [*FIRST, *SECOND], 3), tmp_path / "whole" / "toy-smoke")
    )
    added = contents(folder)
    assert added.keys() == at_once.keys() and len(added) == len(before) + 1  # a record
    same = {name for name in added if added[name] == at_once[name]}
    assert {"table1.md", "table1.csv", "table1.tex", "sums_full.parquet", "metrics_full.csv", "answer.md"} <= same
    assert "CatBoost" in (folder / "table1.md").read_text()
    listed = json.loads(added["files.json"])["files"]
    assert {"table1.md", "answer.md"} <= set(listed)
    for name, digest in listed.items():
        if name in added and not name.startswith("metrics_"):  # these are shortened after they were listed
            assert hashlib.sha256(added[name]).hexdigest() == digest, name
    for name in before:
        if name.startswith("records/"):
            assert added[name] == before[name]


def test_what_is_made_of_predictions_is_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "figures").mkdir(exist_ok=True)
    for name in ("figures/full_figure4.png", "interpretability_full.md"):
        (folder / name).write_text("of predictions")
    extend(folder, store_of(tmp_path / "second", SECOND, 2), SECOND[0][0])
    for name in ("figures/full_figure4.png", "interpretability_full.md"):
        assert (folder / name).read_text() == "of predictions"


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([FIRST[1]], "there is none to add"),
        ([(make_job(runner="catboost", profile="paper"), 1.0)], "of other data or of another profile"),
        ([(make_job(runner="catboost", dataset_fingerprint="e" * 64), 1.0)], "of other data or of another profile"),
    ],
)
def test_a_store_that_does_not_fit_changes_nothing(
    folder: Path, tmp_path: Path, jobs: list[tuple[Job, float]], said: str
) -> None:
    before = contents(folder)
    with pytest.raises(BenchError, match=said):
        extend(folder, store_of(tmp_path / "second", jobs, 2), jobs[0][0])
    assert contents(folder) == before


def test_runs_of_one_moment_cannot_stand_beside_each_other(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="began at 2026-01-01T00:00:00Z in both"):
        extend(folder, store_of(tmp_path / "second", SECOND, 1), SECOND[0][0])


def test_a_table_with_notes_that_only_predictions_tell_is_not_made_without_them(folder: Path, tmp_path: Path) -> None:
    (folder / "table1.md").write_text("- ᵃ: extrapolation: the worst 1% of the samples make 62% of its squared error")
    with pytest.raises(BenchError, match="say what only predictions tell"):
        extend(folder, store_of(tmp_path / "second", SECOND, 2), SECOND[0][0])
