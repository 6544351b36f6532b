"""The paper's Tables 1–3 as data."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from bench.errors import BenchError
from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS, PROPOSED
from bench.system import paths

VARIANTS = {DUAL_BRANCH: (DUAL_BRANCH, DUAL_BRANCH_PLUS)}
"""Runners whose results are held against a published model's: the model itself, and our variants of it."""
_OURS = "Dual-branch (paper)"
"""The paper calls its own row *Ours*, and the family *Our Method*; here they have the names of our tables."""
_COLUMNS = ("table", "row", "family", "method", "runner", "week", "part", "metric", "value")


@dataclass(frozen=True)
class Heading:
    """What a comparison with the paper stands under.

    Attributes:
        table: 1, 2 or 3.
        what: of that table.
    """

    table: int
    what: str

    @property
    def section(self) -> str:
        """The table's name alone."""
        return f"Table {self.table}"

    def __str__(self) -> str:
        return f"{self.section}, {self.what}"


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
        digits: printed decimals; the number before rounding lies within half a unit of the last one.
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
    digits: int

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit."""
        return 0.5 * 10.0**-self.digits


def load(table: int) -> list[PublishedValue]:
    """All numbers of one of the paper's tables, in its order.

    Raises:
        BenchError: the file is missing or does not parse.
    """
    path = paths.tables_dir() / "published" / f"table{table}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise BenchError(f"{path} has other columns than {','.join(_COLUMNS)}; restore it.")
            found = []
            for line in reader:
                try:
                    found.append(_parsed(line))
                except (ValueError, TypeError, AttributeError) as error:
                    raise BenchError(f"{path}, line {reader.line_num}: {error}; correct it.") from error
    except FileNotFoundError as error:
        raise BenchError(f"{path} is missing; restore it or reinstall climate2gpp-bench.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path} is no CSV file in UTF-8 ({error}); restore it.") from error
    if not found:
        raise BenchError(f"{path} holds no number; restore it.")
    return found


def _parsed(line: dict[str, str]) -> PublishedValue:
    if None in line or None in line.values():
        raise ValueError(f"it has not {len(_COLUMNS)} fields")
    number, _, decimals = line["value"].partition(".")
    value = float(line["value"])
    if not (number.lstrip("-").isdecimal() and (decimals.isdecimal() or not decimals)):
        raise ValueError(f"value {line['value']!r} is no printed decimal number")
    if line["metric"] not in ("rmse", "r2") or line["part"] not in ("train", "test", "gap"):
        raise ValueError(f"metric {line['metric']!r} of part {line['part']!r} is none of the paper's")
    return PublishedValue(
        int(line["table"]),
        int(line["row"]),
        PROPOSED if line["runner"] == DUAL_BRANCH else line["family"],
        _OURS if line["runner"] == DUAL_BRANCH else line["method"],
        line["runner"],
        int(line["week"]) if line["week"] else None,
        line["part"],
        line["metric"],
        value,
        len(decimals),
    )


def variants(runner: str) -> tuple[str, ...]:
    """Runners that stand for a published model: itself, and our variants of it in rows of their own."""
    return VARIANTS.get(runner, (runner,))


def find(
    values: list[PublishedValue], runner: str, metric: str, *, week: int | None = None, part: str = "test"
) -> PublishedValue | None:
    """One entry of a table, or None if the paper does not give it."""
    for item in values:
        if (item.runner, item.metric, item.week, item.part) == (runner, metric, week, part):
            return item
    return None


def lookup(
    values: list[PublishedValue], runner: str, metric: str, *, week: int | None = None, part: str = "test"
) -> float | None:
    """One number of a table, or None if the paper does not give it."""
    item = find(values, runner, metric, week=week, part=part)
    return None if item is None else item.value
