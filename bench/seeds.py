"""The one place for seeds.

A seed derives from (data set, runner, repetition) and nothing else, so that adding a runner, reordering jobs or
changing the number of workers shifts nobody's random numbers.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np

BOOTSTRAP_SEED = 2020
"""Seed of the draws of places, repetitions and years, shared by all rows so that their intervals are paired."""
SENSITIVITY_SAMPLE_SEED = 46
"""Seed of the sample of cells whose true sensitivities are kept where a data set is too large for all."""

ROW_SAMPLE_SEED = 52
"""Seed of the sample of training rows that a runner takes where it cannot take all."""

FOLD_SEED = 5
"""Seed of the order in which places are dealt to folds: the same folds for every row, seed and target."""


def derive_seed(dataset: str, runner: str, repetition: int) -> int:
    """A seed in 0 … 2³¹ − 1 for one repetition of one runner on one data set."""
    digest = hashlib.sha256(f"{dataset}\0{runner}\0{repetition}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seeds the standard library, NumPy's global generator and, if it is loaded, torch."""
    import sys

    random.seed(seed)
    np.random.seed(seed)  # libraries without a generator argument read this one
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
