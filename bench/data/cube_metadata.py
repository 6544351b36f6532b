"""What the JSON files of a stored cube say, typed: a cube may come from anybody.

Only what this project writes is accepted: three types of numbers, one uncompressed chunk per array, regular files
inside the folder. The sizes are compared before anything is mapped.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, what_is_wrong
from bench.system.text import is_name, one_line, plain
from bench.system.untrusted import is_regular, read_regular

METADATA = "zarr.json"
CUBE_FORMAT = 1
"""Version of the on-disk layout, stored in the Zarr attributes as ``bench_cube_format``."""
REBUILD = "delete the folder and build it again"
_MOST_BYTES = 10_000_000
"""Of a JSON file; a name and a unit for each of thousands of features are a tenth of it."""
_DTYPES = {"climate": "float32", "static": "float32", "target": "float32", "lon": "float64", "lat": "float64"}
_DTYPES |= {"time": "int64", "x": "float64", "y": "float64", "split": "int8"}
_WITHHELD_DTYPE = "float32"
_LAST_DAY = 3_000_000
"""Days from 1970 that a calendar of four-digit years has at most, and some."""
ModelT = TypeVar("ModelT", bound=BaseModel)


def _fit_for_print(text: str) -> str:
    if plain(text) != text:
        raise ValueError("a text holds control characters")
    return text


def _on_one_line(text: str) -> str:
    if not is_name(text):
        raise ValueError("a data set's name is one line without a slash")
    return text


Text = Annotated[str, Field(max_length=10_000), AfterValidator(_fit_for_print)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_fit_for_print)]
Texts = Annotated[tuple[Name, ...], Field(max_length=100_000)]


class Schema(BaseModel):
    """Names and units; see `bench.data.cube.Cube`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    name: Annotated[Name, AfterValidator(_on_one_line)]
    feature_names: Texts
    feature_units: tuple[Text, ...]
    static_names: Texts
    static_units: tuple[Text, ...]
    n_land_cover: int
    target_name: Name
    target_units: Text
    rhythm: Name | None = None
    several_targets: Annotated[tuple[tuple[Name, Text], ...], Field(max_length=1000)] = ()
    crs: Text | None = None
    place_names: tuple[Text, ...] | None = None
    groupings: Texts = ()


class Attributes(BaseModel):
    """Attributes of the group; the fingerprint is the last thing that a build writes."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    bench_cube_format: Annotated[int, Field(ge=1)]
    schema_: Schema = Field(alias="schema")
    provenance: dict[Name, Text]
    withheld: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", max_length=100)], Text]
    has_split: bool = False
    has_gaps: bool = False
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class _Group(BaseModel):
    attributes: Attributes


class _Version(BaseModel):
    class _Only(BaseModel):
        bench_cube_format: object

    attributes: _Only


class _Grid(BaseModel):
    class _Chunk(BaseModel):
        chunk_shape: tuple[int, ...]

    name: Literal["regular"]
    configuration: _Chunk


class _Codec(BaseModel):
    class _Order(BaseModel):
        endian: Literal["little"] | None = None

    name: Literal["bytes"]
    configuration: _Order | None = None  # bytes of one digit have no order


class _Array(BaseModel):
    model_config = ConfigDict(strict=True)

    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 40)], ...], Field(min_length=1, max_length=3)]
    data_type: Literal["float32", "float64", "int64", "int8"]
    chunk_grid: _Grid
    codecs: Annotated[tuple[_Codec, ...], Field(min_length=1, max_length=1)]


def read_attributes(root: Path) -> Attributes:
    """The attributes of a stored cube.

    Raises:
        BenchError: the folder is no cube, was written by a newer version, or its metadata are damaged.
    """
    path = root / METADATA
    content = _read(path)
    try:
        version = _Version.model_validate_json(content).attributes.bench_cube_format
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise BenchError(f"{path} is damaged ({_what(error)}); {REBUILD}.") from error
        raise BenchError(
            f"{root} is no cube of this project ({_what(error)}); name another folder or build it again."
        ) from error
    if isinstance(version, int) and version > CUBE_FORMAT:
        raise BenchError(
            f"Cube {root} has format {version}, this version reads up to {CUBE_FORMAT}; update climate2gpp-bench."
        )
    return _parse(_Group, content, root).attributes


def map_array(root: Path, name: str) -> npt.NDArray[np.generic]:
    """An array of a stored cube, mapped from its file for reading.

    Args:
        root: folder of the cube.
        name: such as ``climate`` or ``withheld/LAI``.

    Raises:
        BenchError: it is not there, not of the format, or its file has another size than its shape.
    """
    path = root / name / METADATA
    if not is_regular(path):
        raise BenchError(f"Cube {root} lacks the variable {name!r}; {REBUILD}.")
    found = _parse(_Array, _read(path), root)
    wanted = _DTYPES.get(name, _WITHHELD_DTYPE)
    if found.data_type != wanted or found.chunk_grid.configuration.chunk_shape != found.shape:
        raise BenchError(
            f"Cube {root}: variable {name!r} is not {wanted} in one chunk, as the format has it; {REBUILD}."
        )
    dtype = np.dtype(wanted).newbyteorder("<")
    chunk = chunk_file(root, name, len(found.shape))
    expected = math.prod(found.shape) * dtype.itemsize
    # A link to a folder on the way would lead out of the cube as well as one in the last place.
    inside = is_regular(chunk) and chunk.resolve().is_relative_to(root.resolve())
    actual = chunk.stat().st_size if inside else 0
    if actual != expected or expected == 0:
        raise BenchError(
            f"Cube {root}: variable {name!r} holds {actual} bytes instead of {expected or 'some'}; {REBUILD}."
        )
    try:
        return np.memmap(chunk, dtype=dtype, mode="r", shape=found.shape)
    except (OSError, ValueError) as error:
        raise BenchError(f"Cube {root}: variable {name!r} cannot be read ({error}); {REBUILD}.") from error


def dates(root: Path, days: npt.NDArray[np.generic]) -> npt.NDArray[np.datetime64]:
    """Dates of days since 1970.

    Raises:
        BenchError: a day lies outside any calendar.
    """
    numbers = np.asarray(days, np.int64)
    if np.any((numbers > _LAST_DAY) | (numbers < -_LAST_DAY)):
        raise BenchError(f"Cube {root}: variable 'time' holds days that no calendar has; {REBUILD}.")
    return numbers.astype("datetime64[D]")


def chunk_file(root: Path, name: str, n_dimensions: int) -> Path:
    """Where an array's only chunk lies."""
    return root.joinpath(name, "c", *["0"] * n_dimensions)


def _parse(model: type[ModelT], content: bytes, root: Path) -> ModelT:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise BenchError(f"The metadata of cube {root} is damaged ({_what(error)}); {REBUILD}.") from error


def _what(error: ValidationError) -> str:
    """The first thing that is wrong, by its name in the file."""
    return one_line(what_is_wrong(error), 200)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BenchError(
            f"{path.parent} is no cube of this project (there is no {path.name}); name another folder or build it "
            "again."
        ) from error
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except OSError as error:
        raise BenchError(f"{path} is damaged ({error.strerror}); {REBUILD}.") from error
