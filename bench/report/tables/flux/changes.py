"""F3: what each part of DERE is worth."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.results.flux.flux_rows import FluxRowResult, base_of_ablation, designs, flux_rows, targets_of
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.flux.wording import circumstances, is_judged, jobs_of, listed, note, problems, value

NAME = "flux_f3"
_DIGITS = 3


def changes_table(selection: Selection, reader: TowerReader) -> Table | None:
    """F3: every ablation beside the row that it is changed from, with paired ratios; None without ablations.

    A design has a table of its own where several have ablations.
    """
    targets = targets_of(selection)
    lines: list[Row] = []
    shown: list[FluxRowResult] = []
    of_designs = {(job.split["design"], job.split.get("labelled")): None for job in selection.jobs}
    for design, labelled in of_designs:
        found = flux_rows(selection, design, labelled)
        changed = [row for row in found if row.is_ablation and base_of_ablation(found, row) is not None]
        # Frozen branches of a backbone that has no other ablation are a row of F1 alone.
        backbones = {row.backbone for row in changed if not row.is_main}
        changed = [row for row in changed if row.backbone in backbones]
        bases = {id(base): base for row in changed for base in [base_of_ablation(found, row)] if base is not None}
        for base in bases.values():
            own = [row for row in changed if base_of_ablation(found, row) is base]
            # The base may have more folds than what is changed in it: all rows of a block are of the same towers.
            folds = [row.folds for row in (base, *own) if row.result.records]
            block = [row.on_folds(frozenset.intersection(*folds)) for row in (base, *own)]
            shown += [base, *own]
            family = f"{base.name}{_place(block[0], len(designs(selection)) > 1)}"
            lines += [_line(reader, row, block[0], targets, family) for row in block]
    if not lines:
        return None
    columns = [Column(f"rmse_{target.lower()}", f"{target} RMSE", _DIGITS) for target in targets]
    columns += [Column(f"ratio_{target.lower()}", f"{target} ÷ base", _DIGITS) for target in targets]
    columns.append(Column("runs", "Runs", 0))
    title = _finding(lines, targets) if is_judged(selection.jobs[0]) else "Ablations of the flux suite"
    first = shown[0].result.key.design or ""
    caption = (
        "÷ base: RMSE ÷ that of the first row of the block, at the same towers; above 1 the part that is "
        f"left out or changed was worth something. {circumstances(selection, first, shown)}"
    )
    return Table(NAME, title, caption, "Changed", tuple(columns), tuple(lines), problems(shown))


def _place(base: FluxRowResult, with_design: bool) -> str:
    """Where a block was tested, behind the name of its base."""
    key = base.result.key
    parts = [key.design] if with_design and key.design else []
    parts += [f"{key.train_cells} labelled towers"] if key.train_cells else []
    numbers = sorted(fold for fold in base.folds if fold is not None)
    parts += [f"fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"] if numbers else []
    return "".join(f", {part}" for part in parts)


def _line(reader: TowerReader, row: FluxRowResult, base: FluxRowResult, targets: Sequence[str], family: str) -> Row:
    values: dict[str, Value] = {}
    for target in targets if row.result.records else ():
        number = reader.estimate(row, target, "rmse")
        ratio = reader.ratio(row, base, target) if row is not base else None
        named = {"rmse": number, "ratio": ratio}
        values |= {f"{name}_{target.lower()}": value(own) for name, own in named.items() if own is not None}
    if row.result.records:
        values["runs"] = Value(row.result.runs)
    label = f"{row.label} (base)" if row is base else row.label.partition(", ")[2] or row.label
    return Row(
        label[:1].upper() + label[1:],
        family,
        values,
        ranked=False,
        note="" if row.result.records else note(row),
        jobs=jobs_of(row),
        name=f"{row.result.key.runner} {row.result.key.variant}",
        complete=bool(row.result.records),
        runner=row.result.key.runner,
    )


def _finding(lines: Sequence[Row], targets: Sequence[str]) -> str:
    changed = [row for row in lines if any(f"ratio_{target.lower()}" in row.values for target in targets)]
    worse: list[str] = []
    better: list[str] = []
    for row in changed:
        for target in targets:
            ratio = row.values.get(f"ratio_{target.lower()}")
            if ratio is not None and ratio.excludes(1):
                (worse if ratio.value > 1 else better).append(f"{row.label[:1].lower() + row.label[1:]} ({target})")
    if not worse and not better:
        return f"None of {len(changed)} changes moves an error by more than towers and seeds differ"
    said = [f"raise the error: {listed(worse)}"] if worse else []
    said += [f"lower it: {listed(better)}" if worse else f"lower the error: {listed(better)}"] if better else []
    return f"Of {len(changed)} changes, these {'; these '.join(said)}"
