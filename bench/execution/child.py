"""What the process of one job does.

It reads ``task.json``, fits and predicts, and leaves the files of its result (`bench.store.records.RESULT_FILES`) and
``result.json`` in the work folder. It never touches the store: publishing is the work of `bench run`. Its parent is a
guard (`bench.execution.guard`), that one's a warden (`bench.execution.warden`); if one of them dies, so does this
process.

A job that is trained by several processes has companions, ``python -m bench.execution.child WORK_FOLDER PARENT``, that
do the same up to the end of the fit. They differ by the variable ``RANK``, have scratch folders of their own, and leave
only ``result-RANK.json``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.data.cube import Cube
    from bench.data.parts import Split
    from bench.execution.result import Result
    from bench.runners.base import Runner
    from bench.store.jobs import Job

Metrics = dict[str, dict[str, float | None]]
COMPANION_GRACE_S = 3.0
"""After a companion failed: how long the first process may take to say why itself."""
_MEMORY_SIGNS = ("bad_alloc", "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What C++ and torch say of memory that they did not get, of the host and of a GPU."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_MOST_CAUSES = 100  # an exception can be made its own cause
_LOG_DESCRIPTOR = 2


def main(work: Path) -> int:
    """Runs the job that a work folder describes and returns the exit code."""
    import json
    import resource

    from bench.execution.process import DISK_FULL_EXIT
    from bench.system.disk import write_atomically

    task = json.loads((work / "task.json").read_text())
    rank = _rank() if task["processes"] > 1 else 0
    _cap_memory(task["memory_bytes"])
    sys.path[:] = [str(Path(entry).resolve()) for entry in sys.path]  # relative entries would follow a change of folder
    sys.path += [entry for entry in task["path"] if entry not in sys.path]  # plug-ins where the user stands
    scratch = work / (f"scratch-{rank}" if rank else "scratch")
    result = _contained(task, work, scratch, rank)
    if result is None:
        return DISK_FULL_EXIT
    if rank == 0 and result.status != "done":
        result = _word_of_companions(work) or result  # the first sees only that a connection broke
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result = result.model_copy(update={"max_rss_bytes": usage * 1024})
    try:
        write_atomically(work / _result_name(rank), result.model_dump_json().encode())
    except OSError as error:
        if error.errno in _DISK_FULL:
            return DISK_FULL_EXIT
        raise
    return 0 if result.status == "done" else 1


def _contained(task: dict[str, Any], work: Path, scratch: Path, rank: int) -> Result | None:
    """The result of a job, whatever it raises; None where the disk was full."""
    from bench.errors import BenchError
    from bench.execution.result import MOST_REASON, Result, failure
    from bench.system.text import one_line
    from bench.system.untrusted import remove_tree

    try:
        # A warden that is killed between starting a job and saying so takes the job with it; the job is started again.
        remove_tree(scratch)
        scratch.mkdir()
        os.chdir(scratch)  # libraries that write into the working directory write there
        with _companions(work, task["processes"]) if rank == 0 else contextlib.nullcontext():
            return _run(task, work, scratch, rank)
    except _DataGone as error:
        return Result(status="failed", reason=one_line(str(error), MOST_REASON), data_gone=True)
    except BenchError as error:
        return Result(status="failed", reason=one_line(str(error), MOST_REASON))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever a model raises becomes this job's status, with its trace in the log
        _log_trace()
        if _in_chain(error, lambda cause: isinstance(cause, OSError) and cause.errno in _DISK_FULL):
            return None
        if isinstance(error, MemoryError):
            return Result(status="oom", reason=f"memory cap of {task['memory_bytes'] / 1e9:.1f} GB reached")
        return failure(error, "oom" if _in_chain(error, _is_memory_error) else "failed")


class _DataGone(Exception):
    """The cube is not there, or not the one of the plan."""


def _open_data(task: dict[str, Any], job: Job) -> Cube:
    """The job's cube, every value read once: finite, and those of the plan.

    Raises:
        _DataGone: they are not.
    """
    from bench.data.cube_zarr import open_cube
    from bench.errors import BenchError

    try:
        cube = open_cube(Path(task["cube"]))
        found = cube.examined()
    except (BenchError, OSError) as error:
        raise _DataGone(str(error)) from error
    if not cube.fingerprint == found == job.dataset_fingerprint:
        raise _DataGone(f"The cube at {task['cube']} changed since this run was planned.")
    return cube


def _run(task: dict[str, Any], work: Path, scratch: Path, rank: int) -> Result:
    import numpy as np
    import pandas as pd

    from bench.data.audit import require_no_copies
    from bench.data.splits import cube_of, make_split
    from bench.execution.inprocess import build_runner, checked_prediction
    from bench.execution.result import Result
    from bench.runners.history import history_table
    from bench.scoring.metrics import evaluate, fitted_statistics, statistics_of
    from bench.store.jobs import Job
    from bench.store.names import HISTORY, IMPORTANCE, PREDICTIONS, STATISTICS
    from bench.system.clock import timed

    job = Job.model_validate(task["cell"])
    cube = cube_of(_open_data(task, job), job.split)
    split = make_split(cube, job.split)
    require_no_copies(cube.for_target(cube.target_names[0]), split)
    runner = build_runner(
        job.runner,
        cube,
        split,
        view=job.view,
        seed=job.seed,
        threads=task["threads"],
        parameters=job.parameters,
        scratch=scratch,
        checkpoint=Path(task["checkpoint"]),
    )
    times: dict[str, float] = {}
    with timed(times, "fit"):
        runner.fit()
        if task["processes"] > 1:
            from models.training import leave

            leave()
    if rank > 0:
        return Result(status="done")
    ended = runner.training_ended()
    if ended is not None:
        print(f"training ended: {ended}", flush=True)
    epochs = runner.history()
    if epochs is not None:
        history_table(epochs).to_parquet(work / HISTORY, index=False)
    if job.targets:
        from bench.execution.several_targets import leave_results

        return _result(runner, leave_results(runner, job.runner, cube, split, work, times), split, times, ended)
    with timed(times, "predict"):
        predictions = {"test": checked_prediction(runner, split.test, "test", job.runner)}
    predictions["train"] = checked_prediction(runner, split.scored_train, "train", job.runner)
    statistics = statistics_of(cube, split, predictions)
    fitted = runner.fitted()
    if fitted is not None:
        own = fitted_statistics(cube, split.train.cells, fitted)
        statistics = pd.concat([statistics, own], ignore_index=True)
    statistics.to_parquet(work / STATISTICS, index=False)
    test = split.test
    cell, time_index = test.samples()
    samples = {"cell": cell.astype(np.int32), "time": time_index.astype(np.int32)}
    predicted = {"target": test.select(test.of(cube.target)), "prediction": test.select(predictions["test"])}
    pd.DataFrame(samples | predicted).to_parquet(work / PREDICTIONS, index=False)
    weights = runner.explain(test)
    if weights is not None:
        names = (*cube.feature_names, *cube.static_names)
        columns = {name: test.select(weights[:, :, index]) for index, name in enumerate(names)}
        pd.DataFrame(samples | columns).to_parquet(work / IMPORTANCE, index=False, compression="zstd")
    table = evaluate(statistics).query("group == 'all' and weighting == 'plain'").set_index("part")
    metrics: Metrics = {
        str(part): {name: None if pd.isna(row[name]) else float(row[name]) for name in ("rmse", "r2", "mae", "bias")}
        for part, row in table.iterrows()
    }
    return _result(runner, metrics, split, times, ended)


def _result(runner: Runner, metrics: Metrics, split: Split, times: dict[str, float], ended: str | None) -> Result:
    """The result of a job that went well."""
    from bench.execution.result import Result

    device, precision = runner.trained_on() or (None, None)
    return Result.model_validate(
        {
            "status": "done",
            "metrics": metrics,
            "n_train": len(split.train),
            "n_test": len(split.test),
            "times": times,
            "device": device,
            "precision": precision,
            "training_ended": ended,
        }
    )


@contextlib.contextmanager
def _companions(work: Path, processes: int) -> Iterator[None]:
    """Has the other processes of the job at work for the time of a block, where there are any."""
    if processes == 1:
        yield
        return
    import signal
    import time

    from bench.execution.result import RESULT_FILE, Result
    from bench.system.disk import write_atomically
    from models.training.launch import companions

    def end(rank: int, code: int) -> None:
        if (work / _result_name(rank)).exists() and _word_of_companions(work) is None:
            return  # it died while Python was unloading, its work done
        time.sleep(COMPANION_GRACE_S)
        reason = f"process {rank + 1} of {processes} of the training ended with exit code {code}; see the job's log"
        if not (work / RESULT_FILE).exists():
            result = _word_of_companions(work) or Result(status="failed", reason=reason)
            write_atomically(work / RESULT_FILE, result.model_dump_json().encode())
        os.kill(os.getpid(), signal.SIGKILL)  # its guard ends the others

    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # they start in another folder than this process did
    command = [sys.executable, "-P", "-m", "bench.execution.child", str(work), str(os.getpid())]
    with companions(processes, command, end):
        yield


def _word_of_companions(work: Path) -> Result | None:
    """What a failed companion left, if any."""
    from bench.execution.result import read_result

    for path in sorted(work.glob("result-*.json")):
        word = read_result(work, path.name)
        if word is not None and word.status != "done":
            return word
    return None


def _result_name(rank: int) -> str:
    return f"result-{rank}.json" if rank else "result.json"


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _in_chain(error: BaseException, wanted: Callable[[BaseException], bool]) -> bool:
    """Whether an exception, or one that it wraps or followed, is of a kind."""
    seen: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if seen is None:
            break
        if wanted(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _is_memory_error(error: BaseException) -> bool:
    """Whether it says that memory was short, be it in a library's own words."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - the text is made by code of the job
        said = ""
    return isinstance(error, MemoryError) or any(sign in said for sign in _MEMORY_SIGNS)


def _log_trace() -> None:
    """Writes the present exception's trace into the log, if the log still takes anything."""
    import traceback

    try:
        text = traceback.format_exc()
    except Exception:  # noqa: BLE001 - traces call code of the job for its exceptions' texts
        text = "the trace of the exception cannot be written\n"
    with contextlib.suppress(OSError):
        os.write(_LOG_DESCRIPTOR, text.encode(errors="backslashreplace"))


def _cap_memory(memory_bytes: int) -> None:
    """A backstop behind the parent's watch: allocations beyond the cap fail at once (code and files do not count)."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes + (1 << 30)  # stacks and reserved arenas are counted though never touched
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    from bench.system.processes import die_with_parent

    die_with_parent(int(sys.argv[2]))
    sys.exit(main(Path(sys.argv[1])))
