"""What chooses the jobs of a suite."""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.views import DEFAULT_VIEW
from bench.suites import profiles

PAPER_WEEKS = (1, 10, 20, 30, 40)


@dataclass(frozen=True)
class SuiteOptions:
    """What the command line chooses.

    Attributes:
        profile: name of the profile.
        only: runner or family names (ablation: experiments) to keep; empty keeps all of the suite.
        skip: runner or family names (ablation: experiments) to leave out.
        extra: runners to add to the suite's own (few-shot: tabular baselines).
        views: feature views; each runner that reads a view gets one job per view.
        first_repetition: number of the first repetition.
        repetitions: how many, for runners whose numbers depend on a seed.
        weeks: few-shot, ablation: 8-day steps of the year that are scored.
        train_cells: few-shot, ablation: sizes of the sample; empty for the default size.
        settings: ``runner.key=value``, parameters of runners in place of the registered ones.
    """

    profile: str = profiles.DEFAULT_PROFILE
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    views: tuple[str, ...] = (DEFAULT_VIEW,)
    first_repetition: int = 0
    repetitions: int = 1
    weeks: tuple[int, ...] = PAPER_WEEKS
    train_cells: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
