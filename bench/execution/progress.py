"""Progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol, TextIO

from bench.execution.executor import RunningJob
from bench.store.records import Record
from bench.system.clock import Stopwatch, human_seconds
from bench.system.text import one_line

HEARTBEAT_S = 30.0
"""Without a terminal: how often running jobs are named."""


class Progress(Protocol):
    """What the scheduler tells whoever watches."""

    def started(self, label: str) -> None:
        """A job started."""

    def lost(self, label: str, why: str) -> None:
        """A job lost its worker and starts again on another."""

    def finished(self, record: Record) -> None:
        """A job ended."""

    def tick(self, running: Sequence[RunningJob]) -> None:
        """Called often; `running` are the jobs at work."""

    def close(self) -> None:
        """The run is over."""


def describe(record: Record) -> str:
    """One line about an ended job."""
    if record.status != "done":
        return f"{record.job.label}: {record.status} - {one_line(record.reason or 'no reason was recorded')}"
    test = record.metrics.get("test", {})
    parts = [
        f"{name} {test[key]:.3f}" for key, name in (("rmse", "test RMSE"), ("r2", "R²")) if test.get(key) is not None
    ]
    memory = (record.peak_memory_bytes or 0) / 1e9
    return f"{record.job.label}: {', '.join(parts)} in {human_seconds(record.wall_seconds or 0)}, {memory:.2f} GB"


class PlainProgress:
    """A line per event; for logs and pipes."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total, self._count, self._stream = total, 0, stream or sys.stdout
        self._heartbeat = Stopwatch()

    def started(self, label: str) -> None:
        """Says which job starts."""
        self._say(f"start  {label}")

    def lost(self, label: str, why: str) -> None:
        """Says which job starts again."""
        self._say(f"again  {label}: its worker was lost ({why})")

    def finished(self, record: Record) -> None:
        """Says how a job ended."""
        self._count += 1
        self._say(f"[{self._count}/{self._total}] {describe(record)}")

    def tick(self, running: Sequence[RunningJob]) -> None:
        """Names the running jobs every `HEARTBEAT_S`."""
        if running and self._heartbeat.seconds > HEARTBEAT_S:
            self._heartbeat = Stopwatch()
            self._say(
                "running " + ", ".join(f"{item.job.label} ({human_seconds(item.watch.seconds)})" for item in running)
            )

    def close(self) -> None:
        """Nothing to tidy up."""

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class RichProgress:
    """A bar over all jobs with one line per running job."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(),
            transient=True,
        )
        self._overall = self._bars.add_task("jobs", total=total)
        self._bars.start()

    def started(self, label: str) -> None:
        """Shown by the next tick."""

    def lost(self, label: str, why: str) -> None:
        """Prints which job starts again."""
        self._bars.console.print(f"{label}: its worker was lost ({why}); it starts again", markup=False)

    def finished(self, record: Record) -> None:
        """Prints the line and moves the bar."""
        self._bars.console.print(describe(record), markup=False, highlight=False)
        self._bars.advance(self._overall)

    def tick(self, running: Sequence[RunningJob]) -> None:
        """Names the running jobs beside the bar."""
        names = ", ".join(f"{item.job.label} {item.watch.seconds:.0f} s" for item in running)
        self._bars.update(self._overall, description=f"jobs · {names}" if names else "jobs")

    def close(self) -> None:
        """Removes the bar."""
        self._bars.stop()


def for_terminal(total: int) -> Progress:
    """The display that fits standard output."""
    return RichProgress(total) if sys.stdout.isatty() else PlainProgress(total)
