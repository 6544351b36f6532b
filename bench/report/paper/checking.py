"""`bench report --check`: comparison with the paper, audit of scored values, committed expectations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.report.paper import check, expectations
from bench.report.paper import implied_variance as audit
from bench.report.paper.check import Comparison
from bench.report.paper.data_check import changed_data
from bench.report.paper.expectations import Judgement, State
from bench.report.paper.implied_variance import OwnTargets
from bench.report.paper.rankings import Claim
from bench.report.results.data_words import words_of
from bench.report.results.flux.same_values import differing_values
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.results.subject import Subject
from bench.report.table import Table
from bench.suites.flux import SUITE as FLUX
from bench.suites.profiles import SMOKE
from bench.system.text import counted

PUBLISHED_SUITES = ("full", "fewshot")
"""Suites of the paper's Tables 1, and 2 and 3."""
_STATES: dict[State, str] = {"holds": "hold", "broken": "broken", "not run": "not run"}


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        tables: check, audit and, where there are any, expectations.
        broken: one sentence for each broken expectation, each job that was scored on other values and each data set
            that has changed since.
        summary: sentences for the terminal.
    """

    tables: tuple[Table, ...]
    broken: tuple[str, ...]
    summary: tuple[str, ...]


def run(
    about: Subject,
    selections: Mapping[str, Selection],
    reader: StatisticsReader,
    tables: Mapping[str, Table],
    source: Path | None = None,
) -> CheckResult:
    """Checks the tables of a report.

    Args:
        about: what the report is about.
        selections: suite → its jobs.
        reader: their statistics.
        tables: name → table, with plain weighting.
        source: expectations file; None for the committed one of this data set and profile.

    Raises:
        BenchError: a published table or the expectations file does not parse.
    """
    comparisons: list[Comparison] = []
    rankings: list[Claim] = []
    own: list[OwnTargets] = []
    of_paper = False
    for selection in (selections[suite] for suite in PUBLISHED_SUITES if suite in selections):
        own += audit.own_targets(selection, reader)
        if words_of(reader.store, selection).of_paper:
            numbers, claims = check.compare(selection, reader)
            comparisons += numbers
            rankings += claims
            of_paper = True
    judged = about.profile != SMOKE
    made = [check.table(comparisons, rankings, about.circumstances, judged=judged)] if of_paper else []
    made += [audit.table(own, of_paper=of_paper)] if own else []
    differing = [sentence for targets in own for sentence in targets.problems]
    data_changed, data_summary = changed_data(
        reader.store, (job.dataset_fingerprint for selection in selections.values() for job in selection.jobs)
    )
    compared = sum(targets.jobs for targets in own)
    against = (f"Against the paper: {check.counts(comparisons, rankings, judged=judged)}.", audit.families_of_table_1())
    held = f"{counted(len(own), 'group')}, {counted(compared, 'comparison')}"
    scored = f"Scored values of this store: {held}, {len(differing)} differ."
    summary = [*(against if of_paper else ()), *((scored,) if own else ()), *data_summary]
    if FLUX in selections:
        n_splits, others = differing_values(reader.store, selections[FLUX])
        differing += others
        summary.append(
            f"Suite {FLUX}: nothing published can be compared with; scored values: {n_splits} splits, {len(others)} "
            f"{'job differs' if len(others) == 1 else 'jobs differ'}."
        )
    path = source or expectations.committed(about.dataset, about.profile)
    outcomes: list[Judgement] = []
    if path is None:
        summary.append(f"Expectations: none are committed for {about.dataset}, profile {about.profile}.")
    else:
        outcomes = expectations.judge(expectations.load(path), tables)
        made.append(expectations.table(outcomes, path.name, about.circumstances))
        states = [item.state for item in outcomes]
        found = ", ".join(f"{states.count(state)} {text}" for state, text in _STATES.items())
        summary.append(f"Expectations of {path.name}: {found}.")
    broken = [item.sentence for item in outcomes if item.state == "broken"]
    return CheckResult(tuple(made), (*differing, *data_changed, *broken), tuple(summary))
