"""What the networks learn from the process model: pure types, the towers' own shares and random mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrays import Doubles, Singles
from models.flux.balance import FLUXES
from models.flux.parameters import PURE_TYPES
from models.flux.process_model import Calibration, simulate
from models.flux.weather import Weather


@dataclass(frozen=True)
class Simulations:
    """Simulated fluxes of towers, gC m⁻² d⁻¹ in the order of ``balance.FLUXES``.

    Attributes:
        pure: (tower, type, month, 6), as if all ground were of one type.
        own: (tower, month, 6), with the tower's own shares.
        mixture_shares: (tower, mixture, 3) of the random mixtures.
        mixtures: (tower, mixture, month, 6).
    """

    pure: Singles
    own: Singles
    mixture_shares: Singles
    mixtures: Singles

    @classmethod
    def of(cls, weather: Weather, shares: Doubles, n_mixtures: int, seed: int, factors: Calibration) -> Simulations:
        """Runs the process model.

        Args:
            weather: of the towers.
            shares: (tower, 3), their own.
            n_mixtures: random mixtures per tower, uniform over all shares.
            seed: of the mixtures.
            factors: of the process model.
        """
        towers = range(len(shares))
        pure = [_run(weather, np.tile(unit, (len(towers), 1)), factors) for unit in np.eye(len(PURE_TYPES))]
        drawn = np.random.default_rng(seed).dirichlet(np.ones(len(PURE_TYPES)), size=(len(towers), n_mixtures))
        own = _run(weather, shares, factors)
        mixtures = np.empty((len(towers), n_mixtures, *own.shape[1:]), np.float32)
        for number in range(n_mixtures):
            mixtures[:, number] = _run(weather, drawn[:, number], factors)
        return cls(np.stack(pure, axis=1), own, drawn.astype(np.float32), mixtures)

    @property
    def mean(self) -> Doubles:
        """(6,) of the towers' own fluxes."""
        return np.asarray(self.own.mean(axis=(0, 1), dtype=np.float64))

    @property
    def scale(self) -> Doubles:
        """(6,) their standard deviations; 1 where a flux never varies."""
        deviation = self.own.std(axis=(0, 1), dtype=np.float64)
        return np.asarray(np.where(deviation > 1e-6, deviation, 1.0))


def _run(weather: Weather, shares: Doubles, factors: Calibration) -> Singles:
    simulated = simulate(weather, shares, factors)
    return np.stack([getattr(simulated, name) for name in FLUXES], axis=-1).astype(np.float32)
