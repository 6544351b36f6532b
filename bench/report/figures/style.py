"""The look of every figure: sizes for print, fonts, colours that survive colour blindness and a greyscale printer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.results.data_words import units

PAGE_WIDTH = 7.1
"""Width of a two-column figure, inches."""
PIXELS_PER_INCH = 170
TEXT_SIZE = 8.0
SMALL_TEXT_SIZE = 7.0
INK = "#262626"
QUIET = "#9a9a9a"
LAND = "#e9e9e9"
SIZES = "viridis"
"""Colour map of what has no sign: its lightness increases all the way, so it prints in grey."""
SIGNED = "RdBu_r"
"""Colour map of what has a sign, always with limits −x to x: blue below zero, white at zero, red above (ColorBrewer's,
which colour-blind readers can read)."""


@dataclass(frozen=True)
class Stroke:
    """How one of several series is drawn; no two agree in colour, marker or dashes.

    Attributes:
        colour: from the palette of Okabe and Ito (2008), darkened where yellow would vanish on paper.
        marker: of matplotlib.
        dashes: line style of matplotlib.
    """

    colour: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]


STROKES = (
    Stroke("#000000", "o", "-"),
    Stroke("#d55e00", "s", (0, (5, 1.5))),
    Stroke("#0072b2", "^", (0, (1.2, 1.2))),
    Stroke("#009e73", "D", (0, (6, 1.5, 1.2, 1.5))),
    Stroke("#cc79a7", "v", (0, (3, 1, 1, 1, 1, 1))),
    Stroke("#e69f00", "P", (0, (8, 3))),
    Stroke("#56b4e9", "X", (0, (2, 2.5))),
    Stroke("#7f7f7f", "h", (0, (4, 1, 4, 3))),
)

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "xtick.labelsize": SMALL_TEXT_SIZE,
    "ytick.labelsize": SMALL_TEXT_SIZE,
    "legend.fontsize": SMALL_TEXT_SIZE,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "figure.dpi": PIXELS_PER_INCH,
    "savefig.dpi": PIXELS_PER_INCH,
    "pdf.fonttype": 42,  # TrueType: text stays text, as journals ask
    "axes.unicode_minus": True,
}
LAND_COVER_TITLES = {
    "ENF": "Evergreen needleleaf forest",
    "EBF": "Evergreen broadleaf forest",
    "DNF": "Deciduous needleleaf forest",
    "DBF": "Deciduous broadleaf forest",
    "MF": "Mixed forest",
    "CSH": "Closed shrubland",
    "OSH": "Open shrubland",
    "WSA": "Woody savanna",
    "SAV": "Savanna",
    "GRA": "Grassland",
    "WET": "Wetland",
    "CRO": "Cropland",
    "URB": "Urban",
    "CNV": "Cropland mosaic",
    "SNO": "Snow and ice",
    "BSV": "Barren",
    "water": "Water",
}
"""Names of the IGBP classes (Friedl and Sulla-Menashe 2022) by the abbreviations that data sets use."""


FEATURE_WORDS = {
    "Tavg": "mean air temperature",
    "Tmax": "maximum air temperature",
    "Tmin": "minimum air temperature",
    "q": "specific humidity",
    "Rs": "shortwave radiation",
    "Rln": "longwave radiation",
    "Pa": "air pressure",
    "U2": "wind speed",
    "Prcp": "precipitation",
    "VPD": "vapour pressure deficit",
}
"""Names of the features that data sets give by a symbol (downward radiation; wind 2 m above ground)."""


@contextmanager
def house_style() -> Iterator[None]:
    """Draws in the house style and leaves matplotlib's settings as they were."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's own matplotlibrc must not change the figures
        mpl.rcParams.update(_RC)
        yield


def panels(sheet: Figure, n: int, most_columns: int, *, shared: bool = False) -> list[Axes]:
    """Makes exactly ``n`` panels in rows of equal length, as far as that goes.

    Args:
        sheet: an empty figure.
        n: how many.
        most_columns: in one row.
        shared: whether all have the same axes.
    """
    columns = columns_for(n, most_columns)
    rows = -(-n // columns)
    made: list[Axes] = sheet.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).ravel().tolist()
    for axes in made[n:]:
        axes.remove()
    for axes in made[max(0, n - columns) : n]:  # nothing stands below them
        axes.tick_params(labelbottom=True)
    return made[:n]


def columns_for(n: int, most_columns: int) -> int:
    """Columns of `panels`: four stand two by two."""
    return 2 if n == 4 else min(n, most_columns)


def land_cover_title(name: str) -> str:
    """A land-cover class in words."""
    return LAND_COVER_TITLES.get(name, name)


def feature_title(name: str) -> str:
    """A feature's name as printed: ERA5-Land's long ones shortened and in words."""
    short = re.sub(r"^(.*)_(\d+)m(?=_|$)", r"\2 m \1", name.removesuffix("_sum"))
    short = short.replace("_level_", " level ").replace("_layer_", " layer ").replace("_", " ")
    for long, brief in (
        ("surface solar radiation downwards", "solar radiation down"),
        ("surface thermal radiation downwards", "thermal radiation down"),
        ("surface net", "net"),
        ("volumetric soil water", "soil water"),
        ("component of wind", "wind"),
    ):
        short = short.replace(long, brief)
    return short


def feature_words(name: str, unit: str = "") -> str:
    """A feature in words, with its symbol where its name is one, and its unit: ``shortwave radiation Rs (W m⁻²)``."""
    words = FEATURE_WORDS.get(name)
    said = feature_title(name) if words is None else f"{words} {name}"
    printed = units(unit.replace("degC", "°C"))
    return f"{said} ({printed})" if printed else said


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Writes the name of each line at its right end, moved apart where names would overlap.

    Args:
        axes: with its limits and scale set for good.
        ends: x and y of the last point, text, colour.
    """
    if not ends:
        return
    to_pixels, from_pixels = axes.transData, axes.transData.inverted()
    height = SMALL_TEXT_SIZE * 1.25 / 72 * axes.figure.dpi
    order = sorted(range(len(ends)), key=lambda index: ends[index][1])
    wanted = np.array([to_pixels.transform((ends[index][0], ends[index][1]))[1] for index in order])
    placed = spread(wanted, height)
    for index, pixel in zip(order, placed, strict=True):
        x, y, text, colour = ends[index]
        height_at = from_pixels.transform((to_pixels.transform((x, y))[0], pixel))[1]
        axes.annotate(
            text,
            (x, y),
            (1.02, height_at),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL_TEXT_SIZE,
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2},
        )


def spread(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Moves ascending positions apart until neighbours are at least ``gap`` from each other, as little as need be."""
    groups: list[list[float]] = []  # of each: centre, number of members
    for position in wanted:
        groups.append([float(position), 1.0])
        while len(groups) > 1:
            (low, n_low), (high, n_high) = groups[-2], groups[-1]
            if high - low >= gap * (n_low + n_high) / 2:
                break
            groups[-2:] = [[(low * n_low + high * n_high) / (n_low + n_high), n_low + n_high]]
    placed = [centre + gap * (index - (size - 1) / 2) for centre, size in groups for index in range(int(size))]
    return np.array(placed)
