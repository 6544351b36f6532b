"""What a validation trial is given, checked before any training, and the table that it is recorded in."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown

_ROOT = Path(__file__).resolve().parent.parent
GIVEN = (
    "model",
    "dataset",
    "train_cells",
    "split",
    "steps",
    "rows",
    "options",
    "training",
    "in_force",
    "seed",
    "torch",
)
"""Columns of what a trial is; all others are measured."""
_PROCESSOR = "seconds"
"""The column that differs when a trial is repeated."""


def settings_given(assignments: list[str]) -> dict[str, Any]:
    """Returns the settings by name: JSON, or else the text itself.

    Args:
        assignments: each ``NAME=JSON``.

    Raises:
        BenchError: one has no name or no value, or a name is given twice.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if not name or not value:
            raise BenchError(f"{assignment!r} is no setting; write NAME=VALUE.")
        if name in settings:
            raise BenchError(f"{name!r} is given twice; name one value.")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def require_settings(option: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises where a setting is not known, or is a text in the place of a number.

    Args:
        option: that gave them.
        given: name → value.
        known: name → default.

    Raises:
        BenchError: the message has the nearest name, or the default.
    """
    for name, value in given.items():
        if name not in known:
            raise unknown(f"setting of {option}", name, list(known), "see the options in models/")
        default = known[name]
        if isinstance(value, str) and isinstance(default, bool | int | float):
            raise BenchError(f"{option} {name} is {value!r}; it is a number or a truth value ({default} by default).")


def table_of(folder: Path, dataset: str, prefix: str = "") -> Path:
    """The table that trials of a data set are recorded in.

    Args:
        folder: of all tables.
        dataset: as in ``bench run --dataset``.
        prefix: of the table's name.

    Raises:
        BenchError: there is no such data set, or it is one that its name does not tell: a record names its data.
    """
    from bench.data.datasets import parse_spec

    if dataset == "auto" or Path(dataset).is_dir():
        raise BenchError(
            f"--dataset {dataset}: a trial is recorded under the name of its data, which this does not tell; name one "
            "of `bench ls datasets`."
        )
    return folder / f"{prefix}{parse_spec(dataset)[0]}.csv"


def require_columns(path: Path, columns: Sequence[str]) -> None:
    """Raises where a table of trials has other columns, under which new values would come to lie.

    Raises:
        BenchError: it has.
    """
    if not path.exists():
        return
    with path.open(newline="") as file:
        header = next(csv.reader(file), [])
    if tuple(header) != tuple(columns):
        raise BenchError(f"{path} has other columns than trials have now; add what is missing to it, or move it away.")


def append(path: Path, columns: Sequence[str], record: Mapping[str, object]) -> bool:
    """Adds a line to a table of trials, which is created where there is none.

    A trial that is recorded already is not recorded twice; that it came out the same is said, or that it did not.

    Args:
        path: the table.
        columns: of the table.
        record: a value per column; what it lacks stays empty.

    Returns:
        Whether a line was added.

    Raises:
        BenchError: the table has other columns, an error of the trial is no number, or the same trial is recorded with
            other errors.
    """
    require_columns(path, columns)
    for name, value in record.items():
        if isinstance(value, float) and value != value:
            raise BenchError(f"{name} of the trial is NaN, so that nothing is recorded; its part may hold no sample.")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    own = _as_written(columns, record)
    if not fresh and (line := _line_of(path, own)):
        differing = [name for name in columns if name != _PROCESSOR and line[name] != own[name]]
        if differing:
            raise BenchError(
                f"{path} has this trial with {differing[0]} {line[differing[0]]}, and now it has "
                f"{own[differing[0]]}; nothing is recorded. If code or machine differ, remove the old line."
            )
        print(f"{path} has this trial already, with the same errors; no line is added.", file=sys.stderr)
        return False
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(own)
    return True


def _as_written(columns: Sequence[str], record: Mapping[str, object]) -> dict[str, str]:
    """A record as the table has it, a text per column."""
    return {name: "" if (value := record.get(name)) is None else str(value) for name in columns}


def _line_of(path: Path, own: Mapping[str, str]) -> dict[str, str] | None:
    """The line of a table that has the same trial, if there is one."""
    given = [name for name in GIVEN if name in own]
    with path.open(newline="") as file:
        return next((line for line in csv.DictReader(file) if all(line[name] == own[name] for name in given)), None)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What is wrong with the settings or the data ends the program with its sentence, without a trace and with code 2.

    A ``ValueError`` from inside a library is a fault of the code, whose trace is needed: it goes on as it is.

    Raises:
        SystemExit: `models/` or the data refused something.
    """
    try:
        yield
    except (BenchError, ValueError, FloatingPointError) as error:
        if not isinstance(error, BenchError) and not _raised_by_us(error):
            raise
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _raised_by_us(error: BaseException) -> bool:
    """Whether the line that raised an error is one of this project."""
    innermost = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return any(innermost.is_relative_to(_ROOT / folder) for folder in ("bench", "models", "tools"))
