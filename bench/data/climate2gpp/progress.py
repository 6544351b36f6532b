"""Progress of a build: a bar per stage on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from bench.data.rhythm import STEPS_PER_YEAR
from bench.system.clock import Stopwatch, human_seconds


@dataclass
class Stage:
    """A stage at work.

    Attributes:
        label: what it does.
        reused: it was finished before.
        done: 8-day steps so far.
    """

    label: str
    reused: bool = False
    done: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)

    def tick(self) -> None:
        """One step of the year is done."""
        self.done += 1

    def summary(self) -> str:
        """One line about the finished stage."""
        return f"{self.label}: {'finished before' if self.reused else human_seconds(self.watch.seconds)}"


class BuildProgress(Protocol):
    """What a build tells whoever watches."""

    def start(self, total: int) -> None:
        """So many stages there are."""

    def stage(self, label: str) -> Any:
        """A context in which one stage runs; it yields a `Stage`."""

    def close(self) -> None:
        """The build is over."""


class Silent:
    """Says nothing."""

    def start(self, total: int) -> None:
        """Nothing to show."""

    @contextmanager
    def stage(self, label: str) -> Iterator[Stage]:
        """Runs a stage."""
        yield Stage(label)

    def close(self) -> None:
        """Nothing to tidy up."""


class PlainBuildProgress:
    """A line per finished stage; for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream, self._total, self._count = stream or sys.stdout, 0, 0

    def start(self, total: int) -> None:
        """Remembers how many stages there are."""
        self._total = total

    @contextmanager
    def stage(self, label: str) -> Iterator[Stage]:
        """Runs a stage and prints its line."""
        stage = Stage(label)
        yield stage
        self._count += 1
        print(f"[{self._count}/{self._total}] {stage.summary()}", file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to tidy up."""


class RichBuildProgress:
    """A bar over all stages and one over the steps of the stage at work."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(),
            transient=True,
        )
        self._overall = self._bars.add_task("stages", total=None)

    def start(self, total: int) -> None:
        """Shows the bar."""
        self._bars.update(self._overall, total=total)
        self._bars.start()

    @contextmanager
    def stage(self, label: str) -> Iterator[Stage]:
        """Runs a stage with a bar of its own."""
        task = self._bars.add_task(label, total=STEPS_PER_YEAR)
        stage = _ShownStage(label, advance=lambda: self._bars.advance(task))
        try:
            yield stage
        finally:
            self._bars.remove_task(task)
        self._bars.console.print(stage.summary(), markup=False, highlight=False)
        self._bars.advance(self._overall)

    def close(self) -> None:
        """Removes the bars."""
        self._bars.stop()


@dataclass
class _ShownStage(Stage):
    """A stage whose steps move a bar."""

    advance: Any = None

    def tick(self) -> None:
        """Moves the bar."""
        super().tick()
        self.advance()


def for_terminal() -> BuildProgress:
    """The display that fits standard output."""
    return RichBuildProgress() if sys.stdout.isatty() else PlainBuildProgress()
