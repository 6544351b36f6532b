"""Fits the four free factors of the process model to training towers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from models.arrays import Doubles
from models.flux.process_model import Calibration, Canopy, canopy, fluxes
from models.flux.weather import Weather

_LIMITS = (0.5, 2.0)  # of a factor: beyond, the published value would not be recognisable


def calibrate(weather: Weather, shares: Doubles, targets: Doubles, towers: npt.NDArray[np.integer[Any]]) -> Calibration:
    """Least squares over the observed months of the given towers, each flux in units of its standard deviation.

    Args:
        weather: of all towers.
        shares: (tower, 3).
        targets: (tower, month, 3) GPP, RECO, NEE in gC m⁻² d⁻¹; NaN where missing; read at ``towers`` only.
        towers: index of the training towers.

    Raises:
        ValueError: no month of these towers is observed.
    """
    observed = targets[towers]
    seen = np.isfinite(observed)
    if not seen.any(axis=(0, 1)).all():
        raise ValueError(
            "The process model cannot be calibrated: a flux is observed in no month of the training towers."
        )
    scale = np.array([observed[..., flux][seen[..., flux]].std() or 1.0 for flux in range(observed.shape[-1])])
    part = weather.at(towers)
    canopies: dict[float, Canopy] = {}  # three of the four factors leave leaves and water alone

    def residuals(logarithms: Doubles) -> Doubles:
        calibration = Calibration(*np.exp(logarithms).tolist())
        if calibration.leaf_area not in canopies:
            canopies.clear()
            canopies[calibration.leaf_area] = canopy(part, shares[towers], calibration.leaf_area)
        simulated = fluxes(part, canopies[calibration.leaf_area], calibration)
        difference = np.stack([simulated.gpp, simulated.reco, simulated.nee], axis=-1) - observed
        return np.asarray((difference / scale)[seen])

    fit = least_squares(residuals, np.zeros(4), bounds=tuple(np.log(_LIMITS)), diff_step=1e-4)
    return Calibration(*np.exp(fit.x).tolist())
