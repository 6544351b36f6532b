"""Runners that do one hostile or careless thing each to their process, their folders or their result, then go on."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.entry import RunnerEntry
from tests.support.runners import Noise

SLEEP = "import time; time.sleep(120)"


class Hostile(Noise):
    """Does its deed while it is fitted."""

    def fit(self) -> None:
        super().fit()
        DEEDS[self.task.parameters["deed"]](self.task.scratch)

    def predict(self, part: Part) -> FloatArray:
        found: Any = super().predict(part)
        kind = self.task.parameters["deed"]
        if kind == "complex_predictions":
            return found + 1j  # type: ignore[no-any-return]
        if kind == "predictions_of_objects":
            return found.astype(object)  # type: ignore[no-any-return]
        if kind == "masked_predictions":
            return np.ma.masked_less(found, 1e9)  # type: ignore[no-any-return,no-untyped-call]
        return found  # type: ignore[no-any-return]


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _raise(error: BaseException) -> Callable[[Path], None]:
    def deed(scratch: Path) -> None:
        raise error

    return deed


def _chained(scratch: Path) -> None:
    error = RuntimeError("first")
    for number in range(3000):
        later = RuntimeError(f"number {number}")
        later.__context__ = error
        error = later
    raise error


def _own_cause(scratch: Path) -> None:
    error = RuntimeError("its own cause")
    error.__cause__ = error
    raise error


def _result(content: str) -> Callable[[Path], None]:
    def deed(scratch: Path) -> None:
        (scratch.parent / "result.json").write_text(content)
        os._exit(0)

    return deed


def _result_is(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    def deed(scratch: Path) -> None:
        make(scratch.parent / "result.json")
        os._exit(0)

    return deed


def _read_only(scratch: Path) -> None:
    inner = scratch / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0o000)
    inner.parent.chmod(0o500)


def _link_out(scratch: Path) -> None:
    outside = Path(os.environ["HOSTILE_OUTSIDE"])
    (scratch / "link").symlink_to(outside)
    (scratch.parent / "tmp" / "link").symlink_to(outside)


def _deep(scratch: Path) -> None:
    for _ in range(2000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir("/")


def _remove_work(scratch: Path) -> None:
    shutil.rmtree(scratch.parent)


def _swap_work(scratch: Path) -> None:
    work = scratch.parent
    work.rename(work.with_name(work.name + "-moved"))
    elsewhere = Path(os.environ["HOSTILE_OUTSIDE"]).with_name("elsewhere")
    elsewhere.mkdir()
    work.symlink_to(elsewhere)


def _replace_log(scratch: Path) -> None:
    print("before", flush=True)
    (scratch.parent / "log.txt").unlink()
    os.mkfifo(scratch.parent / "log.txt")


def _flood(scratch: Path) -> None:
    print("first words", flush=True)
    for _ in range(120):
        print("x" * 500_000)
    print("last words", flush=True)


def _close_streams(scratch: Path) -> None:
    sys.stdout.close()
    sys.stderr.close()


def _write_on(scratch: Path) -> None:
    program = (
        "import itertools, pathlib, time\n"
        "for n in itertools.count():\n"
        "    for place in ('.', '..'):\n"
        "        try: pathlib.Path(place, f'more-{n}').write_text('x')\n"
        "        except OSError: pass\n"
        "    time.sleep(0.001)"
    )
    _remember(subprocess.Popen([sys.executable, "-c", program], cwd=scratch, start_new_session=True).pid)


def _daemon(scratch: Path) -> None:
    _detach(SLEEP, 1)


def _detach(program: str, copies: int) -> None:
    """Starts programs in sessions of their own, without any environment, whose parent ends at once."""
    launch = (
        "import subprocess, sys\n"
        f"for _ in range({copies}):\n"
        f"    command = [sys.executable, '-c', {program!r}]\n"
        "    nothing = subprocess.DEVNULL\n"
        "    print(subprocess.Popen(command, stdout=nothing, start_new_session=True, env={}).pid)"
    )
    out = subprocess.run([sys.executable, "-c", launch], stdout=subprocess.PIPE, text=True, check=True)
    for pid in out.stdout.split():
        _remember(int(pid))


def _stopped_child(scratch: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", SLEEP])
    child.send_signal(signal.SIGSTOP)
    _remember(child.pid)


def _remember(pid: int) -> None:
    with (Path(os.environ["HOSTILE_OUTSIDE"]) / "pids").open("a") as stream:
        stream.write(f"{pid}\n")


def _ignore_signals(scratch: Path) -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)


def _limit(which: int, most: int) -> Callable[[Path], None]:
    return lambda scratch: resource.setrlimit(which, (most, most))


def _endless_thread(scratch: Path) -> None:
    threading.Thread(target=time.sleep, args=(600,)).start()


def _kill(number: int) -> Callable[[Path], None]:
    return lambda scratch: os.kill(os.getpid(), number)


def _nothing(scratch: Path) -> None:
    """The deed is another one's."""


