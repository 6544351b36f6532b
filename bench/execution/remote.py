"""A job on a cluster's worker: the same child process as at home, in a folder that goes back to the driver.

`task_of` and `receive` run on the driver, `run_on_worker` on the worker. What travels is plain data. No file system is
shared; where it is, a training goes on from the store's checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.datasets import OpenedDataset, open_dataset
from bench.errors import BenchError
from bench.execution.launching import Wardens
from bench.execution.process import JobProcess, Limits, Outcome
from bench.execution.result import Result
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.names import LOG, RESULT_FILES
from bench.system import clock
from bench.system.host import Host, this_host
from bench.system.ownership import is_abandoned, owner
from bench.system.untrusted import is_regular, make_readable, remove_tree
from bench.version import __version__

_POLL_S = 0.1
_SCRATCH = "scratch"
_PLAIN = ("status", "reason", "interrupted", "wall_seconds", "peak_memory_bytes", "obstacle")
"""Of an `Outcome`, what travels as it is."""


def task_of(
    job: Job, dataset: OpenedDataset, work: Path, checkpoint: Path, limits: Limits, gpus: int, scratch: bool
) -> Any:
    """What a worker must know to run a job.

    Args:
        job: what to run.
        dataset: as the driver opened it.
        work: the driver's folder for the result.
        checkpoint: the driver's folder for an unfinished training.
        limits: what it may use.
        gpus: that are granted to it; with none it sees none, also on a node that has some.
        scratch: whether what the runner wrote is to come back, too.
    """
    return {
        "cell": job.model_dump(mode="json"),
        "bench_version": __version__,
        "spec": dataset.portable_spec,
        "work": str(work.resolve()),
        "checkpoint": str(checkpoint.resolve()),
        "driver": socket.gethostname(),
        "limits": asdict(limits),
        "gpus": gpus,
        "plugins": os.environ.get(registry.PLUGINS_VARIABLE, ""),
        "scratch": scratch,
    }


def receive(answer: dict[str, Any], work: Path) -> Outcome:
    """Unpacks what a worker returned into the driver's folder.

    Args:
        answer: of `run_on_worker`.
        work: folder of the job.

    Raises:
        BenchError: the worker has other data or other packages than the driver, or names files outside the folder.
    """
    if "error" in answer:
        raise BenchError(answer["error"])
    for name, content in answer["files"].items():
        path = work / name
        parts = Path(name).parts
        if name not in (LOG, *RESULT_FILES) and (parts[:1] != (_SCRATCH,) or ".." in parts):
            raise BenchError(f"A worker of the Ray cluster sent a file named {name!r}; run on workers that you trust.")
        path.parent.mkdir(parents=True, exist_ok=True)
        content.tofile(path)
    said = answer["result"]
    return Outcome(
        **answer["outcome"],
        result=None if said is None else Result.model_validate(said),
        started=answer["started"],
        host=Host.model_validate(answer["host"]),
    )


def run_on_worker(task: dict[str, Any]) -> dict[str, Any]:
    """Runs a job and returns its files and how it ended; a mistake in the set-up is returned as a sentence.

    Args:
        task: of `task_of`.
    """
    os.environ[registry.PLUGINS_VARIABLE] = task["plugins"]
    try:
        job = Job.model_validate(task["cell"])
        _require_same_packages(job, task["bench_version"])
        dataset = open_dataset(task["spec"], print)
        _require_same_data(job, dataset)
        return _run(job, dataset, task)
    except BenchError as error:
        return {"error": f"On worker {socket.gethostname()}: {error}"}


def _run(job: Job, dataset: OpenedDataset, task: dict[str, Any]) -> dict[str, Any]:
    root = _own_folder(Path(tempfile.gettempdir()) / f"climate2gpp-bench-{os.getuid()}")
    _remove_abandoned(root)
    work = root / f"{job.id}-{owner()}"
    remove_tree(work)
    work.mkdir()
    # The driver made its folder for this job a moment ago: a worker that sees it shares the store with it.
    shared = Path(task["work"]).is_dir()
    origin = hashlib.sha256(f"{task['driver']}\0{task['checkpoint']}".encode()).hexdigest()[:12]
    checkpoint = Path(task["checkpoint"]) if shared else root / "checkpoints" / f"{job.id}-{origin}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    started = clock.now()
    # Ray tells a worker which GPUs are granted to it, but hides none from a worker that is granted none.
    gpus = () if task["gpus"] == 0 else None
    wardens = Wardens()
    process = JobProcess(job, dataset.path, work, checkpoint, Limits(**task["limits"]), wardens, gpus)
    try:
        while (outcome := process.poll()) is None:
            time.sleep(_POLL_S)
        if outcome.status == "done" and not shared:
            remove_tree(checkpoint)
        kept = [work / name for name in RESULT_FILES if outcome.status == "done"]
        if task["scratch"]:
            kept += (work / _SCRATCH).rglob("*")
        kept = [path for path in kept if is_regular(path)]
        for path in kept:
            make_readable(path)
        files = {path.relative_to(work).as_posix(): np.fromfile(path, np.uint8) for path in kept}
        return {
            "outcome": {name: getattr(outcome, name) for name in _PLAIN},
            "result": None if outcome.result is None else outcome.result.model_dump(),
            "started": started,
            "host": this_host().model_dump(),
            "files": {LOG: np.frombuffer(process.log(), np.uint8)} | files,
        }
    finally:
        process.kill()  # also when the driver takes the job back
        wardens.close()
        remove_tree(work)


def _own_folder(folder: Path) -> Path:
    """A folder of this user that nobody else can look or write into, made if it is not there.

    Its name can be guessed, and everybody may write into the folder for temporary files.

    Raises:
        BenchError: somebody else made it, or others could write into it.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BenchError(
            f"{folder} is not a folder of this user alone (owner {found.st_uid}, mode "
            f"{stat.S_IMODE(found.st_mode):o}); remove it or set TMPDIR to a folder of your own."
        )
    folder.chmod(0o700)
    return folder


def _remove_abandoned(root: Path) -> None:
    """Removes the folders of workers that were killed."""
    for folder in root.glob("*-*"):
        if is_abandoned(folder):
            remove_tree(folder)


def _require_same_packages(job: Job, version: str) -> None:
    if __version__ != version:
        raise BenchError(
            f"climate2gpp-bench is {__version__} here and {version} at the driver; install one version on every node."
        )
    entry = registry.get(job.runner)
    if (entry.version, entry.package_versions()) != (job.runner_version, job.packages):
        here, there = entry.package_versions(), job.packages
        differing = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
        found = ", ".join(
            f"{name} {here.get(name, 'missing')} instead of {there.get(name, 'none')}" for name in differing
        )
        raise BenchError(
            f"runner {job.runner!r} is another than the driver's ({found or 'another version'}); install the same "
            "packages on every node."
        )


def _require_same_data(job: Job, dataset: OpenedDataset) -> None:
    if dataset.cube.fingerprint != job.dataset_fingerprint:
        raise BenchError(
            f"data set {dataset.spec} differs from the driver's (fingerprint {dataset.cube.fingerprint[:12]}, not "
            f"{job.dataset_fingerprint[:12]}); give every node the same source files."
        )
