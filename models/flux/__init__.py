"""Carbon fluxes at towers: sequence models that learn from a process model as well as from measurements.

Only what is asked for is imported, so that the process model needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.flux.calibration import calibrate
    from models.flux.data import TowerPanel
    from models.flux.estimator import FluxPrediction, FluxRegressor
    from models.flux.imputation import coverage, crps
    from models.flux.imputer import FluxImputer
    from models.flux.options import FLUX_PRETRAINING, FLUX_TRAINING, CsdiOptions, FluxOptions
    from models.flux.process_model import Calibration, Fluxes, simulate
    from models.flux.shares import shares_of_classes
    from models.flux.weather import Weather

_MODULES = {
    "FLUX_PRETRAINING": "options",
    "FLUX_TRAINING": "options",
    "Calibration": "process_model",
    "CsdiOptions": "options",
    "FluxImputer": "imputer",
    "FluxOptions": "options",
    "FluxPrediction": "estimator",
    "FluxRegressor": "estimator",
    "Fluxes": "process_model",
    "TowerPanel": "data",
    "Weather": "weather",
    "calibrate": "calibration",
    "coverage": "imputation",
    "crps": "imputation",
    "shares_of_classes": "shares",
    "simulate": "process_model",
}
__all__ = [
    "FLUX_PRETRAINING",
    "FLUX_TRAINING",
    "Calibration",
    "CsdiOptions",
    "FluxImputer",
    "FluxOptions",
    "FluxPrediction",
    "FluxRegressor",
    "Fluxes",
    "TowerPanel",
    "Weather",
    "calibrate",
    "coverage",
    "crps",
    "shares_of_classes",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"models.flux.{_MODULES[name]}"), name)