DONE = json.dumps({"status": "done", "metrics": {"train": {}, "test": {}}})
DEEDS: dict[str, Callable[[Path], Any]] = {
    "surrogate_error": _raise(OSError(2, "No such file", "caf\udce9.nc")),
    "control_error": _raise(RuntimeError("\x1b[2J\x1b]0;title\x07 red\r\nsecond line\x00")),
    "long_error": _raise(RuntimeError("x" * 3_000_000)),
    "mute_error": _raise(_Mute()),
    "chained_error": _chained,
    "own_cause": _own_cause,
    "exit_0": _raise(SystemExit(0)),
    "exit_text": _raise(SystemExit("caf\udce9")),
    "exit_at_once": lambda scratch: os._exit(0),
    "exit_as_if_disk_full_no": lambda scratch: os._exit(3),
    "abort": _kill(signal.SIGABRT),
    "real_time_signal": _kill(signal.SIGRTMIN + 1),
    "kills_its_guard": lambda scratch: os.kill(os.getppid(), signal.SIGKILL) or time.sleep(60),
    "result_not_json": _result("{"),
    "result_list": _result("[]"),
    "result_number_for_text": _result('{"status": "failed", "reason": 7}'),
    "result_nan": _result(DONE.replace("{}", '{"rmse": NaN}')),
    "result_infinite_time": _result(DONE[:-1] + ', "times": {"fit": 1e999}}'),
    "result_surrogate": _result('{"status": "failed", "reason": "\\ud800"}'),
    "result_deep": _result("[" * 100_000),
    "result_huge": _result('{"status": "failed", "reason": "' + "x" * 2_000_000 + '"}'),
    "result_skipped": _result('{"status": "skipped"}'),
    "result_done_without_files": _result(DONE),
    "result_done_without_metrics": _result('{"status": "done"}'),
    "result_empty": _result(""),
    "result_folder": _result_is(lambda path: path.mkdir()),
    "result_pipe": _result_is(os.mkfifo),
    "result_link": _result_is(lambda path: path.symlink_to("/dev/zero")),
    "read_only_folders": _read_only,
    "link_out": _link_out,
    "deep_folders": _deep,
    "work_removed": _remove_work,
    "work_swapped": _swap_work,
    "log_replaced": _replace_log,
    "log_flood": _flood,
    "log_bytes": lambda scratch: os.write(1, bytes(range(256)) * 4),
    "closed_streams": _close_streams,
    "other_folder": lambda scratch: os.chdir("/"),
    "umask": lambda scratch: os.umask(0o777),
    "no_file_size": _limit(resource.RLIMIT_FSIZE, 0),
    "no_files": _limit(resource.RLIMIT_NOFILE, 3),
    "no_core": _limit(resource.RLIMIT_CORE, 0),
    "child_writes_on": _write_on,
    "daemon": _daemon,
    "stopped_child": _stopped_child,
    "signals_ignored": _ignore_signals,
    "endless_thread": _endless_thread,
    "complex_predictions": _nothing,
    "predictions_of_objects": _nothing,
    "masked_predictions": _nothing,
}


def _hoard(make: Callable[[], Any]) -> Callable[[Path], None]:
    def deed(scratch: Path) -> None:
        kept = make()
        time.sleep(30)
        del kept

    return deed


def _shared_block() -> Any:
    block = shared_memory.SharedMemory(create=True, size=HOARD)
    block.buf[:] = b"x" * HOARD
    return block


def _anonymous_shared() -> Any:
    import mmap

    block = mmap.mmap(-1, HOARD)
    block.write(b"x" * HOARD)
    return block


def _memory_file() -> Any:
    descriptor = os.memfd_create("hoard")
    for _ in range(HOARD >> 20):
        os.write(descriptor, b"x" * (1 << 20))
    return descriptor


