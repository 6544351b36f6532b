"""Does knowledge help: every backbone with what the process model knows against itself without, and the best row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.report.results.flux.flux_rows import (
    DERE,
    KGML_SHARES,
    LIGHTGBM,
    LIGHTGBM_SHARES,
    FluxRowResult,
    find,
    same_inputs,
    whole,
)
from bench.report.results.flux.tower_reader import TowerReader
from bench.scoring.interval import Interval

KNOWING = (KGML_SHARES, DERE)
"""Variants that see the shares and know the process model; both are compared with ``baseline_shares``."""


@dataclass(frozen=True)
class KnowledgeRatio:
    """One variant against the same backbones with the same inputs, for one target.

    Attributes:
        target: GPP, RECO or NEE.
        mean: geometric mean over backbones of the ratio of RMSE; below 1 knowledge helps.
        of_backbone: title of a backbone → its ratio.
    """

    target: str
    mean: Interval
    of_backbone: Mapping[str, Interval]

    @property
    def helped(self) -> list[str]:
        """Backbones whose ratio is below 1 with its whole interval."""
        return [name for name, found in self.of_backbone.items() if found.high < 1]

    @property
    def hurt(self) -> list[str]:
        """Backbones whose ratio is above 1 with its whole interval."""
        return [name for name, found in self.of_backbone.items() if found.low > 1]


def pairs_of(
    found: Sequence[FluxRowResult], variant: str, base: str | None = None
) -> list[tuple[FluxRowResult, FluxRowResult]]:
    """Rows of a variant without further changes, each with the same backbone that knows nothing.

    Args:
        found: rows of one design.
        variant: of `bench.suites.flux.VARIANTS`.
        base: the variant to compare with; None for the one with the same inputs.
    """
    pairs = []
    for row in found:
        if row.result.records and row.variant == variant and not row.is_ablation:
            unknowing = {"variant": base}
            other = same_inputs(found, row) if base is None else find(found, row.result.key.runner, unknowing)
            if other is not None:
                pairs.append((row, other))
    return pairs


def compared(
    reader: TowerReader,
    found: Sequence[FluxRowResult],
    variant: str,
    targets: Sequence[str],
    group: str = "",
    base: str | None = None,
) -> list[KnowledgeRatio]:
    """A variant against the same backbones without knowledge, for every target that has results.

    Rows that lack a fold are left out: they were tested at other towers.

    Args:
        reader: of the sums.
        found: rows of one design.
        variant: of `bench.suites.flux.VARIANTS`.
        targets: in order.
        group: of towers; all by default.
        base: as in `pairs_of`.
    """
    pairs = pairs_of(whole(found), variant, base)
    made = []
    for target in targets:
        mean = reader.mean_ratio(pairs, target, group=group)
        if mean is None or not math.isfinite(mean.value):
            continue
        ratios = {row.backbone: reader.ratio(row, other, target, group=group) for row, other in pairs}
        made.append(KnowledgeRatio(target, mean, {name: own for name, own in ratios.items() if own is not None}))
    return made


@dataclass(frozen=True)
class BestRow:
    """The row with the least error over all targets, against LightGBM with the shares.

    Attributes:
        row: the row; by the geometric mean over targets of its ratio, which the test itself gives.
        ratios: target → RMSE ÷ that of LightGBM with the shares.
        r2: target → R² of the row.
    """

    row: FluxRowResult
    ratios: Mapping[str, Interval]
    r2: Mapping[str, Interval]


def best_row(reader: TowerReader, found: Sequence[FluxRowResult], targets: Sequence[str]) -> BestRow | None:
    """The best row of a design but LightGBM with the shares itself and the reference rules; None without both."""
    found = whole(found)
    below = find(found, LIGHTGBM, LIGHTGBM_SHARES)
    if below is None:
        return None
    best: tuple[float, FluxRowResult, dict[str, Interval]] | None = None
    for row in found:
        if row is below or not row.result.records or row.is_rule:
            continue
        ratios = {target: reader.ratio(row, below, target) for target in targets}
        known = {target: ratio for target, ratio in ratios.items() if ratio is not None and ratio.value > 0}
        if len(known) < len(targets):
            continue
        mean = math.fsum(math.log(ratio.value) for ratio in known.values())
        if best is None or mean < best[0]:
            best = mean, row, known
    if best is None:
        return None
    of_row = {target: reader.estimate(best[1], target, "r2") for target in targets}
    return BestRow(best[1], best[2], {target: own for target, own in of_row.items() if own is not None})
