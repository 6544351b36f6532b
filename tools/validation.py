"""Scores settings of a dual-branch model on validation parts, never on a test year, and records the result.

    python -m tools.validation dual_branch_plus --dataset simulated:seed=11 --split new_year
    python -m tools.validation dual_branch --option n_nodes=1000 --training epochs=6 --training decay_after=3
    python -m tools.validation dual_branch_plus --train-cells 620 --option masked_share=0.3

Two ways to cut (`--split`):

- `blocks`: parts of the training year. Whole blocks of 1.5° × 1.5° (18 % of the blocks: cells that are never seen)
  and, of the other cells, blocks of 1.5° × 1.5° × 3 steps (10 %: cells seen at other times) are held out. With
  `--train-cells` only the few-shot suite's sample of so many cells is used at all, and the unseen cells are single
  cells of it (20 %), since few-shot tests at cells between those sampled.
- `new_year`: the last year, at cells that were seen in the years before it and at others (25 %, single cells). A test
  year is a new year, which blocks inside a year are not: what follows the year too closely wins there and loses here.
  Of a simulated world that is kept for validation (seed 10 and above; no table reports one) it is the world's last
  year; of any other data set the last of its training years, of which there must be two. With
  `--train-cells` that world's few-shot sample of so many cells trains, and all its other cells are unseen.

Of an ensemble the members' own errors are recorded, too (`rmse_seen_members`). How far the importance weights are from
the model's own gradients at unseen cells (`gradient_mismatch`, 0 is perfect) and the error of their weighted sum
(`rmse_interpretable`, same samples) are recorded beside the errors; true sensitivities play no part. `seconds` are of
processor time on one thread. `options` and `training` are what was given; `in_force` is all that the trial ran with, so
that a default which changes later leaves it readable (earlier records have none).

Every run appends a line to ``tables/reference/validation/<dataset>.csv``; figures about choices come from there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from tools.trial_inputs import append, one_sentence, require_columns, require_settings, settings_given, table_of
from tools.validation_parts import CUT_SEED, cut_cube

if TYPE_CHECKING:
    from models import dual_branch

FOLDER = Path(__file__).parent.parent / "tables" / "reference" / "validation"
EXPLAINED_SAMPLES = 200
"""Samples whose weights are compared with gradients: a gradient costs as much as training on the sample."""
COLUMNS = (
    "model",
    "dataset",
    "train_cells",
    "split",
    "options",
    "training",
    "seed",
    "rmse_train",
    "rmse_seen",
    "rmse_unseen",
    "rmse_seen_members",
    "rmse_interpretable",
    "gradient_mismatch",
    "epochs",
    "stopped",
    "seconds",
    "torch",
    "in_force",
)


def main() -> None:
    """Trains once and appends one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("dual_branch", "dual_branch_plus"))
    parser.add_argument("--dataset", default="northchina")
    parser.add_argument("--split", choices=("blocks", "new_year"), default="blocks")
    parser.add_argument("--train-cells", type=int, help="size of the few-shot sample; all cells without it")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=JSON", help="of the network")
    parser.add_argument("--training", action="append", default=[], metavar="NAME=JSON", help="of the training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with one_sentence():
        if arguments.threads < 1 or arguments.seed < 0:
            raise BenchError("--threads must be at least 1, and --seed must not be negative.")
        path = table_of(FOLDER, arguments.dataset)
        require_columns(path, COLUMNS)
        record = validate(
            arguments.model,
            arguments.dataset,
            arguments.split,
            arguments.train_cells,
            settings_given(arguments.option),
            settings_given(arguments.training),
            arguments.seed,
            arguments.threads,
        )
        append(path, COLUMNS, record)
    print(json.dumps(record))


def validate(
    model: str,
    dataset: str,
    split: str,
    train_cells: int | None,
    options: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    threads: int,
) -> dict[str, object]:
    """Fits one estimator on the training part and scores it on both held-out parts; returns the line to record.

    Args:
        model: ``dual_branch`` or ``dual_branch_plus``.
        dataset: as in ``bench run --dataset``.
        split: as in ``cut_cube``.
        train_cells: size of the few-shot sample, or None for all cells.
        options: overrides of the network's options.
        training: overrides of the training's options.
        seed: of initialisation and order.
        threads: numeric threads.

    Raises:
        BenchError: a setting is not known, or the data cannot be cut in this way.
        ValueError: `models/` refuses a setting.
    """
    import torch

    from bench.data.datasets import open_dataset
    from models.training import Panel

    _estimator(model, options, training, seed)  # what it refuses is said before any data are built
    torch.set_num_threads(threads)
    cube = open_dataset(dataset).cube
    estimator = _estimator(model, {"steps_per_year": cube.steps_per_year, **options}, training, seed)
    part = cut_cube(cube, dataset, split, train_cells)
    target = np.where(part.fit | part.seen | part.unseen, cube.target, np.nan).astype(np.float32)
    panel = Panel(cube.climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)
    started = time.process_time()
    estimator.fit(panel, target, *np.nonzero(part.fit), on_progress=lambda report: print(report, flush=True))
    record: dict[str, object] = {
        "model": model,
        "dataset": dataset,
        "train_cells": train_cells,
        "split": split,
        "options": json.dumps(options, sort_keys=True),
        "training": json.dumps(training, sort_keys=True),
        "seed": seed,
        "epochs": len(estimator.results[0].epoch_losses),
        "stopped": estimator.results[0].stopped,
        "seconds": round(time.process_time() - started),
        "torch": importlib.metadata.version("torch"),
        "in_force": json.dumps({**asdict(estimator.options), **asdict(estimator.training)}, sort_keys=True),
    }
    for name, mask in (("rmse_train", part.fit), ("rmse_seen", part.seen), ("rmse_unseen", part.unseen)):
        cells, times = np.nonzero(mask)
        record[name] = _error(estimator.predict(panel, cells, times), target[cells, times])
    if len(estimator.results) > 1:
        cells, times = np.nonzero(part.seen)
        members = (estimator.member(number) for number in range(len(estimator.results)))
        record["rmse_seen_members"] = json.dumps(
            [_error(member.predict(panel, cells, times), target[cells, times]) for member in members]
        )
    cells, times = np.nonzero(part.unseen)
    chosen = np.random.default_rng(CUT_SEED).permutation(len(cells))[:EXPLAINED_SAMPLES]
    cells, times = cells[chosen], times[chosen]
    explanation = estimator.explain(panel, cells, times)
    record["rmse_interpretable"] = _error(explanation.interpretable, target[cells, times])
    weights = explanation.weights[:, : panel.n_features]
    record["gradient_mismatch"] = _mismatch(weights, estimator.gradients(panel, cells, times)[:, : panel.n_features])
    return record


def _estimator(
    model: str, options: dict[str, Any], training: dict[str, Any], seed: int
) -> dual_branch.DualBranchRegressor | dual_branch.DualBranchPlusRegressor:
    """An estimator with its own settings but for those given."""
    from models import dual_branch

    plus = model == "dual_branch_plus"
    kind = dual_branch.DualBranchPlusOptions if plus else dual_branch.DualBranchOptions
    usual = dual_branch.PLUS_TRAINING if plus else dual_branch.PAPER_TRAINING
    if "seed" in training:
        raise BenchError("--training seed: give the seed as --seed.")
    require_settings("--option", options, asdict(kind()))
    require_settings("--training", training, asdict(usual))
    try:
        chosen, trained = kind(**options), replace(usual, **training, seed=seed)
    except TypeError as error:
        raise BenchError(f"A setting has a value of the wrong type ({error}); correct it.") from error
    if isinstance(chosen, dual_branch.DualBranchPlusOptions):
        return dual_branch.DualBranchPlusRegressor(chosen, trained)
    return dual_branch.DualBranchRegressor(chosen, trained)


def _error(predicted: npt.NDArray[np.float32], true: npt.NDArray[np.float32]) -> float:
    return round(float(np.sqrt(np.mean(np.square(predicted - true, dtype=np.float64)))), 4)


def _mismatch(weights: npt.NDArray[np.float32], gradients: npt.NDArray[np.float32]) -> float:
    """Root mean square of (weight − the model's own gradient) ÷ that of the gradient, over the climate features."""
    difference = np.square(weights - gradients, dtype=np.float64)
    return round(float(np.sqrt(difference.mean() / np.square(gradients, dtype=np.float64).mean())), 4)


if __name__ == "__main__":
    main()
