"""Progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Protocol, TextIO

from bench.execution.executor import RunningJob
from bench.store.records import Record
from bench.system.clock import Stopwatch, human_seconds
from bench.system.text import one_line

HEARTBEAT_S = 30.0
"""Without a terminal: how often running jobs are named."""


class TimeLeft:
    """Seconds that a run still needs, by its plan, corrected by what the jobs so far took.

    Args:
        expected: job id → planned seconds, of every job that is to run.
        at_once: jobs at once.
    """

    def __init__(self, expected: Mapping[str, float], at_once: int = 1) -> None:
        self._left, self._at_once = dict(expected), max(1, at_once)
        self._planned = self._took = 0.0

    def finished(self, record: Record) -> None:
        """Takes the time of a job that ended; only what ran to its end says how good the plan is."""
        planned = self._left.pop(record.job_id, None)
        if planned and record.status == "done" and record.wall_seconds:
            self._planned += planned
            self._took += record.wall_seconds

    @property
    def factor(self) -> float:
        """Measured ÷ planned time of the jobs so far; 1 before the first."""
        return self._took / self._planned if self._planned else 1.0

    def seconds(self, running: Sequence[RunningJob] = ()) -> float:
        """What is left, less what the running jobs have had of their own share."""
        left = {key: seconds * self.factor for key, seconds in self._left.items()}
        for item in running:
            if item.job.id in left:
                left[item.job.id] = max(0.0, left[item.job.id] - item.watch.seconds)
        return max(sum(left.values()) / self._at_once, max(left.values(), default=0.0))

    def words(self, running: Sequence[RunningJob] = ()) -> str:
        """``about 3 min left``, or nothing where there is no plan."""
        return f"about {human_seconds(self.seconds(running))} left" if self._left else ""


class RunProgress(Protocol):
    """What the scheduler tells whoever watches."""

    def planned(self, left: TimeLeft) -> None:
        """Says before the first job how long all of them will take."""

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
        return f"{record.job.label}: {record.ended} - {one_line(record.reason or 'no reason was recorded')}"
    test = record.metrics.get("test", {})
    parts = [
        f"{name} {test[key]:.3f}" for key, name in (("rmse", "test RMSE"), ("r2", "R²")) if test.get(key) is not None
    ]
    of_targets = [f"{target} {test[key]:.3f}" for target in record.job.targets if (key := f"{target}_rmse") in test]
    parts += [f"test RMSE {', '.join(of_targets)}"] if of_targets else []
    memory = (record.peak_memory_bytes or 0) / 1e9
    return f"{record.job.label}: {', '.join(parts)} in {human_seconds(record.wall_seconds or 0)}, {memory:.2f} GB"


class PlainProgress:
    """A line per event; for logs and pipes."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total, self._count, self._stream = total, 0, stream or sys.stdout
        self._heartbeat = Stopwatch()
        self._left = TimeLeft({})

    def planned(self, left: TimeLeft) -> None:
        """Keeps the plan; every ended job says what is left of it."""
        self._left = left

    def started(self, label: str) -> None:
        """Says which job starts."""
        self._say(f"start  {label}")

    def lost(self, label: str, why: str) -> None:
        """Says which job starts again."""
        self._say(f"again  {label}: its worker was lost ({why})")

    def finished(self, record: Record) -> None:
        """Says how a job ended."""
        self._count += 1
        self._left.finished(record)
        left = self._left.words()
        self._say(f"[{self._count}/{self._total}] {describe(record)}{f'; {left}' if left else ''}")

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
        self._left = TimeLeft({})

    def planned(self, left: TimeLeft) -> None:
        """Keeps the plan; every tick says what is left of it."""
        self._left = left

    def started(self, label: str) -> None:
        """Shown by the next tick."""

    def lost(self, label: str, why: str) -> None:
        """Prints which job starts again."""
        self._bars.console.print(f"{label}: its worker was lost ({why}); it starts again", markup=False)

    def finished(self, record: Record) -> None:
        """Prints the line and moves the bar."""
        self._left.finished(record)
        self._bars.console.print(describe(record), markup=False, highlight=False)
        self._bars.advance(self._overall)

    def tick(self, running: Sequence[RunningJob]) -> None:
        """Names the running jobs beside the bar."""
        from rich.markup import escape  # or the view, as in [located], would be taken for a style

        names = ", ".join(f"{item.job.label} {item.watch.seconds:.0f} s" for item in running)
        said = " · ".join(filter(None, ("jobs", self._left.words(running), names)))
        self._bars.update(self._overall, description=escape(said))

    def close(self) -> None:
        """Removes the bar."""
        self._bars.stop()


def for_terminal(total: int) -> RunProgress:
    """The display that fits standard output."""
    return RichProgress(total) if sys.stdout.isatty() else PlainProgress(total)
