"""What boosted trees would bring as a member of dual-branch plus, on validation parts; never on a test year.

    python -m tools.boosted_member --dataset simulated:cells=400,years=4,seed=11

The network, as `bench` trains it, and two kinds of boosted trees (rows of the view `located`, and of `window`) learn
from the same samples, cut as in ``tools/validation.py --split new_year``. Scored is (1 − s) × the network's prediction
+ s × the trees', for several shares s. A line per trees, share and part is appended to
``tables/reference/trials/boosted_member.csv``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tools.trial_inputs import append, one_sentence, require_columns
from tools.validation_parts import cut_cube

if TYPE_CHECKING:
    from bench.data.cube import Cube
    from tools.validation_parts import Cut

OUTPUT = Path(__file__).parent.parent / "tables" / "reference" / "trials" / "boosted_member.csv"
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 1.0)
"""Of the trees' prediction; 0 is the network alone, 1 the trees alone."""
TREES: dict[str, dict[str, Any]] = {
    "LightGBM, extra trees": {"n_estimators": 2000, "learning_rate": 0.05, "extra_trees": True},
    "LightGBM, extra trees, slow": {"n_estimators": 4000, "learning_rate": 0.02, "extra_trees": True, "num_leaves": 63},
}
"""Settings of LightGBM where they differ from its own; the rounds are fixed, so that nothing is held out."""
COLUMNS = ("dataset", "trees", "view", "part", "share", "rmse", "correlation", "seconds_network", "seconds_trees")


def main() -> None:
    """Trains the network once and the trees on each view; appends the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    from bench.data.datasets import open_dataset

    with one_sentence():
        require_columns(OUTPUT, COLUMNS)
        cube = open_dataset(arguments.dataset).cube
        part = cut_cube(cube, arguments.dataset, "new_year", None)
        for line in lines(cube, part, arguments.seed, arguments.threads):
            append(OUTPUT, COLUMNS, {"dataset": arguments.dataset, **line})


def lines(cube: Cube, part: Cut, seed: int, threads: int) -> list[dict[str, Any]]:
    """Errors of every mixture at the held-out samples.

    Args:
        cube: the data.
        part: which samples train, and which are held out.
        seed: of both models.
        threads: numeric threads.
    """
    from lightgbm import LGBMRegressor

    held = {"seen": part.seen, "unseen": part.unseen}
    started = time.process_time()
    network = network_predictions(cube, part, seed, threads)
    network_seconds = round(time.process_time() - started)
    found = []
    for view in ("located", "window"):
        rows, learnt = view_rows(cube, view), part.fit.reshape(-1)
        for name, settings in TREES.items():
            started = time.process_time()
            trees = LGBMRegressor(**settings, random_state=seed, n_jobs=threads, verbose=-1, deterministic=True)
            trees.fit(rows[learnt], cube.target.reshape(-1)[learnt])
            for label, mask in held.items():
                boosted = np.asarray(trees.predict(rows[mask.reshape(-1)]))
                truth = cube.target[mask]
                correlation = float(np.corrcoef(network[label] - truth, boosted - truth)[0, 1])
                for share in SHARES:
                    mixed = (1 - share) * network[label] + share * boosted
                    found.append(
                        {
                            "trees": name,
                            "view": view,
                            "part": label,
                            "share": share,
                            "rmse": round(float(np.sqrt(np.mean(np.square(mixed - truth, dtype=np.float64)))), 4),
                            "correlation": round(correlation, 3),
                            "seconds_network": network_seconds,
                            "seconds_trees": round(time.process_time() - started),
                        }
                    )
                    print(found[-1], flush=True)
    return found


def view_rows(cube: Cube, view: str) -> npt.NDArray[np.float32]:
    """(cell × time, column) rows of a view, for every sample of the cube."""
    from bench.data.splits import Part
    from bench.data.views import build_view

    return build_view(cube, Part(np.arange(cube.n_cells), np.arange(cube.n_times)), view).values


def network_predictions(cube: Cube, part: Cut, seed: int, threads: int) -> dict[str, npt.NDArray[np.float32]]:
    """What dual-branch plus predicts of the held-out parts, by their names."""
    import torch

    from bench.runners.dual_branch import MASKED_OF_KNOWN
    from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions, DualBranchPlusRegressor
    from models.training import Panel

    torch.set_num_threads(threads)
    panel = Panel(cube.climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)
    options = DualBranchPlusOptions(masked_share=MASKED_OF_KNOWN, steps_per_year=cube.steps_per_year)
    estimator = DualBranchPlusRegressor(options, replace(PLUS_TRAINING, seed=seed))
    target = np.where(part.fit, cube.target, np.nan).astype(np.float32)
    estimator.fit(panel, target, *np.nonzero(part.fit), on_progress=lambda report: print(report, flush=True))
    return {
        name: estimator.predict(panel, *np.nonzero(mask))
        for name, mask in (("seen", part.seen), ("unseen", part.unseen))
    }


if __name__ == "__main__":
    main()
