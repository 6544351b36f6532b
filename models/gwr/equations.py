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

from models.arrays import Doubles
from models.inputs import LEAST_ROUNDING

#: Squared Cholesky pivot over the diagonal element below which a local design counts as singular:
#: a column explained by the others up to this share. Beyond it less than six digits would remain.
SINGULAR_PIVOT = 1e-10

#: Strength of the pull of a singular design towards the global fit, in units of the (weighted mean)
#: second moment of a standardised column.
RIDGE = 1e-6

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
            return take(self.products, rows)
        return cross_products(take(self.design, rows), take(self.target, rows))

    def design_at(self, features: Doubles) -> Tensor:
        """Return the standardised design (m, k) of features (m, k - 1)."""
        raw = torch.as_tensor(features, dtype=torch.float64, device=self.design.device)
        columns = (raw - self.mean) / self.scale
        return torch.cat([torch.ones_like(columns[:, :1]), columns], dim=1)

    def to_user_units(self) -> Tensor:
        """Return T (k, k) with user coefficients = T @ standardised ones (less the mean of y)."""
        matrix = torch.diag(torch.cat([torch.ones_like(self.mean[:1]), 1.0 / self.scale]))
        matrix[0, 1:] = -self.mean / self.scale
        return matrix


def build_problem(features: Doubles, target: Doubles, device: str, cache_bytes: int) -> Problem:
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
    constant = spread <= LEAST_ROUNDING * raw.abs().amax(dim=0)
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


def take(table: Tensor, rows: Tensor | slice) -> Tensor:
    """Return rows of a table; ``index_select`` is several times faster than indexing on a CPU."""
    return table[rows] if isinstance(rows, slice) else table.index_select(0, rows)


def cross_products(design: Tensor, target: Tensor) -> Tensor:
    """Return Z (n, k(k + 3)/2): products of pairs of columns (upper triangle by rows), then X·y."""
    samples, parameters = design.shape
    table = design.new_empty(samples, parameters * (parameters + 3) // 2)
    end = 0
    for column in range(parameters):  # written in place: temporaries would triple the memory
        start, end = end, end + parameters - column
        torch.mul(design[:, column:], design[:, column, None], out=table[:, start:end])
    torch.mul(design, target[:, None], out=table[:, end:])
    return table


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
    place = torch.empty(parameters, parameters, dtype=torch.int64, device=sums.device)
    place[first, second] = place[second, first] = torch.arange(len(first), device=sums.device)
    # gather is several times faster than index_select along the rows of a matrix on a CPU.
    cross = sums.gather(1, place.flatten().expand(len(sums), -1)).view(-1, parameters, parameters)
    return cross, sums[:, len(first) :].contiguous()


def solve_local(sums: Tensor, problem: Problem) -> LocalSystems:
    """Factor the local normal equations of a block of locations; singular ones are regularised.

    A design is singular where a Cholesky pivot of the system falls below ``SINGULAR_PIVOT`` of its
    diagonal element: constant, one-hot, duplicated or collinear columns, or too few neighbours.
    There, and only there, the slopes are pulled to the global least-squares coefficients with strength
    ``RIDGE``: what the neighbours determine stays theirs, what they leave open is global. A location
    without any weight gets the global coefficients as they are.

    Args:
        sums: (b, p) of the columns of Z.
        problem: the regression.

    Returns:
        The factored systems.
    """
    total = sums[:, 0].clone()
    empty = total < NO_WEIGHT
    # Without any weight all sums count as zero, and so do the digits an underflow may have left.
    share = torch.where(empty, 0.0, 1.0 / torch.where(empty, 1.0, total))
    cross, right = unpack(sums * share[:, None], problem.parameters)
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
    lower, failed = torch.linalg.cholesky_ex(matrices)
    diagonal = matrices.diagonal(dim1=1, dim2=2)
    # A pivot over its diagonal element does not depend on the units of the columns.
    safe = (lower.diagonal(dim1=1, dim2=2).square() >= SINGULAR_PIVOT * diagonal).all(dim=1)
    return lower, (failed == 0) & safe & (diagonal > 0).all(dim=1)
