"""Whether a cube's bytes are still those that its fingerprint stands for, without reading them all every time.

A *seal* in the cache remembers, for a cube whose every value was read and found right, size, times and sampled bytes
of its files. A cube whose files still look the same is taken for unchanged; any other is read whole again. Jobs read
all values anyway and compare the fingerprint each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data.cube import Cube
from bench.data.cube_metadata import METADATA, REBUILD, chunk_file
from bench.errors import BenchError
from bench.system import paths
from bench.system.disk import write_atomically
from bench.system.untrusted import open_regular, read_regular

_SAMPLES, _SAMPLE_BYTES = 64, 4096
_MOST_BYTES = 1_000_000  # of a seal
_SLOW_BYTES = 2_000_000_000  # a cube of this size takes seconds to read


def require_unchanged(path: Path, cube: Cube, say: Callable[[str], None] = lambda _: None) -> None:
    """Checks that a cube that was opened is what its fingerprint says: read whole, or looking as it did then.

    Args:
        path: its folder.
        cube: as `open_cube` gave it.
        say: is told before a large cube is read.

    Raises:
        BenchError: a value is not finite, coordinates or names make no sense, or the bytes are others.
    """
    looks = {"fingerprint": cube.fingerprint, "files": _looks(path, cube)}
    seal = _seal_of(path)
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if json.loads(read_regular(seal, _MOST_BYTES)) == looks:
            return
    if cube.climate.nbytes > _SLOW_BYTES:
        say(f"Reading data set {path} whole, to compare it with its fingerprint (once, until it changes).")
    found = cube.examined()
    if found != cube.fingerprint:
        raise BenchError(
            f"Cube {path} is not what was built: its content has fingerprint {found[:12]}, its record says "
            f"{cube.fingerprint[:12]}; {REBUILD}."
        )
    with contextlib.suppress(OSError):  # without a place for the seal the next call reads the cube again
        seal.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(seal, json.dumps(looks).encode())


def _seal_of(path: Path) -> Path:
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return paths.cache_dir() / "seals" / f"{key}.json"


def _looks(path: Path, cube: Cube) -> dict[str, list[Any]]:
    """Per array: size (bytes), times of change (ns) and SHA-256 of evenly spaced samples of its file.

    Planar coordinates are called x and y on disk, and a cube without static features has no file for them.
    """
    stored = {"lon": "x", "lat": "y"} if cube.is_planar else {}
    return {
        name: _look(chunk_file(path, stored.get(name, name), array.ndim), path / stored.get(name, name) / METADATA)
        for name, array in sorted(cube.arrays().items())
        if name != "static" or cube.static_names
    }


def _look(chunk: Path, metadata: Path) -> list[Any]:
    digest = hashlib.sha256(read_regular(metadata, _MOST_BYTES))
    descriptor = open_regular(chunk)
    try:
        found = os.fstat(descriptor)
        step = max(_SAMPLE_BYTES, found.st_size // _SAMPLES)
        for start in (*range(0, found.st_size, step), max(0, found.st_size - _SAMPLE_BYTES)):
            digest.update(os.pread(descriptor, _SAMPLE_BYTES, start))
    finally:
        os.close(descriptor)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, digest.hexdigest()]
