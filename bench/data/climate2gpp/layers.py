"""A layer: one variable of one file, its times and its grid known, its values unread; and what all readers share."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.calendar import Hours
from bench.data.climate2gpp.grids import RegularGrid
from bench.errors import BenchError

CHUNK_BYTES = 1 << 26
"""Of lazy arrays; whole chunks of the file."""
GDAL_CACHE_MB = 64
OPEN_FILES = 4
DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")


@dataclass(frozen=True)
class Layer:
    """One variable of one file, or of the tiles of one image.

    Attributes:
        path: the file, for messages.
        name: what the file calls the variable; may be empty for a raster with one unnamed band.
        times: (frame,) datetime64[h].
        grid: its cells.
        data: (frame, row, column) dask array, or all bands of a raster; what is missing is NaN, except where ``fill``
            says otherwise.
        bands: (frame,) which band of ``data`` each frame is, if it is not in their order.
        units: the attribute, if any.
        statistic: ``minimum``, ``maximum`` or None: what the file says it did with the hours of a day.
        fill: (frame,) stored value that means missing, NaN for none; None for arrays that have NaN there already.
        scale: (frame,) value per stored value, where it is not applied yet.
        offset: (frame,) added afterwards.
        integers: whether the values are stored as whole numbers without a scale of their own.
        decimal_scale: the file's scale of values that are stored as decimals, which need none; else 1.
        accumulated: the file says that its values accumulate from midnight, as ERA5-Land's hours do.
        interleaved: the frames of a pixel lie together in the file, so that reading one decodes all of them.
        preliminary: (n,) times whose values are preliminary (``expver`` 5).
        tiles: the files, if there are several.
    """

    path: Path
    name: str
    times: Hours
    grid: RegularGrid
    data: Any
    units: str | None = None
    statistic: str | None = None
    fill: npt.NDArray[np.float64] | None = None
    scale: npt.NDArray[np.float64] | None = None
    offset: npt.NDArray[np.float64] | None = None
    bands: npt.NDArray[np.int64] | None = None
    integers: bool = False
    decimal_scale: float = 1.0
    accumulated: bool = False
    interleaved: bool = False
    preliminary: Hours = field(default_factory=lambda: np.empty(0, "datetime64[h]"))
    tiles: tuple[Path, ...] = ()

    @property
    def where(self) -> str:
        """File and variable, for messages."""
        return f"{self.path}: variable {self.name!r}" if self.name else str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the values are read from."""
        return self.tiles or (self.path,)

    def read(self, frames: npt.NDArray[np.int64], rows: slice) -> npt.NDArray[np.float64]:
        """Returns (frame, row, column) values in the file's unit, NaN where missing.

        Raises:
            BenchError: the file ends early or is damaged.
        """
        with readable(self.path), small_gdal_cache():
            raw = compute(self.data, frames if self.bands is None else self.bands[frames], rows)
        values: npt.NDArray[np.float64] = raw.astype(np.float64)
        if self.fill is not None:
            # Compared as stored: -3.4028235e38 is no number that a float32 can hold.
            fill = self.fill[frames].astype(raw.dtype) if raw.dtype.kind == "f" else self.fill[frames]
            values[values == fill[:, None, None]] = np.nan
        if self.scale is not None:
            values *= self.scale[frames][:, None, None]
        if self.offset is not None:
            values += self.offset[frames][:, None, None]
        return values


def need(module: str, package: str) -> Any:
    """Imports a package of the extra ``build``.

    Raises:
        BenchError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BenchError(
            f"Package {package} is missing ({error}); install the extra: pip install 'climate2gpp-bench[build]'."
        ) from error


def small_gdal_cache() -> Any:
    """A context in which GDAL keeps at most ``GDAL_CACHE_MB`` of blocks; by default a twentieth of the memory."""
    import rasterio

    return rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB)


@contextlib.contextmanager
def few_open_files() -> Iterator[None]:
    """A context in which xarray keeps at most ``OPEN_FILES`` open: NetCDF holds tens of MB of chunks of each."""
    import xarray as xr

    with xr.set_options(file_cache_maxsize=OPEN_FILES):  # type: ignore[no-untyped-call]
        yield


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns whatever a library says of a damaged file into one sentence.

    Raises:
        BenchError: the file cannot be read.
    """
    try:
        yield
    except BenchError:
        raise
    except FileNotFoundError as error:
        raise BenchError(f"{path} is gone; put it back and run the same command again.") from error
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except MemoryError:
        raise
    # Each library has its own exceptions for a broken file (OSError, RuntimeError, EOFError, HDF4Error, ...).
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise BenchError(f"{path} cannot be read ({reason}); it is truncated or damaged: fetch it again.") from error


def compute(data: Any, positions: npt.NDArray[np.int64], rows: slice) -> npt.NDArray[Any]:
    """Reads some frames, or bands, and some rows of a lazy array.

    dask hands one slice on to the reader of the file, but of a list of numbers it cuts whole chunks that were read. So
    where all frames are one chunk, evenly spaced ones are asked for, and the wanted ones are cut out of these.

    Args:
        data: (frame, row, column) dask array.
        positions: of the frames, in any order.
        rows: which ones.

    Returns:
        (position, row, column) as stored.
    """
    first = positions.min()
    step = max(1, int(np.gcd.reduce(positions - first)))
    even, wanted = slice(int(first), int(positions.max()) + 1, step), (positions - first) // step
    if np.array_equal(wanted, np.arange(len(wanted))):
        chosen = data[even, rows]
    else:
        chosen = data[positions, rows] if len(data.chunks[0]) > 1 else data[even, rows][wanted]
    return np.asarray(chosen.compute(scheduler="synchronous"))


def date_in(text: str) -> np.datetime64 | None:
    """The last date in a text, such as ``GPP_20190109``, or None."""
    found = None
    for match in DATE.finditer(text):
        with contextlib.suppress(ValueError):
            found = np.datetime64("-".join(match.groups()), "h")
    return found
