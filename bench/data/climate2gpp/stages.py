"""Stages of a build: each leaves one array in the work folder and then, atomically, the mark that it is finished.

A mark names what went in (checksums of the files, options). A build that was killed finds the marks and does the rest;
a stage whose ingredients changed is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from bench.system.disk import disk_errors, sha256, write_atomically

STAGE_VERSION = 2
"""Raise it when the numbers of a stage change: work of older versions is then done again."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage.

    Attributes:
        name: of the stage.
        path: of its array, a ``.npy`` file.
        reused: it was finished before.
    """

    name: str
    path: Path
    reused: bool

    def open(self) -> npt.NDArray[Any]:
        """The array, memory-mapped."""
        array: npt.NDArray[Any] = np.load(self.path, mmap_mode="r")
        return array


class WorkFolder:
    """The folder in which a build keeps finished stages and the checksums of its inputs."""

    def __init__(self, root: Path) -> None:
        """Creates the folder if need be."""
        self.root = root
        self._checksums_file = root / "checksums.json"
        with disk_errors(f"The work folder {root}", "nothing is lost"):
            root.mkdir(parents=True, exist_ok=True)
            for remains in root.glob(".*.partial"):
                remains.unlink()  # of a build that was killed: the folder is locked by this one
        self._checksums: dict[str, dict[str, Any]] = {}
        if self._checksums_file.exists():
            try:
                self._checksums = json.loads(self._checksums_file.read_text())
            except ValueError:
                self._checksums = {}  # only a cache: the files are read again

    def checksum(self, path: Path) -> str:
        """SHA-256 of an input, computed once as long as its size and time of change stay.

        Raises:
            BenchError: the file cannot be read.
        """
        try:
            status = path.stat()
            key, state = str(path.resolve()), [status.st_size, status.st_mtime_ns]
            known = self._checksums.get(key)
            if known is None or known["state"] != state:
                self._checksums[key] = {"state": state, "sha256": sha256(path.resolve())}
                self._write(self._checksums_file, json.dumps(self._checksums).encode())
            return str(self._checksums[key]["sha256"])
        except OSError as error:
            raise BenchError(
                f"{path} cannot be read ({error.strerror}); correct that and run the command again."
            ) from error

    def run(
        self,
        name: str,
        ingredients: Mapping[str, Any],
        compute: Callable[[], npt.NDArray[Any]],
    ) -> StageResult:
        """Returns a stage's result, computing it unless it is there.

        Args:
            name: of the stage; also of its files.
            ingredients: everything that its numbers depend on, as JSON.
            compute: makes the array.

        Raises:
            BenchError: the disk is full or may not be written.
        """
        array_file, mark = self.root / f"{name}.npy", self.root / f"{name}.done.json"
        wanted = hashlib.sha256(
            json.dumps({"version": STAGE_VERSION, **ingredients}, sort_keys=True).encode()
        ).hexdigest()
        known = _read_mark(mark)
        if known is not None and known.get("ingredients") == wanted and array_file.exists():
            return StageResult(name, array_file, reused=True)
        array = compute()
        partial = self.root / f".{name}.partial"
        with disk_errors(f"Stage {name} in {self.root}", "finished stages are kept"):
            mark.unlink(missing_ok=True)  # first: an old mark must not vouch for a new array
            try:
                with partial.open("wb") as stream:
                    _write_array(stream, array)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(partial, array_file)
            except BaseException:
                partial.unlink(missing_ok=True)  # it would keep a full disk full
                raise
        self._write(mark, json.dumps({"ingredients": wanted}).encode())
        return StageResult(name, array_file, reused=False)

    def _write(self, path: Path, content: bytes) -> None:
        with disk_errors(f"The work folder {self.root}", "finished stages are kept"):
            write_atomically(path, content)


def _write_array(stream: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Writes a ``.npy`` file; `numpy.save` does not say why a write failed (its error has no number)."""
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.reshape(-1).view(np.uint8).data)


def _read_mark(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None  # no mark, or half of one: the stage is done again
    return found if isinstance(found, dict) else None
