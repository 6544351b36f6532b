"""From a long table to a cube: two readings, filling, and one rename."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.data.array_pages import release_pages
from bench.data.cube import Cube
from bench.data.cube_zarr import CubeWriter
from bench.data.importer.columns import Columns
from bench.data.importer.fill import INDICATOR, Overview, filled_block, filled_static, overview
from bench.data.importer.rectangle import UNKNOWN, Rectangle, read_rectangle
from bench.data.importer.sources import RowSource, check_names
from bench.data.importer.survey import Survey, survey
from bench.data.own_split import NEITHER, TESTS, TRAINS
from bench.errors import BenchError
from bench.system.disk import disk_errors
from bench.system.ownership import owner
from bench.system.text import counted

Say = Callable[[str], None]
_LONGEST_NAME = 100
_SPARE_DISK = 0.9
"""Of the free disk, so much may be filled."""


def import_table(
    source: RowSource, columns: Columns, out: Path, name: str, provenance: Mapping[str, str], say: Say
) -> Cube:
    """Makes the cube of a table in a folder, which is what it was before until the cube is complete.

    Args:
        source: the table.
        columns: what its columns mean.
        out: folder of the cube; replaced if it holds one.
        name: of the data set.
        provenance: texts.
        say: is told what was found and done.

    Raises:
        BenchError: the columns make no sense, the table is not what they say, or it cannot be written.
    """
    check_out(out)
    columns = columns.checked().with_units(source.units)
    check_names(source.what, source.names, columns.read)
    name = checked_name(name)
    with disk_errors(f"The cube {out}", "nothing is changed"):
        out.parent.mkdir(parents=True, exist_ok=True)
        # A killed import leaves a folder of this name, which the next one removes (see `CubeWriter`).
        scratch = out.with_name(f"{out.name}.rows.{owner()}.partial")
        scratch.mkdir()
        try:
            found = survey(source, columns, scratch)
            _check_size(found, columns, out, source.what)
            rectangle = read_rectangle(source, columns, found, scratch)
            return _write(rectangle, out, name, provenance, source.what, say)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def check_out(out: Path) -> None:
    """Raises unless a cube may be put there.

    Raises:
        BenchError: there is something that is no cube.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / "zarr.json").exists():
        raise BenchError(f"Folder {out} holds other things; name a new folder with --out.")
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise BenchError(f"{path} is a file; name a new folder with --out.")


