"""What the columns of a user's table mean: place, time, targets, features, categories, split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, get_args

from bench.data import rhythm as rhythms
from bench.data.coordinate_units import is_plane, reference_system
from bench.data.importer import units, zoned
from bench.errors import BenchError, unknown

Aggregation = Literal["mean", "sum", "min", "max"]
ValueT = TypeVar("ValueT")
AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)


@dataclass(frozen=True)
class Feature:
    """How a feature column becomes one value a step.

    Attributes:
        units: of its values; empty for those that the file names, or 1.
        aggregation: of the rows of a step; ``sum`` for amounts such as rain, whose total over the step counts.
    """

    units: str = ""
    aggregation: Aggregation = "mean"


@dataclass(frozen=True)
class Columns:
    """Which column of a long table, one row a sample, is what.

    Attributes:
        target: name → units of what is predicted (empty for those that the file names); the mean over the rows of a
            step.
        features: name → what it is; they change from sample to sample.
        static: name → units of numbers that belong to a place; empty as with features.
        categories: text columns that belong to a place; one 0-or-1 column a level is made of each.
        groups: those of the categories by which results are grouped; the first one is spread evenly over folds.
        place: column that names the place; None where the coordinates do (or, without a time, every row is a place).
        lon: degrees east, or the first planar coordinate with a ``crs``.
        lat: degrees north, or the second planar coordinate.
        crs: of planar coordinates, such as ``EPSG:27700``; None for degrees.
        time: column of the date; None for a cross-section.
        time_format: of dates that are not written year first, such as ``%d/%m/%Y``.
        split: column that says of each sample whether it trains or tests.
        rhythm: of the cube; None to take that of the dates.
        least_days: a target or feature of a step needs at least so many measured days where the rows are finer.
        missing: numbers that stand for *not measured*, beside empty fields.
    """

    target: Mapping[str, str]
    features: Mapping[str, Feature]
    static: Mapping[str, str] = field(default_factory=dict)
    categories: Sequence[str] = ()
    groups: Sequence[str] = ()
    place: str | None = None
    lon: str = "lon"
    lat: str = "lat"
    crs: str | None = None
    time: str | None = None
    time_format: str | None = None
    split: str | None = None
    rhythm: str | None = None
    least_days: int = 3
    missing: Sequence[float] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of numbers, without coordinates."""
        return (*self.features, *self.target, *self.static)

    @property
    def all_categories(self) -> tuple[str, ...]:
        """Categories and groups, each once."""
        return tuple(dict.fromkeys((*self.categories, *self.groups)))

    @property
    def where(self) -> tuple[str, ...]:
        """Names of the columns that say where and when a row is."""
        return tuple(filter(None, (self.place, self.lon, self.lat, self.time)))

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        return tuple(dict.fromkeys((*self.where, *self.numbers, *self.all_categories, *filter(None, (self.split,)))))

    def checked(self) -> Columns:
        """Returns itself, if it makes sense.

        Raises:
            BenchError: nothing is to be predicted or to be predicted from, a column has two meanings, or an option is
                out of range.
        """
        if not self.target:
            raise BenchError("No target is named; add --target NAME:UNIT, such as --target GPP:'gC m-2 d-1'.")
        if not self.features:
            raise BenchError(
                "No feature is named; add --features, such as --features temp:degC,rain:mm:sum (without --time, static "
                "columns are features too)."
            )
        meanings = [*self.numbers, *self.all_categories, *filter(None, (self.split,))]
        twice = sorted({name for name in meanings if meanings.count(name) > 1})
        if twice:
            raise BenchError(f"Column {twice[0]!r} is named with two meanings; name it once.")
        for name, feature in self.features.items():
            if feature.aggregation not in AGGREGATIONS:
                raise unknown("aggregation", feature.aggregation, AGGREGATIONS, f"write {name}:UNIT:mean")
        if self.rhythm is not None and self.time is None and rhythms.get(self.rhythm).name != "none":
            raise BenchError(f"--rhythm {self.rhythm} needs dates; name their column with --time.")
        if self.rhythm == "none" and self.time is not None:
            raise BenchError("--rhythm none is for data without time; leave out --time or name another rhythm.")
        if self.rhythm is not None:
            rhythms.get(self.rhythm)
        if self.least_days < 1:
            raise BenchError(f"--least-days is {self.least_days}; it must be at least 1.")
        if self.time_format is not None:
            if self.time is None:
                raise BenchError("--time-format is how dates are written; name their column with --time.")
            zoned.require_format(self.time_format)
        self._check_crs()
        return self

    def with_units(self, of_file: Mapping[str, str]) -> Columns:
        """The same columns, each with the unit that was named, else that of the file, else ``1``.

        Args:
            of_file: column → unit; empty for a table, which names none.

        Raises:
            BenchError: a target has no unit, or a unit is none.
        """

        def unit(name: str, named: str) -> str:
            return units.checked(named or of_file.get(name, "").strip() or "1", name)

        for name, named in self.target.items():
            if not (named or of_file.get(name, "").strip()):
                raise BenchError(f"The target {name!r} has no unit; write --target {name}:UNIT, such as {name}:1.")
        return replace(
            self,
            target={name: unit(name, named) for name, named in self.target.items()},
            static={name: unit(name, named) for name, named in self.static.items()},
            features={name: replace(one, units=unit(name, one.units)) for name, one in self.features.items()},
        )

    def _check_crs(self) -> None:
        if self.crs is None:
            return
        found = reference_system(self.crs)
        if found is None:
            raise BenchError(f"--crs {self.crs!r} is no coordinate system; write one such as EPSG:27700.")
        if found.is_geographic:
            raise BenchError(
                f"--crs {self.crs} has degrees; name the columns with --lon and --lat and leave out --crs."
            )
        if not is_plane(found):
            raise BenchError(
                f"--crs {self.crs} is no system of planar coordinates (it is of heights, or of three axes from the "
                "earth's centre); write one such as EPSG:27700."
            )


