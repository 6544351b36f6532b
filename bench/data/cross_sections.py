"""`georgia` and `baltimore`: two cross-sections of the literature on geographically weighted regression.

Both ship with libpysal (BSD-3-Clause), which mgwr needs, so that they are there where the runners are.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pandas as pd

from bench.data.cube import Cube
from bench.data.importer.columns import Columns, Feature
from bench.data.importer.entry import from_frame
from bench.errors import BenchError
from bench.system.disk import sha256

_GEORGIA = ("georgia/GData_utm.csv", "f3a54d25d3cb578e3284ba6701e3bc2ba38ce749997e006ed72d6789333fcebe")
_BALTIMORE = ("baltim/baltimore.geojson", "688d2557dd043c6fb9cbf4c760f1b624c5095db671721be7cf5a430ed7ecfec4")
_FEET_A_UNIT = 1000.0
"""The Baltimore file gives Maryland's grid in thousands of feet."""


def build_georgia(path: Path) -> Cube:
    """Writes the cube of Georgia's 159 counties: share of bachelor's degrees by rural, poor and black population.

    Raises:
        BenchError: libpysal is not installed, or its file is another one.
    """
    columns = Columns(
        target={"PctBach": "%"},
        features={name: Feature("%") for name in ("PctRural", "PctEld", "PctFB", "PctPov", "PctBlack")},
        lon="X",
        lat="Y",
        crs="EPSG:26916",
    )
    provenance = {
        "title": "Counties of Georgia (USA), census of 1990: share of residents with a bachelor's degree",
        "source": f"libpysal's examples, {_GEORGIA[0]}",
        "licence": "libpysal BSD-3-Clause; US census, public domain",
        "citation": "Fotheringham, Brunsdon and Charlton 2002, Geographically Weighted Regression",
        "notes": "Coordinates are UTM zone 16N in metres.",
    }
    return from_frame(pd.read_csv(_file(*_GEORGIA)), columns, path, name="georgia", provenance=provenance)


def build_baltimore(path: Path) -> Cube:
    """Writes the cube of 211 houses sold in Baltimore: price by size, age and equipment.

    Raises:
        BenchError: libpysal is not installed, or its file is another one.
    """
    features = {
        "NROOM": "1",
        "DWELL": "1",
        "NBATH": "1",
        "PATIO": "1",
        "FIREPL": "1",
        "AC": "1",
        "BMENT": "1",
        "NSTOR": "1",
        "GAR": "1",
        "AGE": "year",
        "CITCOU": "1",
        "LOTSZ": "100 feet2",
        "SQFT": "100 feet2",
    }
    columns = Columns(
        target={"PRICE": "kUSD"},
        features={name: Feature(units) for name, units in features.items()},
        lon="X",
        lat="Y",
        crs="EPSG:26785",
    )
    collection = json.loads(_file(*_BALTIMORE).read_text())
    frame = pd.DataFrame([house["properties"] for house in collection["features"]])
    frame[["X", "Y"]] *= _FEET_A_UNIT
    provenance = {
        "title": "Houses sold in Baltimore, 1978: prices and what the houses are like",
        "source": f"libpysal's examples, {_BALTIMORE[0]}",
        "licence": "libpysal BSD-3-Clause",
        "citation": "Dubin 1992, Regional Science and Urban Economics 22:433-452",
        "notes": "The file calls its coordinates Maryland grid, without datum; NAD27 (EPSG:26785) puts them there.",
    }
    return from_frame(frame, columns, path, name="baltimore", provenance=provenance)


def examples_folder() -> Path | None:
    """Folder of libpysal's examples, found without importing it; None where it is not installed."""
    found = importlib.util.find_spec("libpysal")
    return Path(found.origin).parent / "examples" if found is not None and found.origin else None


def _file(name: str, digest: str) -> Path:
    folder = examples_folder()
    if folder is None:
        raise BenchError(
            f"{name} comes with libpysal, which is not installed: pip install 'climate2gpp-bench[runners]' or libpysal."
        )
    if not (folder / name).is_file() or sha256(folder / name) != digest:
        raise BenchError(f"{folder / name} is missing or not that of libpysal 4.14; install libpysal==4.14.* again.")
    return folder / name
