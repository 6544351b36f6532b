"""Measures over what distance squared errors, and differences of them, are correlated; writes one table.

    python -m tools.error_correlation --store runs            # → tables/reference/error_correlation.csv

The suite ``full`` of the store's newest run of each data set is read: of every cell the mean squared error over the
test year. A quantity is one runner's (what the interval of its RMSE rests on), or the difference of two, each ÷ its
mean (what the interval of their ratio rests on). Its correlation over distance, in classes of `CLASS_DEGREES`, is
fitted by
share × exp(−distance ÷ length). A finite region shows a smaller correlation than there is, since its mean was taken
from the same values; the fit accounts for that. `tools/coverage.py` measures its simulated errors in the same way.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.arrays import Doubles

OUTPUT = Path(__file__).parent.parent / "tables" / "reference" / "error_correlation.csv"
CLASS_DEGREES, FARTHEST = 0.5, 8.0
SHARES = np.linspace(0.1, 1.0, 19)
LENGTHS = np.geomspace(0.2, 12.0, 42)
COLUMNS = (
    "dataset",
    "quantity",
    "share",
    "length_degrees",
    "mean_correlation",
    "log_standard_error",
    "interval_factor",
)


@dataclass(frozen=True)
class Fit:
    """A correlation that falls off with distance.

    Attributes:
        share: of the variance that neighbours have in common.
        length: over which it falls to 1 ÷ e, in degrees of the great circle.
        mean: correlation of two places of the region, averaged over all pairs.
    """

    share: float
    length: float
    mean: float


class Correlogram:
    """Fits of fields on one set of places.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
    """

    def __init__(self, lon: Doubles, lat: Doubles) -> None:
        apart = great_circle(lon, lat)
        first, second = np.triu_indices(len(lon), 1)
        distance = apart[first, second]
        near = distance < FARTHEST
        self._pairs = first[near], second[near]
        self._class = (distance[near] / CLASS_DEGREES).astype(np.int64)
        self._n_classes = int(np.ceil(FARTHEST / CLASS_DEGREES))
        self._count = np.bincount(self._class, minlength=self._n_classes)
        n = len(lon)
        expected, means = [], []
        for length in LENGTHS:
            own = np.exp(-distance / length)
            total = np.bincount(self._class, weights=own[near], minlength=self._n_classes)
            expected.append(total / np.maximum(self._count, 1))
            means.append(2 * own.sum() / n**2)
        share = SHARES[:, None, None]
        # (share, length): mean over all pairs of places, each with itself too; (share, length, class): what is seen.
        self._means = SHARES[:, None] * np.array(means) + 1 / n
        self._seen = (share * np.array(expected) - self._means[:, :, None]) / (1 - self._means[:, :, None])

    def fit(self, field: Doubles) -> Fit:
        """The fit to a (cell,) field."""
        z = (field - field.mean()) / field.std()
        first, second = self._pairs
        products = np.bincount(self._class, weights=z[first] * z[second], minlength=self._n_classes)
        found = products / np.maximum(self._count, 1)
        misfit = ((self._seen - found) ** 2 * self._count).sum(axis=2)
        at = np.unravel_index(int(misfit.argmin()), misfit.shape)
        return Fit(float(SHARES[at[0]]), float(LENGTHS[at[1]]), float(self._means[at]))


def great_circle(lon: Doubles, lat: Doubles) -> Doubles:
    """(cell, cell) distances in degrees."""
    east, north = np.radians(lon), np.radians(lat)
    unit = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)
    return np.asarray(np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1))))


def main() -> None:
    """Measures every data set of a store and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lines = [line for dataset in _datasets(options.store) for line in measure(options.store, dataset)]
    with options.output.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _datasets(folder: Path) -> list[str]:
    from bench.store.store import Store

    runs = [manifest for manifest in Store(folder).manifests() if manifest.suite == "full" and manifest.jobs]
    return list(dict.fromkeys(manifest.jobs[0].dataset for manifest in runs))


def measure(folder: Path, dataset: str) -> list[dict[str, object]]:
    """Lines of the result, from one run of each runner of the suite ``full``."""
    from bench.report.results.comparison import Measure, number, ratio
    from bench.report.results.rows import rows, standing_rows
    from bench.report.results.selection import select
    from bench.report.results.statistics_reader import StatisticsReader
    from bench.scoring.interval import Interval
    from bench.store.columns import read_frame
    from bench.store.dataset_record import dataset_folder
    from bench.store.store import Store

    store = Store(folder)
    selection, reader = select(store, "full", dataset), StatisticsReader(store)
    places = read_frame(dataset_folder(store, selection.jobs[0].dataset_fingerprint) / "cells.parquet")
    fields, found = {}, standing_rows(rows(selection))
    for name, row in found.items():
        table = read_frame(store.file(row.records[0], "predictions.parquet"))
        squared = (table["prediction"] - table["target"]).astype(np.float64) ** 2
        fields[name] = squared.groupby(table["cell"]).mean()
    cells = next(iter(fields.values())).index.to_numpy()
    lon, lat = (places[name].to_numpy(np.float64)[cells] for name in ("lon", "lat"))
    correlogram = Correlogram(lon, lat)

    def line(quantity: str, field: Doubles, printed: Interval | None) -> dict[str, object]:
        fit = correlogram.fit(field)
        relative = field.std() / 2 * np.sqrt(fit.mean / (1 - fit.mean))  # of a logarithm of a root
        factor = np.sqrt(printed.high / printed.low) if printed is not None and printed.known else float("nan")
        return dict(
            zip(
                COLUMNS,
                (
                    dataset,
                    quantity,
                    round(fit.share, 2),
                    round(fit.length, 2),
                    round(fit.mean, 4),
                    round(float(relative), 4),
                    round(float(factor), 4),
                ),
                strict=True,
            )
        )

    scaled: dict[str, Doubles] = {
        name: np.asarray((own / own.mean()).to_numpy(np.float64)) for name, own in fields.items()
    }
    rmse = Measure("rmse")
    lines = [line(f"RMSE of {name}", own, number(reader, found[name], rmse)) for name, own in scaled.items()]
    for first, second in combinations(scaled, 2):
        printed = ratio(reader, found[first], found[second], rmse)
        relative: Doubles = np.asarray(scaled[first] - scaled[second])
        lines.append(line(f"RMSE of {first} ÷ {second}", relative, printed))
    return lines


if __name__ == "__main__":
    main()
