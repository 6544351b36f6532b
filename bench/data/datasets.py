"""The data sets: one entry each, opened by a short text such as ``northchina`` or ``simulated:cells=800,years=2``.

Whatever the origin, opening a data set gives a `Cube` that lies in the cache as memory-mapped Zarr; building happens
once, under a lock, and is published by one rename.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import fetch
from bench.data.cube import Cube
from bench.data.cube_seal import require_unchanged
from bench.data.cube_zarr import open_cube, write_cube
from bench.errors import BenchError, unknown
from bench.system import arguments, paths
from bench.system.disk import disk_errors
from bench.system.locks import ProcessLock

BUILD_VERSION = 1
"""Raise it when a builder's numbers change: cubes built by an older version are then built again."""

CLIMATE2GPP_LAST_YEAR = 2020
"""The paper's test year, the last one of the data set ``climate2gpp``."""


@dataclass(frozen=True)
class DatasetEntry:
    """A data set that the command line knows.

    Attributes:
        name: its name.
        summary: one line for `bench ls datasets`.
        options: names and default values of its whole-number options.
        build: writes the cube to a path, given the options.
        source: public files that it needs, if any.
        command: what makes its cube, where that takes more than opening it.
        package: installed package that its files come with, if any.
    """

    name: str
    summary: str
    build: Callable[[Path, Mapping[str, int]], Cube]
    options: Mapping[str, int] = field(default_factory=dict)
    source: fetch.Source | None = None
    command: str | None = None
    package: str | None = None


@dataclass(frozen=True)
class OpenedDataset:
    """An opened data set and how it was chosen.

    Attributes:
        cube: the data.
        path: folder of its Zarr form.
        spec: text that opens the same data again (never `auto`).
        reason: why this one, where the choice was automatic; else how it was found.
    """

    cube: Cube
    path: Path
    spec: str
    reason: str

    @property
    def portable_spec(self) -> str:
        """Text that opens the same data from any working directory."""
        return str(self.path.resolve()) if _names_a_folder(self.spec) else self.spec


