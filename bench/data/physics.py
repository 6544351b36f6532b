"""The equations that made a data set's target, where they are known: one hook per data set.

A data set whose target is computed has a line in `HOOKS`; everything else asks `physics_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.arrays import Doubles
from bench.data import pml
from bench.data.cube import Cube
from bench.data.parts import Part
from bench.errors import BenchError


@dataclass(frozen=True)
class Physics:
    """What is known of a data set whose target the PML_V2 equations made.

    Attributes:
        hidden: withheld arrays that entered the target, leaf area among them.
        forcing: the drivers of the equations for a part, from the cube's features.
        sensitivities: by feature name, (n_cells, n_times) exact ∂GPP/∂x with all else and the hidden arrays held.
    """

    hidden: tuple[str, ...]
    forcing: Callable[[Cube, Part], pml.PmlForcing]
    sensitivities: Callable[[Cube, Part], Mapping[str, Doubles]]


def _northchina() -> Physics:
    from bench.data import northchina

    return Physics(
        ("LAI",),
        northchina.forcing_from_cube,
        lambda cube, part: northchina.true_sensitivities(cube, part.cells, part.times),
    )


def _simulated() -> Physics:
    from bench.data import simulated

    return Physics(
        ("LAI", "capacity"),
        lambda cube, part: simulated.forcing_from_cube(cube, part.cells, part.times),
        lambda cube, part: simulated.true_sensitivities(cube, part.cells, part.times),
    )


HOOKS: Mapping[str, Callable[[], Physics]] = {"northchina": _northchina, "simulated": _simulated}
"""Name of a data set → its equations; called where they are needed, since they load the data set's own module."""


def knows_equations(cube: Cube) -> bool:
    """Whether a data set's target was made by equations that can be evaluated with other leaf areas."""
    return cube.name in HOOKS


def physics_of(cube: Cube) -> Physics | None:
    """The equations of a data set, or None where they are not known or what entered them is not in the cube."""
    if not knows_equations(cube):
        return None
    physics = HOOKS[cube.name]()
    return physics if set(physics.hidden) <= set(cube.withheld) else None


def true_sensitivities(cube: Cube, part: Part) -> Doubles:
    """The exact ∂GPP/∂x of every climate feature, all other features and the hidden vegetation held.

    Args:
        cube: a data set that `physics_of` knows.
        part: which samples.

    Returns:
        (n_cells, n_times, feature), gC m-2 d-1 per unit of the feature; 0 for features that do not enter the equations.

    Raises:
        BenchError: the truth is not known.
    """
    physics = physics_of(cube)
    if physics is None:
        raise BenchError(
            f"Data set {cube.name!r} has no known sensitivities; only data whose target was computed, with their "
            "hidden vegetation, have."
        )
    by_name = physics.sensitivities(cube, part)
    return np.stack([by_name[name] for name in cube.feature_names], axis=-1)


def gpp_with_lai(cube: Cube, part: Part, lai: Doubles) -> Doubles:
    """GPP of the equations with the cube's climate and the given leaf area.

    Args:
        cube: a data set of which `knows_equations` holds.
        part: which samples.
        lai: (n_cells, n_times) leaf area index, m2 m-2.

    Returns:
        (n_cells, n_times) GPP, gC m-2 d-1.

    Raises:
        BenchError: the data set's target was not made by these equations.
    """
    if not knows_equations(cube):
        raise BenchError(
            f"Data set {cube.name!r} has no PML_V2 drivers; leave out the runner 'pml_last_year_lai' (--skip)."
        )
    fractions = cube.static[part.cells, : cube.n_land_cover].astype(np.float64)
    return np.asarray(pml.gross_primary_productivity(HOOKS[cube.name]().forcing(cube, part), lai, fractions))
