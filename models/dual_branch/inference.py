"""What a network says about samples, in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from models.arrays import Indices
from models.dual_branch.decoder import Decoded
from models.dual_branch.gradients import decode_with_gradients
from models.dual_branch.network import Placement, StandardisedNetwork
from models.dual_branch.series import SeriesPanel
from models.training import DevicePanel, SampleBatch

_PREDICTION_BATCH = 4096
"""Samples that are predicted at once."""
_GRADIENT_BATCH = 128
"""The same for derivatives of series, each of which needs a series of its own."""
_NONE = torch.zeros(0, dtype=torch.int64)
"""No sample whose weights are wanted."""

Output = Callable[[StandardisedNetwork, SampleBatch, Placement, Tensor | None], tuple[Tensor, ...]]


def outputs(
    network: StandardisedNetwork,
    data: DevicePanel,
    placement: Placement,
    cells: Indices,
    times: Indices,
    output: Output,
) -> Iterator[tuple[Indices, tuple[Tensor, ...]]]:
    """What ``output`` says about samples, in batches: which samples, and a tensor per quantity.

    Samples of the same series come together, so that a series is computed once; not so for derivatives.

    Args:
        network: on the device of ``data``.
        data: the panel.
        placement: of every cell of the panel.
        cells: (sample,) cell index.
        times: (sample,) time index.
        output: ``predict``, ``decode`` or ``differentiate``.
    """
    with torch.no_grad():
        conditions = network.conditions()
    order: Indices = np.arange(len(cells))
    gather, size = data.gather, _PREDICTION_BATCH
    if isinstance(data, SeriesPanel):
        order = np.lexsort((times, cells))
        if output is differentiate:
            size = _GRADIENT_BATCH
        else:
            gather = data.gather_shared
    for start in range(0, len(cells), size):
        part = order[start : start + size]
        batch = gather(_index(cells[part], data.device), _index(times[part], data.device))
        yield part, output(network, batch, tuple(tensor[batch.cells] for tensor in placement), conditions)


def predict(
    network: StandardisedNetwork, batch: SampleBatch, placement: Placement, conditions: Tensor | None
) -> tuple[Tensor, ...]:
    """ŷ only; an ``Output``."""
    decoded: Decoded = network(batch, placement, conditions, _NONE.to(batch.cells.device))
    return (decoded.prediction,)


def decode(
    network: StandardisedNetwork, batch: SampleBatch, placement: Placement, conditions: Tensor | None
) -> tuple[Tensor, ...]:
    """ŷ, w_j and Σ_j w_j x_j; an ``Output``."""
    decoded: Decoded = network(batch, placement, conditions)
    # A variable that never varied left its weight untrained; it has no part in any sum either.
    return decoded.prediction, decoded.weights * network.used(), decoded.interpretable


def differentiate(
    network: StandardisedNetwork, batch: SampleBatch, placement: Placement, conditions: Tensor | None
) -> tuple[Tensor, ...]:
    """∂ŷ/∂x_j; an ``Output``."""
    explained = _NONE.to(batch.cells.device)
    return (decode_with_gradients(network, batch, placement, conditions, explained=explained)[1],)


def _index(index: Indices, device: torch.device) -> Tensor:
    return torch.from_numpy(index.astype(np.int64)).to(device)
