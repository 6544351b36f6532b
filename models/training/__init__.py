"""The one training loop of every torch model: index gathers, checkpoints, progress, determinism."""

from models.progress import Progress, ProgressCallback
from models.training.checkpoint import UnusableCheckpoint
from models.training.engine import TrainingResult, TrainingTask, train
from models.training.group import batch_rand, leave
from models.training.options import TrainingOptions
from models.training.panel import DevicePanel, Panel, SampleBatch, Scaling
from models.training.stopping import ValidatedTask

__all__ = [
    "DevicePanel",
    "Panel",
    "Progress",
    "ProgressCallback",
    "SampleBatch",
    "Scaling",
    "TrainingOptions",
    "TrainingResult",
    "TrainingTask",
    "UnusableCheckpoint",
    "ValidatedTask",
    "batch_rand",
    "leave",
    "train",
]
