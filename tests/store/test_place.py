"""Something else where a store or one of its folders should be: `plan` and `run` refuse it alike, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.api import plan, predictions, results
from bench.data.cube_zarr import write_cube
from bench.errors import BenchError
from bench.execution.progress import PlainProgress
from bench.execution.request import RunOptions
from bench.execution.running import run
from bench.store.place import FOLDERS
from bench.store.store import Store, existing_store
from tests.conftest import make_cube


def _file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a folder")


def _link(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.with_name("nowhere"))


@pytest.fixture
def data(tmp_path: Path) -> str:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return str(tmp_path / "toy.zarr")


def refusals(data: str, store: Path) -> list[str]:
    """What `plan` and `run` say; neither may open the data first, nor make anything."""
    options = RunOptions(dataset=data, profile="smoke", only=("climatology",), store=store)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: plan(options),
        lambda: run(options, lambda count: PlainProgress(count), print, print),
    )
    said = []
    for call in calls:
        with pytest.raises(BenchError) as caught:
            call()
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize("make", [_file, _link])
@pytest.mark.parametrize("name", [*FOLDERS, "datasets", "report"])
def test_a_folder_of_a_store_replaced(tmp_path: Path, data: str, name: str, make: Callable[[Path], None]) -> None:
    store = Store(tmp_path / "runs", create=True).root
    if (store / name).exists():
        (store / name).rmdir()
    make(store / name)
    first, second = refusals(data, store)
    assert first == second and f"{store / name} is a" in first and "move it away" in first
    with pytest.raises(BenchError, match="where a store has a folder"):
        existing_store(store)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_file, "is a file, not a folder; name another place with --store"),
        (_link, "is a link to nothing; name another place with --store"),
        (lambda path: _file(path.parent), "is a file, not a folder, so that there can be no store"),
        (lambda path: _link(path.parent), "is a link to nothing, so that there can be no store"),
        (lambda path: _file(path / "thesis.txt"), "holds other files (thesis.txt"),
        (lambda path: _file(path.parent.parent), "so that there can be no store"),
    ],
)
def test_something_else_in_the_place_of_a_store(
    tmp_path: Path, data: str, make: Callable[[Path], None], said: str
) -> None:
    store = tmp_path / "a" / "b" / "runs"
    make(store)
    first, second = refusals(data, store)
    assert first == second and said in first


@pytest.mark.parametrize("name", ["nul\0byte", "x" * 300])
def test_what_is_no_path(tmp_path: Path, data: str, name: str) -> None:
    first, second = refusals(data, tmp_path / name)
    assert first == second
    for call in (results, lambda store: predictions("lightgbm", store)):
        with pytest.raises(BenchError, match="The store is|cannot be opened"):
            call(str(tmp_path / name))


@pytest.mark.parametrize("store", [3, b"runs", ["runs"], 1.5, object()])
def test_what_is_no_text(store: Any) -> None:
    with pytest.raises(BenchError, match="The store is .*; give a path"):
        results(store)
    with pytest.raises(BenchError, match="The store is"):
        plan("full", store=store)


def test_a_link_to_a_folder_is_a_place_and_a_missing_folder_is_made(tmp_path: Path, data: str) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    assert plan("full", dataset=data, profile="smoke", only="climatology", store=tmp_path / "runs")
    assert plan("full", dataset=data, profile="smoke", only="climatology", store=tmp_path / "new" / "runs")
    assert not (tmp_path / "new").exists()
