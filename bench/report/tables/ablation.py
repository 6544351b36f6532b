"""The table of the ablation suite: every variant beside its base, with paired differences."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.borders import DATE_LINE_DEGREES, HULL_DEGREES
from bench.report.results import few_blocks
from bench.report.results.comparison import Measure, difference, interval_value, number
from bench.report.results.data_words import words_of
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.scoring.uncertainty import CONFIDENCE
from bench.store.jobs import variant_of
from bench.suites.ablation import EXPERIMENTS, Experiment, Variant, is_capped, override_of, variants_of

BORDER, INNER = "border:outer", "border:inner"


@dataclass(frozen=True)
class Finding:
    """One line of an experiment.

    Attributes:
        experiment: the question.
        label: network and variant, as printed, with what is to be noted of it.
        setting: the variant alone, such as ``100 nodes``.
        variant: None for the base.
        result: what is stored of it.
        rmse: of the test part.
        difference: its RMSE − that of the base, paired; None for the base and where nothing can be paired.
        border: RMSE of the cells at the border.
        border_difference: as `difference`, of the cells at the border.
        inner: RMSE of all other cells.
        fit_seconds: mean over the runs.
        is_base: whether its settings are those of the base, which also holds for a variant that was capped at them.
    """

    experiment: Experiment
    label: str
    setting: str
    variant: Variant | None
    result: RowResult
    rmse: Value | None
    difference: Value | None
    border: Value | None
    border_difference: Value | None
    inner: Value | None
    fit_seconds: float | None
    is_base: bool


def findings(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> list[Finding]:
    """Every line of every experiment that the selection has jobs of, the base first.

    Args:
        selection: of the ablation suite.
        reader: of the same store.
        weighting: plain or area.

    Raises:
        BenchError: a stored file is damaged.
    """
    found = {(row.key.runner, row.key.variant): row for row in rows(selection)}
    train_cells = selection.jobs[0].split["train_cells"]
    lines: list[Finding] = []
    for experiment in EXPERIMENTS:
        for runner in experiment.base:
            base = found.get((runner, "base"))
            present = [
                (variant, row)
                for variant in variants_of(experiment, runner)
                for row in [found.get((runner, variant_of(override_of(variant, train_cells))))]
                if row is not None
            ]
            if base is None or not present:
                continue
            for variant, row in [(None, base), *present]:
                lines.append(_finding(experiment, variant, row, base, train_cells, reader, weighting))
    return lines


def ablation_table(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """The ablation table: rows grouped by experiment, differences to the base of the same network."""
    lines = findings(selection, reader, weighting)
    columns = (
        Column("rmse", "RMSE"),
        Column("difference", "− base", digits=4),
        Column("border", "RMSE at the border", in_latex=False),
        Column("border_difference", "− base, at the border", digits=4),
        Column("inner", "RMSE elsewhere", in_latex=False),
        Column("fit_seconds", "Fit (s)", digits=1),
        Column("runs", "Runs", digits=0),
    )
    problems = dict.fromkeys(problem for line in lines for problem in line.result.problems)
    caption = _caption(selection, reader, weighting)
    measured = words_of(reader.store, selection).measured("RMSE")
    title = f"What each part of the proposed model is worth: {measured}"
    return Table("ablation", title, caption, "Variant", columns, tuple(map(_row, lines)), tuple(problems))


def _finding(
    experiment: Experiment,
    variant: Variant | None,
    row: RowResult,
    base: RowResult,
    train_cells: int,
    reader: StatisticsReader,
    weighting: str,
) -> Finding:
    def rmse(group: str) -> Value | None:
        estimate = number(reader, row, Measure("rmse", group), weighting)
        return None if estimate is None else interval_value(estimate)

    is_base = row is base
    setting = experiment.base[row.key.runner] if variant is None else variant.label
    notes = ["base"] if variant is None else []
    if is_capped(experiment, variant, row.key.runner, train_cells):
        notes.append(f"capped: {train_cells} training cells")
    noted = f" ({'; '.join(notes)})" if notes else ""
    between: dict[str, Value | None] = {"all": None, BORDER: None}
    for group in () if is_base else tuple(between):
        found = difference(reader, row, base, Measure("rmse", group), weighting)
        between[group] = None if found is None else interval_value(found)
    seconds = [record.fit_seconds for record in row.records if record.fit_seconds is not None]
    return Finding(
        experiment=experiment,
        label=f"{registry.get(row.key.runner).title}: {setting}{noted}",
        setting=setting,
        variant=variant,
        result=row,
        rmse=rmse("all"),
        difference=between["all"],
        border=rmse(BORDER),
        border_difference=between[BORDER],
        inner=rmse(INNER),
        fit_seconds=sum(seconds) / len(seconds) if seconds else None,
        is_base=is_base,
    )


def _row(line: Finding) -> Row:
    named = {
        "rmse": line.rmse,
        "difference": line.difference,
        "border": line.border,
        "border_difference": line.border_difference,
        "inner": line.inner,
        "fit_seconds": None if line.fit_seconds is None else Value(line.fit_seconds),
        "runs": Value(len(line.result.records)) if line.result.records else None,
    }
    done, planned = len(line.result.records), line.result.planned
    return Row(
        line.label,
        line.experiment.title,
        {key: value for key, value in named.items() if value is not None},
        ranked=False,
        note="" if done == planned else f"{done} of {planned} done",
        jobs=tuple(record.job_id for record in line.result.records),
    )


def _caption(selection: Selection, reader: StatisticsReader, weighting: str) -> str:
    first = selection.jobs[0]
    split = first.split
    repetitions = sorted({job.repetition for job in selection.jobs})
    years = "all years" if split["train_years"] is None else f"the last {split['train_years']} year(s)"
    stride = split["step_stride"]
    steps = "all steps" if stride == 1 else f"the scored steps and one of every {stride}"
    parts = [
        f"Data set {first.dataset} ({selection.manifest.dataset_title})",
        f"trained on {split['train_cells']} cells, {years} of training, {steps}",
        f"scored on steps {', '.join(map(str, split['weeks']))} of {split['test_year']} over all cells",
        f"profile {first.profile}",
        f"seeds {', '.join(map(str, repetitions))}",
        f"{len(selection.done)} of {len(selection.jobs)} jobs done",
        "area-weighted" if weighting == "area" else "",
    ]
    return (
        f"{'; '.join(filter(None, parts))}. Errors compare within this "
        f"table only. In brackets: {CONFIDENCE:.0%} intervals over places and samples of cells "
        "(docs/uncertainty.md); differences to the base (RMSE − its RMSE) are paired. Border: cells within "
        f"{DATE_LINE_DEGREES:g}° of the date line or, on regional data, within {HULL_DEGREES:g}° of the hull of all "
        "cells." + few_blocks.remark_on(reader, rows(selection))
    )
