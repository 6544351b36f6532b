"""Golden-section search for a bandwidth, as mgwr and GWR4 run it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

#: 1 - (√5 - 1)/2 to the digits mgwr and GWR4 use, so that the same bandwidths are visited.
GOLDEN = 0.38197

#: Rounds after which a search ends; a bracket has shrunk by 1e-41 then.
MAX_ROUNDS = 200


@dataclass(frozen=True)
class SearchResult:
    """The end of a search.

    Attributes:
        value: the best value.
        score: its score.
        history: every (value, score) in the order of evaluation.
    """

    value: float
    score: float
    history: tuple[tuple[float, float], ...]


def golden_section(
    score: Callable[[float], float],
    low: float,
    high: float,
    *,
    whole: bool = False,
    score_tolerance: float = 1e-6,
    value_tolerance: float = 0.0,
) -> SearchResult:
    """Minimise a function of one value between two bounds.

    It ends when the two inner points score alike, or lie close together (Fotheringham, Brunsdon and
    Charlton 2002, p. 212). Where both scores are infinite it moves up: for a bandwidth, towards
    more neighbours.

    Args:
        score: the function; +∞ is allowed, NaN is not.
        low: lower bound.
        high: upper bound.
        whole: visit whole numbers only.
        score_tolerance: difference of scores at which to end.
        value_tolerance: distance of the inner points at which to end.

    Returns:
        The last of the two inner points that scored lower, without rounding.

    Raises:
        ValueError: every value visited scores +∞.
    """
    seen: dict[float, float] = {}

    def at(value: float) -> float:
        if value not in seen:
            seen[value] = score(value)
        return seen[value]

    lower = low + GOLDEN * (high - low)
    upper = high - GOLDEN * (high - low)
    best = (upper, math.inf)
    for _ in range(MAX_ROUNDS):
        if whole:
            lower, upper = float(round(lower)), float(round(upper))
        at_lower, at_upper = at(lower), at(upper)
        alike = at_upper < math.inf and abs(at_lower - at_upper) <= score_tolerance
        close = abs(upper - lower) <= value_tolerance
        if at_lower <= at_upper and at_lower < math.inf:
            best = (lower, at_lower)
            high, upper = upper, lower
            lower = low + GOLDEN * (high - low)
        else:
            best = (upper, at_upper)
            low, lower = lower, upper
            upper = high - GOLDEN * (high - low)
        if alike or close:
            break
    if best[1] == math.inf:
        raise ValueError("No value in the search range leaves every location more neighbours than parameters.")
    return SearchResult(best[0], best[1], tuple(seen.items()))
