"""The answer of the flux suite in three sentences: does knowledge help, the best row, and what could not be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.results import marks
from bench.report.results.data_words import spoken
from bench.report.results.flux.flux_rows import BASELINE, DERE, KGML_SHARES, FluxRowResult, flux_rows, targets_of
from bench.report.results.flux.knowledge import KnowledgeRatio, best_row, compared
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.tables.flux.few import sizes_of
from bench.report.tables.flux.wording import interval_text, is_judged, listed
from bench.scoring.interval import Interval
from bench.suites.flux import FEW, PLACES, VARIANTS

UNKNOWN_PAPER = (
    "Nothing of this stands beside *DERE*'s paper: its tables, its inputs and its simulations could not be had, and "
    "other towers, an own process model and shares by land-cover class stand in for them."
)


def flux_sentences(selection: Selection, reader: TowerReader) -> tuple[str, ...]:
    """The three sentences, from the store as the tables compute them.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.
    """
    where = spoken(selection.jobs[0].dataset, selection.manifest.dataset_title)
    if not is_judged(selection.jobs[0]):
        said = f"this run is {marks.NOT_JUDGED}: {marks.WHY_NOT_JUDGED}"
        return (f"Fluxes at {where}: {said}", UNKNOWN_PAPER)
    targets = targets_of(selection)
    found = [row for row in flux_rows(selection, PLACES) if row.is_main]
    return (_knowledge(selection, reader, found, targets, where), _best(reader, found, targets, where), UNKNOWN_PAPER)


def _knowledge(
    selection: Selection, reader: TowerReader, found: Sequence[FluxRowResult], targets: Sequence[str], where: str
) -> str:
    of_dere = compared(reader, found, DERE, targets)
    if not of_dere:
        return (
            f"Fluxes at {where}: whether knowledge helps cannot be said, because this store has no result of *DERE* "
            "and of the same backbone with the same inputs at towers never seen."
        )
    n = max(len(item.of_backbone) for item in of_dere)
    runs = min(row.result.runs for row in found if row.variant == DERE and row.result.records)
    backbones = f"{n} backbones" if n > 1 else "one backbone"
    parts = [
        f"*DERE* (pretraining on a process model, shares of plant types, competition) errs {_ratios(of_dere)} times as "
        f"much as the same network with the same inputs and no knowledge (mean over {backbones}, {runs} "
        f"run{'s' if runs != 1 else ''}; {_told(of_dere)})"
    ]
    of_baseline = compared(reader, found, DERE, targets, base=BASELINE)
    if of_baseline and len(of_baseline[0].of_backbone) > n:
        parts.append(
            f"against the same network without shares, over {len(of_baseline[0].of_backbone)} backbones, "
            f"{_ratios(of_baseline)} ({_told(of_baseline)}; part of which the shares are worth)"
        )
    of_kgml = compared(reader, found, KGML_SHARES, targets)
    if of_kgml:
        parts.append(f"pretraining alone (*{VARIANTS[KGML_SHARES][0]}*) {_ratios(of_kgml)} ({_told(of_kgml)})")
    parts += [part for part in (_not_helped(of_dere), _with_few(selection, reader, targets)) if part]
    return f"Fluxes at {where}: {'; '.join(parts)}."


def _ratios(comparisons: Sequence[KnowledgeRatio]) -> str:
    return listed([f"{interval_text(item.mean)} ({item.target})" for item in comparisons])


def _told(comparisons: Sequence[KnowledgeRatio]) -> str:
    """Which way each flux goes, as far as it can be told."""
    better = [item.target for item in comparisons if item.mean.high < 1]
    worse = [item.target for item in comparisons if item.mean.low > 1]
    said = [f"less in {listed(better)}"] if better else []
    said += [f"more in {listed(worse)}"] if worse else []
    rest = [item.target for item in comparisons if item.target not in (*better, *worse)]
    said += [f"not told apart in {listed(rest)}"] if rest else []
    return ", ".join(said)


def _not_helped(comparisons: Sequence[KnowledgeRatio]) -> str:
    """Backbones that knowledge makes worse, by flux."""
    hurt = [f"{item.target} of {listed(item.hurt)}" for item in comparisons if item.hurt]
    return f"it does harm to {listed(hurt)}" if hurt else ""


def _with_few(selection: Selection, reader: TowerReader, targets: Sequence[str]) -> str:
    """The least and the largest number of labelled towers, where there are any."""
    sizes = sizes_of(selection)
    said = []
    for size in dict.fromkeys((*sizes[:1], *sizes[-1:])):
        found = [row for row in flux_rows(selection, FEW, size) if row.is_main]
        comparisons = compared(reader, found, DERE, targets)
        if comparisons:
            said.append(f"with {size} labelled towers {_ratios(comparisons)} ({_told(comparisons)})")
    return "; ".join(said)


def _best(reader: TowerReader, found: Sequence[FluxRowResult], targets: Sequence[str], where: str) -> str:
    best = best_row(reader, found, targets)
    if best is None:
        return f"No row at {where} can be compared with *LightGBM + shares*, which has no result or is alone."
    ratios = {target: best.ratios[target] for target in targets}
    r2 = listed([f"{best.r2[target].value:.2f} ({target})" for target in targets if target in best.r2])
    return (
        f"The row with the least errors, *{best.row.name}*, errs {_listed_ratios(ratios)} times as much as *LightGBM + "
        f"shares* ({_apart(ratios)}), with R² {r2}; it is named by these test errors themselves, which flatters it."
    )


def _listed_ratios(ratios: Mapping[str, Interval]) -> str:
    return listed([f"{interval_text(ratio)} ({target})" for target, ratio in ratios.items()])


def _apart(ratios: Mapping[str, Interval]) -> str:
    apart = [target for target, ratio in ratios.items() if ratio.excludes(1)]
    if not apart:
        return "told apart in none"
    return "told apart in all" if len(apart) == len(ratios) else f"told apart in {listed(apart)}"
