"""The ``simulated`` data set: always there, offline, of any size, and with a known truth."""

from bench.data.era5_land import FEATURES
from bench.data.simulated.build import SimulatedOptions, build_simulated
from bench.data.simulated.land import choose_cells, is_land, land_mask
from bench.data.simulated.truth import days_in_step, forcing_from_cube, step_dates, true_sensitivities

__all__ = [
    "FEATURES",
    "SimulatedOptions",
    "build_simulated",
    "choose_cells",
    "days_in_step",
    "forcing_from_cube",
    "is_land",
    "land_mask",
    "step_dates",
    "true_sensitivities",
]
