"""Shares of broadleaf, needleleaf and grass + shrub at a tower."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.arrays import Doubles

SHARES_OF_CLASS: dict[str, tuple[float, float, float]] = {
    "ENF": (0.0, 1.0, 0.0),
    "EBF": (1.0, 0.0, 0.0),
    "DNF": (0.0, 1.0, 0.0),
    "DBF": (1.0, 0.0, 0.0),
    "MF": (0.5, 0.5, 0.0),
    "CSH": (0.1, 0.0, 0.9),
    "OSH": (0.0, 0.0, 1.0),
    "WSA": (0.45, 0.0, 0.55),
    "SAV": (0.2, 0.0, 0.8),
    "GRA": (0.0, 0.0, 1.0),
    "WET": (0.1, 0.1, 0.8),
    "CRO": (0.0, 0.0, 1.0),
    "SNO": (0.0, 0.0, 1.0),
}
"""Broadleaf, needleleaf, grass + shrub by IGBP class.

A convention, not a measurement: the definitions bound the tree cover of a class (savannas 10–30 %, woody savannas
30–60 %) and these are the middles of the bounds. Mixed forests are split in halves, a wetland's trees too.
"""


def shares_of_classes(igbp: Sequence[str]) -> Doubles:
    """Shares by the IGBP class of each tower.

    Args:
        igbp: class of each tower, as in ``SHARES_OF_CLASS``.

    Returns:
        (tower, 3), each row summing to 1.

    Raises:
        ValueError: a class is unknown.
    """
    unknown = sorted(set(igbp) - set(SHARES_OF_CLASS))
    if unknown:
        raise ValueError(f"No shares are known for the class {unknown[0]!r}; known are {', '.join(SHARES_OF_CLASS)}.")
    return np.array([SHARES_OF_CLASS[name] for name in igbp]).reshape(-1, 3)
