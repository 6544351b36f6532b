"""Floating-point operations of the matrix products that a piece of work does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack


def matrix_operations(work: Callable[[], object]) -> int:
    """Runs ``work`` once and counts the operations of its matrix products, an addition and a multiplication as two.

    Library kernels that hide their products (recurrent layers, fused attention) are switched off for this run, so that
    each product is seen: the count is exact for dense products. Everything else (element-wise work, factorisations,
    triangular solves, sparse products) is not counted, so that a share of the matrix rate is never flattered.

    Args:
        work: what to run; it is run untimed.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with ExitStack() as plain:
        plain.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="TF32 acceleration")  # said about GPUs that are not there
        plain.enter_context(torch.backends.mkldnn.flags(enabled=False))
        plain.enter_context(torch.backends.cudnn.flags(enabled=False))
        plain.enter_context(sdpa_kernel(SDPBackend.MATH))
        counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: _in_place_product})
        plain.enter_context(counter)
        work()
    return int(counter.get_total_flops())


def _in_place_product(_total: Sequence[int], left: Sequence[int], right: Sequence[int], **_: object) -> int:
    """Operations of ``total += left @ right``, which torch's own table lacks, from the shapes."""
    return 2 * left[0] * left[1] * right[1]
