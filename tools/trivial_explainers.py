"""Scores explanations that know next to nothing, on absolute and on relative sensitivities; writes one table.

    python -m tools.trivial_explainers --dataset northchina    # → tables/reference/trivial_explainers.csv

The rows are the reference rows of the tables ``interpretability_<suite>``; here they stand on both scales, at all steps
of the test year (suite full) and at those that the suite fewshot scores. No model is
fitted. Lines of other data sets in the table are kept.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.scoring.agreement import SCORES

OUTPUT = Path(__file__).parent.parent / "tables" / "reference" / "trivial_explainers.csv"
WEEKS = (1, 10, 20, 30, 40)
COLUMNS = ("dataset", "suite", "scale", "explainer", *SCORES)


def main() -> None:
    """Scores one data set's explainers and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="northchina")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    kept: list[dict[str, object]] = []
    if options.output.exists():
        with options.output.open(newline="") as stream:
            kept = [dict(line) for line in csv.DictReader(stream) if line["dataset"] != options.dataset]
    with tempfile.TemporaryDirectory() as folder:
        lines = score(options.dataset, Path(folder) / "runs")
    with options.output.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *lines])


def score(dataset: str, folder: Path) -> list[dict[str, object]]:
    """Lines of the table; the truth of the data set is recorded in a store in ``folder``."""
    from bench.data.datasets import open_dataset
    from bench.report.results.explanations import TruthReader, trivial
    from bench.store.dataset_record import dataset_folder
    from bench.store.sensitivities_record import record_sensitivities
    from bench.store.store import Store

    store, cube = Store(folder, create=True), open_dataset(dataset).cube
    if not record_sensitivities(store, cube, ["gwr"], print):
        raise SystemExit(
            f"The equations behind data set {dataset!r} are not known, so there is no truth to score with."
        )
    record = dataset_folder(store, cube.fingerprint)
    pd.DataFrame({"lon": cube.lon, "lat": cube.lat}).to_parquet(record / "cells.parquet")
    year = np.flatnonzero(cube.year == cube.year.max())
    of_weeks = year[np.isin(cube.step_of_year[year], WEEKS)]
    lines: list[dict[str, object]] = []
    for scale in ("relative", "absolute"):
        truth = TruthReader(store, cube.fingerprint, relative=scale == "relative")
        for suite, times in (("full", year), ("fewshot", of_weeks)):
            for title, found in trivial(truth, times).items():
                scores = {key: round(float(values[0]), 3) for key, values in found.scores.items()}
                lines.append({"dataset": dataset, "suite": suite, "scale": scale, "explainer": title, **scores})
    return lines


if __name__ == "__main__":
    main()
