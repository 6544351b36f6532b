"""Builds the cube of climate2gpp from an archive of files, stage by stage, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp import NAME, calendar
from bench.data.climate2gpp.aggregate import Regridders, require_every_step, year_of_steps
from bench.data.climate2gpp.grids import RegularGrid, target_grid
from bench.data.climate2gpp.inventory import Inventory
from bench.data.climate2gpp.land_cover import fractions
from bench.data.climate2gpp.layers import few_open_files
from bench.data.climate2gpp.progress import BuildProgress, Silent
from bench.data.climate2gpp.source import VariableSource
from bench.data.climate2gpp.space import require_space
from bench.data.climate2gpp.stages import StageResult, WorkFolder
from bench.data.climate2gpp.tiles import Image, files_of
from bench.data.cube import Cube
from bench.data.cube_zarr import CubeWriter
from bench.data.era5_land import FEATURES
from bench.data.pml import IGBP_CLASSES
from bench.data.rhythm import STEPS_PER_YEAR
from bench.errors import BenchError
from bench.system.clock import Stopwatch
from bench.system.disk import disk_errors
from bench.system.locks import ProcessLock

MAX_WATER = 0.5
"""Cells with at least this share of water are no land."""
CELLS_AT_ONCE = 512
"""Cells that the last stage moves into the cube at a time."""
PROVENANCE = {
    "title": "Climate2GPP: ERA5-Land, MCD12C1 land cover and PML_V2 GPP, 8-day",
    "licence": "ERA5-Land: Copernicus licence; MCD12C1: open NASA data; PML_V2: CC-BY-4.0",
    "citation": "Muñoz-Sabater et al. 2021 (ERA5-Land); Friedl and Sulla-Menashe 2022 (MCD12C1 v061); Zhang et al. "
    "2019 (PML_V2)",
    "notes": "Radiation, evaporation and precipitation are sums over the days of a step (5 or 6 in the last of a "
    "year), the rest are means; GPP is the daily mean of each step. Land cover is the mean of the training years.",
}


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        cube: opened from disk.
        inputs: SHA-256 by path.
        notes: units that were converted and the like.
        land_cells: cells with less than half water.
        dropped: of these, cells left out because a variable is missing there, by the first such variable.
        reused: stages that were finished before.
        stages: all of them.
        seconds: wall-clock time of this call.
    """

    cube: Cube
    inputs: dict[str, str]
    notes: tuple[str, ...]
    land_cells: int
    dropped: dict[str, int]
    reused: int
    stages: int
    seconds: float


def build(
    inventory: Inventory, out: Path, work: Path, degrees: float, progress: BuildProgress | None = None
) -> BuildReport:
    """Builds the cube; called again after it was killed, it does the rest.

    Args:
        inventory: a complete archive.
        out: folder of the cube, replaced if there.
        work: folder of finished stages.
        degrees: size of a cell.
        progress: is told of stages.

    Raises:
        BenchError: a file is damaged or its values are wrong, the disk is full, no land cell is left, another build is
            at work in the same folder, or ``out`` is something else than a cube of such a build.
    """
    _require_replaceable(out, work)
    lock = ProcessLock(work / ".lock")
    with disk_errors(f"The work folder {work}", "nothing is lost"):
        work.mkdir(parents=True, exist_ok=True)
        free = lock.try_acquire()
    if not free:
        raise BenchError(f"Another build is at work in {work}; wait for it or name another folder with --work.")
    try:
        with few_open_files():
            return _build(inventory, out, WorkFolder(work), degrees, progress or Silent())
    finally:
        lock.release()


def _require_replaceable(out: Path, work: Path) -> None:
    """Refuses to replace anything but a cube that a build made."""
    if work.resolve().is_relative_to(out.resolve()):
        raise BenchError(f"--work {work} lies in the folder of the cube, which is replaced; name one beside it.")
    if not (out.exists() or out.is_symlink()):
        return
    kind = f"no cube of {NAME}"
    if out.is_symlink():
        kind = "a symbolic link"
    else:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            attributes = json.loads((out / "zarr.json").read_text())["attributes"]
            if "bench_cube_format" in attributes and attributes["schema"]["name"] == NAME:
                return
    raise BenchError(f"{out} exists and is {kind}; name another folder with --out, since that one is replaced.")


def _build(inventory: Inventory, out: Path, folder: WorkFolder, degrees: float, progress: BuildProgress) -> BuildReport:
    watch = Stopwatch()
    regridders = Regridders(target_grid(degrees))
    n_stages = len(inventory.land_cover) + len(inventory.sources()) * len(inventory.years) + 1
    progress.start(n_stages)
    try:
        inputs = {str(path): folder.checksum(path) for i in inventory.land_cover.values() for path in files_of(i)}
        covers = []
        for year, image in inventory.land_cover.items():
            with progress.stage(f"land cover {year}") as stage:
                ingredients = {"files": [inputs[str(path)] for path in files_of(image)], "degrees": degrees}
                covers.append(folder.run(f"land_cover-{year}", ingredients, partial(_cover_stage, image, regridders)))
                stage.reused = covers[-1].reused
        land, cover = _land(covers, regridders.target)
        if not len(land):
            raise BenchError("No cell of the land cover has less than half water; check the --land-cover files.")
        require_space(out, folder.root, len(land), len(inventory.years))
        results: dict[tuple[str, int], StageResult] = {}
        for name, source in inventory.sources().items():
            for year in inventory.years:
                with progress.stage(f"{name} {year}") as stage:
                    done = _climate_stage(folder, source, year, regridders, land, degrees, inputs, stage.tick)
                    results[name, year], stage.reused = done, done.reused
        with progress.stage("cube"), disk_errors(f"The cube {out}", "finished stages are kept"):
            kept, dropped = _complete(results, inventory)
            cube = _assemble(out, inventory, results, kept, land, cover, regridders.target, _digest(inputs, degrees))
    finally:
        progress.close()
    finished = [*covers, *results.values()]
    return BuildReport(
        cube=cube,
        inputs=inputs,
        notes=inventory.notes,
        land_cells=len(land),
        dropped=dropped,
        reused=sum(result.reused for result in finished),
        stages=n_stages,
        seconds=watch.seconds,
    )