def checked_name(name: str) -> str:
    """A name of a data set: letters, digits, ``_`` and ``-``; others become ``_``.

    Raises:
        BenchError: nothing is left of it.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")
    if not plain:
        raise BenchError(f"{name!r} is no name of a data set; use letters, digits, _ and - (--name).")
    if len(plain) > _LONGEST_NAME:
        raise BenchError(f"{name!r} is longer than {_LONGEST_NAME} characters; choose a shorter --name.")
    return plain


def _check_size(found: Survey, columns: Columns, out: Path, what: str) -> None:
    """Raises if the rectangle does not fit on the disk: many places, each with days of its own, or one wrong year."""
    samples = found.shape[0] * found.shape[1]
    values = len(columns.features) + len(columns.target)
    scratch = samples * values * (12 if found.is_finer else 4)
    needed = scratch + samples * 4 * 2 * values
    free = int(shutil.disk_usage(out.parent).free * _SPARE_DISK)
    if needed > free:
        raise BenchError(
            f"{what} is {counted(found.shape[0], 'place')} × {counted(found.shape[1], 'step')} "
            f"from {found.time[0]} to {found.time[-1]} "
            f"({len(found.place) / samples:.1%} have a row), {needed / 1e9:.1f} GB where {free / 1e9:.1f} GB are free; "
            "correct a wrong date, choose a longer --rhythm, or name another --out."
        )


def _write(rectangle: Rectangle, out: Path, name: str, provenance: Mapping[str, str], what: str, say: Say) -> Cube:
    columns, place = rectangle.columns, rectangle.survey
    found = overview(rectangle, what)
    _say_what_was_found(rectangle, found, say)
    static, static_names = filled_static(rectangle, found)
    units = {feature: one.units for feature, one in columns.features.items()}
    indicators = {
        feature + INDICATOR: "1" for feature, indicated in zip(units, found.indicated, strict=True) if indicated
    }
    (target, target_units), *_ = columns.target.items()
    writer = CubeWriter(
        out,
        name=name,
        lon=place.lon[found.kept],
        lat=place.lat[found.kept],
        time=place.time,
        features=units | indicators,
        static_features={column: columns.static.get(column, "1") for column in static_names},
        n_land_cover=0,
        target_name=target,
        target_units=target_units,
        provenance=provenance,
        rhythm=place.rhythm,
        has_split=rectangle.split is not None,
        several_targets=dict(columns.target) if len(columns.target) > 1 else None,
        crs=columns.crs,
        place_names=tuple(place.names[index] for index in found.kept) if place.names else None,
        groupings=tuple(columns.groups),
    )
    try:
        writer.static[:] = static
        tested = {TRAINS: 0, TESTS: 0}
        position = np.full(place.shape[0], -1)
        position[found.kept] = np.arange(len(found.kept))
        for block in rectangle.blocks():
            features, targets = filled_block(rectangle, block, found)
            kept = position[block] >= 0
            if not kept.any():
                continue
            into = slice(int(position[block][kept][0]), int(position[block][kept][-1]) + 1)
            writer.climate[into] = features[kept]
            writer.target[into] = targets[kept] if len(columns.target) > 1 else targets[kept][:, :, 0]
            if writer.split is not None and rectangle.split is not None:
                codes = rectangle.split.reshape(place.shape)[block][kept]
                writer.split[into] = np.where(codes == UNKNOWN, NEITHER, codes)
                measured = ~np.isnan(targets[kept]).all(axis=2)
                for code in tested:
                    tested[code] += int(((codes == code) & measured).sum())
            release_pages(writer.climate)
            release_pages(writer.target)
        if rectangle.split is not None:
            _check_split(tested, columns, what)
            say(f"split: {tested[TRAINS]:,} measured samples train and {tested[TESTS]:,} test.")
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def _check_split(tested: Mapping[int, int], columns: Columns, what: str) -> None:
    for code, verb in ((TRAINS, "train"), (TESTS, "test")):
        if not tested[code]:
            raise BenchError(
                f"The split column {columns.split!r} of {what} leaves no measured sample to {verb} on; correct it, or "
                "leave out --split and choose a split when you run."
            )


def _say_what_was_found(rectangle: Rectangle, found: Overview, say: Say) -> None:
    """What was read, dropped and filled, one line each."""
    columns, place = rectangle.columns, rectangle.survey
    steps = f"{place.shape[1]:,} {place.rhythm.steps}, {place.time[0]} to {place.time[-1]}"
    when = "no time" if columns.time is None else steps
    say(f"read: {counted(len(place.place), 'row')}, {counted(place.shape[0], 'place')}, {when}.")
    dropped = place.shape[0] - len(found.kept)
    if dropped:
        say(f"left out: {counted(dropped, 'place')} where no target was measured.")
    for name, count in zip(columns.target, found.measured, strict=True):
        samples = len(found.kept) * place.shape[1]
        say(f"measured: {name} in {count:,} of {samples:,} samples ({count / samples:.1%}).")
    if found.too_few_days:
        say(
            f"not measured: {found.too_few_days:,} {place.rhythm.steps} with a target on fewer than "
            f"{columns.least_days} days (--least-days)."
        )
    if found.unmeasured_for_features:
        say(f"not measured: {counted(found.unmeasured_for_features, 'sample')} with a target but none of the features.")
    for name, count in zip(columns.features, found.filled, strict=True):
        if count:
            say(
                f"filled: {name} in {counted(count, 'sample')}, by the place's mean of that step of the year, else "
                f"the place's, else all; {name}{INDICATOR} says where."
            )
