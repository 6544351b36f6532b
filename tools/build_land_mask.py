"""Derives the committed land mask from the PyPI package ``global-land-mask`` (run once).

The package holds a 30-arc-second land/sea mask made from NOAA's GLOBE digital elevation model (public domain;
the package itself is MIT). A 0.25-degree cell counts as land if at least half of its 900 pixels are land, and
cells south of 60 degrees S are dropped. The package needs about 1 GB of memory, its result a few kilobytes on
disk:

    pip install global-land-mask==1.0.0
    python tools/build_land_mask.py bench/data/simulated/land_mask.npz
"""

from __future__ import annotations

import argparse
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

PIXELS_PER_CELL = 30
SOUTHERN_LIMIT = -60.0
PROVENANCE = (
    "0.25-degree land mask, rows from 89.875 N southwards, columns from 179.875 W eastwards, bits "
    "packed along the row. Derived by tools/build_land_mask.py from the package global-land-mask 1.0.0 "
    "(MIT, (c) 2019 Todd Karin), whose mask is made from the GLOBE digital elevation model: GLOBE Task "
    "Team and others, 1999, The Global Land One-kilometer Base Elevation (GLOBE) Digital Elevation "
    "Model, version 1.0, NOAA National Geophysical Data Center (public domain). Land: at least half of "
    "the 30-arc-second pixels. Antarctica (south of 60 S) is left out; inland waters count as land."
)


def main() -> None:
    """Reads the installed package's mask, averages it to 0.25 degrees and stores the packed bits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the .npz file to write")
    output = parser.parse_args().output
    source = distribution("global-land-mask").locate_file("global_land_mask/globe_combined_mask_compressed.npz")
    with np.load(str(source)) as archive:
        is_ocean, latitude, longitude = archive["mask"], archive["lat"], archive["lon"]
    if not (latitude[0] > latitude[-1] and longitude[0] < longitude[-1]):
        raise SystemExit("The package's grid does not run from north to south and west to east.")
    rows, columns = (size // PIXELS_PER_CELL for size in is_ocean.shape)
    ocean = is_ocean.reshape(rows, PIXELS_PER_CELL, columns, PIXELS_PER_CELL).mean(axis=(1, 3), dtype=np.float32)
    land = ocean <= 0.5
    centre = 90.0 - (np.arange(rows) + 0.5) * 180.0 / rows
    land[centre < SOUTHERN_LIMIT] = False
    np.savez_compressed(
        output, bits=np.packbits(land, axis=1), shape=np.array(land.shape), provenance=np.array(PROVENANCE)
    )
    print(f"{output}: {land.sum()} land cells of {land.size}, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
