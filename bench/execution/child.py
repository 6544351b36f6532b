"""The process of one job: ``python -m bench.execution.child WORK_FOLDER``.

It reads ``task.json``, fits and predicts, and leaves ``predictions.parquet``, ``statistics.parquet`` and
``result.json`` in the work folder. It never touches the store: publishing is the parent's work. If the parent dies, so
does this process.

A job that is trained by several processes has companions: copies of this process that do the same up to the end of the
fit. They differ by the variable ``RANK``, have scratch folders of their own, and leave only ``result-RANK.json``.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.execution.process import DISK_FULL_EXIT
from bench.store.jobs import Job
from bench.system.clock import timed
from bench.system.disk import write_atomically

COMPANION_GRACE_S = 3.0
"""After a companion failed: how long the first process may take to say why itself."""
_MEMORY_SIGNS = ("bad_alloc", "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What C++ and torch say of memory that they did not get, of the host and of a GPU."""


def main(work: Path) -> int:
    """Runs the job that a work folder describes and returns the exit code."""
    task = json.loads((work / "task.json").read_text())
    rank = int(os.environ["RANK"]) if task["processes"] > 1 and "RANK" in os.environ else 0
    _die_with(task["parent"] if rank == 0 else os.getppid())
    _cap_memory(task["memory_bytes"])
    scratch = work / (f"scratch-{rank}" if rank else "scratch")
    sys.path[:] = [str(Path(entry).resolve()) for entry in sys.path]  # relative entries would follow the chdir below
    result: dict[str, Any]
    try:
        scratch.mkdir()
        os.chdir(scratch)  # libraries that write into the working directory write there
        with _companions(work, task["processes"]) if rank == 0 else contextlib.nullcontext():
            result = _run(task, work, scratch, rank)
    except MemoryError:
        traceback.print_exc()
        result = {"status": "oom", "reason": f"memory cap of {task['memory_bytes'] / 1e9:.1f} GB reached"}
    except BenchError as error:
        result = {"status": "failed", "reason": str(error)}
    except OSError as error:
        traceback.print_exc()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DISK_FULL_EXIT
        result = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    except Exception as error:  # noqa: BLE001 - whatever a model raises becomes this job's status, with its trace in the log
        traceback.print_exc()
        kind = "oom" if _is_memory_error(error) else "failed"
        result = {"status": kind, "reason": f"{type(error).__name__}: {str(error).strip() or 'no message'}"[:500]}
    if rank == 0 and result["status"] != "done":
        result = _word_of_companions(work) or result  # the first sees only that a connection broke
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result["max_rss_bytes"] = usage * 1024
    try:
        write_atomically(work / (f"result-{rank}.json" if rank else "result.json"), json.dumps(result).encode())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DISK_FULL_EXIT
        raise
    return 0 if result["status"] == "done" else 1


def _run(task: dict[str, Any], work: Path, scratch: Path, rank: int) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    from bench.data.audit import require_no_copies
    from bench.data.cube_zarr import open_cube
    from bench.data.splits import make_split
    from bench.execution.inprocess import build_runner, checked_prediction
    from bench.scoring.metrics import evaluate, fitted_statistics, statistics_of

    job, cube = Job.model_validate(task["cell"]), open_cube(Path(task["cube"])).validate()
    cube = cube.for_target(job.split.get("target"))
    if cube.fingerprint != job.dataset_fingerprint:
        raise BenchError(f"The cube at {task['cube']} changed since this run was planned; issue the command again.")
    split = make_split(cube, job.split)
    require_no_copies(cube, split)
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
        return {"status": "done"}
    ended = runner.training_ended()
    if ended is not None:
        print(f"training ended: {ended}", flush=True)
    with timed(times, "predict"):
        predictions = {"test": checked_prediction(runner, split.test, "test", job.runner)}
    predictions["train"] = checked_prediction(runner, split.scored_train, "train", job.runner)
    statistics = statistics_of(cube, split, predictions)
    fitted = runner.fitted()
    if fitted is not None:
        own = fitted_statistics(cube, split.train.cells, fitted)
        statistics = pd.concat([statistics, own], ignore_index=True)
    statistics.to_parquet(work / "statistics.parquet", index=False)
    test = split.test
    cell, time_index = test.samples()
    samples = {"cell": cell.astype(np.int32), "time": time_index.astype(np.int32)}
    predicted = {"target": test.select(test.of(cube.target)), "prediction": test.select(predictions["test"])}
    pd.DataFrame(samples | predicted).to_parquet(work / "predictions.parquet", index=False)
    weights = runner.explain(test)
    if weights is not None:
        names = (*cube.feature_names, *cube.static_names)
        columns = {name: test.select(weights[:, :, index]) for index, name in enumerate(names)}
        pd.DataFrame(samples | columns).to_parquet(work / "importance.parquet", index=False, compression="zstd")
    table = evaluate(statistics).query("group == 'all' and weighting == 'plain'").set_index("part")
    metrics = {
        part: {name: None if pd.isna(row[name]) else float(row[name]) for name in ("rmse", "r2", "mae", "bias")}
        for part, row in table.iterrows()
    }
    device, precision = runner.trained_on() or (None, None)
    return {
        "status": "done",
        "metrics": metrics,
        "n_train": len(split.train),
        "n_test": len(test),
        "times": times,
        "device": device,
        "precision": precision,
        "training_ended": ended,
    }


@contextlib.contextmanager
def _companions(work: Path, processes: int) -> Iterator[None]:
    """Has the other processes of the job at work for the time of a block, where there are any."""
    if processes == 1:
        yield
        return
    from models.training.launch import companions

    def end(rank: int, code: int) -> None:
        if (work / f"result-{rank}.json").exists() and _word_of_companions(work) is None:
            return  # it died while Python was unloading, its work done
        time.sleep(COMPANION_GRACE_S)
        reason = f"process {rank + 1} of {processes} of the training ended with exit code {code}; see the job's log"
        if not (work / "result.json").exists():
            result = _word_of_companions(work) or {"status": "failed", "reason": reason}
            write_atomically(work / "result.json", json.dumps(result).encode())
        os.killpg(os.getpgid(0), signal.SIGKILL)

    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # they start in another folder than this process did
    with companions(processes, [sys.executable, "-m", "bench.execution.child", str(work)], end):
        yield


def _word_of_companions(work: Path) -> dict[str, Any] | None:
    """What a failed companion left, if any."""
    for path in sorted(work.glob("result-*.json")):
        word: dict[str, Any] = json.loads(path.read_text())
        if word["status"] != "done":
            return word
    return None


def _is_memory_error(error: Exception) -> bool:
    """Whether a library wrapped an allocation failure into an exception of its own."""
    seen: BaseException | None = error
    while seen is not None:
        text = str(seen)
        if isinstance(seen, MemoryError) or any(sign in text for sign in _MEMORY_SIGNS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _cap_memory(memory_bytes: int) -> None:
    """A backstop behind the parent's watch: allocations beyond the cap fail at once (code and files do not count)."""
    soft = memory_bytes + (1 << 30)  # stacks and reserved arenas are counted though never touched
    resource.setrlimit(resource.RLIMIT_DATA, (soft, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _die_with(parent: int) -> None:
    """Ends this process and its children when the parent is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