def _cover_stage(image: Image, regridders: Regridders) -> npt.NDArray[np.float32]:
    """Land cover of one year: (row, column, class) float32."""
    return fractions(image, regridders)


def _climate_stage(
    folder: WorkFolder,
    source: VariableSource,
    year: int,
    regridders: Regridders,
    land: npt.NDArray[np.int64],
    degrees: float,
    inputs: dict[str, str],
    tick: Any,
) -> StageResult:
    """One variable of one year: (land cell, 46) float32."""
    checksums = []
    for path in (path for layer in source.layers_of(year) for path in layer.files):
        checksums.append(folder.checksum(path))
        inputs[str(path)] = checksums[-1]

    def compute() -> npt.NDArray[np.float32]:
        values = year_of_steps(source, year, regridders, land, tick)
        require_every_step(source, year, values)
        return np.ascontiguousarray(values.T)

    assert source.decision is not None  # an inventory has decided it
    unit = source.decision.unit
    ingredients = {
        "files": checksums,
        "variable": source.variable.name,
        "unit": [unit.factor, unit.offset, unit.rate],
        "fills": source.fills,
        "next_midnight": source.next_midnight,
        "per_hour": source.per_hour,
        "year": year,
        "degrees": degrees,
        "land": hashlib.sha256(land.tobytes()).hexdigest(),
    }
    return folder.run(f"{source.variable.name}-{year}", ingredients, compute)


def _land(covers: list[StageResult], target: RegularGrid) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Flat indices of the land cells, and (land cell, class) mean fractions of all years."""
    by_cell = [result.open().reshape(-1, len(IGBP_CLASSES)) for result in covers]

    def mean(number: int, cells: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.float64]:
        total = np.zeros(len(by_cell[0][cells]))
        for shares in by_cell:
            total += shares[cells, number]
        return total / len(covers)

    land = np.flatnonzero(mean(IGBP_CLASSES.index("water"), slice(None)) < MAX_WATER)  # false where unknown (NaN)
    return land, np.stack([mean(number, land).astype(np.float32) for number in range(len(IGBP_CLASSES))], axis=1)


def _complete(
    results: dict[tuple[str, int], StageResult], inventory: Inventory
) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Positions among the land cells of those that have every value, and how many each variable cost."""
    keep: npt.NDArray[np.bool_] | None = None
    dropped: dict[str, int] = {}
    for name in inventory.sources():
        for year in inventory.years:
            known = np.isfinite(results[name, year].open()).all(axis=1)
            before = len(known) if keep is None else int(keep.sum())
            keep = known if keep is None else keep & known
            lost = before - int(keep.sum())
            if lost:
                dropped[name] = dropped.get(name, 0) + lost
    assert keep is not None  # there is at least one variable
    if not keep.any():
        worst = max(dropped, key=lambda name: dropped[name])
        raise BenchError(
            f"No land cell has all variables in all steps ({worst} is missing in {dropped[worst]} of {len(keep)}); "
            "check that the files cover the same region."
        )
    return np.flatnonzero(keep), dropped


def _assemble(
    out: Path,
    inventory: Inventory,
    results: dict[tuple[str, int], StageResult],
    kept: npt.NDArray[np.int64],
    land: npt.NDArray[np.int64],
    cover: npt.NDArray[np.float32],
    target: RegularGrid,
    digest: str,
) -> Cube:
    """Moves the stages' arrays into the cube, some cells at a time."""
    row, column = np.divmod(land[kept], target.shape[1])
    writer = CubeWriter(
        out,
        name=NAME,
        lon=target.lon[column],
        lat=target.lat[row],
        time=np.concatenate([calendar.step_starts(year) for year in inventory.years]),
        features=FEATURES,
        static_features={f"land_cover_{name}": "1" for name in IGBP_CLASSES},
        n_land_cover=len(IGBP_CLASSES),
        target_name=inventory.target.variable.name,
        target_units=inventory.target.variable.unit,
        provenance={**PROVENANCE, "source": f"files with the joint SHA-256 {digest}"},
    )
    try:
        writer.static[:] = cover[kept]
        for start in range(0, len(kept), CELLS_AT_ONCE):
            cells = kept[start : start + CELLS_AT_ONCE]
            block = slice(start, start + len(cells))
            climate = np.empty((len(cells), *writer.climate.shape[1:]), np.float32)
            for number, year in enumerate(inventory.years):
                steps = slice(number * STEPS_PER_YEAR, (number + 1) * STEPS_PER_YEAR)
                for feature, name in enumerate(FEATURES):
                    climate[:, steps, feature] = results[name, year].open()[cells]
                writer.target[block, steps] = results[inventory.target.variable.name, year].open()[cells]
            writer.climate[block] = climate
            _release(writer.climate, writer.target)
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def _release(*arrays: npt.NDArray[Any]) -> None:
    """Lets written pages leave this process; they remain in the files."""
    for array in arrays:
        pages: object = array.base
        if isinstance(pages, mmap.mmap):
            pages.madvise(mmap.MADV_DONTNEED)


def _digest(inputs: dict[str, str], degrees: float) -> str:
    """One checksum of all inputs, whatever their names and order."""
    return hashlib.sha256("".join((f"{degrees:g}", *sorted(inputs.values()))).encode()).hexdigest()