def parse_target(texts: Sequence[str]) -> dict[str, str]:
    """Reads ``NAME:UNIT`` as name → unit; files that name units themselves need none.

    Raises:
        BenchError: a name or unit is missing, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, colon, unit = (part.strip() for part in text.partition(":"))
        if not name or bool(colon) != bool(unit):
            raise BenchError(f"--target {text!r} is not of the form NAME:UNIT, such as GPP:'gC m-2 d-1'.")
        _add(found, name, units.checked(unit, name) if unit else "", "--target")
    return found


def parse_features(texts: Sequence[str]) -> dict[str, Feature]:
    """Reads ``temp:degC:mean,rain:mm:sum`` as name → feature; unit and aggregation may be left out.

    Raises:
        BenchError: an entry has another form, an unknown aggregation, or a name is given twice.
    """
    found: dict[str, Feature] = {}
    for item in _items(texts):
        name, *rest = (part.strip() for part in item.split(":"))
        unit, how = [*rest, "", ""][:2]
        if not name or len(rest) > 2:
            raise BenchError(f"--features {item!r} is not of the form NAME:UNIT:AGGREGATION, such as rain:mm:sum.")
        if unit in AGGREGATIONS and not how:  # rain::sum and rain:sum both mean a sum
            unit, how = "", unit
        if how and how not in AGGREGATIONS:
            raise unknown("aggregation", how, AGGREGATIONS, f"write {name}:UNIT:mean")
        kind: Aggregation = next((known for known in get_args(Aggregation) if known == how), "mean")
        _add(found, name, Feature(units.checked(unit, name) if unit else "", kind), "--features")
    return found


def parse_static(texts: Sequence[str]) -> dict[str, str]:
    """Reads ``elevation:m,slope`` as name → unit (``1`` where none is named).

    Raises:
        BenchError: an entry has another form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for item in _items(texts):
        name, _, unit = (part.strip() for part in item.partition(":"))
        if not name or ":" in unit:
            raise BenchError(f"--static {item!r} is not of the form NAME:UNIT, such as elevation:m.")
        _add(found, name, units.checked(unit, name) if unit else "", "--static")
    return found


def _items(texts: Sequence[str]) -> list[str]:
    return [item.strip() for text in texts for item in text.split(",") if item.strip()]


def _add(found: dict[str, ValueT], name: str, value: ValueT, option: str) -> None:
    if name in found:
        raise BenchError(f"{option} names {name!r} twice; name it once.")
    found[name] = value
