"""Rows that every model has to beat, and that are never the best of a table."""

from __future__ import annotations

from bench.runners.entry import REFERENCE, Cost, RunnerEntry

REFERENCE_ROWS: tuple[RunnerEntry, ...] = (
    RunnerEntry(
        "training_mean",
        "Training mean",
        REFERENCE,
        "bench.runners.reference:TrainingMean",
        "the mean of the training target everywhere",
        uses_view=False,
        seeded=False,
        thread_invariant=True,
    ),
    RunnerEntry(
        "climatology",
        "Cell × step climatology",
        REFERENCE,
        "bench.runners.reference:Climatology",
        "each cell's training mean of the same step of the year",
        uses_view=False,
        seeded=False,
        thread_invariant=True,
    ),
    RunnerEntry(
        "pml_last_year_lai",
        "PML_V2, last year's LAI",
        REFERENCE,
        "bench.runners.reference:LastYearLai",
        "the equations behind the target: this year's climate, the training years' LAI, one factor per cell",
        uses_view=False,
        withheld=("LAI",),
        seeded=False,
        thread_invariant=True,
        cost=Cost(seconds=4.0, bytes_per_value=40.0),
    ),
)
