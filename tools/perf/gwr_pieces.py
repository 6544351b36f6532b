"""The measured pieces of `python -m tools.perf gwr`, each called in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bench.arrays import Doubles
from bench.system.clock import Stopwatch

_SIDE = 100.0
_WAVES_PER_SIDE = 0.5
_NOISE = 0.5


class Design(NamedTuple):
    """A regression with coefficients that vary in space.

    Attributes:
        features: (n, columns - 1) independent standard normal.
        target: (n,) Σ β(place)·feature + noise; each β is a cosine wave of two or more sides' length.
        places: (n, 2) planar, uniform in a square.
    """

    features: Doubles
    target: Doubles
    places: Doubles


def random_design(n: int, columns: int, seed: int = 0) -> Design:
    """The same design for every engine.

    Args:
        n: points.
        columns: of the design, the intercept among them.
        seed: of everything random in it.
    """
    random = np.random.default_rng(seed)
    places = random.uniform(0, _SIDE, (n, 2))
    features = random.normal(size=(n, columns - 1))
    wave = random.uniform(-_WAVES_PER_SIDE, _WAVES_PER_SIDE, (2, columns)) / _SIDE
    coefficients = np.cos(2 * np.pi * (places @ wave + random.uniform(0, 1, columns)))
    target = coefficients[:, 0] + (coefficients[:, 1:] * features).sum(axis=1) + _NOISE * random.normal(size=n)
    return Design(features, target, places)


def own_engine(n: int, columns: int, repeat: int, warm_up_n: int) -> dict[str, Any]:
    """Golden-section search by AICc and fit, adaptive bisquare, by ``models.gwr``.

    Args:
        n: points.
        columns: of the design, the intercept among them.
        repeat: how often; the fastest counts.
        warm_up_n: points of an untimed fit before, for what the first call loads.
    """
    from models.gwr import GWR

    def search_and_fit(design: Design) -> dict[str, Any]:
        model = GWR().fit(design.features, design.target, design.places)
        return {
            "bandwidth": model.bandwidth_,
            "aicc": float(model.aicc_),
            "bandwidths_tried": len(model.search_history_),
        }

    return _timed(search_and_fit, n, columns, repeat, warm_up_n)


def own_operations(n: int, columns: int) -> dict[str, int]:
    """Operations of the matrix products of one search and fit by ``models.gwr``."""
    from models.gwr import GWR
    from tools.perf.operations import matrix_operations

    design = random_design(n, columns)
    return {"matrix_operations": matrix_operations(lambda: GWR().fit(design.features, design.target, design.places))}


def mgwr_package(n: int, columns: int, repeat: int, warm_up_n: int) -> dict[str, Any]:
    """The same search and fit by the mgwr package, in one process; arguments as in `own_engine`."""
    from mgwr.gwr import GWR
    from mgwr.sel_bw import Sel_BW

    def search_and_fit(design: Design) -> dict[str, Any]:
        target = design.target[:, None]
        selection = Sel_BW(design.places, target, design.features, n_jobs=1)
        bandwidth = selection.search(criterion="AICc", verbose=True)
        result = GWR(design.places, target, design.features, bandwidth, n_jobs=1).fit()
        return {"bandwidth": float(bandwidth), "aicc": float(result.aicc)}

    return _timed(search_and_fit, n, columns, repeat, warm_up_n)


def _timed(
    search_and_fit: Callable[[Design], dict[str, Any]], n: int, columns: int, repeat: int, warm_up_n: int
) -> dict[str, Any]:
    search_and_fit(random_design(warm_up_n, columns, seed=1))
    design = random_design(n, columns)
    seconds: list[float] = []
    found: dict[str, Any] = {}
    for _ in range(repeat):
        watch = Stopwatch()
        found = search_and_fit(design)
        seconds.append(watch.seconds)
    return found | {"seconds": min(seconds), "all_seconds": seconds}
