"""The Georgia counties, as far as several tests need them."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "gwr.json"


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text()))


@pytest.fixture(scope="session")
def georgia() -> SimpleNamespace:
    libpysal = pytest.importorskip("libpysal")
    pandas = pytest.importorskip("pandas")
    folder = Path(libpysal.__file__).parent / "examples" / "georgia"
    table = pandas.read_csv(folder / "GData_utm.csv")
    return SimpleNamespace(
        X=table[["PctRural", "PctPov", "PctBlack"]].to_numpy(),
        y=table["PctBach"].to_numpy(),
        planar=table[["X", "Y"]].to_numpy(),
        great_circle=table[["Longitud", "Latitude"]].to_numpy(),
        listwise=lambda name: pandas.read_csv(folder / f"georgia_{name}_listwise.csv", skipinitialspace=True),
    )


@pytest.fixture(scope="session")
def sample() -> Callable[..., SimpleNamespace]:
    """Random data with coefficients that vary in space."""

    def make(n: int = 80, features: int = 3, seed: int = 0) -> SimpleNamespace:
        rng = np.random.default_rng(seed)
        coords = rng.uniform(0, 10, (n, 2))
        X = rng.normal(size=(n, features)) + rng.normal(size=features)
        slopes = np.sin(coords[:, :1] / 3 + np.arange(features))
        y = coords[:, 1] + (X * slopes).sum(axis=1) + 0.5 * rng.normal(size=n)
        return SimpleNamespace(X=X, y=y, coords=coords, rng=rng)

    return make
