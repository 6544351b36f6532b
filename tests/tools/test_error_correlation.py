"""The correlogram finds the correlation that a field was made with, in spite of the finite region."""

from __future__ import annotations

import numpy as np
import pytest

from tools.coverage import root_of_covariance
from tools.error_correlation import Correlogram, great_circle


def grid() -> tuple[np.ndarray, np.ndarray]:
    lon, lat = np.meshgrid(np.arange(105, 117, 0.5), np.arange(33, 44, 0.5))
    return lon.ravel(), lat.ravel()


def test_distances_are_those_of_the_great_circle() -> None:
    apart = great_circle(np.array([0.0, 90.0, 179.5, -179.5]), np.array([0.0, 0.0, 60.0, 60.0]))
    assert apart[0, 1] == pytest.approx(90) and apart[2, 3] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("length", "share"), [(0.7, 1.0), (2.5, 1.0), (2.5, 0.5)])
def test_length_and_share_are_found(length: float, share: float) -> None:
    lon, lat = grid()
    correlogram, generator = Correlogram(lon, lat), np.random.default_rng(0)
    root = root_of_covariance(great_circle(lon, lat), length)
    fits = []
    for _ in range(40):
        own, noise = root @ generator.normal(size=len(lon)), generator.normal(size=len(lon))
        fits.append(correlogram.fit(7 + np.sqrt(share) * own + np.sqrt(1 - share) * noise))
    assert np.median([fit.length for fit in fits]) == pytest.approx(length, rel=0.45)
    assert np.median([fit.share for fit in fits]) == pytest.approx(share, abs=0.16)
    together = share * np.exp(-great_circle(lon, lat) / length).mean()
    assert np.median([fit.mean for fit in fits]) == pytest.approx(together, rel=0.7)
