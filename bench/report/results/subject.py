"""What one report is about: one data set and one profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import BenchError
from bench.report.results.data_words import in_units, units
from bench.report.results.selection import Selection
from bench.store.store import Store


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        dataset: name of the data set.
        title: its title.
        profile: name of the profile.
        target: with its units, in words.
    """

    dataset: str
    title: str
    profile: str
    target: str

    @property
    def circumstances(self) -> str:
        """A sentence for captions."""
        return f"Data set {self.dataset} ({self.title}), {self.target}, profile {self.profile}."


def subject(store: Store, selections: Mapping[str, Selection], *, needs_results: bool = False) -> Subject:
    """What the tables of some suites are about together.

    Args:
        store: where they are from.
        selections: suite → its jobs.
        needs_results: whether a report without a finished job has no sense.

    Raises:
        BenchError: they are of two data sets or two profiles, or results are needed and no job is done.
    """
    jobs = {suite: selection.jobs[0] for suite, selection in selections.items()}
    first = next(iter(jobs.values()))
    for what, option, values in (
        ("data sets", "--dataset", {suite: job.dataset for suite, job in jobs.items()}),
        ("versions of a data set", "--suite", {suite: job.dataset_fingerprint[:8] for suite, job in jobs.items()}),
        ("profiles", "--profile", {suite: job.profile for suite, job in jobs.items()}),
    ):
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{suite}: {value}" for suite, value in values.items())
            raise BenchError(
                f"The newest runs in store {store.root} are of different {what} ({listed}), which never share a "
                f"report; name one with {option}."
            )
    if needs_results and not any(selection.done for selection in selections.values()):
        states = Counter(selection.state_of(job) for selection in selections.values() for job in selection.jobs)
        listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        raise BenchError(
            f"Store {store.root} holds no finished job of {first.dataset}, profile {first.profile} ({listed}); "
            "`bench why RUNNER` says why, `bench run --retry failed` repeats them."
        )
    manifest = next(iter(selections.values())).manifest
    target = in_units(manifest.target_name, units(manifest.target_units))
    return Subject(first.dataset, manifest.dataset_title, first.profile, target)
