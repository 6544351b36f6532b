"""PyTorch Frame's four networks, and how each is trained on a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional
from torch_frame import TensorFrame, stype
from torch_frame.nn.conv import FTTransformerConvs
from torch_frame.nn.models import ExcelFormer, FTTransformer, ResNet, TabNet

from models.pytorch_frame.columns import ModelColumns
from models.pytorch_frame.options import PyTorchFrameOptions


def build_network(options: PyTorchFrameOptions, columns: ModelColumns) -> nn.Module:
    """The network, freshly initialised from torch's random state.

    Args:
        options: which, and how large.
        columns: that it sees, in its order.
    """
    encoder = {"col_stats": columns.statistics, "col_names_dict": {stype.numerical: columns.names}}
    size = {"out_channels": 1, "num_layers": options.num_layers}
    network: nn.Module
    if options.model == "tabnet":
        network = TabNet(
            split_feat_channels=options.channels,
            split_attn_channels=options.channels,
            gamma=options.gamma,
            **size,
            **encoder,
        )
    elif options.model == "excelformer":
        network = ExcelFormer(
            in_channels=options.channels,
            num_cols=len(columns.names),
            num_heads=options.heads,
            diam_dropout=options.dropout,
            mixup=options.mixup,
            **size,
            **encoder,
        )
    elif options.model == "resnet":
        network = ResNet(channels=options.channels, dropout_prob=options.dropout, **size, **encoder)
    else:
        network = FTTransformer(channels=options.channels, **size, **encoder)
        # The model's own constructor does not pass these two on.
        network.backbone = FTTransformerConvs(
            options.channels, num_layers=options.num_layers, nhead=options.heads, dropout=options.dropout
        )
    return network


@dataclass(frozen=True)
class FrameTask:
    """Training task: gathers rows of one tensor frame and takes the loss that the model's paper takes.

    Attributes:
        module: the network, on the device.
        frame: all training rows with their standardised targets, on the device.
        options: of the network.
        identity: fingerprint of model and data.
    """

    module: nn.Module
    frame: TensorFrame
    options: PyTorchFrameOptions
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of training rows."""
        return len(self.frame)

    def loss(self, positions: Tensor) -> Tensor:
        """Mean squared error of a batch; of TabNet with its sparsity term, of ExcelFormer on mixed-up rows.

        Args:
            positions: (batch,) rows.
        """
        return self.loss_of(self.frame[positions])

    def loss_of(self, batch: TensorFrame) -> Tensor:
        """The same of rows that are gathered already.

        Args:
            batch: with standardised targets.
        """
        # Batch normalisation has no deviation of one row: such a last batch is seen with the running statistics.
        self.module.train(len(batch) > 1)
        if self.options.model == "tabnet":
            prediction, entropy = self.module(batch, return_reg=True)
            loss: Tensor = _squared_error(prediction, batch.y) + self.options.sparsity_weight * entropy
            return loss
        if self.options.model == "excelformer" and self.options.mixup is not None:
            return _squared_error(*self.module(batch, mixup_encoded=True))
        return _squared_error(self.module(batch), batch.y)


def _squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(prediction[:, 0].float(), target)
