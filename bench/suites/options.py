"""What chooses the jobs of a suite."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.cube import Cube
from bench.data.split_names import parse_split
from bench.data.splits import default_weeks
from bench.data.views import DEFAULT_VIEW
from bench.errors import BenchError
from bench.suites import profiles


@dataclass(frozen=True)
class SuiteOptions:
    """What the command line chooses.

    Attributes:
        profile: name of the profile.
        only: runner or family names (ablation: experiments) to keep; empty keeps all of the suite.
        skip: runner or family names (ablation: experiments) to leave out.
        extra: runners to add to the suite's own.
        views: feature views; each runner that reads a view gets one job per view.
        first_repetition: number of the first repetition.
        repetitions: how many, for runners whose numbers depend on a seed.
        weeks: few-shot, ablation: steps of the year that are scored (of 8-day data: weeks); empty for the paper's
            weeks, or the steps of the data's rhythm in which those begin.
        train_cells: few-shot, ablation: sizes of the sample; empty for the default size.
        split: full: name of the split (`bench.data.split_names`); None for the data's own, else the last year. flux:
            ``places:FOLDS`` or one of its folds.
        designs: flux: questions (`bench.suites.flux.DESIGNS`); empty for all that the data allow.
        settings: ``runner.key=value``, parameters of runners in place of the registered ones.
    """

    profile: str = profiles.DEFAULT_PROFILE
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    views: tuple[str, ...] = (DEFAULT_VIEW,)
    first_repetition: int = 0
    repetitions: int = 1
    weeks: tuple[int, ...] = ()
    train_cells: tuple[int, ...] = ()
    split: str | None = None
    designs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def weeks_of(self, cube: Cube) -> tuple[int, ...]:
        """The steps of the year that are scored on a data set."""
        return self.weeks or default_weeks(cube)


def refuse_split(suite: str, options: SuiteOptions) -> None:
    """Raises where a split is named for a suite that has a split of its own.

    Raises:
        BenchError: one is.
    """
    if options.split is not None and parse_split(options.split).kind != "last-year":
        raise BenchError(
            f"--suite {suite} trains on a sample of places and tests on the last year; leave --split out, or use "
            "--suite full."
        )
