"""The dual-branch network of Du et al. (2025) and a better one that keeps its idea."""

from models.dual_branch.estimator import DualBranchPlusRegressor, DualBranchRegressor
from models.dual_branch.options import PLUS_TRAINING, DualBranchOptions, DualBranchPlusOptions
from models.dual_branch.task import Explanation
from models.training import Panel, Progress, TrainingOptions

__all__ = [
    "PLUS_TRAINING",
    "DualBranchOptions",
    "DualBranchPlusOptions",
    "DualBranchPlusRegressor",
    "DualBranchRegressor",
    "Explanation",
    "Panel",
    "Progress",
    "TrainingOptions",
]
