"""How many samples a second the paper's network trains, on one thread, at the sizes of the `laptop` profile.

    python -m tools.time_dual_branch northchina simulated:cells=400,years=4 --batches 60

Prints JSON. To compare two versions of `models/`, run it in a checkout of each, in turns; the figures of
`tables/reference/perf/dual_branch.json` were made so. Building the graph and its first embeddings is not counted.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from tools.trial_inputs import one_sentence


def rate(dataset: str, batches: int) -> float:
    """Samples a second of one epoch of so many batches.

    Args:
        dataset: as in ``bench run --dataset``.
        batches: of the profile's size.
    """
    import torch

    from bench.data.datasets import open_dataset
    from bench.runners import registry
    from models.dual_branch import DualBranchOptions, DualBranchRegressor
    from models.training import Panel, TrainingOptions

    torch.set_num_threads(1)
    cube = open_dataset(dataset).cube
    parameters = registry.get("dual_branch").parameters_for("laptop")
    options = DualBranchOptions(
        **parameters["options"],
        n_nodes=round(parameters["node_share"] * cube.n_cells),
        steps_per_year=cube.steps_per_year,
    )
    size = parameters["training"]["batch_size"]
    training = TrainingOptions(epochs=1, batch_size=size, device="cpu", least_steps=0)
    cells, times = np.nonzero(np.isfinite(cube.target))
    chosen = np.random.default_rng(0).permutation(len(cells))[: batches * size]
    panel = Panel(cube.climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)
    trained = DualBranchRegressor(options, training).fit(panel, cube.target, cells[chosen], times[chosen])
    return trained.results[0].samples_per_second


def main() -> None:
    """Prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--batches", type=int, default=60)
    given = parser.parse_args()
    with one_sentence():
        rates = {dataset: round(rate(dataset, given.batches), 1) for dataset in given.datasets}
    print(json.dumps({"batches": given.batches, "samples_per_second": rates}, indent=1))


if __name__ == "__main__":
    main()
