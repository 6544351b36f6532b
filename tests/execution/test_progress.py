"""The time left follows the plan, corrected by what the run has measured; names with brackets stay whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bench.execution.executor import RunningJob
from bench.execution.progress import PlainProgress, RichProgress, TimeLeft
from bench.system.clock import Stopwatch
from tests.store.test_store import make_job, make_record


def done(runner: str, seconds: float, status: str = "done") -> object:
    job = make_job(runner=runner)
    return make_record(job, metrics={"test": {"rmse": 1.0}}).model_copy(
        update={"wall_seconds": seconds, "status": status, "reason": "why"}
    )


IDS = {name: make_job(runner=name).id for name in ("a", "b", "c")}


def test_time_left_is_the_plan_corrected_by_what_was_measured() -> None:
    left = TimeLeft({IDS["a"]: 10.0, IDS["b"]: 20.0, IDS["c"]: 30.0})
    assert left.seconds() == pytest.approx(60)
    left.finished(done("a", 30.0))  # type: ignore[arg-type]
    assert left.factor == pytest.approx(3) and left.seconds() == pytest.approx(150)
    left.finished(done("b", 1.0, "failed"))  # type: ignore[arg-type]
    assert left.factor == pytest.approx(3) and left.seconds() == pytest.approx(90)
    left.finished(done("c", 90.0))  # type: ignore[arg-type]
    assert left.seconds() == 0 and left.words() == ""


def test_jobs_side_by_side_share_the_time_and_the_longest_bounds_it() -> None:
    assert TimeLeft({"a": 10.0, "b": 20.0, "c": 30.0}, 2).seconds() == pytest.approx(30)
    assert TimeLeft({"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0}, 2).seconds() == pytest.approx(20)


def test_every_ended_job_says_what_is_left() -> None:
    stream = io.StringIO()
    progress = PlainProgress(2, stream)
    progress.planned(TimeLeft({IDS["a"]: 10.0, IDS["b"]: 100.0}))
    progress.finished(done("a", 20.0))  # type: ignore[arg-type]
    progress.finished(done("b", 20.0))  # type: ignore[arg-type]
    first, last = stream.getvalue().splitlines()
    assert first.endswith("; about 3 min 20 s left") and "left" not in last


def test_the_view_of_a_running_job_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        job = make_job(runner="lightgbm", view="located")
        watch = Stopwatch()

    progress = RichProgress(1)
    try:
        process: RunningJob = Process()  # type: ignore[assignment]
        progress.tick([process])
        from rich.text import Text

        [task] = progress._bars.tasks
        assert "lightgbm [located]" in Text.from_markup(task.description).plain
    finally:
        progress.close()
