"""The one job that a runner's name stands for, where a store may hold it of several data sets, views and settings."""

from __future__ import annotations

from bench.data.views import DEFAULT_VIEW
from bench.errors import BenchError, unknown
from bench.report.results.selection import runs
from bench.store.records import Record
from bench.store.store import Store


def job_named(
    store: Store,
    name: str,
    *,
    suite: str,
    repetition: int,
    dataset: str | None = None,
    profile: str | None = None,
    target: str | None = None,
) -> Record:
    """A job by its id, or the best known one of a runner.

    Of a runner it is one of the data, the profile and the target asked for, or else of its newest job's; of these
    rather done, as registered and of the view ``located`` than failed, changed by ``--set`` and of another view.

    Args:
        store: where results are.
        name: id of a job, or name of a runner.
        suite: where a runner is named: of which suite.
        repetition: likewise.
        dataset: likewise: name of the data set; None for that of its newest job.
        profile: likewise; None for that of its newest job.
        target: likewise, of data with several; None for the first of the run.

    Raises:
        BenchError: there is no such job.
    """
    records, _ = store.survey()
    if name in records:
        return records[name]
    of_runner = [record for record in records.values() if record.job.runner == name]
    if not of_runner:
        names = sorted({record.job.runner for record in records.values()})
        raise unknown("job or runner with stored results", name, names, "`bench ls jobs` lists what is stored")
    fitting = [item for item in of_runner if (item.job.suite, item.job.repetition) == (suite, repetition)]
    asked = "".join(f", {word} {value}" for word, value in (("data set", dataset), ("profile", profile)) if value)
    if dataset or profile:
        listed = {job.id for manifest in runs(store, suite, dataset, profile) for job in manifest.jobs}
        fitting = [item for item in fitting if item.job_id in listed]
    if fitting:
        newest = max(fitting, key=lambda item: item.finished)
        first = _first_target(store, newest)
        wanted = target or first
        of_data = [item for item in fitting if _data(item) == _data(newest)]
        fitting = [item for item in of_data if wanted is None or wanted in _targets(item, first)]
        asked += f", target {wanted}" if wanted else ""
    if not fitting:
        raise BenchError(
            f"Store {store.root} has no job of runner {name!r} in suite {suite}, repetition {repetition}{asked}; "
            "`bench ls jobs` lists what is stored."
        )
    usual = DEFAULT_VIEW if any(item.job.view == DEFAULT_VIEW for item in fitting) else None

    def rank(item: Record) -> tuple[bool, bool, bool, str]:
        as_registered = item.job.variant in (None, "base")
        return item.status == "done", as_registered, item.job.view in (usual, None), item.finished

    return max(fitting, key=rank)


def _data(item: Record) -> tuple[str, str]:
    return item.job.dataset_fingerprint, item.job.profile


def _targets(item: Record, first: str | None) -> tuple[str | None, ...]:
    """What a job predicts: several at once, one of several, or the only one of its data."""
    return item.job.targets or (item.job.target or first,)


def _first_target(store: Store, item: Record) -> str | None:
    """The first target of the newest run with a job, or its own where no run is known."""
    of_job = [manifest for manifest in store.manifests() if any(job.id == item.job_id for job in manifest.jobs)]
    return of_job[-1].target_name if of_job else item.job.target
