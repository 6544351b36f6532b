"""What stored runs teach about the time of a job: measured seconds of the same runner, scaled to its size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.runners.entry import TRAINING_ROWS, Cost
from bench.store.jobs import Job
from bench.store.records import Record
from bench.system.host import this_host

DEFAULT_EPOCHS = 20
"""Of `models.training`, where a job's parameters name no number."""
_LEAST_SECONDS = 0.05
"""Fits that were shorter say nothing about a rate."""


@dataclass(frozen=True)
class JobSize:
    """How much a job has to do.

    Attributes:
        n_train: training samples.
        n_test: test samples.
    """

    n_train: int
    n_test: int


def epochs_of(parameters: Mapping[str, Any]) -> int:
    """Passes over the training samples, at most, of a job that `models.training` trains."""
    training = parameters.get("training", {})
    epochs = training.get("epochs", DEFAULT_EPOCHS) if isinstance(training, Mapping) else DEFAULT_EPOCHS
    return epochs if isinstance(epochs, int) and epochs > 0 else DEFAULT_EPOCHS


def seconds(job: Job, size: JobSize, cost: Cost, known: Iterable[Record], *, trains_in_epochs: bool) -> float | None:
    """Wall-clock seconds of a job by the records of its runner, or None where none of them can tell.

    Fitting is scaled by what it grows with (samples and epochs; their square for models of all pairs), the rest by the
    number of predicted samples. Of records with the model's own settings those of this host count before others, and
    of these the ones that are nearest in size; their mean is taken.

    Args:
        job: to estimate.
        size: its samples.
        cost: of its runner.
        known: records of the same runner.
        trains_in_epochs: whether its runner has this project's training, where parameters name the epochs.
    """
    telling = [record for record in known if _can_tell(record, job)]
    if not telling:
        return None
    wanted = _work(job.parameters, size, cost, trains_in_epochs)
    host = this_host().processor
    usable = []
    for record in telling:
        assert record.n_train is not None and record.n_test is not None  # `_can_tell` has looked
        own = _work(record.job.parameters, JobSize(record.n_train, record.n_test), cost, trains_in_epochs)
        distance = max(own / wanted, wanted / own)
        usable.append(((record.host.processor != host, round(distance, 2)), own, record))
    nearest = min(key for key, _, _ in usable)
    found = [_scaled(record, own, wanted, size) for key, own, record in usable if key == nearest]
    return sum(found) / len(found)


def _can_tell(record: Record, job: Job) -> bool:
    """Whether a record is of the same model, which may have trained for longer or on more samples."""
    same_model = _settings(record.job) == _settings(job)
    measured = record.wall_seconds and record.fit_seconds and record.n_train and record.n_test
    return bool(
        record.status == "done"
        and measured
        and record.fit_seconds is not None
        and record.fit_seconds >= _LEAST_SECONDS
        and record.job.view == job.view
        and same_model
    )


def _settings(job: Job) -> dict[str, Any]:
    """Parameters that make a model larger or smaller, as against how long it trains."""
    return {key: value for key, value in job.parameters.items() if key not in ("training", TRAINING_ROWS)}


def _work(parameters: Mapping[str, Any], size: JobSize, cost: Cost, trains_in_epochs: bool) -> float:
    """What the time of a fit is proportional to."""
    fitted = float(min(size.n_train, parameters.get(TRAINING_ROWS, size.n_train)))
    if cost.seconds_per_million_pairs or cost.seconds_per_billion_comparisons:
        return fitted * (size.n_train if cost.seconds_per_million_pairs else size.n_train + size.n_test)
    return fitted * (epochs_of(parameters) if trains_in_epochs else 1)


def _scaled(record: Record, own: float, wanted: float, size: JobSize) -> float:
    assert record.wall_seconds is not None and record.fit_seconds is not None
    assert record.n_train is not None and record.n_test is not None
    rest = max(0.0, record.wall_seconds - record.fit_seconds)
    predicted = (size.n_train + size.n_test) / (record.n_train + record.n_test)
    return record.fit_seconds * wanted / own + rest * max(1.0, predicted)
