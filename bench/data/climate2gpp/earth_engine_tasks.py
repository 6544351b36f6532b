"""Starting the exports on Earth Engine's servers: once each, however often the command is given, unless one fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.data.climate2gpp.earth_engine import GRAPH_VERSION, NO_DATA, ExportRequest, image
from bench.data.climate2gpp.layers import need
from bench.errors import BenchError
from bench.system.disk import disk_errors, write_atomically

_COMPLETE = "is complete"
_OUTCOMES = {"SUCCEEDED": _COMPLETE, "FAILED": "failed", "CANCELLED": "was cancelled", "UNKNOWN": "is no longer known"}
"""What becomes of a task, by the state of its operation; the other states (pending, running, cancelling) are no end."""


@dataclass(frozen=True)
class Destination:
    """Where Earth Engine writes the files.

    Attributes:
        kind: Google Drive, or Google Cloud Storage.
        place: folder of the Drive, or bucket.
    """

    kind: Literal["drive", "cloud"]
    place: str


def connect(project: str | None) -> None:
    """Initialises Earth Engine's client with the stored credentials of this machine's user.

    Raises:
        BenchError: the package, the credentials or the project are missing, or the server does not answer.
    """
    ee = need("ee", "earthengine-api")
    try:
        ee.Initialize(project=project)
    # Beside its own exception the client lets those of its authentication and transport libraries through.
    except Exception as error:
        raise BenchError(
            f"Earth Engine cannot be reached ({_sentence(error)}); run `earthengine authenticate` once and name a "
            "Cloud project that is registered for Earth Engine with --project."
        ) from error


def task(request: ExportRequest, destination: Destination) -> Any:
    """Returns the export task of a request, not yet started.

    The target grid is fixed by its transform and size: cells start at 180 W and 90 N.
    """
    ee = need("ee", "earthengine-api")
    options = {
        "image": image(request),
        "description": request.name,
        "fileNamePrefix": request.name,
        "crs": "EPSG:4326",
        "crsTransform": [request.degrees, 0, -180, 0, -request.degrees, 90],
        "dimensions": f"{request.size[0]}x{request.size[1]}",
        "maxPixels": 10**10,
        "fileFormat": "GeoTIFF",
        "formatOptions": {"noData": NO_DATA},
    }
    if destination.kind == "drive":
        return ee.batch.Export.image.toDrive(folder=destination.place, **options)
    return ee.batch.Export.image.toCloudStorage(bucket=destination.place, **options)


@dataclass(frozen=True)
class Submission:
    """How the exports of a build stand.

    Attributes:
        started: now, for the first time.
        restarted: now, because an earlier attempt failed, was cancelled or is no longer known.
        running: started by an earlier call, waiting or at work.
        completed: their files are written.
    """

    started: int
    restarted: int
    running: int
    completed: int


def submit(
    requested: list[ExportRequest], destination: Destination, work: Path, say: Callable[[str], None]
) -> Submission:
    """Starts every export that has not been started yet, and again those that came to nothing.

    Args:
        requested: all exports of the build.
        destination: where the files go.
        work: folder that remembers what was started, and what is known to be complete.
        say: is told of every export that is started.

    Raises:
        BenchError: the server does not say how earlier exports stand, or refuses one; those that were started before
            that stay so and are remembered.
    """
    with disk_errors(f"The work folder {work}", "exports that were started go on"):
        work.mkdir(parents=True, exist_ok=True)
    ledger = _Ledger(work)
    keys = [_key(request, destination) for request in requested]
    tasks = [(key, ledger.task(key)) for key in keys]
    ended = _ended([known for key, known in tasks if known is not None and not ledger.is_complete(key)])
    counts = dict.fromkeys(("started", "restarted", "running", "completed"), 0)
    for request, (key, known) in zip(requested, tasks, strict=True):
        why = _COMPLETE if ledger.is_complete(key) else ended.get(known or "")
        if why == _COMPLETE:
            ledger.completed(key)
            counts["completed"] += 1
        elif known is not None and why is None:
            counts["running"] += 1
        else:
            ledger.started(key, _start(request, destination))
            counts["started" if known is None else "restarted"] += 1
            again = "" if known is None else f" again (task {known} {why})"
            size = f"{request.n_bands} bands, {request.bytes / 1e6:.0f} MB"
            say(f"started {request.name}{again}: task {ledger.task(key)}, {size}")
    return Submission(**counts)


def _key(request: ExportRequest, destination: Destination) -> str:
    """What makes an export another one, beside its name: other bands, another grid, another place, other rules."""
    bands, place = ",".join(request.bands), f"{destination.kind}:{destination.place}"
    return f"{request.name} {request.degrees:g} {request.collection} {bands} {place} version {GRAPH_VERSION}"


def _start(request: ExportRequest, destination: Destination) -> str:
    """Starts an export and returns the id of its task."""
    export = task(request, destination)
    try:
        export.start()
    # As in ``connect``: exceptions of several libraries.
    except Exception as error:
        raise BenchError(
            f"Earth Engine refuses the export {request.name} ({_sentence(error)}); correct that and run the same "
            "command again: it starts the rest."
        ) from error
    return str(export.id)


def _ended(tasks: list[str]) -> dict[str, str]:
    """Returns, of those tasks that are over, ``_COMPLETE`` or what became of them.

    Raises:
        BenchError: the server does not say.
    """
    if not tasks:
        return {}
    ee = need("ee", "earthengine-api")
    try:
        operations = {str(one["name"]).rpartition("/")[2]: one for one in ee.data.listOperations()}
    # As in ``connect``.
    except Exception as error:
        raise BenchError(
            f"Earth Engine does not say how the exports of earlier calls stand ({_sentence(error)}); nothing was "
            "started: run the same command again later."
        ) from error
    found = {}
    for name in tasks:
        operation = operations.get(name)
        state = "UNKNOWN" if operation is None else operation.get("metadata", {}).get("state", "UNKNOWN")
        if operation is None or state in _OUTCOMES:
            reason = _sentence((operation or {}).get("error", {}).get("message", ""))
            found[name] = _OUTCOMES[state] + (f": {reason}" if reason and state == "FAILED" else "")
    return found


class _Ledger:
    """The file that remembers the task of every export, and which are complete: the server forgets old tasks."""

    def __init__(self, work: Path) -> None:
        self._work, self._file = work, work / "earth_engine.json"
        self._entries: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def task(self, key: str) -> str | None:
        """The id of an export's last task, or None."""
        identifier: str | None = self._entries.get(key, {}).get("task")
        return identifier

    def is_complete(self, key: str) -> bool:
        """Whether its file is known to be written."""
        return bool(self._entries.get(key, {}).get("complete", False))

    def started(self, key: str, identifier: str) -> None:
        """Remembers the task of an export, in the place of an earlier one."""
        self._write(key, {"task": identifier})

    def completed(self, key: str) -> None:
        """Remembers that its file is written."""
        if not self.is_complete(key):
            self._write(key, {**self._entries[key], "complete": True})

    def _write(self, key: str, entry: dict[str, Any]) -> None:
        self._entries[key] = entry
        with disk_errors(f"The work folder {self._work}", "exports that were started go on"):
            write_atomically(self._file, json.dumps(self._entries, indent=1).encode())


def _sentence(reason: object) -> str:
    """What a library or the server says, on one line and not too long."""
    return " ".join(str(reason).split())[:160]
