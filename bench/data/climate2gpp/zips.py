"""Zips as the Climate Data Store and Google Drive hand them out: their files are unpacked into the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from bench.data.climate2gpp.kinds import READ, kind_of
from bench.data.climate2gpp.layers import readable
from bench.errors import BenchError
from bench.system import paths
from bench.system.disk import disk_errors
from bench.system.ownership import owner

_COPIED = 1 << 20
"""Bytes at once."""


def without_zips(files: Iterable[Path]) -> list[Path]:
    """Returns the files, with the contents of a zip, whatever it is called, in its place.

    Raises:
        BenchError: a zip is damaged, encrypted or larger than the disk, or holds no file that this project reads.
    """
    found: list[Path] = []
    for path in files:
        found += _unpacked(path) if kind_of(path) == "zip" else [path]
    return found


def _unpacked(path: Path) -> list[Path]:
    """The files of a zip that are data, unpacked once as long as its size and time of change stay."""
    status = path.stat()
    state = f"{path.resolve()}\n{status.st_size}\n{status.st_mtime_ns}"
    folder = paths.cache_dir() / "unzipped" / f"{path.stem}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    with readable(path), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and member.file_size]
        if any(member.flag_bits & 1 for member in members):
            raise BenchError(f"{path} is an encrypted zip; unpack it.")
        wanted = [member for member in members if not (folder / _safe(member, members)).exists()]
        _require_space(path, folder, sum(member.file_size for member in wanted))
        for member in wanted:
            _extract(archive, member, folder / _safe(member, members), path)
    data = [folder / _safe(member, members) for member in members]
    data = [file for file in data if kind_of(file) not in ("zip", "other")]
    if not data:
        raise BenchError(f"{path} is a zip without a file that this project reads ({READ}); unpack it and look.")
    return data


def _safe(member: zipfile.ZipInfo, members: list[zipfile.ZipInfo]) -> str:
    """Name of a member's file: the last part of its own, with a number where several have that."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name.strip(". ") or "file"
    same = [other for other in members if PurePosixPath(other.filename.replace("\\", "/")).name.strip(". ") == name]
    return name if len(same) < 2 else f"{same.index(member)}-{name}"


def _require_space(path: Path, folder: Path, needed: int) -> None:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise BenchError(
            f"{path} is a zip of {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {existing}; free some "
            "space, or unpack it elsewhere."
        )


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> None:
    """One file, there as a whole or not at all; its checksum is looked at on the way."""
    partial = target.with_name(f".{target.name}.{owner()}")
    with disk_errors(f"The unpacked {path.name} in {target.parent}", "nothing is lost"):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(member) as packed, partial.open("wb") as stream:
                left = member.file_size
                while block := packed.read(_COPIED):
                    left -= len(block)
                    if left < 0:
                        raise BenchError(f"{path}: {member.filename} is larger than the zip says; fetch it again.")
                    stream.write(block)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