def _build_northchina(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data import northchina

    return write_cube(path, northchina.build(_files_of(northchina.SOURCE)))


def _build_simulated(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data.simulated import SimulatedOptions, build_simulated

    return build_simulated(
        path, SimulatedOptions(n_cells=options["cells"], n_years=options["years"], seed=options["seed"])
    )


def _build_towers(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data.towers import fluxval, sources

    return fluxval.build(path, _files_of(sources.fluxval()))


def _build_metaflux(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data.towers import metaflux, sources

    return metaflux.build(path, _files_of(sources.metaflux()), vegetation=bool(options["vegetation"]))


def _build_georgia(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data import cross_sections

    return cross_sections.build_georgia(path)


def _build_baltimore(path: Path, options: Mapping[str, int]) -> Cube:
    from bench.data import cross_sections

    return cross_sections.build_baltimore(path)


def _files_of(source: fetch.Source) -> Path:
    return fetch.locate(source).folder or fetch.download(source)


def _refuse_climate2gpp(path: Path, options: Mapping[str, int]) -> Cube:
    raise BenchError(
        f"Data set climate2gpp of {options['years']} years to {CLIMATE2GPP_LAST_YEAR} on {options['grid'] / 100:g} "
        "degrees is not built: run `bench data build climate2gpp` (see its --help), or name the folder of a cube that "
        "was."
    )


def entries() -> dict[str, DatasetEntry]:
    """All data sets by name."""
    from bench.data import northchina
    from bench.data.towers import sources

    listed = (
        DatasetEntry(
            "northchina",
            "real: North China 2019–2020, 0.25°, 8-day; GLDAS/MODIS forcing, GPP recomputed by the PML_V2 equations",
            _build_northchina,
            source=northchina.SOURCE,
        ),
        DatasetEntry(
            "towers",
            "real: 204 FLUXNET2015 towers, monthly 2001-2016, measured GPP, RECO and NEE (CARDAMOM-FLUXVAL)",
            _build_towers,
            source=sources.fluxval(),
        ),
        DatasetEntry(
            "metaflux",
            "real: 206 FLUXNET2015 towers, monthly 1991-2014, tower weather, measured GPP, RECO and NEE; vegetation=1 "
            "adds LAI and EVI",
            _build_metaflux,
            options={"vegetation": 0},
            source=sources.metaflux(),
        ),
        DatasetEntry(
            "georgia",
            "real: 159 counties of Georgia, census of 1990, share of bachelor's degrees; one step (libpysal)",
            _build_georgia,
            package="libpysal",
        ),
        DatasetEntry(
            "baltimore",
            "real: 211 houses sold in Baltimore, 1978, price; one step (libpysal)",
            _build_baltimore,
            package="libpysal",
        ),
        DatasetEntry(
            "simulated",
            "made: any size, real land mask, 26 ERA5-Land variables, hidden vegetation, GPP by the PML_V2 equations",
            _build_simulated,
            options={"cells": 400, "years": 4, "seed": 0},
        ),
        DatasetEntry(
            "climate2gpp",
            "real: the paper's ERA5-Land, MCD12C1 and PML_V2, 8-day, built from files or Earth Engine exports; years "
            "up to 2020, grid in hundredths of a degree",
            _refuse_climate2gpp,
            options={"years": 20, "grid": 50},
            command="bench data build climate2gpp",
        ),
    )
    return {entry.name: entry for entry in listed}


def parse_spec(spec: str) -> tuple[str, dict[str, int]]:
    """Splits ``name:option=value,…`` into the name and whole-number options, defaults filled in.

    Raises:
        BenchError: unknown data set or option, an option given twice, or a value that is no whole number.
    """
    name, _, rest = spec.partition(":")
    known = entries()
    if name not in known:
        if name == "auto":
            raise BenchError(
                f"Data set {spec!r}: auto takes no options, it chooses between northchina and simulated; write auto, "
                "or the one that you want with its options."
            )
        raise unknown(
            "data set",
            name,
            [*known, "auto"],
            "`bench ls datasets` lists them; a folder that holds a cube may be named too",
        )
    options, given = dict(known[name].options), set[str]()
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if not options:
            raise BenchError(f"Data set {name!r} takes no options, but {item!r} is one; write {name}.")
        if key not in options:
            raise unknown(f"option of data set {name!r}", key, list(options), f"write {name}:option=value")
        if key in given:
            raise BenchError(f"Option {key!r} of data set {name!r} is given twice; name one value, {name}:{key}=N.")
        given.add(key)
        try:
            options[key] = int(value)
        except ValueError as error:
            raise BenchError(
                f"Option {key!r} of data set {name!r} is {value!r}, not a whole number; write {name}:{key}=N."
            ) from error
    return name, options


def open_dataset(spec: str | os.PathLike[str] = "auto", say: Callable[[str], None] = lambda _: None) -> OpenedDataset:
    """Opens a data set, building its cube in the cache first if need be.

    Args:
        spec: `auto`, a name with options, or the path of a folder that holds a cube.
        say: is told of slow steps (download, build) before they start.

    Raises:
        BenchError: unknown name, bad files, no permission, or no answer from the network.
    """
    if not isinstance(spec, str):
        spec = str(arguments.path(spec, "The data set"))
    if spec == "auto":
        return _open_auto(say)
    if _names_a_folder(spec):
        return _opened(Path(spec), spec, "named by its folder", say)
    name, options = parse_spec(spec)
    if spec == name and (Path(spec) / "zarr.json").is_file():
        raise BenchError(
            f"{spec!r} is a data set of this project and also a folder with a cube here; write ./{spec} for the "
            "folder, or rename it to use the data set."
        )
    entry = entries()[name]
    path = _cube_path(entry, options)
    canonical = name + (":" + ",".join(f"{key}={value}" for key, value in options.items()) if options else "")
    if (path / "zarr.json").exists():
        return _opened(path, canonical, f"cube built before ({path})", say)
    with disk_errors(f"Cache {paths.cache_dir()} (BENCH_CACHE_DIR)", "nothing stored is lost"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with ProcessLock(path.with_name(path.name + ".lock")):
            if not (path / "zarr.json").exists():
                say(f"Building data set {canonical} (once; kept in the cache).")
                entry.build(path, options)
    return _opened(path, canonical, "built now", say)


def _opened(path: Path, spec: str, reason: str, say: Callable[[str], None]) -> OpenedDataset:
    cube = open_cube(path)
    require_unchanged(path, cube, say)
    return OpenedDataset(cube, path, spec, reason)


def _names_a_folder(spec: str) -> bool:
    return "/" in spec or spec.endswith(".zarr")


def _open_auto(say: Callable[[str], None]) -> OpenedDataset:
    location = _choose_auto(say)
    if location.folder is not None:
        opened = open_dataset("northchina", say)
        why = f"auto chose northchina: {location.reason}"
    else:
        opened = open_dataset("simulated", say)
        why = f"auto chose simulated because northchina is not at hand: {location.reason}"
    return OpenedDataset(opened.cube, opened.path, opened.spec, why)


def at_hand(entry: DatasetEntry) -> fetch.Location:
    """Where a data set's files or its built cube are, without touching the network; or why they are not at hand.

    Raises:
        BenchError: ``BENCH_DATA_DIR`` is unusable.
    """
    cube = _cube_path(entry, entry.options)
    if entry.command is not None:
        built = (cube / "zarr.json").exists()
        return fetch.Location(cube if built else None, "built" if built else f"made by `{entry.command}`")
    if entry.package is not None:
        found = importlib.util.find_spec(entry.package) is not None
        why = f"comes with {entry.package}" + ("" if found else ", which is not installed")
        return fetch.Location(cube if found else None, why)
    if entry.source is None:
        return fetch.Location(cube, "made on this machine")
    location = fetch.locate(entry.source)
    if location.folder is None and (cube / "zarr.json").exists():
        return fetch.Location(cube, "its cube is in the cache")
    return location


def _choose_auto(say: Callable[[str], None]) -> fetch.Location:
    """Where northchina is, trying a download if none was tried lately; or why it is not to be had."""
    entry = entries()["northchina"]
    assert entry.source is not None  # northchina comes from public files
    source = entry.source
    location = at_hand(entry)
    if location.folder is not None:
        return location
    failed_before = fetch.recent_failure(source)
    if failed_before is not None:
        return fetch.Location(None, f"{location.reason}, and {failed_before}")
    say(f"Data set northchina is {location.reason}; trying to download it (at most 10 s without an answer).")
    try:
        return fetch.Location(fetch.download(source), "downloaded now")
    except BenchError as error:
        return fetch.Location(None, str(error).rstrip("."))


def cube_path(name: str, options: Mapping[str, int]) -> Path:
    """Where in the cache the cube of a data set lies, built or not."""
    return _cube_path(entries()[name], options)


def _cube_path(entry: DatasetEntry, options: Mapping[str, int]) -> Path:
    ingredients = {
        "build": BUILD_VERSION,
        "name": entry.name,
        "options": dict(options),
        "source": dict(entry.source.sha256) if entry.source else None,
    }
    key = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:12]
    return paths.cache_dir() / "cubes" / f"{entry.name}-{key}.zarr"
