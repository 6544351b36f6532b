"""Towers as plain arrays: what is known of every tower and month, and the checks of what a model is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.arrays import Indices, Reals
from models.flux.process_model import check_shares
from models.flux.shares import shares_of_classes
from models.flux.weather import Weather, check_months

TARGETS = ("gpp", "reco", "nee")
"""gC m⁻² d⁻¹, in the order of the last axis of every target and prediction."""
WEATHER_DRIVERS = ("tmin", "tmax", "srad", "co2", "vpd", "precip")
"""Drivers that the process model reads: °C, °C, MJ m⁻² d⁻¹, ppm, hPa in the afternoon, mm d⁻¹."""
PASCAL_PER_HECTOPASCAL = 100.0


@dataclass(frozen=True)
class TowerPanel:
    """Everything known about every tower in every month, except the fluxes.

    Attributes:
        drivers: (tower, month, driver), finite, in the units of ``WEATHER_DRIVERS`` where they are named there.
        driver_names: one per driver.
        month_of_year: (month,) 1–12, consecutive.
        igbp: land-cover class of each tower, as in ``shares.SHARES_OF_CLASS``.
        lat: (tower,) degrees north.
        lon: (tower,) degrees east.
        given_shares: (tower, 3) of broadleaf, needleleaf, grass + shrub where they were measured; by the class where
            None.

    Raises:
        ValueError: shapes disagree, a driver is NaN or infinite, a class is unknown, shares do not sum to 1 or months
            are left out.
    """

    drivers: Reals
    driver_names: tuple[str, ...]
    month_of_year: Indices
    igbp: tuple[str, ...]
    lat: Reals
    lon: Reals
    given_shares: Reals | None = None

    def __post_init__(self) -> None:
        if self.drivers.ndim != 3 or 0 in self.drivers.shape:
            raise ValueError(f"drivers has shape {self.drivers.shape}; expected (tower, month, driver), not empty.")
        towers, months, n_drivers = self.drivers.shape
        sizes = (
            ("driver_names", n_drivers),
            ("month_of_year", months),
            ("igbp", towers),
            ("lat", towers),
            ("lon", towers),
        )
        for name, size in sizes:
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries; expected {size}.")
        if not np.isfinite(self.drivers).all():
            tower, month, driver = np.argwhere(~np.isfinite(self.drivers))[0]
            raise ValueError(
                f"Driver {self.driver_names[driver]!r} is NaN or infinite at tower {tower}, month {month}; drop the "
                "tower or fill the value."
            )
        if not (np.isfinite(self.lat).all() and np.isfinite(self.lon).all() and np.abs(self.lat).max() <= 90):
            raise ValueError("lat and lon must be finite, lat in [-90, 90] degrees.")
        check_months(self.month_of_year)
        check_shares(self.shares, towers)

    @property
    def n_towers(self) -> int:
        """Number of towers."""
        return int(self.drivers.shape[0])

    @property
    def n_months(self) -> int:
        """Number of months."""
        return int(self.drivers.shape[1])

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """(tower, 3), given or by the class of each tower."""
        if self.given_shares is not None:
            return np.asarray(self.given_shares, dtype=np.float64)
        return shares_of_classes(self.igbp)

    def weather(self) -> Weather:
        """What the process model is driven with.

        Raises:
            ValueError: a driver of ``WEATHER_DRIVERS`` is missing, or there is less than a year.
        """
        missing = [name for name in WEATHER_DRIVERS if name not in self.driver_names]
        if missing:
            raise ValueError(f"The process model needs the driver {missing[0]!r}; the panel has {self.driver_names}.")
        drivers = self.drivers.astype(np.float64)
        tmin, tmax, srad, co2, vpd, precip = (drivers[..., self.driver_names.index(name)] for name in WEATHER_DRIVERS)
        lat = np.asarray(self.lat, dtype=np.float64)
        return Weather(tmin, tmax, srad, co2, PASCAL_PER_HECTOPASCAL * vpd, precip, self.month_of_year, lat)


def check_towers(panel: TowerPanel, targets: Reals, training: Indices, validation: Indices) -> None:
    """Raises unless a model can be fitted to these towers.

    Args:
        panel: all towers.
        targets: (tower, month, 3) GPP, RECO, NEE; NaN where missing.
        training: index of the towers to fit to.
        validation: index of the towers that decide when to stop.

    Raises:
        ValueError: shapes disagree; there are fewer than two training towers or no validation tower; a tower is named
            twice, in both sets or not in the panel; a flux is infinite; a tower has no observed month.
    """
    if targets.shape != (panel.n_towers, panel.n_months, len(TARGETS)):
        expected = (panel.n_towers, panel.n_months, len(TARGETS))
        raise ValueError(f"targets has shape {targets.shape}; expected {expected}: GPP, RECO, NEE.")
    check_index(panel, training, "training")
    check_index(panel, validation, "validation")
    if len(training) < 2:
        raise ValueError(f"A flux model needs at least two training towers, not {len(training)}.")
    both = np.intersect1d(training, validation)
    if len(both):
        raise ValueError(f"Tower {both[0]} is a training and a validation tower; the sets must not overlap.")
    used = np.concatenate([training, validation])
    if np.isinf(targets[used]).any():
        raise ValueError("A flux is infinite; write NaN where it is missing.")
    seen = np.isfinite(targets)
    if not seen[training].any():
        raise ValueError("Every month of every training tower is missing; there is nothing to fit to.")
    for towers, name in ((training, "training"), (validation, "validation")):
        for flux, label in enumerate(TARGETS):
            if not seen[towers, :, flux].any():
                raise ValueError(f"No {name} tower has an observed month of {label}; there is nothing to compare with.")
        blind = [int(tower) for tower in towers if not seen[tower].any()]
        if blind:
            raise ValueError(f"The {name} tower {blind[0]} has no observed month; leave it out.")


def check_index(panel: TowerPanel, towers: Indices, name: str) -> None:
    """Raises unless ``towers`` are distinct towers of the panel.

    Raises:
        ValueError: otherwise.
    """
    if towers.ndim != 1 or towers.dtype.kind not in "iu" or len(towers) == 0:
        raise ValueError(f"{name} must be a list of tower numbers, not empty.")
    if towers.min() < 0 or towers.max() >= panel.n_towers or len(np.unique(towers)) < len(towers):
        raise ValueError(f"{name} must name towers in [0, {panel.n_towers}), each once.")


@dataclass(frozen=True)
class Standardisation:
    """Statistics of drivers.

    Attributes:
        driver_names: in their order.
        mean: (driver,).
        scale: (driver,), infinite for a constant driver, which so becomes 0.
    """

    driver_names: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def of(cls, panel: TowerPanel, towers: Indices) -> Standardisation:
        """Takes the statistics of some towers.

        Args:
            panel: all towers.
            towers: whose months count.
        """
        values = panel.drivers[towers].reshape(-1, panel.drivers.shape[-1]).astype(np.float64)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        constant = deviation <= 1e-9 * np.maximum(np.abs(mean), 1.0)
        return cls(panel.driver_names, mean, np.where(constant, np.inf, deviation))

    def apply(self, panel: TowerPanel) -> npt.NDArray[np.float32]:
        """Inputs of a network, (tower, month, driver + 2).

        Args:
            panel: may hold other towers and months than those of ``of``.

        Raises:
            ValueError: its drivers are others, or in another order.
        """
        if panel.driver_names != self.driver_names:
            raise ValueError(f"The panel has the drivers {panel.driver_names}; those of fit were {self.driver_names}.")
        scaled = (panel.drivers - self.mean) / self.scale
        angle = 2 * np.pi * (np.asarray(panel.month_of_year) - 0.5) / 12
        season = np.broadcast_to(np.stack([np.sin(angle), np.cos(angle)], axis=-1), (panel.n_towers, panel.n_months, 2))
        return np.concatenate([scaled, season], axis=-1).astype(np.float32)
