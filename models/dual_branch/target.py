"""The target as a network learns it: as it is where it suits a fresh network, standardised where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.arrays import Singles
from models.inputs import rounding

LEAST_DEVIATION, MOST_DEVIATION = 0.1, 10.0
"""A fresh network's outputs are about 1, and AdamW moves a parameter by no more than its learning rate a step. What
varies a decade more or less than that is not reached, or drowned, in the steps of a training."""
MOST_OFFSET = 1.5
"""Mean over deviation. Eq. 17 has no intercept: weights must make the mean out of inputs whose own mean is 0."""


@dataclass(frozen=True)
class TargetScaling:
    """How targets are told to a network: less ``mean``, divided by ``scale``.

    A target about as large as a fresh network's outputs, as gross primary production in gC m⁻² d⁻¹ is, stays as it is
    (``mean`` 0, ``scale`` 1), so that the losses are in its own unit. Any other is standardised.

    Attributes:
        mean: in the target's unit.
        scale: in the target's unit.
    """

    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, values: Singles) -> Self:
        """Decides by the training samples.

        Args:
            values: (sample,) finite targets, at least one.
        """
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        if LEAST_DEVIATION <= deviation <= MOST_DEVIATION and abs(mean) <= MOST_OFFSET * deviation:
            return cls()
        varies = deviation > rounding(np.float32) * float(np.abs(values).max())
        return cls(mean, deviation if varies else 1.0)

    def standardise(self, values: Singles) -> Singles:
        """Returns targets (sample,) as a network learns them.

        Args:
            values: (sample,) in the target's unit.
        """
        return ((values.astype(np.float64) - self.mean) / self.scale).astype(np.float32)

    def restore(self, learned: npt.NDArray[Any]) -> Singles:
        """Returns predictions in the target's unit.

        Args:
            learned: any shape, as a network gives them.
        """
        return (learned.astype(np.float64) * self.scale + self.mean).astype(np.float32)

    def restore_slopes(self, learned: npt.NDArray[Any]) -> Singles:
        """Returns changes of the target, such as weights and derivatives, in its unit.

        Args:
            learned: any shape, as a network gives them.
        """
        return (learned.astype(np.float64) * self.scale).astype(np.float32)
