"""Smooth random fields on the sphere that persist in time, at any number of places in memory linear in it.

A field is a sum of plane waves through space, seen on the unit sphere, with random directions and lengths
(random Fourier features of a Gaussian kernel: Rahimi and Recht 2007, Random Features for Large-Scale Kernel
Machines). Its correlation falls as exp(-d^2 / 2 l^2) with the distance d. The amplitudes follow first-order
autoregressions in time, so that every place has the same persistence, and no matrix of cells by cells is ever
made.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from bench.arrays import Doubles
from models.sphere import EARTH_RADIUS_KM

N_WAVES = 160
"""Waves in a field: its correlations are those of the kernel to about one over the root of this number."""
_CELLS_AT_ONCE = 2048


@dataclass(frozen=True)
class SmoothField:
    """A random field of mean 0 and variance 1; columns are steps, or independent fields of one length scale.

    Attributes:
        wave_vectors: (3, wave) radians per unit of the sphere's radius.
        amplitudes: (2 wave, column) of the cosines, then of the sines.
    """

    wave_vectors: Doubles
    amplitudes: Doubles

    def at(self, unit_vectors: Doubles) -> Doubles:
        """Returns the field, (cell, column), at places given as (cell, 3) unit vectors."""
        values = np.empty((len(unit_vectors), self.amplitudes.shape[1]))
        for start in range(0, len(unit_vectors), _CELLS_AT_ONCE):
            phase = unit_vectors[start : start + _CELLS_AT_ONCE] @ self.wave_vectors
            waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
            values[start : start + _CELLS_AT_ONCE] = waves @ self.amplitudes
        return values


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Returns the random numbers of one purpose, which no other purpose shifts."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def static_fields(seed: int, purpose: str, length: float, n_fields: int = 1) -> SmoothField:
    """Returns independent fields that do not change.

    Args:
        seed: the data set's seed.
        purpose: name of the random numbers.
        length: length scale, km.
        n_fields: number of columns.
    """
    random = generator(seed, purpose)
    waves = random.standard_normal((3, N_WAVES)) * (EARTH_RADIUS_KM / length)
    return SmoothField(waves, random.standard_normal((2 * N_WAVES, n_fields)) / np.sqrt(N_WAVES))


def moving_field(
    seed: int, purpose: str, length: float, n_times: int, memories: tuple[tuple[float, float], ...]
) -> SmoothField:
    """Returns one field that changes from step to step.

    Args:
        seed: the data set's seed.
        purpose: name of the random numbers.
        length: length scale, km.
        n_times: number of steps.
        memories: (share of the variance, correlation from one step to the next) of each component; the shares
            sum to 1.
    """
    random = generator(seed, purpose)
    waves = random.standard_normal((3, N_WAVES)) * (EARTH_RADIUS_KM / length)
    amplitudes = np.zeros((2 * N_WAVES, n_times))
    for share, correlation in memories:
        state = random.standard_normal(2 * N_WAVES)
        for time in range(n_times):
            if time:
                shock = random.standard_normal(2 * N_WAVES)
                state = correlation * state + np.sqrt(1.0 - correlation**2) * shock
            amplitudes[:, time] += np.sqrt(share / N_WAVES) * state
    return SmoothField(waves, amplitudes)
