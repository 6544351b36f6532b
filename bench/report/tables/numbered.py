"""Tables 1–3 of the paper from stored results: pure functions of a selection and its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.report import published
from bench.report.results import extrapolation, few_blocks
from bench.report.results.comparison import Measure, interval_value, mark_ties, number, ratio
from bench.report.results.data_words import DataWords, suite_title, words_of
from bench.report.results.rows import RowResult, rows, standing_rows, usual_view
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.runners.entry import FAMILIES, REFERENCE, TRAINING_ROWS
from bench.scoring.interval import Interval
from bench.scoring.uncertainty import CONFIDENCE

TABLE1_DENOMINATOR = "lightgbm_large"
"""The paper's best tabular model: ratios of Table 1 are taken to it."""
TABLE2_DENOMINATOR = "gnnwr"
"""The paper's best geographically weighted model: ratios of Tables 2 and 3 are taken to it."""
GAP_WEEK = 40
"""The week that Table 3 is about."""


def table1(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """Table 1: test error of every model on the full suite, with train error, gap, and the paper's ratios."""
    found, words = rows(selection), words_of(reader.store, selection)
    paper = published.load(1) if words.of_paper else []
    estimates = {row.key: _estimates(reader, row, weighting) for row in found}
    paper_denominator = published.lookup(paper, TABLE1_DENOMINATOR, "rmse")
    table_rows = []
    for row in found:
        got = estimates[row.key]
        values = {name: interval_value(estimate) for name, estimate in got.items() if estimate is not None}
        values |= _shown("gap", number(reader, row, Measure("rmse", minus="train"), weighting))
        below = _denominator(found, row, TABLE1_DENOMINATOR)
        if below is not None:
            values |= _shown("ratio", ratio(reader, row, below, Measure("rmse"), weighting))
        published_rmse = published.lookup(paper, row.key.runner, "rmse")
        if published_rmse is not None and paper_denominator is not None:
            values["paper_ratio"] = Value(published_rmse / paper_denominator)
        table_rows.append(_row(row, found, values))
    present = {row.key.runner for row in found}
    for item in paper:
        if item.metric == "rmse" and item.runner not in present and paper_denominator is not None:
            values = {"paper_ratio": Value(item.value / paper_denominator)}
            table_rows.append(_absent(item, values))
    columns = (
        Column("rmse", "RMSE", best="min"),
        Column("r2", "R²", best="max"),
        Column("mae", "MAE", best="min", in_latex=False),
        Column("bias", "Bias", in_latex=False),
        Column("train_rmse", "Train RMSE"),
        Column("gap", "Gap", interval=False),
        Column("ratio", "÷ LightGBM Large", interval=False),
        *((Column("paper_ratio", "Paper's ratio"),) if words.of_paper else ()),
        Column("runs", "Runs", digits=0),
    )
    measures = {name: Measure(name) for name in ("rmse", "r2", "mae")}
    table_rows = mark_ties(table_rows, found, columns, measures, reader, weighting)
    title = f"Comparison of methods{words.table(1)}: {words.measured('RMSE', 'MAE', 'bias')}"
    caption = _circumstances(selection, reader, found, weighting, words) + _which_denominators(found)
    return Table("table1", title, caption, "Method", columns, _in_family_order(table_rows), _problems(found))


def costs(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """Time and memory of every model: apart from the other tables, which come out the same from every run."""
    found = rows(selection)
    table_rows = []
    for row in found:
        values = {}
        if row.records:
            for name in ("fit_seconds", "predict_seconds", "wall_seconds"):
                values[name] = Value(_mean([getattr(record, name) or 0.0 for record in row.records]))
            values["peak_memory_gb"] = Value(max(record.peak_memory_bytes or 0 for record in row.records) / 1e9)
            values["threads"] = Value(max(record.threads or 0 for record in row.records))
        table_rows.append(_row(row, found, values))
    columns = (
        Column("fit_seconds", "Fit (s)", digits=1),
        Column("predict_seconds", "Predict (s)", digits=1),
        Column("wall_seconds", "Process (s)", digits=1),
        Column("peak_memory_gb", "Peak memory (GB)", digits=2),
        Column("threads", "Threads", digits=0),
    )
    gpus = {record.device for record in selection.done if record.device not in (None, "cpu")}
    processors = sorted({record.host.processor for record in selection.done} | gpus)
    first = selection.jobs[0]
    caption = (
        f"Profile {first.profile}, on {', '.join(processors)}. Predict: the test part; process: with imports and "
        "training predictions."
    )
    title = f"Time and memory, {suite_title(first.suite)}"
    return Table(f"costs_{first.suite}", title, caption, "Method", columns, _in_family_order(table_rows))


def table2(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """Table 2: RMSE and R² of named weeks on the few-shot suite, over all land cells, with the paper's ratios."""
    found, words = rows(selection), words_of(reader.store, selection)
    paper = published.load(2) if words.of_paper else []
    weeks = _weeks(selection)
    table_rows = []
    for row in found:
        values: dict[str, Value] = {}
        below = _denominator(found, row, TABLE2_DENOMINATOR)
        for week in weeks:
            for metric in ("rmse", "r2"):
                measure = Measure(metric, f"week:{week}")
                values |= _shown(f"{metric}_{week}", number(reader, row, measure, weighting))
            values |= _explained(reader, row, week, values)
            if below is not None:
                measure = Measure("rmse", f"week:{week}")
                values |= _shown(f"ratio_{week}", ratio(reader, row, below, measure, weighting))
            ours = published.lookup(paper, row.key.runner, "rmse", week=week)
            gnnwr = published.lookup(paper, TABLE2_DENOMINATOR, "rmse", week=week)
            if ours is not None and gnnwr is not None:
                values[f"paper_ratio_{week}"] = Value(ours / gnnwr)
        table_rows.append(_row(row, found, values))
    table_rows += _unplanned(found, paper)
    columns: list[Column] = [Column("runs", "Runs", digits=0)]
    for week in weeks:
        columns.append(Column(f"rmse_{week}", f"{words.short_step(week)} RMSE", best="min"))
        columns.append(Column(f"r2_{week}", f"{words.short_step(week)} R²", 2, "max", interval=False))
    for week in weeks:
        label = f"{words.short_step(week)} ÷ GNNWR"
        columns.append(Column(f"ratio_{week}", label, in_latex=False, on_terminal=False, interval=False))
        if words.of_paper:
            columns.append(Column(f"paper_ratio_{week}", f"W{week} paper's ratio", in_latex=False, on_terminal=False))
    measures = {f"{metric}_{week}": Measure(metric, f"week:{week}") for week in weeks for metric in ("rmse", "r2")}
    table_rows = mark_ties(table_rows, found, columns, measures, reader, weighting)
    title = f"Few-shot comparison by {words.week}{words.table(2)}: {words.measured('RMSE')}"
    caption = _circumstances(selection, reader, found, weighting, words)
    return Table("table2", title, caption, "Method", tuple(columns), _in_family_order(table_rows), _problems(found))


def table3(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """Table 3: train and test error of week 40 and the gap, like for like (raw samples) and as published."""
    found, words = rows(selection), words_of(reader.store, selection)
    paper = published.load(3) if words.of_paper else []
    week = gap_week(selection)
    group = f"week:{week}"
    table_rows = []
    for row in found:
        shown = {
            f"{part}_{metric}": Measure(metric, group, part) for part in ("train", "test") for metric in ("rmse", "r2")
        }
        shown |= {f"{which}_rmse": Measure("rmse", f"{group}/{which}") for which in ("seen", "unseen")}
        shown["fitted_rmse"] = Measure("rmse", group, "fitted")
        shown["gap"] = Measure("rmse", group, minus="train")
        shown["gap_published"] = Measure("rmse", group, minus="fitted")
        values: dict[str, Value] = {}
        for key, measure in shown.items():
            values |= _shown(key, number(reader, row, measure, weighting))
        paper_gap = published.lookup(paper, row.key.runner, "rmse", week=GAP_WEEK, part="gap")
        if paper_gap is not None:
            values["paper_gap"] = Value(paper_gap)
        table_rows.append(_row(row, found, values))
    table_rows += _unplanned(found, paper)
    columns = (
        Column("train_rmse", "Train RMSE"),
        Column("train_r2", "Train R²", interval=False),
        Column("test_rmse", "Test RMSE", best="min"),
        Column("test_r2", "Test R²", best="max"),
        Column("gap", "Gap", best="min", interval=False),
        Column("fitted_rmse", "Train RMSE as published"),
        Column("gap_published", "Gap as published", interval=False),
        *((Column("paper_gap", "Paper's gap"),) if words.of_paper else ()),
        Column("seen_rmse", "Seen cells", in_latex=False),
        Column("unseen_rmse", "Unseen cells", in_latex=False),
        Column("runs", "Runs", digits=0),
    )
    measures = {f"test_{metric}": Measure(metric, group) for metric in ("rmse", "r2")}
    measures["gap"] = Measure("rmse", group, minus="train")
    table_rows = mark_ties(table_rows, found, columns, measures, reader, weighting)
    title = f"Generalisation gap in {words.week} {week}{words.table(3)}: {words.measured('RMSE', 'gap')}"
    caption = (
        f"{_circumstances(selection, reader, found, weighting, words)} As published: the training error is taken on "
        "what a model was fitted on, for spatial models means over the training years."
    )
    return Table("table3", title, caption, "Method", columns, _in_family_order(table_rows), _problems(found))


def gap_week(selection: Selection) -> int:
    """The week of Table 3: the paper's where it was scored, else the last one."""
    weeks = _weeks(selection)
    return GAP_WEEK if GAP_WEEK in weeks else weeks[-1]


def _estimates(reader: StatisticsReader, row: RowResult, weighting: str) -> dict[str, Interval | None]:
    got = {name: reader.estimate(row.records, name, weighting=weighting) for name in ("rmse", "r2", "mae", "bias")}
    got["train_rmse"] = reader.estimate(row.records, "rmse", part="train", weighting=weighting)
    return got


def _denominator(found: Sequence[RowResult], row: RowResult, runner: str) -> RowResult | None:
    """The row that a row's ratio is taken to: as registered, of its sample size and its view.

    A row with inputs of its own has no view, and some row's view may lack the other model: the model's row of the usual
    view stands there.
    """
    candidates = _below([other for other in found if other.key.train_cells == row.key.train_cells], runner)
    alike = [other for other in candidates if other.key.view == row.key.view]
    return standing_rows(alike).get(runner) or standing_rows(candidates).get(runner)


def _below(found: Sequence[RowResult], runner: str) -> list[RowResult]:
    """The rows of a model that ratios may divide by: as registered, or where none is, those changed by ``--set``."""
    below = [row for row in found if row.key.runner == runner and row.records]
    return [row for row in below if row.key.variant is None] or below


def _which_denominators(found: Sequence[RowResult]) -> str:
    """Which row the ratios of Table 1 divide by, where the model has several."""
    title = registry.get(TABLE1_DENOMINATOR).title
    below = _below(found, TABLE1_DENOMINATOR)
    if len({row.key.view for row in below}) < 2:
        return ""
    return f" ÷ {title}: of a row's own view; of rows without a view, of view {usual_view(below)}."


def _explained(reader: StatisticsReader, row: RowResult, week: int, values: dict[str, Value]) -> dict[str, Value]:
    """The error of a week with the reason of its size, where it is enormous."""
    error, share = (values.get(f"{metric}_{week}") for metric in ("rmse", "r2"))
    if error is None or share is None or row.family == REFERENCE:
        return {}
    return {f"rmse_{week}": replace(error, footnote=extrapolation.footnote(reader, row, week, share.value))}


def _shown(key: str, found: Interval | None) -> dict[str, Value]:
    return {} if found is None else {key: interval_value(found)}


def _row(row: RowResult, found: Sequence[RowResult], values: dict[str, Value]) -> Row:
    if row.records:
        values = values | {"runs": Value(row.runs)}
    notes = [] if len(row.records) == row.planned else [f"{len(row.records)} of {row.planned} done"]
    sampled = {record.job.parameters.get(TRAINING_ROWS): record.n_train for record in row.records}
    notes += [f"learnt from {rows:,} of {n_train:,} training samples" for rows, n_train in sampled.items() if rows]
    detail = _detail(row, found)
    return Row(
        row.title + detail,
        row.family,
        values,
        row.family != REFERENCE,
        "; ".join(notes),
        tuple(record.job_id for record in row.records),
        row.key.runner + detail,
        len(row.records) == row.planned,
        runner=row.key.runner,
    )


def _detail(row: RowResult, found: Sequence[RowResult]) -> str:
    """What tells a row from others of its runner, in brackets behind its title; "" where there are none."""
    parts = [row.key.view] if row.key.view and len({other.key.view for other in found if other.key.view}) > 1 else []
    if len({other.key.train_cells for other in found}) > 1:
        parts.append(f"{row.key.train_cells} cells")
    if row.key.variant:
        parts.append(row.key.variant)
    return f" ({', '.join(parts)})" if parts else ""


def _unplanned(found: Sequence[RowResult], paper: Sequence[published.PublishedValue]) -> list[Row]:
    present = {row.key.runner for row in found}
    absent = {item.runner: item for item in paper if item.runner not in present}
    return [_absent(item, {}) for item in absent.values()]


def _absent(item: published.PublishedValue, values: dict[str, Value]) -> Row:
    """The row of a published model that this run does not have, under our names where we know the model."""
    entry = registry.entries().get(item.runner)
    title, family = (entry.title, entry.family) if entry else (item.method, item.family)
    return Row(title, family, values, note="not in this run")


def _in_family_order(table_rows: Sequence[Row]) -> tuple[Row, ...]:
    def position(row: Row) -> int:
        return FAMILIES.index(row.family) if row.family in FAMILIES else len(FAMILIES)

    def error(row: Row) -> float:
        value = row.values.get("rmse")
        return value.value if value is not None else float("inf")

    return tuple(sorted(table_rows, key=lambda row: (position(row), error(row))))


def _weeks(selection: Selection) -> list[int]:
    return list(selection.jobs[0].split["weeks"])


def _circumstances(
    selection: Selection, reader: StatisticsReader, found: Sequence[RowResult], weighting: str, words: DataWords
) -> str:
    first = selection.jobs[0]
    views = sorted({row.key.view for row in found if row.key.view})
    repetitions = sorted({job.repetition for job in selection.jobs})
    done, planned = len(selection.done), len(selection.jobs)
    parts = [
        f"Data set {first.dataset} ({selection.manifest.dataset_title})",
        words.split,
        f"feature view {', '.join(views)}" if views else "",
        f"profile {first.profile}",
        f"seeds {', '.join(map(str, repetitions))}",
        "runs with several seeds are averaged" if len(repetitions) > 1 else "",
        f"{done} of {planned} jobs done",
        "area-weighted" if weighting == "area" else "",
    ]
    return (
        "; ".join(filter(None, parts))
        + f". In brackets: {CONFIDENCE:.0%} intervals over places, as far as errors go together, "
        f"and over the runs of a row. Bold: best, reference rows aside, if the "
        "interval of its paired ratio to every other row excludes 1 (gaps: of the difference 0); †: cannot be told "
        "from the best. Rows err in the same places: compare them by paired ratios and differences, not by whether "
        "their own intervals overlap. Train errors are on raw training samples." + few_blocks.remark_on(reader, found)
    )


def _problems(found: Sequence[RowResult]) -> tuple[str, ...]:
    return tuple(problem for row in found for problem in row.problems)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
