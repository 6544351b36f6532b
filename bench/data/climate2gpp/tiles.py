"""Tiles of one image: Earth Engine writes a large export as ``NAME-ROWOFFSET-COLUMNOFFSET.tif``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

_TILE = re.compile(r"^(.*)-(\d{10})-(\d{10})$")


@dataclass(frozen=True)
class Mosaic:
    """The tiles of one image.

    Attributes:
        path: what the image would be called in one file.
        rows: ascending offsets of the tiles, pixels from the northern edge.
        columns: the same from the western edge.
        tiles: (row, column) files.
    """

    path: Path
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    tiles: tuple[tuple[Path, ...], ...]


Image = Path | Mosaic
"""A file, or the tiles that stand for one."""


def files_of(image: Image) -> tuple[Path, ...]:
    """Returns the files of an image."""
    return (image,) if isinstance(image, Path) else tuple(path for row in image.tiles for path in row)


def name_of(image: Image) -> Path:
    """Returns the file, or what the tiles would be called as one file."""
    return image if isinstance(image, Path) else image.path


def assembled(paths: Iterable[Path]) -> list[Image]:
    """Returns the files with tiles put together.

    Whether the tiles fit is seen when they are opened; here only their names are looked at.

    Raises:
        BenchError: a tile is missing, or there twice.
    """
    found: list[Image] = []
    groups: dict[Path, dict[tuple[int, int], Path]] = {}
    for path in paths:
        match = _TILE.match(path.stem)
        if match is None:
            found.append(path)
            continue
        whole = path.with_name(match.group(1) + path.suffix)
        tiles, offset = groups.setdefault(whole, {}), (int(match.group(2)), int(match.group(3)))
        if offset in tiles:
            raise BenchError(f"{path} and {tiles[offset]} are the same tile of {whole.name}; take one away.")
        tiles[offset] = path
    for whole, tiles in groups.items():
        if whole in found:
            raise BenchError(
                f"{whole} stands beside tiles of the same name ({next(iter(tiles.values())).name}); take one away."
            )
        found.append(_mosaic(whole, tiles))
    return sorted(found, key=name_of)


def _mosaic(whole: Path, tiles: dict[tuple[int, int], Path]) -> Mosaic:
    rows, columns = sorted({row for row, _ in tiles}), sorted({column for _, column in tiles})
    wanted = [(row, column) for row in {0, *rows} for column in {0, *columns}]
    missing = sorted(offset for offset in wanted if offset not in tiles)
    if missing or len(tiles) == 1:
        lacks = f"{whole.stem}-{missing[0][0]:010d}-{missing[0][1]:010d}{whole.suffix}" if missing else "all but one"
        raise BenchError(
            f"{next(iter(tiles.values()))} is a tile of a larger image, of which {lacks} is missing; fetch all tiles "
            "that the export wrote (of an image in one piece, take the two numbers out of the name)."
        )
    return Mosaic(whole, tuple(rows), tuple(columns), tuple(tuple(tiles[r, c] for c in columns) for r in rows))
