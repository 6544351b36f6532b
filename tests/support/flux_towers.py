"""Invented towers whose fluxes follow the process model, with gaps; seasons, types and latitudes differ."""

import numpy as np

from models.flux.data import TowerPanel
from models.flux.process_model import simulate
from models.flux.weather import Weather

CLASSES = ("DBF", "ENF", "GRA", "MF", "WSA", "EBF")


def weather(n_towers=6, n_months=24, seed=0, first_month=1):
    drivers, month, lat = _drivers(n_towers, n_months, seed, first_month)
    tmin, tmax, srad, co2, vpd, precip = np.moveaxis(drivers, -1, 0)
    return Weather(tmin, tmax, srad, co2, 100 * vpd, precip, month, lat)


def towers(n_towers=8, n_months=24, seed=0, missing=0.3):
    """A panel and its fluxes, (tower, month, 3) with NaN."""
    drivers, month, lat = _drivers(n_towers, n_months, seed, 1)
    rng = np.random.default_rng(seed + 1)
    igbp = tuple(CLASSES[number % len(CLASSES)] for number in range(n_towers))
    names = ("tmin", "tmax", "srad", "co2", "vpd", "precip")
    panel = TowerPanel(drivers, names, month, igbp, lat, rng.uniform(0, 90, n_towers))
    simulated = simulate(panel.weather(), panel.shares)
    gpp, reco = 1.3 * simulated.gpp, 1.2 * simulated.reco
    targets = np.stack([gpp, reco, reco - gpp], axis=-1) + rng.normal(0, 0.1, (n_towers, n_months, 3))
    targets[rng.random((n_towers, n_months)) < missing] = np.nan
    return panel, targets


def _drivers(n_towers, n_months, seed, first_month):
    rng = np.random.default_rng(seed)
    month = (np.arange(n_months) + first_month - 1) % 12 + 1
    season = -np.cos(2 * np.pi * (month - 1) / 12)
    shape = (n_towers, n_months)
    tmin = rng.uniform(-4, 18, n_towers)[:, None] + 8 * season + rng.normal(0, 1, shape)
    tmax = tmin + rng.uniform(6, 12, shape)
    srad = 14 + 8 * season + rng.normal(0, 1, shape)
    co2 = np.full(shape, 390.0) + np.linspace(0, 4, n_months)
    vpd = np.clip(7 + 5 * season + rng.normal(0, 1, shape), 0.5, None)
    precip = rng.gamma(2, 1.0, shape)
    return np.stack([tmin, tmax, srad, co2, vpd, precip], axis=-1), month, rng.uniform(25, 60, n_towers)
