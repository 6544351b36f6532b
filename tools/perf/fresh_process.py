"""One measured piece of work in a process of its own, so that its threads and its peak memory are its own.

The parent writes one JSON line to the job's standard input, ``{"target": "module:function", "arguments": {...}}``, and
keeps it open: when it closes, the parent is gone and the job ends itself. The job answers with one JSON object on its
standard output. What the work prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.execution.process import THREAD_VARIABLES


@dataclass(frozen=True)
class Measured:
    """What a job answered.

    Attributes:
        answer: return value of its function.
        peak_memory_bytes: largest resident memory of the process, its imports included.
    """

    answer: dict[str, Any]
    peak_memory_bytes: int


def in_fresh_process(target: str, arguments: dict[str, Any], *, threads: int) -> Measured:
    """Runs a function of this project in a fresh process and waits for it.

    Args:
        target: ``module:function``; the function takes keywords and returns what JSON can hold.
        arguments: its keywords, which JSON can hold.
        threads: numeric threads of the process.

    Raises:
        BenchError: the function refused its arguments, or the process died; the message says which.
    """
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tools.perf.fresh_process"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # asked for
        try:
            with suppress(BrokenPipeError):  # it died before it read: its exit code says so
                process.stdin.write(json.dumps({"target": target, "arguments": arguments}).encode() + b"\n")
            text = process.stdout.read()
            code = process.wait()
        except BaseException:  # Ctrl-C too leaves no orphan behind
            process.kill()
            raise
    name = target.partition(":")[2]
    if code != 0 or not text:
        if code < 0:
            raise BenchError(f"The measurement {name!r} was ended by signal {-code}; if memory is short, take less.")
        raise BenchError(f"The measurement {name!r} failed with exit code {code}; what it printed above says why.")
    reply = json.loads(text)
    if "error" in reply:
        raise BenchError(f"The measurement {name!r} cannot be made: {reply['error']}")
    return Measured(reply["answer"], reply["peak_memory_bytes"])


def main() -> int:
    """Does what the line on standard input says and returns the exit code."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(os.dup(0), "rb", buffering=0) as stream:
        task = json.loads(stream.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, _, function = task["target"].partition(":")
    try:
        reply = {"answer": getattr(importlib.import_module(module), function)(**task["arguments"])}
    except ModuleNotFoundError as error:
        remedy = "pip install 'climate2gpp-bench[runners]' --constraint constraints.txt"
        reply = {"error": f"it needs {error.name}: {remedy}."}
    except (ValueError, BenchError) as error:
        reply = {"error": str(error)}
    except KeyboardInterrupt:
        return 130
    # Until it became this program, the process shared the parent's pages, which count; so the parent stays light.
    reply["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with os.fdopen(answer_to, "wb") as out:
        out.write(json.dumps(reply).encode())
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
