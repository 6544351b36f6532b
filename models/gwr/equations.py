"""The local normal equations: columns to sum, batched solves, what happens to singular designs.

Every local fit needs only sums over samples of w·(products of columns), so that all local fits of a
block of locations are one matrix product W @ Z with Z = [products of pairs of columns | X·y].

Columns are centred and scaled over the whole data set first. That leaves fitted values and the hat
matrix as they are (a linear change of basis, undone in the coefficients) and keeps the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.gwr.validation import FloatArray

#: Squared Cholesky pivot of the unit-diagonal local system below which a design counts as singular:
#: a column explained by the others up to this share. Beyond it less than six digits would remain.
SINGULAR_PIVOT = 1e-10

#: Strength of the pull of a singular design towards the global fit, in units of the (weighted mean)
#: second moment of a standardised column.
RIDGE = 1e-6

#: A column whose spread is below this share of its size is constant up to rounding.
CONSTANT_SPREAD = 1e-12

#: Sums of weights below this hold no usable digits (Gaussian weights underflow): no neighbour at all.
NO_WEIGHT = 1e-200


@dataclass(frozen=True)
class Problem:
    """The regression in standardised columns.

    Attributes:
        design: (n, k) a column of ones, then the standardised features.
        target: (n,) y minus its mean.
        target_mean: mean of y.
        mean: (k - 1,) of the features.
        scale: (k - 1,) standard deviation of the features, 1 for a constant one.
        prior: (k,) global least-squares coefficients of minimum norm, the target of the pull.
        prior_inverse: (k, k) pseudo-inverse of XᵀX over all samples.
        products: (n, p) Z, or None where it is computed piece by piece.
    """

    design: Tensor
    target: Tensor
    target_mean: float
    mean: Tensor
    scale: Tensor
    prior: Tensor
    prior_inverse: Tensor
    products: Tensor | None

    @property
    def parameters(self) -> int:
        """Number of columns k, the intercept among them."""
        return int(self.design.shape[1])

    @property
    def width(self) -> int:
        """Number of columns of Z: k(k + 1)/2 products and k right-hand sides."""
        return self.parameters * (self.parameters + 3) // 2

    def columns(self, rows: Tensor | slice) -> Tensor:
        """Return rows of Z = [products of pairs of columns | X·y]."""
        if self.products is not None:
            return self.products[rows]
        return cross_products(self.design[rows], self.target[rows])

    def design_at(self, features: FloatArray) -> Tensor:
        """Return the standardised design (m, k) of features (m, k - 1)."""
        raw = torch.as_tensor(features, dtype=torch.float64, device=self.design.device)
        columns = (raw - self.mean) / self.scale
        return torch.cat([torch.ones_like(columns[:, :1]), columns], dim=1)

    def to_user_units(self) -> Tensor:
        """Return T (k, k) with user coefficients = T @ standardised ones (less the mean of y)."""
        matrix = torch.diag(torch.cat([torch.ones_like(self.mean[:1]), 1.0 / self.scale]))
        matrix[0, 1:] = -self.mean / self.scale
        return matrix


def build_problem(features: FloatArray, target: FloatArray, device: str, cache_bytes: int) -> Problem:
    """Standardise the columns and prepare Z.

    Args:
        features: (n, k - 1).
        target: (n,).
        device: torch device that supports float64.
        cache_bytes: Z is kept as a whole if it is no larger than this.

    Returns:
        The regression in standardised columns.
    """
    raw = torch.as_tensor(features, dtype=torch.float64, device=device)
    y = torch.as_tensor(target, dtype=torch.float64, device=device)
    mean = raw.mean(dim=0)
    centred = raw - mean
    spread = centred.square().mean(dim=0).sqrt_()
    constant = spread <= CONSTANT_SPREAD * raw.abs().amax(dim=0)
    scale = torch.where(constant, torch.ones_like(spread), spread)
    # Rounding noise of a constant column would pass for information: it becomes exactly zero.
    centred = torch.where(constant, torch.zeros_like(centred), centred / scale)
    design = torch.cat([torch.ones_like(y[:, None]), centred], dim=1)
    mean_y = float(y.mean())
    y = y - mean_y
    inverse = torch.linalg.pinv(design.T @ design, hermitian=True, rtol=SINGULAR_PIVOT)
    prior = inverse @ (design.T @ y)
    samples, parameters = design.shape
    small = samples * parameters * (parameters + 3) // 2 * 8 <= cache_bytes
    products = cross_products(design, y) if small else None
    return Problem(design, y, mean_y, mean, scale, prior, inverse, products)


def cross_products(design: Tensor, target: Tensor) -> Tensor:
    """Return Z (n, k(k + 3)/2): products of pairs of columns (upper triangle by rows), then X·y."""
    first, second = torch.triu_indices(design.shape[1], design.shape[1], device=design.device)
    return torch.cat([design[:, first] * design[:, second], design * target[:, None]], dim=1)


@dataclass(frozen=True)
class LocalSystems:
    """Factored local normal equations of b locations, weights scaled to sum 1.

    Attributes:
        total: (b,) sum of the weights.
        cross: (b, k, k) XᵀWX / Σw, without any pull.
        pull: (b, k) diagonal D of the pull towards the global fit, 0 where the design is regular.
        lower: (b, k, k) Cholesky factor L of ``cross + D``.
        half_solution: (b, k) L⁻¹ (XᵀWy / Σw + D·prior).
        singular: (b,) whether the design is singular.
    """

    total: Tensor
    cross: Tensor
    pull: Tensor
    lower: Tensor
    half_solution: Tensor
    singular: Tensor

    def coefficients(self) -> Tensor:
        """Return the local coefficients (b, k) in standardised columns."""
        return _solve_triangular(self.lower.mT, self.half_solution, upper=True)

    def fitted(self, design: Tensor) -> Tensor:
        """Return x·β (b,) of one design row (b, k) per location."""
        return (self._half(design) * self.half_solution).sum(dim=1)

    def fitted_and_hat(self, design: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
        """Return fitted values and hat-matrix diagonal (b,) at the samples themselves.

        Args:
            design: (b, k) the samples' own rows; their own weight is K(0) = 1.
            problem: for the share of the sample in the global fit, which singular designs are pulled to.
        """
        half = self._half(design)
        fitted = (half * self.half_solution).sum(dim=1)
        hat = half.square().sum(dim=1) / self.total
        rows = self.singular.nonzero().squeeze(1)
        if len(rows):
            share = self.pull[rows] * (design[rows] @ problem.prior_inverse)
            hat[rows] += (half[rows] * _solve_triangular(self.lower[rows], share)).sum(dim=1)
        return fitted, hat

    def covariance(self, squared: Tensor, problem: Problem) -> Tensor:
        """Return Cov(β) / σ² (b, k, k) in standardised columns.

        For β = M·y it is M·Mᵀ, exact for regular and regularised designs alike (for the latter it is
        the variance only: their bias towards the global fit is not in it).

        Args:
            squared: (b, p) sums of Z with squared weights.
            problem: for the share of the global fit.
        """
        eye = torch.eye(problem.parameters, dtype=torch.float64, device=squared.device)
        half = torch.linalg.solve_triangular(self.lower, eye.expand_as(self.lower), upper=False)
        inverse = half.mT @ half
        middle = unpack(squared, problem.parameters)[0] / self._safe_total().square()[:, None, None]
        if bool(self.singular.any()):
            pulled = self.cross @ problem.prior_inverse * self.pull[:, None, :]
            both = self.pull[:, :, None] * problem.prior_inverse * self.pull[:, None, :]
            middle = middle + pulled + pulled.mT + both
        covariance: Tensor = inverse @ middle @ inverse
        return covariance

    def _half(self, design: Tensor) -> Tensor:
        return _solve_triangular(self.lower, design)

    def _safe_total(self) -> Tensor:
        return torch.where(self.total < NO_WEIGHT, torch.ones_like(self.total), self.total)


def unpack(sums: Tensor, parameters: int) -> tuple[Tensor, Tensor]:
    """Return XᵀWX (b, k, k) and XᵀWy (b, k) from sums of the columns of Z (b, p)."""
    first, second = torch.triu_indices(parameters, parameters, device=sums.device)
    cross = sums.new_empty(len(sums), parameters, parameters)
    cross[:, first, second] = sums[:, : len(first)]
    cross[:, second, first] = sums[:, : len(first)]
    return cross, sums[:, len(first) :]


def solve_local(sums: Tensor, problem: Problem) -> LocalSystems:
    """Factor the local normal equations of a block of locations; singular ones are regularised.

    A design is singular where a Cholesky pivot of the system, scaled to unit diagonal, falls below
    ``SINGULAR_PIVOT``: constant, one-hot, duplicated or collinear columns, or too few neighbours.
    There, and only there, the slopes are pulled to the global least-squares coefficients with strength
    ``RIDGE``: what the neighbours determine stays theirs, what they leave open is global. A location
    without any weight gets the global coefficients as they are.

    Args:
        sums: (b, p) of the columns of Z.
        problem: the regression.

    Returns:
        The factored systems.
    """
    cross, right = unpack(sums, problem.parameters)
    total = cross[:, 0, 0].clone()
    empty = total < NO_WEIGHT
    safe = torch.where(empty, torch.ones_like(total), total)
    weightless = empty[:, None]
    cross = torch.where(weightless[..., None], 0.0, cross / safe[:, None, None])
    right = torch.where(weightless, 0.0, right / safe[:, None])
    lower, regular = _cholesky(cross)
    singular = ~regular
    pull = torch.zeros_like(right)
    rows = singular.nonzero().squeeze(1)
    if len(rows):
        strength = torch.full_like(pull[rows], RIDGE)
        strength[:, 0] = 0.0
        strength[empty[rows]] = 1.0
        pull[rows] = strength
        right[rows] = right[rows] + strength * problem.prior
        lower[rows] = _cholesky(cross[rows] + torch.diag_embed(strength))[0]
    return LocalSystems(total, cross, pull, lower, _solve_triangular(lower, right), singular)


def _solve_triangular(matrices: Tensor, right: Tensor, upper: bool = False) -> Tensor:
    """Solve triangular systems (b, k, k) for one right-hand side (b, k) each."""
    solution: Tensor = torch.linalg.solve_triangular(matrices, right[..., None], upper=upper)
    return solution.squeeze(-1)


def _cholesky(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return Cholesky factors (b, k, k), and whether each matrix is safely positive definite (b,)."""
    size = matrices.diagonal(dim1=1, dim2=2).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    scaled = matrices / (size[:, :, None] * size[:, None, :])
    lower, failed = torch.linalg.cholesky_ex(scaled)
    pivot = lower.diagonal(dim1=1, dim2=2).square().amin(dim=1)
    return lower * size[:, :, None], (failed == 0) & (pivot >= SINGULAR_PIVOT)
