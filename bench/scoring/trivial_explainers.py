"""Explanations that know next to nothing: what a score of agreement reaches by naming constants or productivity.

A sensitivity is large where much grows. An explanation that says no more than how much grows therefore agrees with
absolute sensitivities; a constant that knows which variable counts most on average names the right one often. A score
says something about an explanation only above these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.arrays import Mask, Reals


def trivial_explainers(
    truth: Reals, counted: Mask, features: Sequence[str], productivity: Reals | None
) -> Mapping[str, Reals]:
    """Title → (cell, step, feature) weights, on the scale of the truth.

    Args:
        truth: (cell, step, feature) true sensitivities; the first three explainers know a little of them.
        counted: (cell, step) which samples count.
        features: names of the features.
        productivity: (cell, step) last year's target on the scale of the truth, which is ÷ this year's where
            sensitivities are relative; None where it is not known.
    """
    known = truth[counted].astype(np.float64)
    mean = known.mean(axis=0)
    dominant = int(np.bincount(np.abs(known).argmax(axis=1), minlength=len(features)).argmax())
    alone = np.where(np.arange(len(features)) == dominant, np.sign(mean), 0.0)
    weight = counted[:, :, None]
    of_step = (truth * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
    found = {
        "True mean, the same everywhere": np.broadcast_to(mean, truth.shape),
        f"{features[dominant]} everywhere": np.broadcast_to(alone, truth.shape),
        "True mean of each step": np.broadcast_to(of_step, truth.shape),
    }
    if productivity is not None:
        grown = productivity[:, :, None].astype(np.float64)
        found["+1 × last year's value"] = np.broadcast_to(grown, truth.shape)
        found["Known sign × last year's value"] = grown * np.sign(mean)
    return found
