"""The folder of a report: it lists its files, so that the next report into it removes those that are no longer right.

Without that, tables of an earlier choice of suites or data, or of fewer jobs, would lie among the new ones. A file goes
only if a report wrote it and nobody has changed it since; whatever else lies in the folder stays. Reports of the same
jobs add up: `bench report` after `bench report --html` leaves the page, which says the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.system.disk import sha256, write_atomically
from bench.system.text import one_line
from bench.system.untrusted import is_folder, is_regular, read_regular

LISTING = "files.json"
"""What the report was made of and is about, and name → SHA-256 of each file that it wrote."""
FIGURES = "figures"
_NAME = re.compile(rf"(?:{FIGURES}/)?[^/\\\0]+")
_MOST_BYTES = 10_000_000
_MOST_SUBJECT = 300  # characters
Hashes = dict[str, str]


@dataclass(frozen=True)
class Listing:
    """The list of a report's files.

    Attributes:
        about: a hash of what the report was made of.
        subject: data set and profile, in words; "" of a report that did not say.
        suites: that it has tables of.
        files: name → SHA-256.
    """

    about: str = ""
    subject: str = ""
    suites: tuple[str, ...] = ()
    files: Hashes = field(default_factory=dict)


def digest_of(*made_of: object) -> str:
    """A hash of what a report is made of, as JSON has it."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def listed(folder: Path) -> Listing:
    """What the last report into a folder wrote; nothing where there is no list, or one that makes no sense."""
    try:
        found = json.loads(read_regular(folder / LISTING, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return Listing()
    found = found if isinstance(found, dict) else {}
    files, subject, suites = found.get("files"), found.get("subject"), found.get("suites")
    return Listing(
        str(found.get("about", "")),
        one_line(subject, _MOST_SUBJECT) if isinstance(subject, str) else "",
        tuple(one_line(str(name), _MOST_SUBJECT) for name in suites) if isinstance(suites, list) else (),
        {
            name: digest
            for name, digest in (files if isinstance(files, dict) else {}).items()
            if isinstance(digest, str) and _NAME.fullmatch(name) and name not in (LISTING, ".", "..")
        },
    )


def write_listing(
    folder: Path,
    about: str,
    files: Iterable[Path],
    hashes: Hashes,
    kept: Hashes,
    subject: str = "",
    suites: Sequence[str] = (),
) -> Listing:
    """Lists the files of a report in its folder, by their names within it.

    Args:
        folder: of the report.
        about: a hash of what it was made of.
        files: what it wrote.
        hashes: of those whose content is known already; the others are read.
        kept: files of an earlier report of the same.
        subject: data set and profile, in words.
        suites: that it has tables of.

    Returns:
        What was listed.
    """
    names = {path.relative_to(folder).as_posix() for path in files}
    found = kept | {name: hashes.get(name) or sha256(folder / name) for name in names}
    content = json.dumps(
        {"about": about, "subject": subject, "suites": list(suites), "files": dict(sorted(found.items()))}, indent=1
    )
    write_atomically(folder / LISTING, f"{content}\n".encode())
    return Listing(about, subject, tuple(suites), found)


def what_became_of(before: Listing, now: Listing, gone: Sequence[str], folder: Path) -> str | None:
    """Returns a sentence on the files of an earlier report, or None where it lost none.

    Args:
        before: its list.
        now: that of the report that came after it.
        gone: files that were removed.
        folder: of both.
    """
    if not before.subject or (before.subject == now.subject and set(before.suites) <= set(now.suites)):
        # Of the same, so that newer files are what was asked for.
        return f"Removed from {folder}, of an earlier report: {', '.join(gone)}." if gone else None
    replaced = [name for name, digest in sorted(before.files.items()) if now.files.get(name, digest) != digest]
    parts = [f"{verb} {', '.join(names)}" for verb, names in (("replaced", replaced), ("removed", gone)) if names]
    if not parts:
        return None
    suites = f"{'suite' if len(before.suites) == 1 else 'suites'} {' and '.join(before.suites)}"
    about = f"{before.subject}, {suites}" if before.suites else before.subject
    return f"{folder} held files of an earlier report ({about}): {'; '.join(parts)}. --out FOLDER keeps both."


def remove_outdated(folder: Path, before: Listing, files: Iterable[Path]) -> list[str]:
    """Removes what an earlier report wrote and this one did not, unless somebody has changed it.

    Args:
        folder: of the report.
        before: what `listed` said before this report was written.
        files: what this report wrote.

    Returns:
        Names of the files that are gone.
    """
    gone = []
    for name in sorted(before.files.keys() - {path.relative_to(folder).as_posix() for path in files}):
        path = folder / name
        if path.parent != folder and not is_folder(path.parent):  # a link leads elsewhere
            continue
        with contextlib.suppress(OSError):
            if is_regular(path) and sha256(path) == before.files[name]:
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
