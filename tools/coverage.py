"""Measures how often the tables' 95 % intervals cover a known truth, and writes ``tables/reference/coverage.csv``.

    python tools/coverage.py                      # a few minutes
    python tools/coverage.py --repetitions 100 --grid northchina --output /tmp/coverage.csv

Two models make errors at the cells of a real grid (`northchina`) or of the simulated world. An error is Gaussian and
the sum of what both models share (60 % of its variance), what is a model's own (30 %) and what is a seed's own (10 %),
each a field with covariance exp(−distance ÷ length), independent at `TIMES` times (errors of 46 steps of 8 days with a
correlation of about 0.85 between steps are worth a few independent ones). On uneven grids all errors are multiplied by
exp(0.5 g), g a field of the same length with standard deviation 1: some places are hard for every model (the squared
errors of a cell then vary as they do on `northchina`, by 1.3 times their mean). A seed scales its model's errors by
exp(spread × normal). The second model's errors are 1.2 times as large. The truth is what infinitely many seeds make
on infinitely many such places; every repetition draws places, seeds and errors anew.

`method` "tables" is what `bench report` prints; "plain blocks" is the percentile interval of single 2° blocks.
`assumed` says whether the scenario is one that the intervals claim to cover (docs/uncertainty.md).
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.scoring.metrics import STATISTICS, spatial_block
from bench.scoring.uncertainty import CONFIDENCE, block_draws, infer, samples_of

OUTPUT = Path(__file__).parent.parent / "tables" / "reference" / "coverage.csv"
TIMES = 4
SHARED, OWN, SEED = 0.6, 0.3, 0.1
SECOND = 1.2
COLUMNS = (
    "grid",
    "blocks",
    "correlation_degrees",
    "uneven",
    "seeds",
    "seed_spread",
    "assumed",
    "quantity",
    "method",
    "repetitions",
    "coverage",
    "truth_above",
    "truth_below",
    "mean_width",
)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """One setting of the simulation.

    Attributes:
        grid: northchina or simulated.
        length: correlation length in degrees of the great circle.
        uneven: whether places differ in how hard they are.
        seeds: runs per model.
        spread: standard deviation of the logarithm of a seed's factor; 0: seeds make no difference at all.
        assumed: whether the intervals claim to hold here.
    """

    grid: str
    length: float
    uneven: bool = False
    seeds: int = 3
    spread: float = 0.03
    assumed: bool = True


SCENARIOS = (
    *(Scenario("northchina", length, uneven) for uneven in (False, True) for length in (0.5, 0.75, 1.0)),
    Scenario("northchina", 0.25, assumed=False),
    *(Scenario("northchina", 2.0, uneven, assumed=False) for uneven in (False, True)),
    Scenario("northchina", 4.0, assumed=False),
    Scenario("northchina", 0.5, seeds=1, spread=0.0),
    Scenario("northchina", 0.5, seeds=1, assumed=False),
    Scenario("northchina", 0.5, seeds=2, spread=0.1, assumed=False),
    *(Scenario("northchina", 0.5, seeds=seeds, spread=0.1) for seeds in (3, 5, 10)),
    *(Scenario("simulated", length, uneven) for uneven in (False, True) for length in (0.5, 1.0)),
)


def places(grid: str) -> tuple[Floats, Floats]:
    """(cell,) longitude and latitude of a data set's default cells."""
    from bench.data.datasets import open_dataset

    cube = open_dataset(grid).cube
    return np.asarray(cube.lon, np.float64), np.asarray(cube.lat, np.float64)


def root_of_covariance(lon: Floats, lat: Floats, length: float) -> npt.NDArray[np.float32]:
    """(cell, cell) factor L of exp(−great-circle distance ÷ length) = L Lᵀ."""
    east, north = np.radians(lon), np.radians(lat)
    unit = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    degrees = np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))
    return np.linalg.cholesky(np.exp(-degrees / length) + 1e-8 * np.eye(len(lon))).astype(np.float32)


