"""Measures how often the tables' 95 % intervals cover a known truth, and writes ``tables/reference/coverage.csv``.

    python -m tools.coverage                      # a few minutes
    python -m tools.coverage --repetitions 100 --grid northchina --output coverage.csv

Two models make errors at the cells of a real grid (`northchina`, every second row and column: fewer cells in the same
blocks) or of the simulated world. An error is Gaussian and the sum of what both models share (60 % of its variance),
what is a model's own (30 %) and what is a seed's own (10 %), each a field with covariance exp(−distance ÷ length),
independent at `TIMES` times (errors of 46 steps of 8 days with a correlation of about 0.85 between steps are worth a
few independent ones). On uneven grids all errors are multiplied by exp(0.5 g), g a field of the same length with
standard deviation 1: some places are hard for every model (the squared errors of a cell then vary as they do on
`northchina`, by 1.3 times their mean). A seed scales its model's errors by exp(spread × normal). The second model's
errors are 1.2 times as large. The truth is what infinitely many seeds make on infinitely many such places; every
repetition draws places, seeds and errors anew.

`method` "tables" is what `bench report` prints, "assumed 1.1°" what it printed when it took one correlation length for
all numbers (`tools/assumed_length.py`), "plain blocks" the percentile interval of single 2° blocks. `measured_length`,
`measured_share` and `measured_mean_correlation` (of two places of the region, which sums the others up) are what
`tools/error_correlation.py` finds in the simulated squared errors (for RMSE) and in their differences (for difference
and ratio), as it does in a data set's: the scenarios whose values bracket those of a data set are the ones that say
something about it. `claimed` says whether the intervals claim to cover the scenario (docs/uncertainty.md). Grid
"corner" is the part of northchina in `CORNER`, of few blocks. Grid "planar" are `PLANAR_PLACES` places in projected
coordinates, scattered over a rectangle of `PLANAR_METRES`; its lengths are in the degrees of
`bench.scoring.metrics.planar_degrees`, of which the longer side has 20, and distances are those in the plane.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.scoring.draws import block_draws
from bench.scoring.metrics import STATISTICS, planar_degrees, spatial_block
from bench.scoring.samples import samples_of
from bench.scoring.uncertainty import CONFIDENCE, infer
from tools.assumed_length import ASSUMED_DEGREES, assumed_interval, small_sample
from tools.error_correlation import Correlogram, Fit, great_circle

OUTPUT = Path(__file__).parent.parent / "tables" / "reference" / "coverage.csv"
TIMES = 4
CORNER = (110.0, 116.0, 34.0, 42.0)
"""West, east, south and north of a region of about `bench.scoring.places.FEWEST_BLOCKS` blocks."""
CELL_DEGREES = 0.25
WORLD = "simulated:cells=800,years=2,seed=0"
"""Whose cells the scenarios on simulated places have; that of the committed table."""
PLANAR_PLACES, PLANAR_METRES = 600, (50_000.0, 35_000.0)
MEASURED_REPETITIONS = 40
"""Repetitions whose correlation is measured; the median is recorded."""
SHARED, OWN, SEED = 0.6, 0.3, 0.1
SECOND = 1.2
COLUMNS = (
    "grid",
    "blocks",
    "correlation_degrees",
    "uneven",
    "seeds",
    "seed_spread",
    "claimed",
    "quantity",
    "measured_length",
    "measured_share",
    "measured_mean_correlation",
    "method",
    "repetitions",
    "coverage",
    "truth_above",
    "truth_below",
    "mean_width",
)
Floats = npt.NDArray[np.float64]
QUANTITIES: dict[str, Callable[..., Floats]] = {
    "rmse": lambda own: own,
    "difference": lambda own, other: np.asarray(other - own),
    "ratio": lambda own, other: np.asarray(other / own),
}


@dataclass(frozen=True)
class Scenario:
    """One setting of the simulation.

    Attributes:
        grid: northchina, corner, simulated or planar.
        length: correlation length in degrees.
        uneven: whether places differ in how hard they are.
        seeds: runs per model.
        spread: standard deviation of the logarithm of a seed's factor; 0: seeds make no difference at all.
        claimed: whether the intervals claim to hold here.
        single: whether those of single RMSEs do, too.
    """

    grid: str
    length: float
    uneven: bool = False
    seeds: int = 3
    spread: float = 0.03
    claimed: bool = True
    single: bool = True


SCENARIOS = (
    *(Scenario("northchina", length) for length in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)),
    *(Scenario("northchina", length, True, single=length <= 1) for length in (0.5, 1.0, 2.0, 4.0, 8.0)),
    Scenario("northchina", 16.0, True, claimed=False),
    *(Scenario("corner", length, uneven, single=not uneven) for uneven in (False, True) for length in (0.5, 2.0)),
    Scenario("northchina", 0.5, seeds=1, spread=0.0),
    Scenario("northchina", 0.5, seeds=1, claimed=False),
    Scenario("northchina", 0.5, seeds=2, spread=0.1, claimed=False),
    Scenario("northchina", 0.5, seeds=3, spread=0.1),
    Scenario("simulated", 1.0),
    Scenario("simulated", 4.0, True, single=False),
    Scenario("simulated", 12.0),
    Scenario("planar", 2.0),
)


def places(grid: str) -> tuple[Floats, Floats]:
    """(cell,) longitude and latitude of a grid; of a planar one those that its blocks are laid out by."""
    from bench.data.datasets import open_dataset

    if grid == "planar":
        x, y = np.random.default_rng(0).uniform(0.0, 1.0, (2, PLANAR_PLACES)) * np.array(PLANAR_METRES)[:, None]
        return planar_degrees(x, y)

    cube = open_dataset(WORLD if grid == "simulated" else "northchina").cube
    lon, lat = np.asarray(cube.lon, np.float64), np.asarray(cube.lat, np.float64)
    if grid != "simulated":
        kept = (np.round(lon / CELL_DEGREES - 0.5) % 2 == 0) & (np.round(lat / CELL_DEGREES - 0.5) % 2 == 0)
        lon, lat = lon[kept], lat[kept]
    if grid == "corner":
        west, east, south, north = CORNER
        inside = (lon >= west) & (lon < east) & (lat >= south) & (lat < north)
        lon, lat = lon[inside], lat[inside]
    return lon, lat


def root_of_covariance(apart: Floats, length: float) -> npt.NDArray[np.float32]:
    """(cell, cell) factor L of exp(−distance ÷ length) = L Lᵀ, of distances in the unit of the length."""
    return np.linalg.cholesky(np.exp(-apart / length) + 1e-8 * np.eye(len(apart))).astype(np.float32)


def in_plane(x: Floats, y: Floats) -> Floats:
    """(cell, cell) distances in the plane."""
    return np.asarray(np.hypot(x[:, None] - x, y[:, None] - y))


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
    apart = in_plane(lon, lat) if scenario.grid == "planar" else great_circle(lon, lat)
    root = root_of_covariance(apart, scenario.length)
    blocks, block = np.unique(spatial_block(lon, lat), return_inverse=True)
    n = TIMES * np.bincount(block).astype(np.float64)
    draws, correction = block_draws(blocks), small_sample(blocks)
    plain = np.random.default_rng(seed).multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=1000)
    generator = np.random.default_rng(seed)
    correlogram = Correlogram(lon, lat)
    fits: dict[str, list[Fit]] = {quantity: [] for quantity in QUANTITIES}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for repetition in range(repetitions):
        errors = squared_errors(root, scenario, generator)
        if repetition < MEASURED_REPETITIONS:
            own, other = (np.stack(model).mean(axis=0).astype(np.float64) for model in errors)
            relative = other / other.mean() - own / own.mean()
            for quantity, field in (("rmse", own), ("difference", relative), ("ratio", relative)):
                fits[quantity].append(correlogram.fit(field))
        squared = [[np.bincount(block, own, len(blocks)).astype(np.float64) for own in model] for model in errors]
        sums = [[_sums(n, own) for own in model] for model in squared]
        samples = [samples_of(own, draws, name)["rmse"] for own, name in zip(sums, "ab", strict=True)]
        of_seeds = [[samples_of([seed], draws)["rmse"] for seed in own] for own in sums]
        weight = plain @ n
        plainly = [np.mean([np.sqrt(plain @ own / weight) for own in model], axis=0) for model in squared]
        tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
        for quantity, function in QUANTITIES.items():
            positive, used = quantity != "difference", samples[: 1 if quantity == "rmse" else 2]
            result = infer(function, used, draws, positive=positive)
            found.setdefault((quantity, "tables"), []).append((result.low, result.high))
            ends = assumed_interval(_logarithm(function) if positive else function, of_seeds[: len(used)], correction)
            before = (float(np.exp(ends[0])), float(np.exp(ends[1]))) if positive else ends
            found.setdefault((quantity, f"assumed {ASSUMED_DEGREES}°"), []).append(before)
            low, high = np.quantile(function(*plainly[: len(used)]), tails)
            found.setdefault((quantity, "plain blocks"), []).append((float(low), float(high)))
    return list(_lines(scenario, len(blocks), fits, found))


def _logarithm(function: Callable[..., Floats]) -> Callable[..., Floats]:
    return lambda *values: np.log(function(*values))


def _sums(n: Floats, squared: Floats) -> Floats:
    sums = np.zeros((len(STATISTICS), 1, len(n)))
    sums[STATISTICS.index("n")] = sums[STATISTICS.index("weight")] = n
    sums[STATISTICS.index("squared_error")] = squared
    return sums


def _lines(
    scenario: Scenario,
    n_blocks: int,
    fits: Mapping[str, list[Fit]],
    found: dict[tuple[str, str], list[tuple[float, float]]],
) -> Iterator[dict[str, object]]:
    first = truth(scenario)
    truths = {"rmse": first, "difference": (SECOND - 1) * first, "ratio": SECOND}
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
            "claimed": "yes" if scenario.claimed and (scenario.single or quantity != "rmse") else "no",
            "quantity": quantity,
            "measured_length": round(float(np.median([fit.length for fit in fits[quantity]])), 2),
            "measured_share": round(float(np.median([fit.share for fit in fits[quantity]])), 2),
            "measured_mean_correlation": round(float(np.median([fit.mean for fit in fits[quantity]])), 4),
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
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument(
        "--grid",
        choices=("northchina", "corner", "simulated", "planar"),
        default=None,
        help="only this grid; lines of others stay",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lines: list[dict[str, object]] = []
    if options.grid and options.output.exists():
        with options.output.open(newline="") as stream:
            lines = [dict(line) for line in csv.DictReader(stream) if line["grid"] != options.grid]
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
