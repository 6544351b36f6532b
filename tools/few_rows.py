"""How the dual-branch networks should be trained on few rows, by cross-sections that no table reports.

    python -m tools.few_rows tables/reference/trials/few_rows.csv        # about a minute

Three cross-sections: mortality of 262 districts around Tokyo and crime in 49 districts of Columbus (both come with
libpysal), and 400 invented places. A quarter of the places, by lot, is held out. Each line is one setting; errors are
relative to those of the training mean, and those of least squares stand beside them.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from bench.data.cross_sections import examples_folder
from models.dual_branch import (
    PAPER_TRAINING,
    PLUS_TRAINING,
    DualBranchOptions,
    DualBranchPlusOptions,
    DualBranchPlusRegressor,
    DualBranchRegressor,
    target,
)
from models.training import Panel

HELD_OUT = 4
"""One place in so many."""
PATCH_DEGREES = 2.0
LAPTOP: dict[str, Any] = {"epochs": 8, "batch_size": 96, "learning_rate": 3e-3, "schedule": "one_cycle", "patience": 4}
"""Training of the paper's network in the laptop profile."""


class Setting(NamedTuple):
    """One line of the record.

    Attributes:
        model: ``dual_branch`` or ``dual_branch_plus``.
        passes: most passes over the rows.
        standardised: whether the target is standardised where it is no number of about 1.
        nodes_a_cell: graph nodes of ``dual_branch`` for each training place.
        masked_share: of ``dual_branch_plus``.
        hidden: units of a hidden layer of ``dual_branch_plus``.
    """

    model: str
    passes: int
    standardised: bool = True
    nodes_a_cell: float = 0.2
    masked_share: float = 0.1
    hidden: int = 64


SETTINGS = (
    Setting("dual_branch_plus", 100),
    Setting("dual_branch_plus", 400),
    Setting("dual_branch_plus", 100, masked_share=0.9),
    Setting("dual_branch_plus", 100, standardised=False),
    Setting("dual_branch", 100),
    Setting("dual_branch", 100, nodes_a_cell=0.95),
    Setting("dual_branch", 100, standardised=False),
)


class Section(NamedTuple):
    """A cross-section.

    Attributes:
        name: of the data.
        features: (place, feature).
        target: (place,).
        places: (place, 2) planar coordinates.
    """

    name: str
    features: np.ndarray[Any, np.dtype[np.float64]]
    target: np.ndarray[Any, np.dtype[np.float64]]
    places: np.ndarray[Any, np.dtype[np.float64]]


def main() -> None:
    """Writes the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    torch.set_num_threads(1)
    lines = [measure(section, setting) for section in sections() for setting in SETTINGS]
    with output.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def sections() -> Iterator[Section]:
    """The three cross-sections."""
    folder = examples_folder()
    assert folder is not None, "libpysal is not installed"
    tokyo = pd.read_csv(folder / "tokyo" / "Tokyomortality.csv")
    rates = (tokyo["db2564"] / tokyo["eb2564"]).to_numpy()
    named = ["OCC_TEC", "OWNH", "POP65", "UNEMP"]
    yield Section("tokyo", tokyo[named].to_numpy(), rates, tokyo[["X_CENTROID", "Y_CENTROID"]].to_numpy())
    districts = json.loads((folder / "columbus" / "columbus.json").read_text())["features"]
    columbus = pd.DataFrame([district["properties"] for district in districts])
    named = ["INC", "HOVAL", "OPEN", "PLUMB", "DISCBD"]
    yield Section("columbus", columbus[named].to_numpy(), columbus["CRIME"].to_numpy(), columbus[["X", "Y"]].to_numpy())
    draw = np.random.default_rng(3)
    x, places = draw.normal(size=(400, 6)), draw.uniform(size=(400, 2))
    local = np.tanh(x[:, 0]) * (1 + places[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + np.sin(4 * places[:, 1])
    yield Section("invented", x, local + 0.3 * draw.normal(size=400), places)


def measure(section: Section, setting: Setting) -> Mapping[str, Any]:
    """One line: the error of a setting at the places held out."""
    name, features, values, places = section
    n = len(values)
    aside = np.random.default_rng(0).permutation(n) % HELD_OUT == 0
    train, test = np.flatnonzero(~aside), np.flatnonzero(aside)
    patch = places - places.mean(axis=0)
    patch *= PATCH_DEGREES / np.ptp(patch, axis=0).max()
    panel = Panel(features[:, None].astype(np.float32), np.zeros((n, 0)), patch[:, 0], patch[:, 1], np.ones(1, int))
    started = time.process_time()
    bounds = target.LEAST_DEVIATION, target.MOST_DEVIATION, target.MOST_OFFSET
    if not setting.standardised:
        target.LEAST_DEVIATION, target.MOST_DEVIATION, target.MOST_OFFSET = 0.0, np.inf, np.inf
    try:
        network = _MAKERS[setting.model](setting, len(train))
        network.fit(panel, values[:, None], train, np.zeros(len(train), int))
        predicted = network.predict(panel, test, np.zeros(len(test), int))
    finally:
        target.LEAST_DEVIATION, target.MOST_DEVIATION, target.MOST_OFFSET = bounds
    seconds = time.process_time() - started
    design = np.column_stack([features, np.ones(n)])
    least_squares = design[test] @ np.linalg.lstsq(design[train], values[train], rcond=None)[0]
    of_mean = _rmse(values[train].mean() - values[test])
    return {
        "data": name,
        **setting._asdict(),
        "relative_error": round(_rmse(predicted - values[test]) / of_mean, 4),
        "least_squares": round(_rmse(least_squares - values[test]) / of_mean, 4),
        "cpu_seconds": round(seconds, 2),
    }


def _paper(setting: Setting, n_train: int) -> Any:
    options = DualBranchOptions(steps_per_year=1, n_nodes=max(1, round(setting.nodes_a_cell * n_train)))
    return DualBranchRegressor(options, replace(PAPER_TRAINING, most_passes=setting.passes, **LAPTOP))


def _plus(setting: Setting, n_train: int) -> Any:
    options = DualBranchPlusOptions(steps_per_year=1, masked_share=setting.masked_share)
    steady = tuple(
        replace(member, harmonics=0, season_harmonics=0, hidden=setting.hidden) for member in options.members
    )
    return DualBranchPlusRegressor(replace(options, members=steady), replace(PLUS_TRAINING, most_passes=setting.passes))


_MAKERS: dict[str, Callable[[Setting, int], Any]] = {"dual_branch": _paper, "dual_branch_plus": _plus}


def _rmse(errors: Any) -> float:
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))


if __name__ == "__main__":
    main()
