"""The network's own input gradients, and a loss that makes the importance weights agree with them.

Eq. 17 and 18 ask of the weights only that Σ_j w_j x_j comes near the target, which endless different weights do. A
derivative ∂ŷ/∂x_j is what a reader takes a weight for: how far the prediction moves when x_j does. ``consistency_loss``
asks for that, and needs nothing that is not in the network: no equation, no true sensitivity.

Only climate features take part. A static feature never moves at a place, so its weight stays free to carry what a sum
without an intercept needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.dual_branch.decoder import Decoded
from models.dual_branch.network import Placement, StandardisedNetwork
from models.training import SampleBatch


def decode_with_gradients(
    network: StandardisedNetwork,
    batch: SampleBatch,
    placement: Placement,
    conditions: Tensor | None,
    *,
    trainable: bool = False,
    explained: Tensor | None = None,
) -> tuple[Decoded, Tensor]:
    """What the network says, and the exact derivatives of its predictions.

    The prediction is one number per sample and no sample sees another, so one backward pass gives all derivatives.

    Args:
        network: any of the two networks.
        batch: raw values of the samples, one per row.
        placement: of the samples.
        conditions: from ``conditions``, as for ``forward``.
        trainable: keep the graph of the derivatives, so that a loss can be taken of them.
        explained: samples whose weights are wanted, as for ``forward``; derivatives are of all.

    Returns:
        the decoded batch, and (batch, feature + static_feature) ∂ŷ/∂x_j at the predicted step, earlier steps held,
        in target units per standard deviation of the variable in the training samples, as the weights are.
    """
    windows = batch.windows.detach().requires_grad_()
    static = batch.static.detach().requires_grad_()
    decoded = network(batch._replace(windows=windows, static=static), placement, conditions, explained)
    by_window, by_static = torch.autograd.grad(
        decoded.prediction.sum(), (windows, static), create_graph=trainable, retain_graph=True, materialize_grads=True
    )
    # Of a series one sample only may be asked for, or the derivatives of its samples would add up.
    by_step = by_window[:, -1] if batch.asked is None else by_window.flatten(0, 1)[batch.asked]
    return decoded, torch.cat((by_step * network.climate_scale, by_static * network.static_scale), dim=1)


def consistency_loss(weights: Tensor, gradients: Tensor, n_climate: int, expected: float) -> Tensor:
    """Mean squared difference between weights and gradients of the climate features.

    Args:
        weights: (explained, feature + static_feature) w_j.
        gradients: same shape, ∂ŷ/∂x_j; the loss pulls at both where they are trainable.
        n_climate: climate features, which come first.
        expected: number of samples that the sum is divided by, as in ``combined_loss``.
    """
    difference = weights[:, :n_climate].float() - gradients[:, :n_climate].float()
    return difference.square().sum() / (expected * n_climate)
