"""Figures of a whole fit: AICc, AIC, BIC, CV, R², residual variance, and what a search minimises."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

CRITERIA = ("AICc", "AIC", "BIC", "CV")

#: 1 - hat value below which a sample's own location cannot be fitted without it.
LEAVE_ONE_OUT_MARGIN = 1e-8


@dataclass(frozen=True)
class FitStatistics:
    """Diagnostics of a linear smoother ŷ = S·y.

    Attributes:
        samples: n.
        rss: residual sum of squares.
        tss: total sum of squares about the mean.
        trace: tr(S), the effective number of parameters.
        cv: mean squared leave-one-out residual.
        singular: number of locations with a singular design.
        starved: number of those with fewer effective neighbours than parameters.
    """

    samples: int
    rss: float
    tss: float
    trace: float
    cv: float
    singular: int
    starved: int

    @property
    def sigma2(self) -> float:
        """Residual variance RSS / (n - tr S) (Fotheringham et al. 2002, eq. 9.6); NaN without freedom."""
        freedom = self.samples - self.trace
        return self.rss / freedom if freedom > 0 else math.nan

    @property
    def r2(self) -> float:
        """1 - RSS / TSS; NaN for a constant target."""
        return 1.0 - self.rss / self.tss if self.tss > 0 else math.nan

    @property
    def _deviance(self) -> float:
        """-2 log-likelihood of a Gaussian with variance RSS / n."""
        variance = max(self.rss / self.samples, 1e-300)  # an exact fit has a finite, very low deviance
        return self.samples * (math.log(2.0 * math.pi * variance) + 1.0)

    @property
    def aic(self) -> float:
        """Akaike's criterion with tr(S) + 1 parameters (Fotheringham et al. 2002, eq. 4.22)."""
        return self._deviance + 2.0 * (self.trace + 1.0)

    @property
    def aicc(self) -> float:
        """Corrected Akaike criterion (eq. 2.33); infinite where tr(S) ≥ n - 2, not -∞ as the formula."""
        freedom = self.samples - self.trace - 2.0
        if freedom <= 0:
            return math.inf
        return self._deviance + 2.0 * self.samples * (self.trace + 1.0) / freedom

    @property
    def bic(self) -> float:
        """Bayesian criterion (eq. 2.34)."""
        return self._deviance + (self.trace + 1.0) * math.log(self.samples)

    def score(self, criterion: str) -> float:
        """Return what a bandwidth search minimises.

        Infinite, so that it never wins, where the fit has no freedom left (tr S ≥ n - 2) or where
        a singular design has fewer effective neighbours than parameters. Designs that are singular
        only by their columns do not rule a bandwidth out: they are regularised and their cost is in tr S.

        Args:
            criterion: ``AICc``, ``AIC``, ``BIC`` or ``CV``.
        """
        if self.starved or self.samples - self.trace - 2.0 <= 0:
            return math.inf
        values = {"AICc": self.aicc, "AIC": self.aic, "BIC": self.bic, "CV": self.cv}
        value = values[criterion]
        return value if math.isfinite(value) else math.inf


class FittedFigures:
    """The figures of a fitted estimator, read from its ``statistics_``."""

    statistics_: FitStatistics

    @property
    def aicc_(self) -> float:
        """Corrected Akaike criterion."""
        return self.statistics_.aicc

    @property
    def aic_(self) -> float:
        """Akaike criterion."""
        return self.statistics_.aic

    @property
    def bic_(self) -> float:
        """Bayesian criterion."""
        return self.statistics_.bic

    @property
    def cv_(self) -> float:
        """Mean squared leave-one-out residual."""
        return self.statistics_.cv

    @property
    def r2_(self) -> float:
        """R² over all samples."""
        return self.statistics_.r2

    @property
    def sigma2_(self) -> float:
        """Residual variance RSS / (n - tr S)."""
        return self.statistics_.sigma2

    @property
    def trace_s_(self) -> float:
        """Trace of the hat matrix, the effective number of parameters."""
        return self.statistics_.trace


def fit_statistics(residual: Tensor, hat: Tensor, target: Tensor, singular: Tensor, starved: Tensor) -> FitStatistics:
    """Reduce a fit to its figures.

    The leave-one-out residual is e / (1 - h) (Fotheringham et al. 2002, eq. 2.31, divided by n as GWR4
    does). Where h = 1 nothing can be fitted without the sample: the mean of y stands in.

    Args:
        residual: (n,).
        hat: (n,) hat-matrix diagonal.
        target: (n,) with mean zero.
        singular: (n,) booleans.
        starved: (n,) booleans.
    """
    margin = 1.0 - hat
    alone = margin < LEAVE_ONE_OUT_MARGIN
    left_out = target.where(alone, residual / margin.masked_fill(alone, 1.0))
    return FitStatistics(
        samples=len(target),
        rss=float(residual.square().sum()),
        tss=float(target.square().sum()),
        trace=float(hat.sum()),
        cv=float(left_out.square().mean()),
        singular=int(singular.sum()),
        starved=int(starved.sum()),
    )
