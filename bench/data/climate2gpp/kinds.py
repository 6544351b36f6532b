"""What a file is by its first bytes: names lie (the Climate Data Store hands out zips and GRIB called ``.nc``)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bench.errors import BenchError

Kind = Literal["netcdf", "grib", "geotiff", "hdf4", "zip", "other"]
READ = "NetCDF, GRIB and GeoTIFF"
"""The kinds that hold time series, for messages."""
_LOOKED_AT = 4096
"""Bytes: a GRIB message may stand behind a header of the telecommunication system, a page behind blank lines."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_OFFSETS = (0, 512, 1024, 2048)
"""Where an HDF5 file, and so a NetCDF-4 file, may begin, behind a block of the user's (HDF5 file format, II.A)."""
_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"CDF\x01", "netcdf"),
    (b"CDF\x02", "netcdf"),
    (b"CDF\x05", "netcdf"),
    (b"II*\x00", "geotiff"),
    (b"MM\x00*", "geotiff"),
    (b"II+\x00", "geotiff"),  # BigTIFF
    (b"MM\x00+", "geotiff"),
    (b"\x0e\x03\x13\x01", "hdf4"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed by gzip; unpack it (gunzip)"),
    (b"BZh", "compressed by bzip2; unpack it (bunzip2)"),
    (b"\xfd7zXZ\x00", "compressed by xz; unpack it (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"%PDF", "a PDF document; fetch the data"),
    (b"\x89PNG", "a PNG picture; fetch the data"),
    (b"\xff\xd8\xff", "a JPEG picture; fetch the data"),
)
_TAR = (257, b"ustar")
_MARKUP: tuple[tuple[bytes, str], ...] = (
    (b"<vrtdataset", "a GDAL VRT, which only names other files; make a GeoTIFF of it (gdal_translate)"),
    (b"<gdal_wms", "a GDAL service description, which only names an address; make a GeoTIFF of it (gdal_translate)"),
    (b"<html", "a web page, such as a server's login or error page; fetch the file again"),
    (b"<!doctype html", "a web page, such as a server's login or error page; fetch the file again"),
)


def kind_of(path: Path) -> Kind:
    """Returns what a file is; ``other`` for all that this project does not read.

    Raises:
        BenchError: the file is gone or may not be read.
    """
    head = _head(path)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if any(head[offset:].startswith(_HDF5) for offset in _HDF5_OFFSETS):
        return "netcdf"
    return "grib" if b"GRIB" in head and not head.lstrip().startswith(b"<") else "other"


def what_it_is(path: Path) -> str:
    """Returns what a file is that is not read, and what to do, as the end of a sentence that begins with its name.

    Raises:
        BenchError: the file is gone or may not be read.
    """
    kind, head = kind_of(path), _head(path)
    if kind != "other":
        return {
            "netcdf": "a NetCDF (HDF5) file",
            "grib": "a GRIB file",
            "geotiff": "a GeoTIFF",
            "hdf4": "an HDF4 file",
            "zip": "a zip; unpack it",
        }[kind]
    if not head:
        return "empty; fetch it again"
    if not head.strip(b"\x00"):
        return "nothing but zeros, an unfinished download; fetch it again"
    for start, description in _OTHERS:
        if head.startswith(start):
            return description
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive; unpack it (tar -xf)"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, description in _MARKUP:
        if start in text[:1024]:
            return description
    if text.startswith((b"<?xml", b"<")):
        return "XML, such as a server's error message; fetch the file again"
    if text.startswith((b"{", b"[")):
        return "JSON, such as a server's error message; fetch the file again"
    if b"\x00" not in head and _is_text(head):
        return "text; fetch the file again, or narrow the pattern"
    return "of an unknown kind; narrow the pattern"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LOOKED_AT)
    except FileNotFoundError as error:
        raise BenchError(f"{path} is gone; put it back and run the same command again.") from error
    except OSError as error:
        raise BenchError(f"{path} may not be read ({error.strerror}); grant read permission on it.") from error


def _is_text(head: bytes) -> bool:
    try:
        head[: _LOOKED_AT - 4].decode()  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
