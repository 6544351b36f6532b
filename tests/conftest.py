"""Fixtures shared by all tests: small cubes, an isolated cache, and a way to call the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.fetch import locate
from bench.data.northchina import SOURCE
from bench.runners import registry
from bench.runners.catalogue import CATALOGUE

ROOT = Path(__file__).parent.parent
Bench = Callable[..., subprocess.CompletedProcess[str]]
_OWN_RUNNERS = frozenset(entry.name for entry in CATALOGUE)


def make_cube(n_cells: int = 30, n_years: int = 2, seed: int = 0) -> Cube:
    """A cube without any meaning: random climate, a target that depends on it, on the place and on the season."""
    generator = np.random.default_rng(seed)
    days = np.concatenate(
        [
            np.datetime64(f"{year}-01-01") + np.arange(0, 46 * 8, 8).astype("timedelta64[D]")
            for year in range(2021 - n_years, 2021)
        ]
    )
    climate = generator.normal(size=(n_cells, len(days), 3)).astype(np.float32)
    fractions = generator.dirichlet(np.ones(4), size=n_cells).astype(np.float32)
    season = np.sin(2 * np.pi * np.arange(len(days)) / 46)
    hidden = generator.normal(size=(n_cells, 1))
    target = 3 + climate[:, :, 0] + hidden * season + 0.3 * climate[:, :, 1] * fractions[:, :1]
    return Cube(
        name="toy",
        climate=climate,
        static=fractions,
        target=target.astype(np.float32),
        lon=generator.uniform(-20, 20, n_cells),
        lat=generator.uniform(30, 60, n_cells),
        time=days,
        feature_names=("Tavg", "Rs", "Prcp"),
        feature_units=("degC", "W m-2", "mm d-1"),
        static_names=("land_cover_ENF", "land_cover_GRA", "land_cover_CRO", "land_cover_water"),
        static_units=("1",) * 4,
        n_land_cover=4,
        target_name="GPP",
        target_units="gC m-2 d-1",
        provenance={"title": "made for tests", "licence": "none needed"},
        withheld={"LAI": generator.uniform(0, 5, size=(n_cells, len(days))).astype(np.float32)},
    ).validate()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what `tests/long.txt` lists: files or single tests, one a line, with what they took."""
    lines = (ROOT / "tests" / "long.txt").read_text(encoding="utf-8").splitlines()
    listed = tuple(line.split()[0] for line in lines if line and not line.startswith("#"))
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in listed or name.partition("::")[0] in listed:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def cube() -> Cube:
    return make_cube()


@pytest.fixture(autouse=True)
def registered_runners_end_with_their_test() -> Iterator[None]:
    """A row that a test registers (`bench.register`, `sklearn:…`) is none of the next test's."""
    before = os.environ.get(registry.REGISTERED_VARIABLE)
    yield
    if os.environ.get(registry.REGISTERED_VARIABLE) != before:
        os.environ.pop(registry.REGISTERED_VARIABLE, None)
        if before is not None:
            os.environ[registry.REGISTERED_VARIABLE] = before
    if any(name not in _OWN_RUNNERS for name in registry.entries()):
        registry.reload()


@pytest.fixture(scope="session", autouse=True)
def isolated_cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Tests build their own cubes and never touch the user's cache."""
    folder = tmp_path_factory.getbasetemp().parent / "bench-cache" if worker_id != "master" else None
    folder = folder or tmp_path_factory.mktemp("bench-cache")
    os.environ["BENCH_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Calls ``bench`` in a process of its own; the store is a folder of this test."""

    def call(
        *arguments: str, plugins: str = "", timeout: float = 550, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = bench_environment(tmp_path, plugins) | environment
        return subprocess.run(
            [sys.executable, "-m", "bench", *arguments],
            capture_output=True,
            text=True,
            env=variables,
            cwd=tmp_path,
            timeout=timeout,
        )

    return call


def bench_environment(folder: Path, plugins: str = "") -> dict[str, str]:
    """Environment of a test's ``bench`` process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {
        "BENCH_STORE": str(folder / "runs"),
        "BENCH_PLUGINS": plugins,
        "PYTHONPATH": path,
        "COLUMNS": "200",
    }


@pytest.fixture
def northchina_folder() -> Path:
    folder = locate(SOURCE).folder
    if folder is None:
        pytest.skip("the real North China files are not at hand (set BENCH_DATA_DIR)")
    return folder
