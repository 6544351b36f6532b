"""F1: every method at towers never seen, and its companion by class of vegetation and climate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.report.results.flux.flux_rows import (
    BASELINE,
    DERE,
    KGML_SHARES,
    LIGHTGBM,
    LIGHTGBM_SHARES,
    FluxRowResult,
    every_fold,
    find,
    flux_rows,
    same_inputs,
    targets_of,
    whole,
)
from bench.report.results.flux.knowledge import KNOWING, KnowledgeRatio, compared, pairs_of
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.flux.wording import circumstances, is_judged, jobs_of, listed, note, problems, value
from bench.scoring.metrics import METRICS
from bench.scoring.towers import FEWEST_GROUPS, MEDIAN_R2
from bench.suites.flux import PLACES, VARIANTS

NAME, GROUPS_NAME = "flux_f1", "flux_f1_groups"
_SHOWN = ("rmse", "r2", "mae")
_BACKBONES = "Mean of the backbones"
_DIGITS = 3


def methods_table(selection: Selection, reader: TowerReader, design: str = PLACES) -> Table:
    """F1: RMSE, R² and MAE of every row and flux, and its ratios to the same backbone and to LightGBM.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.
        design: of the split.
    """
    found, targets = [row for row in flux_rows(selection, design) if row.is_main], targets_of(selection)
    below = find(found, LIGHTGBM, LIGHTGBM_SHARES)
    lines = [_line(reader, found, row, below, targets) for row in found]
    judged = is_judged(selection.jobs[0])
    if judged:
        lines = _with_ties(lines, found, reader, targets)
    columns: list[Column] = []
    for name, label in (("rmse", "RMSE"), ("r2", "R²"), ("mae", "MAE")):
        best = "min" if METRICS[name].lower_is_better else "max"
        columns += [
            Column(f"{name}_{target.lower()}", f"{target} {label}", _DIGITS, best, on_terminal=name == "rmse")  # type: ignore[arg-type]
            for target in targets
        ]
    columns += [Column(f"ratio_{target.lower()}", f"{target} ÷ same inputs", _DIGITS) for target in targets]
    columns += [
        Column(f"baseline_{target.lower()}", f"{target} ÷ baseline", _DIGITS, on_terminal=False) for target in targets
    ]
    columns += [
        Column(f"lightgbm_{target.lower()}", f"{target} ÷ LightGBM", _DIGITS, on_terminal=False) for target in targets
    ]
    columns += [
        Column(f"median_r2_{target.lower()}", f"{target} median R²", _DIGITS, in_latex=False, on_terminal=False)
        for target in targets
    ]
    columns.append(Column("runs", "Runs", 0))
    by_variant = {variant: compared(reader, found, variant, targets) for variant in KNOWING}
    title = finding(by_variant, design) if judged else f"Flux errors, {design}"
    caption = (
        "÷ same inputs: RMSE ÷ that of the same backbone with the same inputs that knows nothing of the "
        "process model, at the same towers; ÷ baseline: ÷ that of the same backbone's baseline, which sees no shares; "
        "÷ LightGBM: ÷ that of LightGBM with the shares; below 1 the row is better. "
        f"Median R²: over towers, of each tower's own R². {circumstances(selection, design, found)}"
    )
    name = NAME if design == PLACES else f"{NAME}_{design}"
    return Table(
        name,
        title,
        caption,
        "Method",
        tuple(columns),
        tuple([*lines, *_of_all(reader, found, targets)]),
        problems(found),
    )


def finding(by_variant: Mapping[str, Sequence[KnowledgeRatio]], design: str = PLACES) -> str:
    """What F1 says, as a sentence without its full stop."""
    parts = []
    for variant, comparisons in by_variant.items():
        told = [f"{item.target} ({item.mean.value:.2f} times)" for item in comparisons if item.mean.high < 1]
        worse = [f"{item.target} ({item.mean.value:.2f} times)" for item in comparisons if item.mean.low > 1]
        said = [f"lowers the error of {listed(told)}"] if told else []
        said += [f"raises that of {listed(worse)}" if told else f"raises the error of {listed(worse)}"] if worse else []
        if comparisons and not said:
            said = ["changes no error by more than towers differ"]
        if said:
            parts.append(f"{VARIANTS[variant][0]} {' and '.join(said)}")
    where = "" if design == PLACES else f", {design}"
    if not parts:
        return f"Errors of every method{where}"
    return f"Over all backbones{where}, against the same inputs without knowledge, {'; '.join(parts)}"


def groups_table(selection: Selection, reader: TowerReader) -> Table | None:
    """The companion of F1 by IGBP class and climate zone: means over the backbones; None without groups."""
    found, targets = [row for row in flux_rows(selection, PLACES) if row.is_main], targets_of(selection)
    found = whole(found)
    below = find(found, LIGHTGBM, LIGHTGBM_SHARES)
    pairs = {variant: pairs_of(found, variant) for variant in KNOWING}
    example = below or next((row for own in pairs.values() for row, _ in own), None)
    if example is None:
        return None
    lines: list[Row] = []
    for target in targets:
        for group, n_towers in {"": len(reader.towers(example, target)), **reader.groups(example, target)}.items():
            values = {"towers": Value(n_towers)}
            base = below and reader.estimate(below, target, "rmse", group)
            if base:
                values["lightgbm"] = value(base)
            for variant in KNOWING:
                mean = reader.mean_ratio(pairs[variant], target, group=group)
                if mean is not None:
                    values[variant] = value(mean)
            against = [(row, below) for row, _ in pairs[DERE]] if below else []
            mean = reader.mean_ratio(against, target, group=group)
            if mean is not None:
                values["against_lightgbm"] = value(mean)
            category, _, level = group.partition(":")
            label = f"{category.replace('_', ' ')} {level}" if group else "all towers"
            rows = [row for own in pairs.values() for pair in own for row in pair]
            lines.append(Row(label, target, values, ranked=False, jobs=jobs_of(below, *rows)))
    columns = (
        Column("towers", "Towers", 0),
        Column("lightgbm", "RMSE of LightGBM", _DIGITS),
        Column(KGML_SHARES, "KGML ÷ same inputs", _DIGITS),
        Column(DERE, "DERE ÷ same inputs", _DIGITS),
        Column("against_lightgbm", "DERE ÷ LightGBM", _DIGITS),
    )
    title = _finding_of_groups(lines) if is_judged(selection.jobs[0]) else "Flux errors by vegetation and climate"
    caption = (
        "Ratios of RMSE are geometric means over the backbones; LightGBM has the shares; groups with fewer "
        f"than {FEWEST_GROUPS} places (near towers are one) have no interval. {circumstances(selection, PLACES, found)}"
    )
    return Table(GROUPS_NAME, title, caption, "Group", columns, tuple(lines), problems(found))


def _finding_of_groups(lines: Sequence[Row]) -> str:
    groups = [row for row in lines if row.label != "all towers" and DERE in row.values and row.values[DERE].known]
    better = [f"{row.label} ({row.family})" for row in groups if row.values[DERE].high < 1]
    worse = [f"{row.label} ({row.family})" for row in groups if row.values[DERE].low > 1]
    if not groups:
        return "Errors by vegetation and climate"
    if not better and not worse:
        return (
            f"In none of {len(groups)} groups and fluxes does DERE differ from the same inputs by more than towers do"
        )
    said = [f"DERE errs less than the same inputs in {listed(better)}"] if better else []
    said += [f"{'more' if better else 'DERE errs more than the same inputs'} in {listed(worse)}"] if worse else []
    return f"Of {len(groups)} groups and fluxes, {'; '.join(said)}"


def _line(
    reader: TowerReader,
    found: Sequence[FluxRowResult],
    row: FluxRowResult,
    below: FluxRowResult | None,
    targets: Sequence[str],
) -> Row:
    values: dict[str, Value] = {}
    bare = _base(found, row, BASELINE) if row.is_backbone else None
    others = {"ratio": same_inputs(found, row), "baseline": bare, "lightgbm": below if below is not row else None}
    for target in targets if row.result.records else ():
        key = target.lower()
        for metric in (*_SHOWN, MEDIAN_R2):
            number = reader.estimate(row, target, metric)
            if number is not None:
                values[f"{metric}_{key}"] = value(number)
        for name, other in others.items():
            ratio = reader.ratio(row, other, target) if other is not None else None
            if ratio is not None:
                values[f"{name}_{key}"] = value(ratio)
    if row.result.records:
        values["runs"] = Value(row.result.runs)
    folds = every_fold(found)
    return Row(
        row.label,
        row.backbone if row.is_backbone else row.result.family,
        values,
        ranked=not row.is_rule and row.folds == folds,
        note=note(row, folds),
        jobs=jobs_of(row),
        name=f"{row.result.key.runner} {row.result.key.variant or ''}".strip(),
        complete=len(row.result.records) == row.result.planned,
        runner=row.result.key.runner,
    )


def _of_all(reader: TowerReader, found: Sequence[FluxRowResult], targets: Sequence[str]) -> list[Row]:
    """Rows of the mean over backbones of each variant: of its errors, and of its ratio to the same inputs."""
    lines = []
    for words, override in VARIANTS.values():
        own = [row for row in whole(found) if row.is_backbone and dict(row.override) == dict(override)]
        if len(own) < 2:  # noqa: PLR2004
            continue
        values: dict[str, Value] = {}
        for target in targets:
            for metric in _SHOWN:
                numbers = [reader.estimate(row, target, metric) for row in own]
                known = [number.value for number in numbers if number is not None]
                values[f"{metric}_{target.lower()}"] = Value(sum(known) / len(known))
            for name, base in (("ratio", None), ("baseline", BASELINE)):
                pairs = [(row, other) for row in own if (other := _base(found, row, base)) is not None]
                mean = reader.mean_ratio(pairs, target) if len(pairs) == len(own) else None
                if mean is not None:
                    values[f"{name}_{target.lower()}"] = value(mean)
        label = words[:1].upper() + words[1:]
        lines.append(Row(label, f"{_BACKBONES} ({len(own)})", values, ranked=False, jobs=jobs_of(*own)))
    return lines


def _base(found: Sequence[FluxRowResult], row: FluxRowResult, base: str | None) -> FluxRowResult | None:
    """What a row's ratio is taken to: the same inputs, or a variant of the same backbone other than its own."""
    if base is None:
        return same_inputs(found, row)
    return find(found, row.result.key.runner, {"variant": base}) if row.variant != base else None


def _with_ties(
    lines: Sequence[Row], found: Sequence[FluxRowResult], reader: TowerReader, targets: Sequence[str]
) -> list[Row]:
    """Marks what cannot be told from the best of its column: the interval of their ratio holds 1."""
    marked = list(lines)
    for metric in _SHOWN:
        sign = 1 if METRICS[metric].lower_is_better else -1
        for target in targets:
            key = f"{metric}_{target.lower()}"
            ranked = [at for at, line in enumerate(marked) if line.ranked and key in line.values]
            if not ranked:
                continue
            best = min(ranked, key=lambda at: sign * marked[at].values[key].value)
            tied = []
            for at in ranked:
                ratio = reader.ratio(found[at], found[best], target, metric) if at != best else None
                if at != best and (ratio is None or not ratio.excludes(1)):
                    tied.append(at)
            for at in [best, *tied] if tied else []:
                values = marked[at].values
                marked[at] = replace(marked[at], values={**values, key: replace(values[key], tied=True)})
    return marked
