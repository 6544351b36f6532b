"""The paper's Tables 1–3 as data."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from bench import paths


@dataclass(frozen=True)
class PublishedValue:
    """One printed number.

    Attributes:
        table: 1, 2 or 3.
        row: row of that table, from 1.
        family: the paper's heading.
        method: the paper's name.
        runner: our name of the same model.
        week: 8-day step of the year, where the table has one.
        part: train, test or gap.
        metric: rmse or r2.
        value: the number.
    """

    table: int
    row: int
    family: str
    method: str
    runner: str
    week: int | None
    part: str
    metric: str
    value: float


def load(table: int) -> list[PublishedValue]:
    """All numbers of one of the paper's tables, in its order."""
    with (paths.tables_dir() / "published" / f"table{table}.csv").open(newline="") as stream:
        return [
            PublishedValue(
                int(line["table"]),
                int(line["row"]),
                line["family"],
                line["method"],
                line["runner"],
                int(line["week"]) if line["week"] else None,
                line["part"],
                line["metric"],
                float(line["value"]),
            )
            for line in csv.DictReader(stream)
        ]


def lookup(
    values: list[PublishedValue], runner: str, metric: str, *, week: int | None = None, part: str = "test"
) -> float | None:
    """One number of a table, or None if the paper does not give it."""
    for item in values:
        if (item.runner, item.metric, item.week, item.part) == (runner, metric, week, part):
            return item.value
    return None
