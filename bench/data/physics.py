"""The PML_V2 equations on a cube: which features and withheld arrays of each data set are their drivers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.data import pml
from bench.data.cube import Cube
from bench.data.splits import Part
from bench.errors import BenchError


def knows_sensitivities(cube: Cube) -> bool:
    """Whether the equations made the target and everything that entered them is in the cube."""
    needed = {"northchina": {"LAI"}, "simulated": {"LAI", "capacity"}}
    return cube.name in needed and needed[cube.name] <= set(cube.withheld)


def true_sensitivities(cube: Cube, part: Part) -> npt.NDArray[np.float64]:
    """The exact ∂GPP/∂x of every climate feature, all other features and the hidden vegetation held.

    Args:
        cube: a data set of which `knows_sensitivities` holds.
        part: which samples.

    Returns:
        (n_cells, n_times, feature), gC m-2 d-1 per unit of the feature; 0 for features that do not enter the equations.

    Raises:
        BenchError: the truth is not known.
    """
    if not knows_sensitivities(cube):
        raise BenchError(
            f"Data set {cube.name!r} has no known sensitivities; only 'northchina' and 'simulated' with their hidden "
            "vegetation have."
        )
    if cube.name == "northchina":
        from bench.data import northchina

        by_name = northchina.true_sensitivities(cube, part.cells, part.times)
    else:
        from bench.data import simulated

        by_name = simulated.true_sensitivities(cube, part.cells, part.times)
    return np.stack([by_name[name] for name in cube.feature_names], axis=-1)


def gpp_with_lai(cube: Cube, part: Part, lai: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """GPP of the equations with the cube's climate and the given leaf area.

    Args:
        cube: a data set whose target these equations made.
        part: which samples.
        lai: (n_cells, n_times) leaf area index, m2 m-2.

    Returns:
        (n_cells, n_times) GPP, gC m-2 d-1.

    Raises:
        BenchError: the data set's target was not made by these equations.
    """
    fractions = cube.static[part.cells, : cube.n_land_cover].astype(np.float64)
    if cube.name == "northchina":
        from bench.data import northchina

        return np.asarray(pml.gross_primary_productivity(northchina.forcing_from_cube(cube, part), lai, fractions))
    if cube.name == "simulated":
        from bench.data import simulated

        forcing = simulated.forcing_from_cube(cube, part.cells, part.times)
        return np.asarray(pml.gross_primary_productivity(forcing, lai, fractions))
    raise BenchError(
        f"Data set {cube.name!r} has no PML_V2 drivers; leave out the runner 'pml_last_year_lai' (--skip)."
    )
