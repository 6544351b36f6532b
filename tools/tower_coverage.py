"""How often intervals over towers hold, on errors whose truth is known.

    python -m tools.tower_coverage --out tables/reference/tower_coverage.csv

Towers stand in groups that share how hard they are (`bench.scoring.towers` draws groups); a second row errs on average
0.8 times as much as the first, more or less so at each group. Errors of towers differ by a factor of about 2.7 either
way for 95 % of them (`SPREAD`), which is more than those of the towers of FLUXNET do in a smoke run, since heavy tails
are what bootstraps fail on.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

from bench.arrays import Doubles
from bench.scoring.metrics import STATISTICS
from bench.scoring.towers import TowerSums, infer_towers

SPREAD, RATIO_SPREAD, RATIO = 0.5, 0.3, 0.8
"""Standard deviation of the logarithm of a group's error, of a group's ratio, and the ratio of the two rows."""
MONTHS = 24
SIZES = (10, 20, 40, 90)
TOGETHER = (1, 4)
EXPERIMENTS = 300


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--experiments", type=int, default=EXPERIMENTS)
    given = parser.parse_args()
    lines = [
        line for groups in SIZES for together in TOGETHER for line in coverage(groups, together, given.experiments)
    ]
    pd.DataFrame(lines).to_csv(given.out, index=False, lineterminator="\n")


def coverage(groups: int, together: int, experiments: int) -> list[dict[str, object]]:
    """Share of intervals that hold the truth, of an error and of a ratio of two rows.

    Args:
        groups: of near towers.
        together: towers in each.
        experiments: how many data sets are drawn.
    """
    # RMSE over infinitely many groups is the root of the mean of squares of log-normal errors.
    truth = {"error": math.exp(SPREAD**2), "ratio": RATIO * math.exp(RATIO_SPREAD**2)}
    held = dict.fromkeys(truth, 0)
    near = np.repeat(np.arange(groups), together)
    for seed in range(experiments):
        generator = np.random.default_rng([groups, together, seed])
        level = generator.lognormal(0, SPREAD, groups)
        own = RATIO * level * generator.lognormal(0, RATIO_SPREAD, groups)
        rows = [_sums(generator, scale[near], near, name) for name, scale in (("own", own), ("other", level))]
        found = {
            "error": infer_towers(lambda value: value, "rmse", rows[1:], positive=True),
            "ratio": infer_towers(lambda one, other: one / other, "rmse", rows, positive=True),
        }
        for name, interval in found.items():
            assert interval is not None, "rows have the same towers"
            held[name] += interval.low <= truth[name] <= interval.high
    return [
        {
            "number": name,
            "groups": groups,
            "towers_each": together,
            "experiments": experiments,
            "held": held[name] / experiments,
        }
        for name in truth
    ]


def _sums(generator: np.random.Generator, scale: Doubles, near: np.ndarray, name: str) -> TowerSums:
    errors = scale[:, None] * generator.normal(0, 1, (len(scale), MONTHS))
    values = np.zeros((1, len(STATISTICS), len(scale)))
    values[0, :2], values[0, STATISTICS.index("squared_error")] = MONTHS, (errors**2).sum(axis=1)
    return TowerSums(np.arange(len(scale)), values, near, name)


if __name__ == "__main__":
    main()
