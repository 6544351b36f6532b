"""Search of the spatial and the temporal bandwidth of a panel together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from models.gwr.equations import Problem, solve_local
from models.gwr.kernels import Kernel
from models.gwr.local import starved_locations
from models.gwr.panel_sums import space_sums, sum_over_time
from models.gwr.search import golden_section
from models.gwr.statistics import FitStatistics, fit_statistics
from models.gwr.threads import threads_for
from models.gwr.weighting import Neighbourhood

#: Temporal bandwidths tried for each spatial one, at equal ratios.
TIME_CANDIDATES = 6
#: The search over spatial bandwidths ends when its inner points differ by this share.
SPACE_RESOLUTION = 0.02
#: The final search over temporal bandwidths ends at this share.
TIME_RESOLUTION = 0.02
#: AICc differences below this do not tell models apart (Fotheringham et al. 2002, p. 70: about 3).
PANEL_SCORE_TOLERANCE = 0.1

History = tuple[tuple[float, float, float], ...]


def score_panel(
    problem: Problem, cells: Neighbourhood, kernel: Kernel, time_weights: Sequence[Tensor]
) -> list[FitStatistics]:
    """Return the figures of the fits with one spatial kernel and several temporal weightings.

    The sums over cells, which cost most, are computed once for all of them.

    Args:
        problem: the regression, samples ordered by cell, then by step.
        cells: the cells among themselves.
        kernel: the spatial kernel.
        time_weights: one (steps, steps) matrix Wt per temporal bandwidth.
    """
    samples, steps = len(problem.target), len(time_weights[0])
    residual = problem.target.new_empty(len(time_weights), samples)
    hat = torch.empty_like(residual)
    singular = torch.zeros(residual.shape, dtype=torch.bool, device=residual.device)
    starved = torch.zeros_like(singular)
    for space in space_sums(cells, kernel, problem.columns, steps, problem.width):
        for row, weights in enumerate(time_weights):
            block = sum_over_time(space, weights)
            with threads_for():
                systems = solve_local(block.sums, problem)
                fitted, own = systems.fitted_and_hat(problem.design[block.index], problem)
                residual[row, block.index] = problem.target[block.index] - fitted
                hat[row, block.index] = own
                singular[row, block.index] = systems.singular
                starved[row, block.index] = starved_locations(systems, block, problem)
    return [
        fit_statistics(residual[row], hat[row], problem.target, singular[row], starved[row])
        for row in range(len(time_weights))
    ]


def search_panel(
    problem: Problem,
    cells: Neighbourhood,
    time_weights: Callable[[float], Tensor],
    space_kernel: Callable[[float], Kernel],
    *,
    criterion: str,
    space: tuple[float, float],
    time: tuple[float, float],
) -> tuple[float, float, History]:
    """Find the pair of bandwidths with the lowest score.

    For each spatial bandwidth of a golden-section search (on its logarithm) the best of a few temporal
    ones counts, scored in one pass: all of a grid for the first spatial bandwidth, afterwards the best so far
    and its neighbours, since the best temporal bandwidth moves little between spatial ones. At the best
    spatial bandwidth the temporal one is then refined by golden section between its neighbours on the grid.

    Args:
        problem: the regression.
        cells: the cells among themselves.
        time_weights: Wt for a temporal bandwidth.
        space_kernel: the spatial kernel for a bandwidth.
        criterion: what is minimised.
        space: ends of the spatial search; equal ends fix it.
        time: ends of the temporal search; equal ends fix it.

    Returns:
        The spatial bandwidth, the temporal one, and all triples visited.

    Raises:
        ValueError: no pair leaves every location more neighbours than parameters.
    """
    history: list[tuple[float, float, float]] = []
    fixed_time = time[0] == time[1]
    grid = [time[0]] if fixed_time else [float(b) for b in np.geomspace(*time, TIME_CANDIDATES)]
    matrices = [time_weights(bandwidth) for bandwidth in grid]

    def scores(bandwidth: float, times: list[float], weights: list[Tensor]) -> list[float]:
        figures = score_panel(problem, cells, space_kernel(bandwidth), weights)
        values = [figure.score(criterion) for figure in figures]
        history.extend((bandwidth, moment, value) for moment, value in zip(times, values, strict=True))
        return values

    whole = space_kernel(space[1]).adaptive
    best_space = space[0]
    if space[0] != space[1]:
        profile: dict[float, float] = {}

        def best_of_grid(log_bandwidth: float) -> float:
            bandwidth = float(np.exp(log_bandwidth))
            bandwidth = float(round(bandwidth)) if whole else bandwidth
            if bandwidth not in profile:
                near = slice(None)
                if profile:
                    place = grid.index(min(history, key=lambda entry: entry[2])[1])
                    near = slice(max(place - 1, 0), place + 2)
                profile[bandwidth] = min(scores(bandwidth, grid[near], matrices[near]))
            return profile[bandwidth]

        ends = (float(np.log(space[0])), float(np.log(space[1])))
        golden_section(best_of_grid, *ends, score_tolerance=PANEL_SCORE_TOLERANCE, value_tolerance=SPACE_RESOLUTION)
        best_space = min(profile, key=lambda bandwidth: profile[bandwidth])
    else:
        scores(best_space, grid, matrices)
    best = min((entry for entry in history if entry[0] == best_space), key=lambda entry: entry[2])
    if best[2] == np.inf:
        raise ValueError("No bandwidth in the range leaves every location more neighbours than parameters.")
    if fixed_time:
        return best[0], best[1], tuple(history)
    place = grid.index(best[1])
    low, high = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
    golden_section(
        lambda log_time: scores(best_space, [float(np.exp(log_time))], [time_weights(float(np.exp(log_time)))])[0],
        float(np.log(low)),
        float(np.log(high)),
        score_tolerance=PANEL_SCORE_TOLERANCE,
        value_tolerance=TIME_RESOLUTION,
    )
    best = min((entry for entry in history if entry[0] == best_space), key=lambda entry: entry[2])
    return best[0], best[1], tuple(history)
