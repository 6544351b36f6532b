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

CELL_SAMPLE_SEED = 46
"""Beside the number of the sample, seed of the training cells of few-shot and ablation jobs."""

ROW_HASH_SEED = 0
"""Seed of the factors by which the search for copies hashes rows: any would do, one for all parts of a split."""

BANDWIDTH_FOLD_SEED = 0
"""Seed of the training cells that are held out to judge a bandwidth: the same for every seed and step."""

FOLD_SEED = 5
"""Seed of the order in which places are dealt to folds: the same folds for every row, seed and target."""


TOWER_ORDER_SEED = 17
"""Beside the number of the sample, seed of the order in which training towers get their roles."""

HIDDEN_MONTHS_SEED = 24
"""Beside the number of the choice and the tower, seed of the months that an imputation is to find."""


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
