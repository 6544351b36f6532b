"""Standard deviation of a prediction, from the errors at the validation towers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from models.arrays import Doubles


class Spread(NamedTuple):
    """Error variance per flux: constant + slope · GPP².

    Errors of fluxes grow with the fluxes (Richardson et al. 2006), and GPP is the flux that is large when any is.
    The towers that decide when a training stops are not wholly unseen, so that the spread errs to the low side.

    Attributes:
        constant: (3,) (gC m⁻² d⁻¹)².
        slope: (3,).
    """

    constant: Doubles
    slope: Doubles

    @classmethod
    def of_residuals(cls, predicted: Doubles, targets: Doubles) -> Spread:
        """Fits both numbers, neither negative, by least squares on the squared residuals.

        Args:
            predicted: (tower, month, 3) gC m⁻² d⁻¹, GPP first.
            targets: (tower, month, 3); NaN is passed over.
        """
        constant, slope = np.zeros(3), np.zeros(3)
        for flux in range(3):
            seen = np.isfinite(targets[..., flux])
            squares = (predicted[..., flux] - targets[..., flux])[seen] ** 2
            design = np.stack([np.ones(len(squares)), predicted[..., 0][seen] ** 2], axis=1)
            (constant[flux], slope[flux]), _ = nnls(design.astype(np.float64), squares.astype(np.float64))
        return cls(constant, slope)

    def of_prediction(self, predicted: Doubles) -> Doubles:
        """Standard deviation of each predicted flux.

        Args:
            predicted: (tower, month, 3) gC m⁻² d⁻¹, GPP first.

        Returns:
            (tower, month, 3) gC m⁻² d⁻¹.
        """
        return np.asarray(np.sqrt(self.constant + self.slope * predicted[..., :1] ** 2))
