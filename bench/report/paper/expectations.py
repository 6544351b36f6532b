"""Committed expectations: what a number of a table must be. They check results and never fill them.

A file ``tables/expectations/<data set>-<profile>.toml`` holds ``[[expect]]`` entries. Each names a table, a row (its
runner, as in `Row.name`), a column, exactly one bound, and why it is expected. What the store has no run of is not run,
which is no failure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bench.data.views import DEFAULT_VIEW
from bench.errors import BenchError, unknown, what_is_wrong
from bench.report.table import Column, Row, Table, Value, words
from bench.runners import registry
from bench.system import paths

State = Literal["holds", "broken", "not run"]


class Expectation(BaseModel):
    """One expectation.

    Attributes:
        table: name of a table: table1, table2 or table3.
        row: name of its row: the runner, with ``(view)`` or ``(n jobs)`` where the table has several.
        column: key of a column, as in the table's CSV.
        value: expected number, within `tolerance`.
        tolerance: absolute, in the column's unit.
        at_most: largest number allowed.
        at_least: least number allowed.
        below: another row that must have more in the same column.
        why: where the expectation comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    row: str
    column: str
    value: float | None = None
    tolerance: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    below: str | None = None
    why: str

    @model_validator(mode="after")
    def _one_bound(self) -> Expectation:
        bounds = [self.value, self.at_most, self.at_least, self.below]
        if sum(bound is not None for bound in bounds) != 1:
            raise ValueError("give exactly one of value, at_most, at_least and below")
        if (self.value is None) != (self.tolerance is None):
            raise ValueError("value and tolerance belong together")
        if not self.why.strip():
            raise ValueError("why is empty")
        return self


@dataclass(frozen=True)
class Judgement:
    """What became of an expectation.

    Attributes:
        expectation: which.
        state: holds, broken or not run.
        found: the number, where there is one.
        label: printed name of the row.
        jobs: ids behind it.
    """

    expectation: Expectation
    state: State
    found: float | None
    label: str
    jobs: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was expected of what, and what was found."""
        wanted = self.expectation
        found = "no result" if self.found is None else f"{self.found:.6g}"
        return f"{wanted.table}, {wanted.row}, {wanted.column}: expected {bound(wanted)}, found {found} ({wanted.why})"


def bound(expectation: Expectation) -> str:
    """The bound in words."""
    if expectation.value is not None:
        return f"{expectation.value:g} ± {expectation.tolerance:g}"
    if expectation.at_most is not None:
        return f"at most {expectation.at_most:g}"
    if expectation.at_least is not None:
        return f"at least {expectation.at_least:g}"
    return f"less than {expectation.below}"


def committed(dataset: str, profile: str) -> Path | None:
    """The committed file for a data set and profile, or None where there is none."""
    name = f"{re.sub(r'[^A-Za-z0-9]+', '-', dataset).strip('-')}-{profile}.toml"
    path = paths.tables_dir() / "expectations" / name
    return path if path.is_file() else None


def load(path: Path) -> list[Expectation]:
    """The expectations of a file.

    Raises:
        BenchError: it is missing, or does not parse; names the entry.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BenchError(f"There is no expectations file {path}; name another with --expectations.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"Expectations file {path} is no TOML in UTF-8 ({error}); correct it.") from error
    entries = content.get("expect")
    if set(content) != {"expect"} or not isinstance(entries, list) or not entries:
        raise BenchError(f"Expectations file {path} must hold [[expect]] entries and nothing else; correct it.")
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(Expectation.model_validate(entry))
        except ValidationError as error:
            raise BenchError(
                f"Expectations file {path}, entry {number}: {what_is_wrong(error)}; correct it."
            ) from error
    return found


def judge(expectations: Sequence[Expectation], tables: Mapping[str, Table]) -> list[Judgement]:
    """The outcome of each expectation.

    Args:
        expectations: from `load`.
        tables: name → table, of those that the store has runs for.

    Raises:
        BenchError: an expectation names a table, a row or a column that there can never be.
    """
    return [_judge(item, tables) for item in expectations]


def _judge(wanted: Expectation, tables: Mapping[str, Table]) -> Judgement:
    if wanted.table not in ("table1", "table2", "table3"):
        raise BenchError(f"An expectation names table {wanted.table!r}; there are table1, table2 and table3.")
    table = tables.get(wanted.table)
    if table is None:
        return Judgement(wanted, "not run", None, wanted.row, ())
    keys = [column.key for column in table.columns]
    if wanted.column not in keys and not re.fullmatch(r"[a-z0-9_]+_\d+", wanted.column):  # weeks may not be in a run
        raise BenchError(
            f"An expectation names column {wanted.column!r} of {wanted.table}, which has {', '.join(keys)}; correct it."
        )
    for name in filter(None, (wanted.row, wanted.below)):
        if name.partition(" (")[0] not in registry.entries():  # a slip of the pen would never be run, and never noticed
            raise unknown("runner", name, list(registry.entries()), "an expectation names it; correct it")
    row = _row(table, wanted.row)
    value = None if row is None else row.values.get(wanted.column)
    label = wanted.row if row is None else row.label
    if row is None or value is None or value.value != value.value:
        return Judgement(wanted, "not run", None, label, ())
    other = _row(table, wanted.below) if wanted.below is not None else None
    theirs = None if other is None else other.values.get(wanted.column)
    if wanted.below is not None and theirs is None:
        return Judgement(wanted, "not run", value.value, label, row.jobs)
    found = value.value
    holds = (
        (wanted.value is None or wanted.tolerance is None or abs(found - wanted.value) <= wanted.tolerance)
        and (wanted.at_most is None or found <= wanted.at_most)
        and (wanted.at_least is None or found >= wanted.at_least)
        and (theirs is None or found < theirs.value)
    )
    return Judgement(wanted, "holds" if holds else "broken", found, label, row.jobs)


def _row(table: Table, name: str) -> Row | None:
    """The row of a runner, of several views that of the default one.

    A row that is not done in full has not run, since more repetitions may change its mean.
    """
    names = (name, f"{name} ({DEFAULT_VIEW})")
    return next((row for row in table.rows if row.name in names and row.complete), None)


def table(outcomes: Sequence[Judgement], source: str, circumstances: str) -> Table:
    """The outcomes as a table."""
    rows = []
    for item in outcomes:
        values = {
            "column": words(item.expectation.column),
            "expected": words(bound(item.expectation)),
            "state": words(item.state),
        }
        if item.found is not None:
            values["found"] = Value(item.found)
        rows.append(Row(item.label, item.expectation.table, values, False, "", item.jobs))
    columns = (
        Column("column", "Column"),
        Column("expected", "Expected"),
        Column("found", "Found"),
        Column("state", "State"),
    )
    return Table("expectations", f"Committed expectations of {source}", circumstances, "Row", columns, tuple(rows))
