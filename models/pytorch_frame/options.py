"""Which of PyTorch Frame's models, and how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ModelName = Literal["tabnet", "excelformer", "resnet", "fttransformer"]
Mixup = Literal["feature", "hidden"]
MODELS: tuple[str, ...] = get_args(ModelName)


@dataclass(frozen=True)
class PyTorchFrameOptions:
    """Hyperparameters; the defaults lie within the search spaces of PyTorch Frame's own benchmark.

    Attributes:
        model: ``tabnet`` (Arik & Pfister 2021), ``excelformer`` (Chen et al. 2023), ``resnet`` or ``fttransformer``
            (both Gorishniy et al. 2021).
        channels: of a column's embedding and of the hidden layers; TabNet's feature and attention parts have as many
            each.
        num_layers: residual blocks, attention layers or, of TabNet, decision steps.
        heads: of the attention of ExcelFormer and FTTransformer; PyTorch Frame's FTTransformer has 8.
        dropout: of ResNet and FTTransformer (0.2 in PyTorch Frame), and of ExcelFormer's attention between columns
            (0 or 0.2 in the benchmark); TabNet has none.
        gamma: of TabNet: how often a column may be used again by a later step; 1.2 in PyTorch Frame's example.
        sparsity_weight: λ_sparse of TabNet's entropy of the masks; 1e-4 as in the paper's Forest Cover Type.
        mixup: of ExcelFormer's training: ``feature`` (FEAT-MIX), ``hidden`` (HIDDEN-MIX) or None, PyTorch Frame's
            default.

    Raises:
        ValueError: a setting is out of range.
    """

    model: ModelName
    channels: int = 128
    num_layers: int = 4
    heads: int = 8
    dropout: float = 0.2
    gamma: float = 1.2
    sparsity_weight: float = 1e-4
    mixup: Mixup | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"PyTorchFrameOptions.model is {self.model!r}; choose one of {', '.join(MODELS)}.")
        for name in ("channels", "num_layers", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"PyTorchFrameOptions.{name} is {getattr(self, name)}; it must be at least 1.")
        if self.model in ("excelformer", "fttransformer") and self.channels % self.heads:
            raise ValueError(
                f"PyTorchFrameOptions.channels is {self.channels}; it must be a multiple of heads, {self.heads}."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"PyTorchFrameOptions.dropout is {self.dropout}; it must lie in [0, 1).")
        if self.gamma < 1 or self.sparsity_weight < 0:
            raise ValueError(
                f"PyTorchFrameOptions.gamma is {self.gamma} and sparsity_weight {self.sparsity_weight}; "
                "gamma must be at least 1 and sparsity_weight not negative."
            )
        if self.mixup not in (None, *get_args(Mixup)):
            raise ValueError(f"PyTorchFrameOptions.mixup is {self.mixup!r}; choose 'feature', 'hidden' or None.")
