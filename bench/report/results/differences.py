"""The table of paired differences: the proposed model, or any other runner, against each row of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.errors import BenchError
from bench.report.results import few_blocks
from bench.report.results.comparison import Measure, difference, interval_value, paired, ratio, with_holm
from bench.report.results.data_words import words_of
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.runners.entry import PROPOSED
from bench.scoring.draws import DRAWS
from bench.scoring.uncertainty import CONFIDENCE


def differences(
    selection: Selection, reader: StatisticsReader, weighting: str = "plain", subject: str | None = None
) -> Table:
    """Differences between some rows and all others, with intervals, ratios and p-values.

    Args:
        selection: the jobs of a suite.
        reader: of the stored sums.
        weighting: plain or area.
        subject: name of the runner whose rows are compared with all others; None for each row of the proposed model,
            compared with those of the other families.

    Raises:
        BenchError: the suite has no row of that runner, or none with results.
    """
    found, words = rows(selection), words_of(reader.store, selection)
    own_rows = _subjects(found, subject, selection.jobs[0].suite)
    others = [row for row in found if row.key.runner != subject and (subject or row.family != PROPOSED)]
    suite = selection.jobs[0].suite
    weeks = list(selection.jobs[0].split.get("weeks", ()))
    groups = {str(week): f"week:{week}" for week in weeks} or {"": "all"}
    several_views = len({row.key.view for row in found if row.key.view}) > 1
    table_rows: list[Row] = []
    for ours in own_rows:
        own = [
            _difference_row(reader, ours, theirs, groups, weighting, several_views)
            for theirs in others
            if theirs.records and theirs.key.train_cells == ours.key.train_cells
        ]
        table_rows += with_holm([row for row in own if row.values], [f"_{name}" if name else "" for name in groups])
    columns: list[Column] = []
    for name in groups:
        of_week, after = (f"{words.short_step(int(name))} ", f"_{name}") if name else ("", "")
        columns += [
            Column(f"rmse{after}", f"{of_week}Δ RMSE"),
            Column(f"ratio{after}", f"{of_week}÷ RMSE", in_latex=not name, on_terminal=not name),
            Column(f"p{after}", "p", 4, in_latex=False, on_terminal=False),
            Column(f"p_holm{after}", "p, Holm", on_terminal=True),
            Column(f"r2{after}", f"{of_week}Δ R²", in_latex=not name, on_terminal=not name),
            Column(f"mae{after}", f"{of_week}Δ MAE", in_latex=not name, on_terminal=not name),
        ]
    columns += [Column("own_runs", "Own runs", 0), Column("runs", "Runs", 0)]
    first = selection.jobs[0]
    what = "proposed model" if subject is None else own_rows[0].title
    title = (
        f"Paired differences, {what} − {'baseline' if subject is None else 'other rows'}, "
        f"{f'few-shot by {words.week}' if weeks else 'full suite'}: {words.measured('RMSE', 'MAE')}"
    )
    caption = (
        f"RMSE, MAE below 0 and R² above 0: the {what} is better; beside them ratios of RMSE. Data set {first.dataset} "
        f"({selection.manifest.dataset_title}); "
        f"{words.split}; profile {first.profile}. In brackets: {CONFIDENCE:.0%} intervals over "
        f"{'samples of cells (and seeds), the same for both,' if weeks else 'seeds'} and places "
        f"({DRAWS} draws, docs/uncertainty.md); one run says nothing about other "
        f"{'samples' if weeks else 'seeds'}. p: two-sided, that the ratio is 1; Holm: corrected for the number of "
        f"{'baselines' if subject is None else 'other rows'}{f' of a {words.week}' if weeks else ''}."
        + few_blocks.remark_on(reader, found)
    )
    name, heading = (f"differences_{suite}", "Proposed − baseline")
    if subject is not None:
        name, heading = f"{name}_{subject}", f"{own_rows[0].title} − other"
    return Table(name, title, caption, heading, tuple(columns), tuple(table_rows))


def require_subject(selection: Selection, subject: str) -> None:
    """Raises where `differences` could not be of a runner.

    Raises:
        BenchError: the suite has no row of that runner, or none with results.
    """
    _subjects(rows(selection), subject, selection.jobs[0].suite)


def _subjects(found: Sequence[RowResult], subject: str | None, suite: str) -> list[RowResult]:
    """The rows that are compared with others."""
    own = [row for row in found if (row.family == PROPOSED if subject is None else row.key.runner == subject)]
    done = [row for row in own if row.records]
    if subject is not None and not done:
        known = sorted({row.key.runner for row in found if row.records})
        why = "has no finished job" if own else "is no row"
        raise BenchError(
            f"Runner {subject!r} {why} of suite {suite!r}, so nothing can be compared with it; rows with results: "
            f"{', '.join(known) or 'none'}."
        )
    return done


def _difference_row(
    reader: StatisticsReader,
    ours: RowResult,
    theirs: RowResult,
    groups: Mapping[str, str],
    weighting: str,
    several_views: bool,
) -> Row:
    values: dict[str, Value] = {}
    for name, group in groups.items():
        after = f"_{name}" if name else ""
        for metric in ("rmse", "r2", "mae"):
            found = difference(reader, ours, theirs, Measure(metric, group), weighting)
            if found is not None:
                values[metric + after] = interval_value(found)
        relative = ratio(reader, ours, theirs, Measure("rmse", group), weighting)
        if relative is not None:
            values["ratio" + after] = interval_value(relative)
            values["p" + after] = Value(relative.p)
    own, other = paired(ours, theirs)
    if values:
        values |= {"own_runs": Value(own.runs), "runs": Value(other.runs)}
    size = f", {ours.key.train_cells} cells" if ours.key.train_cells else ""
    said, own_said = (_said(row, several_views) for row in (theirs, ours))
    jobs = tuple(record.job_id for record in (*own.records, *other.records))
    return Row(theirs.title + said, f"{ours.title}{own_said}{size}", values, False, _note(ours, theirs), jobs)


def _said(row: RowResult, several_views: bool) -> str:
    """What tells a row from another of its runner: its view where there are several, and what is set in it."""
    said = ", ".join(filter(None, (row.key.view if several_views else None, row.key.variant)))
    return f" ({said})" if said else ""


def _note(*compared: RowResult) -> str:
    """Says where variation between seeds is unknown, rather than absent."""
    entries = [registry.entries().get(row.key.runner) for row in compared]
    unknown = [
        row.title
        for row, entry in zip(compared, entries, strict=True)
        if row.runs == 1 and (row.key.train_cells or (entry is not None and entry.seeded))
    ]
    return f"one run of {', '.join(unknown)}" if unknown else ""
