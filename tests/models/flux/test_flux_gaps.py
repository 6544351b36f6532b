import numpy as np
import pytest

from models.flux.gaps import climatology, interpolated


def test_interpolation_is_linear_within_and_constant_beyond():
    series = np.array([np.nan, 2.0, np.nan, np.nan, 5.0, np.nan])
    targets = np.stack([series, np.full(6, np.nan), np.arange(6.0)])[:, :, None]
    before = targets.copy()
    filled = interpolated(targets)[..., 0]
    assert filled[0].tolist() == [2, 2, 3, 4, 5, 5]
    assert np.isnan(filled[1]).all()
    assert filled[2].tolist() == list(range(6))
    np.testing.assert_array_equal(targets, before)


def test_climatology_is_the_towers_own_month_and_falls_back_to_its_mean():
    month = np.arange(30) % 12 + 1
    targets = np.full((2, 30, 1), np.nan)
    targets[0, [0, 12, 1], 0] = [1.0, 3.0, 8.0]
    means = climatology(targets, month)[..., 0]
    assert means[0, [0, 12, 24]].tolist() == [2, 2, 2]
    assert means[0, [1, 13, 25]].tolist() == [8, 8, 8]
    assert means[0, 5] == pytest.approx(4.0)
    assert np.isnan(means[1]).all()