def _closed_file() -> Any:
    path = Path(f"/dev/shm/bench-test-{os.getpid()}")
    _note_file(path)
    with path.open("wb") as stream:
        for _ in range(HOARD >> 20):
            stream.write(b"x" * (1 << 20))
            time.sleep(0.0005)
    return path


def _note_file(path: Path) -> None:
    with (Path(os.environ["HOSTILE_OUTSIDE"]) / "files").open("a") as stream:
        stream.write(f"{path}\n")


def _in_daemons() -> Any:
    _detach(f"import time; block = b'x' * {HOARD // 3}; time.sleep(120)", 4)


def _in_forks() -> Any:
    def grow() -> None:
        block = b"x" * (HOARD // 3)
        time.sleep(120)
        del block

    forks = [multiprocessing.get_context("fork").Process(target=grow) for _ in range(4)]
    for fork in forks:
        fork.start()
    return forks


HOARD = 600_000_000
"""Bytes: more than the cap of the test, less than what would hurt."""
HOARDS: dict[str, Callable[[Path], Any]] = {
    "private": _hoard(lambda: b"x" * HOARD),
    "shared_block": _hoard(_shared_block),
    "anonymous_shared": _hoard(_anonymous_shared),
    "memory_file": _hoard(_memory_file),
    "closed_file": _hoard(_closed_file),
    "in_daemons": _hoard(_in_daemons),
    "in_forks": _hoard(_in_forks),
}
DEEDS |= HOARDS


def _share_much(scratch: Path) -> None:
    """Five processes that share 250 MB: far below the cap, though each of them shows all of it."""
    block = b"x" * 250_000_000
    shared = shared_memory.SharedMemory(create=True, size=50_000_000)
    shared.buf[:] = b"x" * 50_000_000
    forks = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(1.5,)) for _ in range(4)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    shared.close()
    shared.unlink()
    del block


DEEDS["shares_much"] = _share_much
DEEDS["holds_the_lock"] = lambda scratch: _in_a_long_call()
DEEDS["leaves_its_guard"] = lambda scratch: _leave_its_guard()
DEEDS["kills_its_warden"] = lambda scratch: _to_the_warden(signal.SIGKILL)
DEEDS["stops_its_warden"] = lambda scratch: _to_the_warden(signal.SIGSTOP)
DEEDS["tells_its_modules"] = lambda scratch: _tell_its_modules()
DEEDS["stops_its_guard"] = lambda scratch: _stop_its_guard()
DEEDS["log_on_full_disk"] = lambda scratch: _on_full_disk(wrapped=False)
DEEDS["wrapped_full_disk"] = lambda scratch: _on_full_disk(wrapped=True)
DEEDS["removes_the_cube"] = lambda scratch: shutil.rmtree(os.environ["HOSTILE_CUBE"])


def _in_a_long_call() -> None:
    """Sleeps in C with Python's lock held: no thread of this process runs."""
    _remember(os.getpid())
    _detach(SLEEP, 1)
    ctypes.PyDLL(None).sleep(120)


def _stop_its_guard() -> None:
    _remember(os.getppid())
    _remember(os.getpid())
    os.kill(os.getppid(), signal.SIGSTOP)


def _leave_its_guard() -> None:
    _detach(SLEEP, 2)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _to_the_warden(number: signal.Signals) -> None:
    _detach(SLEEP, 1)
    warden = psutil.Process(os.getppid()).ppid()
    os.kill(warden, number)
    time.sleep(60)


def _tell_its_modules() -> None:
    """What this process has of its warden, and the threads of that one."""
    libraries = {
        Path(line.split()[-1]).name for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line
    }
    tasks = Path(f"/proc/{psutil.Process(os.getppid()).ppid()}/task")
    threads = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    modules = [name for name in sys.modules if "." not in name]
    print(json.dumps({"modules": modules, "libraries": sorted(libraries), "threads": threads}), flush=True)


def _on_full_disk(wrapped: bool) -> None:
    with open("/dev/full", "w") as full:
        for descriptor in (1, 2):
            os.dup2(full.fileno(), descriptor)
    try:
        print("said", flush=True)
    except OSError as error:
        if wrapped:
            raise RuntimeError("the model could not be saved") from error
        raise


ENTRIES = [
    RunnerEntry(
        f"hostile_{name}",
        name,
        "Tabular Machine Learning",
        "tests.support.hostile:Hostile",
        "for tests",
        uses_view=False,
        parameters={"deed": name},
    )
    for name in DEEDS
]
