"""The page on own data says which rows refuse which data; ``BENCH_REWRITE_DOCS=1`` writes the table anew."""

from __future__ import annotations

import os
import re

import pytest

from bench.data.cube import Cube
from bench.data.split_names import parse_split, split_parameters
from bench.data.splits import make_split
from bench.runners import registry
from bench.runners.suitability import unsuited
from tests.conftest import ROOT
from tests.runners.test_any_data import make_years
from tests.support.cubes import make_houses, make_months, make_towers

PAGE = ROOT / "docs" / "own-data.md"
BEGIN, END = "<!-- refusals:begin -->", "<!-- refusals:end -->"
KINDS: dict[str, tuple[Cube, str]] = {
    "40 places, all months": (make_months(40), "last-year"),
    "8 places, all months": (make_months(8), "last-year"),
    "40 towers with gaps": (make_towers(40), "last-year-of-each-place"),
    "12 towers with gaps": (make_towers(12), "last-year-of-each-place"),
    "24 places, a step a year": (make_years(), "last-year"),
    "120 places, one step": (make_houses(), "share:0.25"),
    "8 places, one step": (make_houses(8), "share:0.25"),
}


def answers() -> dict[str, tuple[str, ...]]:
    """Runner of a suite → what it says of each kind."""
    found = {}
    for entry in registry.entries().values():
        if not entry.needs or entry.by_name:
            continue
        said = []
        for cube, name in KINDS.values():
            reason = unsuited(entry.needs, cube, make_split(cube, split_parameters(cube, parse_split(name))[0]))
            said.append("runs" if reason is None else "no seasons" if "rhythm" in reason else "too few places")
        found[entry.name] = tuple(said)
    return found


def table() -> str:
    """The table, rows that say the same together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for runner, said in answers().items():
        alike.setdefault(said, []).append(f"`{runner}`")
    lines = [f"| row | {' | '.join(KINDS)} |", f"|---{'|---' * len(KINDS)}|"]
    lines += [f"| {', '.join(names)} | {' | '.join(said)} |" for said, names in alike.items()]
    return "\n".join([*lines, f"| all others |{' runs |' * len(KINDS)}"])


def test_the_page_s_table_is_what_the_plan_would_say() -> None:
    pytest.importorskip("torch")
    text = PAGE.read_text()
    if os.environ.get("BENCH_REWRITE_DOCS"):
        text = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table()}\n{END}", text, flags=re.DOTALL)
        PAGE.write_text(text)
    assert f"{BEGIN}\n{table()}\n{END}" in text


def test_a_row_that_refuses_does_so_for_some_data_and_not_for_all() -> None:
    pytest.importorskip("torch")
    said = answers()
    assert {"gwr", "gtwr", "gnnwr", "gtnnwr", "gwr_validated", "gtwr_validated", "gwr_rf"} == set(said)
    assert all(0 < sum(answer == "runs" for answer in own) < len(own) for own in said.values())
