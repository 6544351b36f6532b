"""From weighted sums to local models: coefficients, errors, hat values, local R²."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.arrays import Doubles, Mask
from models.gwr.equations import NO_WEIGHT, LocalSystems, Problem, solve_local, take
from models.gwr.statistics import FitStatistics, fit_statistics
from models.gwr.threads import threads_for
from models.gwr.weighting import ColumnTable, LocalSums

#: Columns summed for the local R²: 1, y, y², e².
R2_WIDTH = 4


@dataclass(frozen=True)
class LocalFit:
    """Local fits at m locations, before the residual variance is known.

    Attributes:
        coefficients: (m, k) intercept, then slopes, in the units of the data.
        variance: (m, k) of the coefficients over σ², or None if not asked for.
        fitted: (m,) x·β + mean of y at the design rows given, or None.
        hat: (m,) hat-matrix diagonal, or None where the locations are not the samples.
        row_norm: (m,) squared norms of the rows of S, whose sum is tr(SᵀS), or None.
        singular: (m,) booleans.
        starved: (m,) booleans: singular, with fewer effective neighbours than parameters.
        out_of_reach: (m,) booleans: no sample has any weight, and the global fit stands in.
    """

    coefficients: Tensor
    variance: Tensor | None
    fitted: Tensor | None
    hat: Tensor | None
    row_norm: Tensor | None
    singular: Tensor
    starved: Tensor
    out_of_reach: Tensor


@dataclass(frozen=True)
class LocalModels:
    """Local models at m locations.

    Attributes:
        coefficients: (m, k) intercept, then slopes, in the units of the data.
        standard_errors: (m, k), or None if not asked for; infinite where no sample is in reach.
        local_r2: (m,) weighted R² around each location; NaN where no sample is in reach.
        singular: (m,) whether the local design is singular, and the model therefore regularised.
        out_of_reach: (m,) whether no sample has any weight: the coefficients are those of the global fit.
    """

    coefficients: Doubles
    standard_errors: Doubles | None
    local_r2: Doubles
    singular: Mask
    out_of_reach: Mask


@dataclass(frozen=True)
class FlaggedPrediction:
    """Predictions, and where they are not those of a local model.

    Attributes:
        values: (m,), or (m, t) of a panel.
        out_of_reach: of the same shape: no sample has any weight there, and the value is the global fit's.
        singular: of the same shape: the local design is singular, and the global fit completes it.
    """

    values: Doubles
    out_of_reach: Mask
    singular: Mask

    @classmethod
    def of(cls, fit: LocalFit, shape: tuple[int, ...]) -> Self:
        """Leave torch.

        Args:
            fit: with fitted values, that is, of a given design.
            shape: of the values.
        """
        assert fit.fitted is not None  # a design was given
        return cls(
            to_numpy(fit.fitted).reshape(shape),
            fit.out_of_reach.cpu().numpy().reshape(shape),
            fit.singular.cpu().numpy().reshape(shape),
        )

    def values_with_a_warning(self) -> Doubles:
        """Return the values; warn where there are any that no sample has a part in."""
        if self.out_of_reach.any():
            number = int(np.count_nonzero(self.out_of_reach))
            warnings.warn(
                f"{number} of {self.out_of_reach.size} predictions are out of reach of every sample and are those of "
                "the global fit; predict_flagged says which.",
                stacklevel=3,
            )
        return self.values


def score_fit(blocks: Iterable[LocalSums], problem: Problem) -> FitStatistics:
    """Return the figures of the fit at all samples; nothing else is computed.

    Args:
        blocks: sums of Z at the n samples.
        problem: the regression.
    """
    n = len(problem.target)
    residual, hat = problem.target.new_empty(n), problem.target.new_empty(n)
    singular = torch.zeros(n, dtype=torch.bool, device=residual.device)
    starved = torch.zeros_like(singular)
    for block in blocks:
        with threads_for():
            systems = solve_local(block.sums, problem)
            fitted, own = systems.fitted_and_hat(problem.design[block.index], problem)
            residual[block.index] = problem.target[block.index] - fitted
            hat[block.index] = own
            singular[block.index] = systems.singular
            starved[block.index] = starved_locations(systems, block, problem)
    return fit_statistics(residual, hat, problem.target, singular, starved)


def fit_locally(
    blocks: Iterable[LocalSums], problem: Problem, points: int, design: Tensor | None, at_samples: bool
) -> LocalFit:
    """Solve for the local models of all locations.

    Args:
        blocks: sums of Z; standard errors come out where they hold sums with squared weights.
        problem: the regression.
        points: m.
        design: (m, k) standardised rows to evaluate the models at, or None.
        at_samples: the locations are the samples and ``design`` their own rows: hat values come out.
    """
    empty = problem.target.new_empty
    coefficients = empty(points, problem.parameters)
    variance, row_norm = empty(points, problem.parameters), empty(points)
    fitted, hat = empty(points), empty(points)
    singular = torch.zeros(points, dtype=torch.bool, device=coefficients.device)
    starved, out_of_reach = torch.zeros_like(singular), torch.zeros_like(singular)
    transform = problem.to_user_units()
    with_variance = False
    for block in blocks:
        with threads_for():
            index = block.index
            systems = solve_local(block.sums, problem)
            coefficients[index] = systems.coefficients() @ transform.T
            singular[index] = systems.singular
            starved[index] = starved_locations(systems, block, problem)
            out_of_reach[index] = systems.total < NO_WEIGHT
            if design is not None and at_samples:
                fitted[index], hat[index] = systems.fitted_and_hat(design[index], problem)
            elif design is not None:
                fitted[index] = systems.fitted(design[index])
            if block.squared is not None:
                with_variance = True
                covariance = systems.covariance(block.squared, problem)
                # Rounding can leave a variance of zero slightly negative.
                variance[index] = ((transform @ covariance) * transform).sum(dim=2).clamp_(min=0.0)
                if design is not None and at_samples:
                    rows = design[index]
                    row_norm[index] = torch.einsum("bi,bij,bj->b", rows, covariance, rows)
    coefficients[:, 0] += problem.target_mean
    return LocalFit(
        coefficients=coefficients,
        variance=variance if with_variance else None,
        fitted=None if design is None else fitted + problem.target_mean,
        hat=hat if at_samples else None,
        row_norm=row_norm if with_variance and at_samples else None,
        singular=singular,
        starved=starved,
        out_of_reach=out_of_reach,
    )


def r2_columns(target: Tensor, residual: Tensor) -> ColumnTable:
    """Return the columns 1, y, y², e² (n, 4) to sum for the local R².

    Args:
        target: (n,) with mean zero, which keeps the digits of the weighted variance.
        residual: (n,).
    """
    table = torch.stack([torch.ones_like(target), target, target.square(), residual.square()], dim=1)
    return lambda rows: take(table, rows)


def local_r2(blocks: Iterable[LocalSums], points: int, like: Tensor) -> Tensor:
    """Return the local R² (m,): 1 - Σw·e² / Σw(y - ȳ_w)² (Fotheringham et al. 2002, eq. 9.8-9.10).

    NaN where the neighbours' y do not vary, or where there is no neighbour.
    """
    result = like.new_full((points,), torch.nan)
    for block in blocks:
        total, first, second, error = block.sums.T
        around = second - first.square() / total
        result[block.index] = torch.where(around > 0, 1.0 - error / around, torch.nan)
    return result


def to_numpy(tensor: Tensor) -> Doubles:
    """Return a float64 tensor as a numpy array on the CPU."""
    array: Doubles = tensor.cpu().numpy()
    return array


def local_models(fit: LocalFit, r2: Tensor, sigma2: float) -> LocalModels:
    """Put the residual variance σ² into the standard errors and leave torch."""
    errors = None
    if fit.variance is not None:
        # The global fit's errors say nothing of a place that no sample tells of.
        spread = (fit.variance * sigma2).sqrt_().masked_fill_(fit.out_of_reach[:, None], torch.inf)
        errors = to_numpy(spread)
    flags = fit.singular.cpu().numpy(), fit.out_of_reach.cpu().numpy()
    return LocalModels(to_numpy(fit.coefficients), errors, to_numpy(r2), *flags)


def starved_locations(systems: LocalSystems, block: LocalSums, problem: Problem) -> Tensor:
    """Return which locations (b,) are singular with fewer effective neighbours than parameters."""
    # Rounding: q samples of equal weight must count as q.
    return systems.singular & (block.effective < problem.parameters - 1e-9)
