"""A store of the flux suite, made once: tests only read it."""

from __future__ import annotations

import pytest

from bench.data.cube import Cube
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection, select
from bench.store.store import Store
from bench.suites.suites import SUITES
from tests.support.flux_store import make_flux_store


@pytest.fixture(scope="session")
def flux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Cube]:
    """Designs places, few and imputation, all done; DERE's errors are 0.8 times those of the same inputs."""
    return make_flux_store(tmp_path_factory.mktemp("flux"))


@pytest.fixture
def flux_selection(flux: tuple[Store, Cube]) -> Selection:
    return select(flux[0], "flux")


@pytest.fixture(scope="session")
def flux_reader(flux: tuple[Store, Cube]) -> TowerReader:
    return TowerReader(flux[0])


@pytest.fixture
def flux_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite by name, also where it cannot be planned."""
    monkeypatch.setitem(SUITES, "flux", SUITES.get("flux", SUITES["full"]))