def squared_errors(
    root: npt.NDArray[np.float32], scenario: Scenario, generator: np.random.Generator
) -> list[list[npt.NDArray[np.float32]]]:
    """Per model and seed the (cell,) sums of squared errors over `TIMES` times."""
    varying = scenario.spread > 0
    n_fields = 1 + TIMES * (3 + 2 * scenario.seeds * varying)
    fields = root @ generator.standard_normal((len(root), n_fields), dtype=np.float32)
    hard = np.exp(0.5 * fields[:, :1]) if scenario.uneven else np.ones((len(root), 1), np.float32)
    shared, *rest = np.split(fields[:, 1:], n_fields // TIMES, axis=1)
    result = []
    for number, size in enumerate((1.0, SECOND)):
        seeds = []
        for seed in range(scenario.seeds):
            # Without variation between seeds the model's own part takes the seed's share of the variance.
            error = np.sqrt(SHARED) * shared + np.sqrt(OWN if varying else OWN + SEED) * rest[number]
            if varying:
                error = error + np.sqrt(SEED) * rest[2 + number * scenario.seeds + seed]
            factor = size * np.exp(scenario.spread * generator.normal())
            seeds.append(((factor * hard * error) ** 2).sum(axis=1))
        result.append(seeds)
    return result


def truth(scenario: Scenario) -> float:
    """RMSE of the first model over all places and seeds."""
    uneven = np.exp(0.5) if scenario.uneven else 1.0  # E exp(g) of the squared factor
    return float(np.sqrt(uneven) * np.exp(scenario.spread**2 / 2))


def measure(scenario: Scenario, lon: Floats, lat: Floats, repetitions: int, seed: int = 0) -> list[dict[str, object]]:
    """Lines of the result, one per quantity and method."""
    root = root_of_covariance(lon, lat, scenario.length)
    blocks, block = np.unique(spatial_block(lon, lat), return_inverse=True)
    n = TIMES * np.bincount(block).astype(np.float64)
    draws = block_draws(blocks)
    plain = np.random.default_rng(seed).multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=1000)
    generator = np.random.default_rng(seed)
    first = truth(scenario)
    truths = {"rmse": first, "difference": (SECOND - 1) * first, "ratio": SECOND}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(repetitions):
        squared = [
            [np.bincount(block, weights=own, minlength=len(blocks)) for own in model]
            for model in squared_errors(root, scenario, generator)
        ]
        a, b = (
            samples_of([_sums(n, own) for own in model], draws, name)["rmse"]
            for model, name in zip(squared, "ab", strict=True)
        )
        for quantity, result in (
            ("rmse", infer(lambda value: value, [a], draws, positive=True)),
            ("difference", infer(lambda own, other: other - own, [a, b], draws)),
            ("ratio", infer(lambda own, other: other / own, [a, b], draws, positive=True)),
        ):
            found.setdefault((quantity, "tables"), []).append((result.low, result.high))
        weight = plain @ n
        x, y = (np.mean([np.sqrt(plain @ own / weight) for own in model], axis=0) for model in squared)
        tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
        for quantity, values in (("rmse", x), ("difference", y - x), ("ratio", y / x)):
            low, high = np.quantile(values, tails)
            found.setdefault((quantity, "plain blocks"), []).append((float(low), float(high)))
    return list(_lines(scenario, len(blocks), truths, found))


def _sums(n: Floats, squared: Floats) -> Floats:
    sums = np.zeros((len(STATISTICS), 1, len(n)))
    sums[STATISTICS.index("n")] = sums[STATISTICS.index("weight")] = n
    sums[STATISTICS.index("squared_error")] = squared
    return sums


def _lines(
    scenario: Scenario,
    n_blocks: int,
    truths: dict[str, float],
    found: dict[tuple[str, str], list[tuple[float, float]]],
) -> Iterator[dict[str, object]]:
    for (quantity, method), intervals in found.items():
        low, high = np.array(intervals).T
        true = truths[quantity]
        yield {
            "grid": scenario.grid,
            "blocks": n_blocks,
            "correlation_degrees": scenario.length,
            "uneven": "yes" if scenario.uneven else "no",
            "seeds": scenario.seeds,
            "seed_spread": scenario.spread,
            "assumed": "yes" if scenario.assumed else "no",
            "quantity": quantity,
            "method": method,
            "repetitions": len(intervals),
            "coverage": round(float(((low <= true) & (true <= high)).mean()), 4),
            "truth_above": round(float((true > high).mean()), 4),
            "truth_below": round(float((true < low).mean()), 4),
            "mean_width": round(float((high - low).mean()), 4),
        }


def main() -> None:
    """Measures all scenarios and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--grid", choices=("northchina", "simulated"), default=None, help="only this grid")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lines: list[dict[str, object]] = []
    grids = {
        name: places(name) for name in dict.fromkeys(item.grid for item in SCENARIOS) if options.grid in (None, name)
    }
    for scenario in (item for item in SCENARIOS if item.grid in grids):
        started = time.perf_counter()
        own = measure(scenario, *grids[scenario.grid], options.repetitions)
        lines += own
        shown = {f"{line['quantity']}, {line['method']}": line["coverage"] for line in own}
        print(f"{scenario} {shown} {time.perf_counter() - started:.0f} s", flush=True)
    with options.output.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
