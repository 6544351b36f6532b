"""What a cube must hold: each violation is one sentence that names the array and the first offending place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.array_pages import BLOCK_BYTES, release_pages
from bench.data.own_split import NEITHER, TESTS, TRAINS
from bench.data.rhythm import check_time
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.cube import Cube

_ONE_HOT_TOLERANCE = 1e-6


def check(cube: Cube) -> None:
    """Raises unless shapes agree, names are unique, coordinates and time are in range and values are finite.

    Raises:
        BenchError: something is wrong; of the targets, NaN is none (it was not measured there), but infinity is, and so
            is a target without any measured value.
    """
    where = f"Data set {cube.name!r}"
    if cube.n_cells == 0 or cube.n_times == 0:
        raise BenchError(f"{where} has {cube.n_cells} cells and {cube.n_times} steps; both must be at least one.")
    _check_shapes(cube, where)
    _check_names(cube, where)
    _check_places(cube, where)
    check_time(cube.time, cube.rhythm, where)
    _check_split(cube, where)
    _check_groupings(cube, where)
    _check_values(cube, where)


def _check_shapes(cube: Cube, where: str) -> None:
    rectangle = (cube.n_cells, cube.n_times)
    expected: dict[str, tuple[int, ...]] = {
        "climate": (*rectangle, len(cube.feature_names)),
        "static": (cube.n_cells, len(cube.static_names)),
        "target": (*rectangle, len(cube.several_targets)) if cube.several_targets else rectangle,
        "lon": (cube.n_cells,),
        "lat": (cube.n_cells,),
        "time": (cube.n_times,),
        "split": rectangle,
    } | {f"withheld/{name}": rectangle for name in cube.withheld}
    for name, array in cube.arrays().items():
        if array.shape != expected[name]:
            raise BenchError(
                f"{where}: array {name!r} has shape {array.shape}, expected {expected[name]}; rebuild the cube."
            )
        if np.ma.is_masked(array):  # what lies below a mask would be written as data
            raise BenchError(
                f"{where}: array {name!r} has masked values; drop these cells or fill the values before building the "
                "cube."
            )


def _check_names(cube: Cube, where: str) -> None:
    names = (*cube.feature_names, *cube.static_names)
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise BenchError(f"{where}: feature names are repeated: {', '.join(repeated)}.")
    if len(cube.feature_units) != len(cube.feature_names) or len(cube.static_units) != len(cube.static_names):
        raise BenchError(f"{where}: every feature needs exactly one unit.")
    if not cube.feature_names:
        raise BenchError(f"{where} has no feature beside static ones; of data without time, name them features.")
    first = next(iter(cube.several_targets.items()), (cube.target_name, cube.target_units))
    if first != (cube.target_name, cube.target_units):
        raise BenchError(f"{where}: target_name and target_units must be those of the first target, {first[0]!r}.")
    shared = sorted({*names} & {*cube.target_names})
    if shared:
        raise BenchError(f"{where}: {shared[0]!r} is a feature and the target; leave it out of the features.")
    if not 0 <= cube.n_land_cover <= len(cube.static_names):
        raise BenchError(f"{where}: n_land_cover is {cube.n_land_cover}, outside 0–{len(cube.static_names)}.")
    if cube.place_names is not None and len(cube.place_names) != cube.n_cells:
        raise BenchError(f"{where} has {len(cube.place_names)} place names for {cube.n_cells} cells; give one each.")


def _check_places(cube: Cube, where: str) -> None:
    bad = np.flatnonzero(~np.isfinite(cube.lon) | ~np.isfinite(cube.lat))
    if len(bad):
        raise BenchError(f"{where}: the coordinates of cell {bad[0]} are NaN or infinite; drop the cell or fill them.")
    if not cube.is_planar and (np.abs(cube.lat).max() > 90 or cube.lon.min() < -180 or cube.lon.max() >= 180):
        raise BenchError(
            f"{where}: lon must lie in [-180, 360] and lat in [-90, 90] degrees; planar coordinates need a CRS."
        )


def _check_split(cube: Cube, where: str) -> None:
    if cube.split is None:
        return
    wrong = np.argwhere(~np.isin(cube.split, (NEITHER, TRAINS, TESTS)))
    if cube.split.dtype != np.int8 or len(wrong):
        found = cube.split[tuple(wrong[0])] if len(wrong) else cube.split.dtype
        raise BenchError(f"{where}: its split holds {found}; it must be int8 with 0 neither, 1 trains, 2 tests.")


def _check_groupings(cube: Cube, where: str) -> None:
    for category in cube.groupings:
        columns = [cube.static_names.index(f"{category}={level}") for level in cube.levels_of(category)]
        if not columns:
            raise BenchError(f"{where} groups by {category!r}, but no static feature is named '{category}=…'.")
        chosen = cube.static[:, columns]
        one = (np.abs(chosen.sum(axis=1) - 1) < _ONE_HOT_TOLERANCE) & ((chosen == 0) | (chosen == 1)).all(axis=1)
        if not one.all():
            raise BenchError(f"{where}: cell {np.flatnonzero(~one)[0]} has not exactly one level of {category!r}.")


def _check_values(cube: Cube, where: str) -> None:
    measured = np.zeros(len(cube.target_names), np.int64)
    for name, array in cube.arrays().items():
        if array.dtype.kind != "f":
            continue
        rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            block = array[start : start + rows]
            bad = np.isinf(block) if name == "target" else ~np.isfinite(block)
            if name == "target":
                measured += (~np.isnan(block)).reshape(-1, len(measured)).sum(axis=0)
            release_pages(array)
            if bad.any():
                raise BenchError(f"{where}: {_place_of(cube, name, array, bad, start)}")
    for target, count in zip(cube.target_names, measured, strict=True):
        if count == 0:
            raise BenchError(f"{where}: target {target!r} was measured nowhere (every value is NaN).")


def _place_of(cube: Cube, name: str, array: npt.NDArray[Any], bad: npt.NDArray[np.bool_], start: int) -> str:
    index = tuple(int(i) for i in np.argwhere(bad)[0] + np.array([start] + [0] * (array.ndim - 1)))
    if name == "target":
        return f"the target is infinite at index {index}; correct it, or make it NaN where it was not measured."
    label = f", feature {cube.feature_names[index[2]]!r}" if name == "climate" else ""
    return (
        f"array {name!r} is NaN or infinite at index {index}{label}; drop the cell or fill the value before building "
        "the cube."
    )
