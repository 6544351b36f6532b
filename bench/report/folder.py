"""The folder of a report: it lists its files, so that the next report into it removes those that are no longer right.

Without that, tables of an earlier choice of suites, data or options would lie among the new ones. A file goes only if a
report wrote it and nobody has changed it since; whatever else lies in the folder stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.system.disk import sha256, write_atomically
from bench.system.untrusted import is_folder, is_regular, read_regular

LISTING = "files.json"
"""Name → SHA-256 of each file that the report wrote."""
FIGURES = "figures"
_NAME = re.compile(rf"(?:{FIGURES}/)?[^/\\\0]+")
_MOST_BYTES = 10_000_000
Hashes = dict[str, str]


def listed(folder: Path) -> Hashes:
    """What the last report into a folder wrote; nothing where there is no list, or one that makes no sense."""
    try:
        found = json.loads(read_regular(folder / LISTING, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    files = found.get("files") if isinstance(found, dict) else None
    return {
        name: digest
        for name, digest in (files if isinstance(files, dict) else {}).items()
        if isinstance(digest, str) and _NAME.fullmatch(name) and name not in (LISTING, ".", "..")
    }


def write_listing(folder: Path, files: Iterable[Path], hashes: Hashes) -> None:
    """Lists the files of a report in its folder, by their names within it.

    Args:
        folder: of the report.
        files: what it wrote.
        hashes: of those whose content is known already; the others are read.
    """
    names = sorted({path.relative_to(folder).as_posix() for path in files})
    found = {name: hashes.get(name) or sha256(folder / name) for name in names}
    write_atomically(folder / LISTING, (json.dumps({"files": found}, indent=1) + "\n").encode())


def remove_outdated(folder: Path, before: Hashes, files: Iterable[Path]) -> list[str]:
    """Removes what an earlier report wrote and this one did not, unless somebody has changed it.

    Args:
        folder: of the report.
        before: what `listed` said before this report was written.
        files: what this report wrote.

    Returns:
        Names of the files that are gone.
    """
    gone = []
    for name in sorted(before.keys() - {path.relative_to(folder).as_posix() for path in files}):
        path = folder / name
        if path.parent != folder and not is_folder(path.parent):  # a link leads elsewhere
            continue
        with contextlib.suppress(OSError):
            if is_regular(path) and sha256(path) == before[name]:
                path.unlink()
                gone.append(name)
    return gone


def hashed(pieces: Iterable[bytes], found: Hashes, name: str) -> Iterator[bytes]:
    """The pieces of a file as they are; its hash is added to `found` once all were taken."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    found[name] = digest.hexdigest()
