"""How much room a build takes on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from bench.data.era5_land import FEATURES
from bench.data.pml import IGBP_CLASSES
from bench.data.rhythm import STEPS_PER_YEAR
from bench.errors import BenchError


def disk_estimate(n_land_cells: int, n_years: int) -> tuple[int, int]:
    """Returns the bytes of the cube and of the work folder."""
    values = 4 * n_land_cells * n_years * STEPS_PER_YEAR * (len(FEATURES) + 1)
    return values + 4 * n_land_cells * len(IGBP_CLASSES), values


def usual_land_cells(degrees: float) -> int:
    """Returns about how many cells of the Earth's land a grid has (149 million km2, Antarctica among them)."""
    return round(0.29 * (180.0 / degrees) * (360.0 / degrees) * np.pi / 4 * 1.1)


def require_space(out: Path, work: Path, n_cells: int, n_years: int) -> None:
    """Refuses a build that the disk cannot hold, before the long stages start.

    Args:
        out: folder of the cube.
        work: folder of finished stages.
        n_cells: land cells.
        n_years: length of the series.

    Raises:
        BenchError: it needs more than is free.
    """
    for_cube, for_work = disk_estimate(n_cells, n_years)
    there = sum(file.stat().st_size for file in work.glob("*.npy") if not file.name.startswith("land_cover"))
    existing = out.absolute()
    while not existing.exists():
        existing = existing.parent
    same = existing.stat().st_dev == work.stat().st_dev
    for where, needed in ((existing, for_cube + (for_work if same else 0)), (work, for_work)):
        free = shutil.disk_usage(where).free + there
        if needed > free:
            raise BenchError(
                f"The build needs {needed / 1e9:.1f} GB more in {where}, where {free / 1e9:.1f} GB are free; free some "
                "space or name other folders with --out and --work."
            )
