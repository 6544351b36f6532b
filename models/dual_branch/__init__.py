"""The dual-branch network of Du et al. (2025) and a better one that keeps its idea."""

from models.dual_branch.options import (
    CONSTANT,
    PAPER_TRAINING,
    PLUS_TRAINING,
    SEASONAL,
    DualBranchOptions,
    DualBranchPlusOptions,
    MemberOptions,
)
from models.dual_branch.regressors import DualBranchPlusRegressor, DualBranchRegressor
from models.dual_branch.task import Explanation
from models.training import Panel, Progress, TrainingOptions

__all__ = [
    "CONSTANT",
    "PAPER_TRAINING",
    "PLUS_TRAINING",
    "SEASONAL",
    "DualBranchOptions",
    "DualBranchPlusOptions",
    "DualBranchPlusRegressor",
    "DualBranchRegressor",
    "Explanation",
    "MemberOptions",
    "Panel",
    "Progress",
    "TrainingOptions",
]
