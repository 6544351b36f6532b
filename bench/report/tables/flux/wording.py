"""What captions of the flux tables say: data, split, runs, intervals; and findings as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report.results.flux.flux_rows import TESTED, FluxRowResult
from bench.report.results.selection import Selection
from bench.report.table import Value
from bench.scoring.interval import Interval
from bench.scoring.uncertainty import CONFIDENCE
from bench.store.jobs import Job
from bench.suites.profiles import SMOKE

NOT_TO_BE_HAD = "DERE's paper brings no table that could be had, and none of its data: nothing here stands beside it"


def circumstances(selection: Selection, design: str, found: Sequence[FluxRowResult]) -> str:
    """Where the numbers of a table come from, as the end of its caption."""
    jobs = [job for job in selection.jobs if job.split.get("design") == design]
    first, manifest = jobs[0], selection.manifest
    units = manifest.several_targets.get(first.split["targets"][0], manifest.target_units)
    folds = f", {first.split['folds']} folds" if "folds" in first.split else ""
    repetitions = sorted({job.repetition for job in jobs})
    done = sum(len(row.result.records) for row in found)
    planned = sum(row.result.planned for row in found)
    parts = [
        f"Data set {first.dataset} ({manifest.dataset_title})",
        f"fluxes in {units}, by month, every month counts the same; NEE is positive to the atmosphere",
        f"{TESTED[design]}{folds}",
        f"{first.split.get('validation_share', 0):.0%} of the labelled towers validate, the same for every row",
        f"profile {first.profile}",
        f"seeds {', '.join(map(str, repetitions))}",
        f"{done} of {planned} jobs done",
    ]
    return (
        f"{'; '.join(parts)}. In brackets: {CONFIDENCE:.0%} intervals over towers, near ones together, and seeds "
        "(docs/uncertainty.md). "
        f"{NOT_TO_BE_HAD}."
    )


def value(found: Interval) -> Value:
    """A number of a table, with its interval where there is one."""
    return Value(found.value, found.low, found.high, found.p)


def interval_text(found: Interval, digits: int = 2) -> str:
    """``0.94 [0.91, 0.98]``."""
    inside = f" [{found.low:.{digits}f}, {found.high:.{digits}f}]" if found.known else ""
    return f"{found.value:.{digits}f}{inside}"


def problems(found: Iterable[FluxRowResult]) -> tuple[str, ...]:
    """What is missing of some rows, each sentence once."""
    return tuple(dict.fromkeys(text for row in found for text in row.result.problems))


def note(row: FluxRowResult, folds: frozenset[int | None] | None = None) -> str:
    """How much of a row is done, where that is not all, and of which folds it is, where others have more.

    Args:
        row: the row.
        folds: that some row of the table has.
    """
    done, planned = len(row.result.records), row.result.planned
    said = [] if done == planned else [f"{done} of {planned} jobs done"]
    if folds is not None and row.result.records and row.folds < folds:
        own = sorted(fold for fold in row.folds if fold is not None)
        said.append(f"fold{'s' if len(own) > 1 else ''} {', '.join(map(str, own))} only: fewer towers than other rows")
    return "; ".join(said)


def jobs_of(*found: FluxRowResult | None) -> tuple[str, ...]:
    """Ids of the jobs that numbers come from."""
    rows = [row for row in found if row is not None]
    return tuple(dict.fromkeys(record.job_id for row in rows for record in row.result.records))


def is_judged(job: Job) -> bool:
    """Whether numbers of a job say anything of methods; those of the smoke profile do not."""
    return job.profile != SMOKE


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
