"""A stored value that is missing or of another type: its record or manifest is left out and named, the rest shown."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.api import results
from bench.data.splits import ablation_parameters, fewshot_parameters
from bench.errors import BenchError
from bench.report.reporting import ReportOptions, write_report
from bench.store.jobs import Job
from bench.store.store import Store
from bench.suites import ablation
from tests.conftest import make_cube
from tests.report.html.conftest import publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job

EVERY = int(os.environ.get("BENCH_TEST_DAMAGE_EVERY", "131"))
"""Of all changes, the share that a run of the tests tries is one in this many; 1 tries all, which takes minutes."""
GONE = object()
WRONG: tuple[Any, ...] = (
    GONE,
    None,
    3,
    -1,
    1e308,
    "x",
    "\x1b[31m",
    "ablation",
    [],
    ["x"],
    {},
    {"a": [1]},
    True,
    "9" * 400,
)
MANIFEST, RECORD = "manifest", "record"


def ablation_job(runner: str, override: dict[str, Any], repetition: int = 0) -> Job:
    cube = make_cube()
    split = ablation_parameters(cube, (1, 40), 12, repetition, step_stride=1, train_years=None)
    parameters = ablation.parameters_of(runner, override, "smoke", 12)
    return make_job(
        suite="ablation", runner=runner, split=split, parameters=parameters, override=override, seed=1, profile="smoke"
    )


@pytest.fixture(scope="module")
def three_suites(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a run of each suite, two finished jobs of each."""
    store, cube = Store(tmp_path_factory.mktemp("damage") / "runs", create=True), make_cube()
    few = fewshot_parameters(cube, (1, 40), 12, 0)
    jobs = {
        "full": [make_job(runner="climatology"), make_job(runner="lightgbm", view="located", seed=1)],
        "fewshot": [make_job(suite="fewshot", runner=name, split=few) for name in ("climatology", "gnnwr")],
        "ablation": [ablation_job("dual_branch", override) for override in ({}, {"k": 4})],
    }
    for number, (suite, own) in enumerate(jobs.items()):
        add_manifest(store, f"2026-01-0{number + 1}T00:00:00Z", own, suite=suite)
        for index, job in enumerate(own):
            publish(store, job, cube, 0.4 + 0.1 * index)
    return store


@pytest.fixture
def store(three_suites: Store, tmp_path: Path) -> Store:
    shutil.copytree(three_suites.root, tmp_path / "runs")
    return Store(tmp_path / "runs")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values of a document that lie in its first job and outside its lists of jobs."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(document: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    found = copy.deepcopy(document)
    place = found
    for key in path[:-1]:
        place = place[key]
    if wrong is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = wrong
    return found


def files_of(store: Store, kind: str) -> list[Path]:
    pattern = "manifests/*.json" if kind == MANIFEST else "cells/*/record.json"
    return sorted(store.root.glob(pattern))


def render(store: Store, **options: Any) -> list[str]:
    """The notes of a report of everything but figures."""
    return write_report(Store(store.root), ReportOptions(figures=False, html=True, **options)).notes


@pytest.mark.parametrize("kind", [MANIFEST, RECORD])
def test_no_value_of_a_file_makes_the_report_refuse(store: Store, kind: str) -> None:
    tried, whole = 0, render(store)
    for path in files_of(store, kind):
        document = json.loads(path.read_text())
        for number, (place, wrong) in enumerate((p, w) for p in places(document) for w in WRONG):
            if number % EVERY or place == ("schema_version",):  # that of a newer version is refused as a whole
                continue
            tried += 1
            path.write_text(json.dumps(changed(document, place, wrong)))
            try:
                notes = render(store)
            except BenchError as error:  # of two runs the user has to choose one
                assert "never share a report" in str(error)
                notes = []
            except Exception as error:
                raise AssertionError(f"{path.name} {place} {wrong!r}") from error
            assert not any("\x1b" in note for note in notes)
            path.write_text(json.dumps(document))
    assert tried > 3 and render(store) == whole


@pytest.mark.parametrize(
    ("suite", "edit"),
    [
        ("full", {"suite": "ablation"}),
        ("full", {"suite": "fewshot"}),
        ("fewshot", {"suite": "ablation"}),
        ("ablation", {"suite": "full"}),
        ("ablation", {"override": None}),
        ("ablation", {"parameters": {}}),
        ("ablation", {"parameters": {"options": 3}}),
        ("fewshot", {"split": {"kind": "share", "share": 0.2, "share_seed": 0, "max_cells": None, "weeks": [1]}}),
        ("full", {"split": {"kind": "full", "test_year": 2020, "max_cells": None, "fold": 1}}),
    ],
)
def test_jobs_that_are_not_of_their_suite_are_damaged(store: Store, suite: str, edit: dict[str, Any]) -> None:
    [path] = (path for path in files_of(store, MANIFEST) if f"-{suite}-" in path.name)
    document = json.loads(path.read_text())
    if "suite" in edit:
        document["suite"] = edit["suite"]  # as somebody would who edits both
    for job in document["cells"]:
        job.update(edit)
    path.write_text(json.dumps(document))
    notes = render(store)
    assert any(note.startswith("Left out: ") and path.name in note for note in notes)
    with pytest.warns(UserWarning, match="Left out: "):
        assert set(results(store.root)["suite"]) == {"full", "fewshot", "ablation"} - {suite}
    assert Store(store.root, create=True).set_damaged_manifests_aside() == [path]


def test_a_damaged_job_is_named_and_the_others_of_its_row_are_shown(store: Store) -> None:
    damaged, _ = sorted((store.root / "cells").iterdir())[:2]
    (damaged / "statistics.parquet").write_bytes(b"nothing")
    notes = render(store)
    assert [note for note in notes if note.startswith("Left out: ") and damaged.name in note]
    page = (store.root / "report" / "report.html").read_text()
    assert "damaged" in page


def test_a_store_without_a_readable_run_says_why(store: Store) -> None:
    for path in files_of(store, MANIFEST):
        path.write_text("{")
    with pytest.raises(BenchError, match="holds no run that can be read .*is damaged"):
        render(store)


def test_what_another_version_knows_of_an_ablation_is_shown_as_far_as_it_goes(store: Store) -> None:
    add_manifest(store, "2026-02-01T00:00:00Z", [ablation_job("dual_branch", {"k": 4})], suite="ablation")
    other = ablation_job("dual_branch", {"k": 4}).model_copy(update={"runner": "lightgbm", "override": {"depth": 3}})
    add_manifest(store, "2026-02-02T00:00:00Z", [other], suite="ablation")
    render(store)
