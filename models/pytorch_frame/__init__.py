"""TabNet, ExcelFormer, ResNet and FTTransformer of PyTorch Frame, trained by this project's training loop."""

from models.pytorch_frame.estimator import PyTorchFrameRegressor
from models.pytorch_frame.options import MODELS, PyTorchFrameOptions
from models.training import Progress, TrainingOptions

__all__ = ["MODELS", "Progress", "PyTorchFrameOptions", "PyTorchFrameRegressor", "TrainingOptions"]
