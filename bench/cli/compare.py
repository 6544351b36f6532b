"""`bench compare`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import json_option
from bench.errors import BenchError, unknown
from bench.system.terminal import cell, console

if TYPE_CHECKING:
    from bench.report.results.across import Compared
    from bench.scoring.interval import Interval

_MOST_REASONS = 4
"""Of a row on the terminal."""


@click.command(
    epilog="""\b
Examples:
  bench compare runs-before runs                    # two stores
  bench compare northchina-laptop runs --suite full # a committed reference and a store
  bench compare old/runs runs --metric r2 --json"""
)
@click.argument("first", metavar="STORE|REFERENCE")
@click.argument("second", metavar="STORE|REFERENCE")
@click.option("--suite", default=None, help="Only this suite  [default: all that both have runs of].")
@click.option("--dataset", default=None, help="Name of the data set  [default: that of the newest run of each].")
@click.option("--profile", default=None, help="Name of the profile  [default: that of the newest run of each].")
@click.option("--target", default=None, help="Of data with several targets, which  [default: the first].")
@click.option("--metric", default="rmse", show_default=True, help="rmse, r2, mae or bias, over all test samples.")
@click.option("--weighting", default="plain", show_default=True, help="plain or area.")
@json_option
def command(first: str, second: str, metric: str, weighting: str, as_json: bool, **given: Any) -> int:
    """Compare two stores row by row: what is new, what has another number, and why.

    The difference is second − first over the runs that both have, with its 95 % interval. It is only taken where data,
    target, split and evaluation agree; else the command says which do not.
    """
    from bench.report.reporting import ReportOptions, selections
    from bench.report.results.across import STATES, Side, compare
    from bench.report.results.statistics_reader import StatisticsReader
    from bench.scoring.metrics import METRICS
    from bench.store.reference import open_results

    if metric not in METRICS:
        raise unknown("metric", metric, list(METRICS), "see `bench compare --help`")
    options = ReportOptions(weighting=weighting, **given)
    places = [open_results(place) for place in (first, second)]
    readers = [StatisticsReader(place) for place in places]
    found = [selections(place, options) for place in places]
    shared = [name for name in found[1] if name in found[0]]
    if not shared:
        raise BenchError(
            f"{first} and {second} have no suite in common ({', '.join(found[0])}; {', '.join(found[1])})."
        )
    answer: dict[str, list[dict[str, object]]] = {}
    for name in shared:
        sides = [Side(own[name], reader) for own, reader in zip(found, readers, strict=True)]
        lines = compare(sides[0], sides[1], metric, weighting)
        answer[name] = [_as_json(line) for line in lines]
        if not as_json:
            _show(name, metric, lines)
    if as_json:
        click.echo(json.dumps(answer, indent=1, ensure_ascii=False))
        return 0
    states = dict.fromkeys(str(line["state"]) for lines_of in answer.values() for line in lines_of)
    for state, meaning in STATES.items():
        if state in states:
            click.echo(f"{state}: {meaning}.")
    return 0


def _as_json(line: Compared) -> dict[str, object]:
    key = line.key
    return {
        "runner": key.runner,
        "view": key.view,
        "train_cells": key.train_cells,
        "variant": key.variant,
        "design": key.design,
        "target": line.target,
        "title": line.title,
        "state": line.state,
        "first": _numbers(line.before),
        "second": _numbers(line.after),
        "difference": _numbers(line.difference),
        "runs": line.runs,
        "why": list(line.why),
    }


def _numbers(found: Interval | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    # JSON has no NaN: an interval that few blocks leave unknown is null.
    values = {"value": found.value, "low": found.low, "high": found.high}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _show(suite: str, metric: str, lines: list[Compared]) -> None:
    from rich.table import Table

    table = Table(title=f"{suite}: test {metric}, second − first", title_justify="left", box=None, pad_edge=False)
    for name in ("row", "state"):
        table.add_column(name, overflow="fold")
    for name in ("first", "second", "difference", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for line in lines:
        shown = [*line.why[:_MOST_REASONS]]
        if len(line.why) > _MOST_REASONS:
            shown.append(f"… {len(line.why) - _MOST_REASONS} more (--json)")
        texts = [line.label, line.state, _plain(line.before), _plain(line.after), _with_interval(line.difference)]
        table.add_row(*map(cell, [*texts, str(line.runs or "–"), "; ".join(shown)]))
    console().print(table)
    click.echo()


def _plain(found: Interval | None) -> str:
    return f"{found.value:.4f}" if found is not None else "–"


def _with_interval(found: Interval | None) -> str:
    if found is None:
        return "–"
    return f"{found.value:+.4f}" + (f" [{found.low:+.4f}, {found.high:+.4f}]" if found.known else "")
