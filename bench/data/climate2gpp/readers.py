"""Files of any supported kind as layers, whatever they are called.

NetCDF is read by xarray, GRIB by cfgrib, GeoTIFF by rioxarray, all lazily through dask; MCD12C1's HDF4 stands in
``land_cover``, because it has no time axis.
"""

from __future__ import annotations

from bench.data.climate2gpp.kinds import READ, kind_of, what_it_is
from bench.data.climate2gpp.layers import Layer, readable
from bench.data.climate2gpp.netcdf import grib_layers, netcdf_layers
from bench.data.climate2gpp.rasters import raster_layers
from bench.data.climate2gpp.tiles import Image, Mosaic
from bench.errors import BenchError


def open_layers(image: Image) -> tuple[Layer, ...]:
    """Opens a file, or the tiles of an image, without reading its values.

    Raises:
        BenchError: it is damaged, of another kind, in another projection, or on an irregular grid.
    """
    if isinstance(image, Mosaic):
        return tuple(raster_layers(image))
    kind = kind_of(image)
    with readable(image):
        if kind == "netcdf":
            return tuple(netcdf_layers(image))
        if kind == "grib":
            return tuple(grib_layers(image))
        if kind == "geotiff":
            return tuple(raster_layers(image))
    raise BenchError(f"{image} is {what_it_is(image)}; this project reads {READ} here.")
