"""What an archive holds of each variable, and everything that is missing from it, told in one go."""

from __future__ import annotations

import dataclasses
import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.layers import Layer, few_open_files
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.settle import Choices, settled
from bench.data.climate2gpp.source import VariableSource, source_of
from bench.data.climate2gpp.tiles import Image, assembled, name_of
from bench.data.climate2gpp.variables import TARGET, of_hours
from bench.data.climate2gpp.zips import without_zips
from bench.data.era5_land import ERA5_LAND, by_file_name
from bench.errors import BenchError

_YEAR = re.compile(r"(?<!\d)(?:A)?((?:19|20)\d{2})(?:\d{3})?(?!\d)")
_SHOWN = 12  # gaps named in the message; the rest is counted


@dataclass(frozen=True)
class Inventory:
    """An archive that is complete for the years asked for.

    Attributes:
        climate: one source per variable of the table, in its order.
        target: PML_V2.
        land_cover: file, or tiles, of each year.
        years: all years, the last one being the test year.
        notes: what the report should say of units and the like.
    """

    climate: Mapping[str, VariableSource]
    target: VariableSource
    land_cover: Mapping[int, Image]
    years: tuple[int, ...]
    notes: tuple[str, ...]

    def sources(self) -> dict[str, VariableSource]:
        """Every time series by name, the target last."""
        return {**self.climate, self.target.variable.name: self.target}


def expand(patterns: Sequence[str], option: str) -> list[Path]:
    """Returns the files that patterns (or folders) name, sorted.

    Raises:
        BenchError: a pattern names no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        whole = str(Path(pattern).expanduser())
        matches = glob.glob(whole + "/**" if Path(whole).is_dir() else whole, recursive=True)
        files = {Path(match) for match in matches if Path(match).is_file()}
        if not files:
            raise BenchError(f"{option} {pattern!r} names no file; correct the pattern (and quote it for the shell).")
        found |= files
    return sorted(found)


@few_open_files()
def take_stock(
    era5: Iterable[Path],
    land_cover: Iterable[Path],
    target: Iterable[Path],
    years: tuple[int, ...],
    say: Callable[[str], None] = lambda _: None,
    choices: Choices | None = None,
) -> Inventory:
    """Opens every file, looks at values of each variable, and checks that everything is there once.

    Args:
        era5: ERA5-Land files.
        land_cover: MCD12C1 files.
        target: PML_V2 files.
        years: consecutive years, the last one being the test year.
        say: is told of progress.
        choices: what the user says of the files where they do not.

    Raises:
        BenchError: a file is unusable, it is not known what its values are, or something is missing or there twice; the
            message lists all that is missing.
    """
    choices = choices or Choices()
    sources = _era5_sources(assembled(without_zips(era5)), say)
    problems = [
        f"{variable.name} ({variable.short_name}) is in no file"
        for variable in ERA5_LAND
        if variable.name not in sources
    ]
    layers = [
        layer for image in assembled(without_zips(target)) for layer in open_layers(image) if layer.name in TARGET.names
    ]
    if layers:
        sources[TARGET.name] = source_of(TARGET, layers)
        if sources[TARGET.name].kind != "step":
            raise BenchError(
                f"{layers[0].where} has no 8-day images: each must be dated by the first day of a step (1 January and "
                "every eighth day after it)."
            )
    else:
        problems.append("GPP is in no file")
    covers = _by_year(assembled(without_zips(land_cover)))
    training = years[:-1] or years
    problems += [f"land cover of {year} is missing" for year in training if year not in covers]
    notes = []
    for name in sources:
        found = settled(sources[name], years, choices)
        sources[name] = source = found.source
        notes += [f"{name}: {note}" for note in found.notes]
        problems += [*found.empty, *source.overlaps()]
        gaps = [gap for year in years for gap in calendar.ranges(source.missing(year), source.spacing_hours)]
        problems += [f"{name} of {gap} is missing" for gap in gaps]
    if problems:
        listed = "; ".join(problems[:_SHOWN]) + (f"; and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else "")
        raise BenchError(
            f"The archive is not complete for {years[0]}-{years[-1]}: {listed}; add, or take away, files or change "
            "--years."
        )
    climate = {variable.name: sources[variable.name] for variable in ERA5_LAND}
    used = {year: covers[year] for year in training}
    return Inventory(climate, sources[TARGET.name], used, years, tuple(notes))


def _era5_sources(images: list[Image], say: Callable[[str], None]) -> dict[str, VariableSource]:
    layers: dict[str, list[Layer]] = {}
    for count, image in enumerate(images, 1):
        recognised = False
        for layer in open_layers(image):
            variable = by_file_name(layer.name) or of_hours(layer.name)
            if variable is None:
                continue
            recognised = True
            name = variable.name
            if name == "temperature_2m" and layer.statistic:
                # The Climate Data Store's daily statistics call all three t2m and tell them apart by this attribute.
                name += "_min" if layer.statistic == "minimum" else "_max"
            layers.setdefault(name, []).append(layer)
        if not recognised:
            raise BenchError(f"{name_of(image)} holds none of the 26 variables (docs/climate2gpp.md); narrow --era5.")
        if count % 200 == 0:
            say(f"Looked into {count} of {len(images)} ERA5-Land files.")
    sources = {
        variable.name: source_of(variable, layers[variable.name]) for variable in ERA5_LAND if variable.name in layers
    }
    hourly = sources.get("temperature_2m")
    if hourly is not None and hourly.kind == "hourly":
        for variable in ERA5_LAND:
            if variable.daily in ("minimum", "maximum") and variable.name not in sources:
                sources[variable.name] = dataclasses.replace(hourly, variable=variable)
    return sources


def _by_year(images: Iterable[Image]) -> dict[int, Image]:
    found: dict[int, Image] = {}
    for image in images:
        path = name_of(image)
        match = _YEAR.search(path.stem)
        if match is None:
            raise BenchError(f"{path} has no year in its name; name it like MCD12C1.A2019001.061.hdf.")
        year = int(match.group(1))
        if year in found:
            raise BenchError(f"Land cover of {year} stands in both {name_of(found[year])} and {path}; take one away.")
        found[year] = image
    return found
