"""Where a store lies, and whether one can lie there: `bench plan` refuses what `bench run` would refuse."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from bench.errors import BenchError
from bench.store.reading import MOST_BYTES
from bench.store.records import SCHEMA_VERSION
from bench.system import arguments, paths
from bench.system.text import one_line
from bench.system.untrusted import read_regular

MARKER = "store.json"
"""File that makes a folder a store."""
FOLDERS = ("cells", "work", "locks", "manifests", "quarantine", "checkpoints")
"""Of every store."""
_LATER_FOLDERS = ("datasets", "report")
"""That a store has once something is in them."""
STORED_STAYS = "stored results are untouched"
"""End of a sentence about a disk that is full or may not be written."""
_SHOWN = 200  # characters of what is no path


def place_of(path: os.PathLike[str] | str | None) -> Path:
    """The place that the user means: ``$BENCH_STORE`` or ``./runs`` for None.

    Raises:
        BenchError: it is no path.
    """
    if path is None:
        return paths.default_store()
    return arguments.path(path, "The store")


def require_place(root: Path, *, create: bool) -> None:
    """Checks that a store lies in a place, or can be made there.

    Args:
        root: the place.
        create: whether it would be made.

    Raises:
        BenchError: something else is there.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            root.lstat()
        _require_folder(root, "; name another place with --store")
        for name in (*FOLDERS, *_LATER_FOLDERS):
            _require_folder(root / name, ", where a store has a folder; move it away")
        if not create or (root / MARKER).exists():
            return
        above = next((folder for folder in root.absolute().parents if os.path.lexists(folder)), root)
        _require_folder(above, f", so that there can be no store {root}; name another place with --store")
        # Another run may be making the same store at this moment: its marker and the marker's forerunner are ours.
        present = {item.name for item in root.iterdir()} if root.exists() else set()
    except OSError as error:
        shown = one_line(str(root), _SHOWN)
        raise BenchError(f"Store {shown} cannot be opened ({error.strerror}); check path and permissions.") from error
    known = {*FOLDERS, *_LATER_FOLDERS}  # of a store whose marker is gone
    foreign = sorted(name for name in present - known if not name.lstrip(".").startswith(MARKER))
    if foreign:
        raise BenchError(
            f"{root} is no result store but holds other files ({foreign[0]}, …); name an empty folder with --store."
        )


def require_marker(root: Path) -> None:
    """Checks that a folder has the mark of a store that this version reads.

    Raises:
        BenchError: it has none, or that of a newer version.
    """
    marker = root / MARKER
    try:
        version = json.loads(read_regular(marker, MOST_BYTES))["schema_version"]
    except FileNotFoundError as error:
        raise BenchError(
            f"There is no result store in {root}; run `bench run` first or name the store with --store."
        ) from error
    except PermissionError as error:
        raise BenchError(f"{marker} may not be read; grant read permission on it.") from error
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise BenchError(
            f'{marker} is damaged; write {{"schema_version": {SCHEMA_VERSION}}} into it, the results beside it '
            "are untouched."
        ) from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise BenchError(
            f"Store {root} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}); "
            "update climate2gpp-bench."
        )


def _require_folder(path: Path, remedy: str) -> None:
    """Raises a `BenchError` where something that is no folder lies in its place, be it a link to nothing."""
    if os.path.lexists(path) and not path.is_dir():
        what = "a file, not a folder" if path.exists() else "a link to nothing"
        raise BenchError(f"{path} is {what}{remedy}.")
