"""Scores settings of baselines on validation parts cut from the training year, and records the results.

    python -m tools.validation_baselines gnnwr --option ridge=0.1 --option hidden=[32]
    python -m tools.validation_baselines resnet --training learning_rate=0.01 --training epochs=4 --rows 20000
    python -m tools.validation_baselines realmlp --option n_epochs=256
    python -m tools.validation_baselines realmlp --split new_year --dataset simulated:cells=400,years=4,seed=11

No sample of the test year is read. The cuts are those of `tools/validation.py`.

- `gnnwr`, `gtnnwr`: the few-shot suite's sample of cells, of which a fifth is held out (single cells). `rmse_unseen` is
  the error there at the fitted steps (``--steps``), `rmse_neighbours` that at the steps before and after them, with the
  fitted step's model: a stand-in for another year's weather. `gtnnwr` is fitted on all steps, so it has no neighbours.
- PyTorch Frame's models: all cells; `rmse_unseen` is the error in held-out blocks of cells, `rmse_seen` at held-out
  steps of other cells. ``--rows`` bounds the rows that are learnt from, a seeded sample.
- AutoGluon's models, by their rows' runner itself: the same, or with ``--split new_year`` a new year at seen and at
  other cells. ``--option`` is a hyperparameter.

What is not given is as registered (of other than spatial models: in the `laptop` profile). Every run appends a line to
``tables/reference/validation/baselines_<dataset>.csv``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.errors import BenchError
from tools.trial_inputs import append, one_sentence, require_columns, settings_given, table_of
from tools.validation import FOLDER
from tools.validation_parts import cut_blocks, cut_cube

SPATIAL = ("gnnwr", "gtnnwr")
FRAME = ("tabnet", "excelformer", "resnet", "fttransformer")
AUTOGLUON = ("realmlp", "tabm", "nn_torch", "fastai", "lightgbm", "catboost", "xgboost")
WEEKS = (10, 20, 30)
COLUMNS = (
    "model",
    "dataset",
    "steps",
    "rows",
    "options",
    "training",
    "seed",
    "rmse_train",
    "rmse_seen",
    "rmse_unseen",
    "rmse_neighbours",
    "seconds",
    "torch",
    "split",
)


def main() -> None:
    """Trains once and appends one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=(*SPATIAL, *FRAME, *AUTOGLUON))
    parser.add_argument("--dataset", default="northchina")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=JSON", help="of the model")
    parser.add_argument("--training", action="append", default=[], metavar="NAME=JSON", help="of the training")
    parser.add_argument("--steps", default=",".join(map(str, WEEKS)), help="8-day steps that gnnwr is fitted at")
    parser.add_argument("--rows", type=int, default=20_000, help="that other than spatial models learn from at most")
    parser.add_argument("--split", choices=("blocks", "new_year"), default="blocks", help="new_year: AutoGluon's only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with one_sentence():
        if arguments.threads < 1 or arguments.seed < 0:
            raise BenchError("--threads must be at least 1, and --seed must not be negative.")
        if arguments.rows < 1:
            raise BenchError("--rows must be at least 1.")
        if arguments.split != "blocks" and arguments.model not in AUTOGLUON:
            raise BenchError(f"--split {arguments.split} is for {', '.join(AUTOGLUON)}; leave it out.")
        if arguments.training and arguments.model in AUTOGLUON:
            raise BenchError("--training is for PyTorch Frame's models; give a hyperparameter as --option.")
        path = table_of(FOLDER, arguments.dataset, "baselines_")
        require_columns(path, COLUMNS)
        record = _trial(arguments)
        append(path, COLUMNS, record)
    print(json.dumps(record))


def _trial(arguments: argparse.Namespace) -> dict[str, object]:
    """Trains once and returns the line to record."""
    import torch

    torch.set_num_threads(arguments.threads)
    options, training = settings_given(arguments.option), settings_given(arguments.training)
    record: dict[str, object] = dict.fromkeys(COLUMNS)
    split = "cells" if arguments.model in SPATIAL else arguments.split
    record |= {
        "model": arguments.model,
        "dataset": arguments.dataset,
        "options": json.dumps(options, sort_keys=True),
        "training": json.dumps(training, sort_keys=True),
        "seed": arguments.seed,
        "torch": importlib.metadata.version("torch"),
        "split": split,
    }
    started = time.process_time()
    if arguments.model in SPATIAL:
        steps = [int(step) for step in arguments.steps.split(",")]
        record |= spatial(arguments.model, arguments.dataset, steps, options | training, arguments.seed)
    elif arguments.model in FRAME:
        record |= frame(arguments.model, arguments.dataset, arguments.rows, options, training, arguments.seed)
    else:
        record |= tabular(
            arguments.model,
            arguments.dataset,
            arguments.split,
            arguments.rows,
            options,
            arguments.seed,
            arguments.threads,
        )
    return record | {"seconds": round(time.process_time() - started)}


def spatial(model: str, dataset: str, steps: list[int], options: dict[str, object], seed: int) -> dict[str, object]:
    """Errors of GNNWR or GTNNWR at held-out cells of the few-shot sample.

    Args:
        model: ``gnnwr`` or ``gtnnwr``.
        dataset: as in ``bench run --dataset``.
        steps: of the year, 1 to 46, that are scored, and that ``gnnwr`` is fitted at.
        options: of the estimator, where they differ from the registered ones.
        seed: of the training.
    """
    from bench.data.datasets import open_dataset
    from bench.data.splits import fewshot_parameters, make_split
    from bench.runners import registry
    from models.gnnwr import GNNWR, GTNNWR

    cube = open_dataset(dataset).cube
    train = make_split(cube, fewshot_parameters(cube, tuple(steps), None, 0)).train
    year = train.times[cube.year[train.times] == cube.year[train.times].max()]
    target = cube.target[np.ix_(train.cells, year)].astype(np.float64)
    lon, lat = cube.lon[train.cells], cube.lat[train.cells]
    unseen = cut_blocks(lon, lat, len(year), single_cells=True).unseen
    fit, held = np.flatnonzero(~unseen[:, 0]), np.flatnonzero(unseen[:, 0])
    design, places = _design(cube, train.cells, year), np.stack([lon, lat], axis=1)
    settings: dict[str, Any] = {**registry.get(model).parameters, **options, "distance": "great_circle", "seed": seed}
    errors: dict[str, list[Doubles]] = {"rmse_train": [], "rmse_unseen": [], "rmse_neighbours": []}
    if model == "gtnnwr":
        panel = GTNNWR(period=float(cube.steps_per_year), **settings)
        n_steps = len(year)
        moments = np.tile(np.arange(1, n_steps + 1, dtype=np.float64), len(fit))
        rows = design[fit].reshape(-1, design.shape[2]), target[fit].reshape(-1)
        panel.fit(*rows, np.repeat(places[fit], n_steps, axis=0), moments)
        for step in steps:
            for name, cells in (("rmse_train", fit), ("rmse_unseen", held)):
                at = np.full(len(cells), float(step))
                predicted = panel.predict(design[cells, step - 1], places[cells], at)
                errors[name].append(np.asarray(predicted - target[cells, step - 1]))
    for step in steps if model == "gnnwr" else ():
        single = GNNWR(**settings).fit(design[fit, step - 1], target[fit, step - 1], places[fit])
        for name, cells, at_steps in (
            ("rmse_train", fit, (step,)),
            ("rmse_unseen", held, (step,)),
            ("rmse_neighbours", held, (step - 1, step + 1)),
        ):
            for other in at_steps:
                predicted = single.predict(design[cells, other - 1], places[cells])
                errors[name].append(np.asarray(predicted - target[cells, other - 1]))
    found = {name: _rmse(own) for name, own in errors.items() if own}
    return {"steps": " ".join(map(str, steps)), "rows": len(fit), **found}


def frame(
    model: str, dataset: str, rows: int, options: dict[str, object], training: dict[str, object], seed: int
) -> dict[str, object]:
    """Errors of a PyTorch Frame model in held-out blocks of cells and of time.

    Args:
        model: its name.
        dataset: as in ``bench run --dataset``.
        rows: to learn from at most.
        options: of the network, where they differ from the laptop profile's.
        training: of the training, likewise.
        seed: of the training.
    """
    from bench.data.datasets import open_dataset
    from bench.data.splits import Part, full_parameters, make_split
    from bench.data.views import DEFAULT_VIEW, build_view
    from bench.runners import registry
    from models.pytorch_frame import PyTorchFrameOptions, PyTorchFrameRegressor, TrainingOptions

    cube = open_dataset(dataset).cube
    train = make_split(cube, full_parameters(cube)).train
    year = train.times[cube.year[train.times] == cube.year[train.times].max()]
    part = Part(train.cells, year)
    cut = cut_blocks(cube.lon[part.cells], cube.lat[part.cells], len(year))
    fit, seen, unseen = (mask.reshape(-1) for mask in (cut.fit, cut.seen, cut.unseen))
    table, target = build_view(cube, part, DEFAULT_VIEW), part.of(cube.target).reshape(-1)
    learnt = np.flatnonzero(fit)
    if rows < len(learnt):
        learnt = np.sort(np.random.default_rng(seed).choice(learnt, rows, replace=False))
    registered = registry.get(model).profiles["laptop"]
    estimator = PyTorchFrameRegressor(
        PyTorchFrameOptions(**{**registered["options"], **options}),
        TrainingOptions(**{**registered["training"], **training, "seed": seed}),
    )
    estimator.fit(table.values[learnt], target[learnt], table.columns)
    parts = {"rmse_train": learnt, "rmse_seen": np.flatnonzero(seen), "rmse_unseen": np.flatnonzero(unseen)}
    found = {name: _rmse([estimator.predict(table.values[own]) - target[own]]) for name, own in parts.items()}
    return {"rows": len(learnt), **found}


def tabular(
    model: str, dataset: str, split: str, rows: int, options: dict[str, object], seed: int, threads: int
) -> dict[str, object]:
    """Errors of one of AutoGluon's models at samples held out of the training years, fitted as the suites fit it.

    Args:
        model: its name.
        dataset: as in ``bench run --dataset``.
        split: ``blocks`` or ``new_year``, as in `tools.validation_parts.cut_cube`.
        rows: to learn from at most.
        options: hyperparameters, where they differ from the laptop profile's.
        seed: of the training.
        threads: numeric threads.
    """
    from bench.data.datasets import open_dataset
    from bench.data.parts import Part, Split
    from bench.data.views import DEFAULT_VIEW
    from bench.execution.inprocess import build_runner
    from bench.runners import registry
    from bench.runners.entry import TRAINING_ROWS
    from bench.suites.settings import require_known, with_settings

    # Half of AutoGluon's models ignore a name that they do not know: the trial would be one of other hyperparameters.
    require_known([f"{model}.hyperparameters.{name}={json.dumps(value)}" for name, value in options.items()], "laptop")
    settings = {TRAINING_ROWS: rows, **{f"hyperparameters.{name}": value for name, value in options.items()}}
    parameters = with_settings(registry.get(model).parameters_for("laptop"), settings, model)
    cube = open_dataset(dataset).cube
    cut = cut_cube(cube, dataset, split, None)
    whole = np.arange(cube.n_cells), np.arange(cube.n_times)
    fit, seen, unseen = (Part(*whole, mask) for mask in (cut.fit, cut.seen, cut.unseen))
    with tempfile.TemporaryDirectory() as scratch:
        runner = build_runner(
            model,
            cube,
            Split(fit, unseen, fit, {}),
            view=DEFAULT_VIEW,
            seed=seed,
            threads=threads,
            parameters=parameters,
            scratch=Path(scratch),
        )
        runner.fit()
        found: dict[str, object] = {"rows": min(rows, len(fit))}
        for name, part in (("rmse_train", fit), ("rmse_seen", seen), ("rmse_unseen", unseen)):
            found[name] = _rmse([part.select(runner.predict(part)) - part.select(cube.target)])
    return found


def _design(cube: Any, cells: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> Doubles:
    """(cell, time, column) climate and land cover as the spatial runners take them, without the commonest class."""
    climate = cube.climate[np.ix_(cells, times)].astype(np.float64)
    static = cube.static[cells].astype(np.float64)
    commonest = int(static[:, : cube.n_land_cover].mean(axis=0).argmax())
    kept = [index for index in range(static.shape[1]) if static[:, index].std() > 1e-3 and index != commonest]
    repeated = np.broadcast_to(static[:, None, kept], (*climate.shape[:2], len(kept)))
    return np.concatenate([climate, repeated], axis=2)


def _rmse(errors: list[Doubles]) -> float:
    return round(float(np.sqrt(np.mean(np.square(np.concatenate(errors), dtype=np.float64)))), 4)


if __name__ == "__main__":
    main()
