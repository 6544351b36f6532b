"""What no model can do better: the errors of equations that know more than any model is told.

    python -m tools.floors --out tables/reference/floors.csv northchina simulated:cells=400,years=4,seed=0

For the test year of Table 1, at all cells, in gC m-2 d-1:

- `this year's LAI`: the equations behind the target with the leaf area of the test year. Their error is 0 up to
  rounding, since nothing was added to what they give: all that a model lacks on `northchina` is this year's leaf area.
- `last year's LAI`: with the mean leaf area of the training years, as the reference row of the tables has it.
- `all but this year's disturbance`: `simulated` only. Its leaf area is what climate, land cover and hidden traits ask
  for, times exp(0.12 d), where d (fire, pests, management) has variance 1 and is in no input. Given is the expectation
  over d, which is the least error that any function of climate and place can have where it knows nothing of d. A model
  that learnt what of d outlasts the training years could come a little lower: from one year to the next its correlation
  is about 0.2.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from bench.arrays import Doubles
from bench.data.cube import Cube
from bench.data.datasets import open_dataset
from bench.data.parts import Part
from bench.data.physics import gpp_with_lai
from bench.data.simulated import truth, vegetation
from bench.data.simulated.climate import describe_places
from bench.data.simulated.land import choose_cells
from bench.data.splits import full_parameters, make_split

NODES = 9
"""Of the Gauss-Hermite rule for the expectation over d; 5 or 25 change nothing in seven digits."""


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", help="as for `bench run --dataset`")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines = [line for name in given.datasets for line in floors(name, open_dataset(name).cube)]
    pd.DataFrame(lines).to_csv(given.out, index=False, lineterminator="\n")


def floors(name: str, cube: Cube) -> list[dict[str, object]]:
    """The errors of what knows more, as lines of the table.

    Args:
        name: as it is to stand in the table.
        cube: a data set whose equations are known, with LAI.
    """
    split = make_split(cube, full_parameters(cube))
    true = np.asarray(split.test.of(cube.target), np.float64)
    lai = cube.withheld["LAI"]
    this_year = split.test.of(lai).astype(np.float64)
    step = cube.step_of_year
    last_year = np.stack(
        [
            split.train.of(lai)[:, step[split.train.times] == own].mean(axis=1, dtype=np.float64)
            for own in step[split.test.times]
        ],
        axis=1,
    )
    capacity = _capacity(cube, split.test)
    known = {
        "this year's LAI": capacity * gpp_with_lai(cube, split.test, this_year),
        "last year's LAI": capacity * gpp_with_lai(cube, split.test, last_year),
    }
    if cube.name == truth.NAME:
        known["all but this year's disturbance"] = capacity * undisturbed(cube, split.test, seed_of(name))
    return [
        {"dataset": name, "known": what, "rmse": round(float(np.sqrt(np.mean((gpp - true) ** 2))), 4)}
        for what, gpp in known.items()
    ]


def seed_of(name: str) -> int:
    """The seed of a simulated world, from the words that name it."""
    options = dict(word.split("=") for word in name.partition(":")[2].split(",") if word)
    return int(options.get("seed", 0))


def undisturbed(cube: Cube, part: Part, seed: int) -> Doubles:
    """GPP without its capacity, expected over what disturbs the leaves: (n_cells, n_times), gC m-2 d-1.

    Args:
        cube: a simulated world.
        part: which samples.
        seed: of the world.
    """
    places = describe_places(choose_cells(cube.n_cells), seed)
    field = vegetation.disturbance_field(seed, cube.n_times).at(places.unit_vectors)
    calm = part.of(cube.withheld["LAI"]).astype(np.float64) / np.exp(vegetation.DISTURBANCE * part.of(field))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    total: Doubles = sum(
        (
            weight * gpp_with_lai(cube, part, calm * np.exp(vegetation.DISTURBANCE * node))
            for node, weight in zip(nodes, weights / weights.sum(), strict=True)
        ),
        start=np.zeros(calm.shape),
    )
    return total


def _capacity(cube: Cube, part: Part) -> Doubles:
    hidden = cube.withheld.get("capacity")
    return np.ones((len(part.cells), 1)) if hidden is None else part.of(hidden)[:, :1].astype(np.float64)


if __name__ == "__main__":
    main()
