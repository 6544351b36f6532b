"""The one training loop of every torch model: index gathers, checkpoints, progress, determinism."""

from models.progress import Progress, ProgressCallback
from models.training.checkpoint import UnusableCheckpoint
from models.training.engine import TrainingResult, TrainingTask, train
from models.training.group import batch_rand, leave
from models.training.heldout import held_out
from models.training.options import TrainingOptions
from models.training.panel import DevicePanel, Panel, SampleBatch, Scaling, standardise
from models.training.stopping import Stopped

__all__ = [
    "DevicePanel",
    "Panel",
    "Progress",
    "ProgressCallback",
    "SampleBatch",
    "Scaling",
    "Stopped",
    "TrainingOptions",
    "TrainingResult",
    "TrainingTask",
    "UnusableCheckpoint",
    "batch_rand",
    "held_out",
    "leave",
    "standardise",
    "train",
]
