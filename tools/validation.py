"""Scores settings of a dual-branch model on a validation part cut from the training year, and records the result.

    python tools/validation.py dual_branch --option n_nodes=1000 --training epochs=6 --training decay_after=3
    python tools/validation.py dual_branch_plus --train-cells 620 --option masked_share=0.3

No sample of the test year is read. From the training year, two parts are held out: whole blocks of 1.5° × 1.5° (18 % of
the blocks: cells that are never seen) and, of the other cells, blocks of 1.5° × 1.5° × 3 steps (10 %: cells seen at
other times). With ``--train-cells`` only the few-shot suite's sample of so many cells is used at all, and the unseen
cells are single cells of it (20 %), since few-shot tests at cells between those sampled.

How far the importance weights are from the model's own gradients at unseen cells (`gradient_mismatch`, 0 is perfect) is
recorded beside the errors; true sensitivities play no part.

Every run appends a line to ``tables/reference/validation/<dataset>.csv``; figures about choices come from there.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent.parent / "tables" / "reference" / "validation"
BLOCK_DEGREES, BLOCK_STEPS = 1.5, 3
UNSEEN_SHARE, SEEN_SHARE, FEWSHOT_UNSEEN_SHARE = 0.18, 0.10, 0.20
CUT_SEED = 2019
COLUMNS = (
    "model",
    "dataset",
    "train_cells",
    "options",
    "training",
    "seed",
    "rmse_train",
    "rmse_seen",
    "rmse_unseen",
    "seconds",
    "torch",
    "gradient_mismatch",
)

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


def cut(
    lon: npt.NDArray[np.floating], lat: npt.NDArray[np.floating], n_times: int, *, single_cells: bool = False
) -> tuple[Mask, Mask, Mask]:
    """(cell, time) masks of the samples that train, of held-out steps of seen cells, and of unseen cells.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        n_times: steps of the training year.
        single_cells: leave out single cells instead of whole blocks.
    """
    generator = np.random.default_rng(CUT_SEED)
    squares = np.stack([np.floor(lon / BLOCK_DEGREES), np.floor(lat / BLOCK_DEGREES)], axis=1)
    _, block = np.unique(squares, axis=0, return_inverse=True)
    n_blocks = int(block.max()) + 1
    if single_cells:
        unseen_cell = generator.random(len(lon)) < FEWSHOT_UNSEEN_SHARE
    else:
        unseen_cell = (generator.random(n_blocks) < UNSEEN_SHARE)[block]
    held_out = generator.random((n_blocks, -(-n_times // BLOCK_STEPS))) < SEEN_SHARE
    seen = held_out[block][:, np.arange(n_times) // BLOCK_STEPS] & ~unseen_cell[:, None]
    unseen = np.repeat(unseen_cell[:, None], n_times, axis=1)
    return ~seen & ~unseen, seen, unseen


def main() -> None:
    """Trains once and appends one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("dual_branch", "dual_branch_plus"))
    parser.add_argument("--dataset", default="northchina")
    parser.add_argument("--train-cells", type=int, help="size of the few-shot sample; all cells without it")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=JSON", help="of the network")
    parser.add_argument("--training", action="append", default=[], metavar="NAME=JSON", help="of the training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    record = validate(
        arguments.model,
        arguments.dataset,
        arguments.train_cells,
        _settings(arguments.option),
        _settings(arguments.training),
        arguments.seed,
        arguments.threads,
    )
    path = FOLDER / f"{arguments.dataset.partition(':')[0]}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(record)
    print(json.dumps(record))


def validate(
    model: str,
    dataset: str,
    train_cells: int | None,
    options: dict[str, object],
    training: dict[str, object],
    seed: int,
    threads: int,
) -> dict[str, object]:
    """Fits one estimator on the training part and scores it on both held-out parts; returns the line to record.

    Args:
        model: ``dual_branch`` or ``dual_branch_plus``.
        dataset: as in ``bench run --dataset``.
        train_cells: size of the few-shot sample, or None for all cells.
        options: overrides of the network's options.
        training: overrides of the training's options.
        seed: of initialisation and order.
        threads: numeric threads.
    """
    from dataclasses import replace

    import torch

    from bench.data.datasets import open_dataset
    from bench.data.splits import fewshot_parameters, full_parameters, make_split
    from models import dual_branch
    from models.training import Panel, TrainingOptions

    torch.set_num_threads(threads)
    cube = open_dataset(dataset).cube
    parameters = full_parameters(cube) if train_cells is None else fewshot_parameters(cube, (1,), train_cells, 0)
    train = make_split(cube, parameters).train
    fit, seen, unseen = cut(
        cube.lon[train.cells], cube.lat[train.cells], len(train.times), single_cells=train_cells is not None
    )
    target = np.full((cube.n_cells, cube.n_times), np.nan, np.float32)
    target[np.ix_(train.cells, train.times)] = train.of(cube.target)
    panel = Panel(cube.climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)
    if model == "dual_branch":
        estimator: dual_branch.DualBranchRegressor | dual_branch.DualBranchPlusRegressor = (
            dual_branch.DualBranchRegressor(
                dual_branch.DualBranchOptions(**options), replace(TrainingOptions(), **training, seed=seed)
            )
        )
    else:
        estimator = dual_branch.DualBranchPlusRegressor(
            dual_branch.DualBranchPlusOptions(**options),
            replace(dual_branch.PLUS_TRAINING, **training, seed=seed),
        )

    def samples(mask: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        rows, columns = np.nonzero(mask)
        return train.cells[rows], train.times[columns]

    started = time.perf_counter()
    estimator.fit(panel, target, *samples(fit), on_progress=lambda report: print(report, flush=True))
    seconds = time.perf_counter() - started
    record: dict[str, object] = {
        "model": model,
        "dataset": dataset,
        "train_cells": train_cells,
        "options": json.dumps(options, sort_keys=True),
        "training": json.dumps(training, sort_keys=True),
        "seed": seed,
        "seconds": round(seconds),
        "torch": importlib.metadata.version("torch"),
    }
    for name, mask in (("rmse_train", fit), ("rmse_seen", seen), ("rmse_unseen", unseen)):
        cells, times = samples(mask)
        error = estimator.predict(panel, cells, times) - target[cells, times]
        record[name] = round(float(np.sqrt(np.mean(np.square(error, dtype=np.float64)))), 4)
    record["gradient_mismatch"] = round(_gradient_mismatch(estimator, panel, *samples(unseen)), 4)
    return record


def _gradient_mismatch(estimator: Any, panel: Any, cells: Indices, times: Indices) -> float:
    """Root mean square of (weight − the model's own gradient) ÷ that of the gradient, over the climate features."""
    weights = estimator.explain(panel, cells, times).weights[:, : panel.n_features].astype(np.float64)
    gradients = estimator.gradients(panel, cells, times)[:, : panel.n_features]
    return float(np.sqrt(np.mean((weights - gradients) ** 2) / np.mean(gradients.astype(np.float64) ** 2)))


def _settings(assignments: list[str]) -> dict[str, object]:
    settings = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        settings[name] = json.loads(value)
    return settings


if __name__ == "__main__":
    main()
