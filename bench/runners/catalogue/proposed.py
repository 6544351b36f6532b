"""The paper's dual-branch network, and this project's variant of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS, PROPOSED, Cost, RunnerEntry

_SAMPLE_BYTES = 60.0
"""Per sample of the dual-branch models: target, indices and order; they read the columns from the cube's map."""
_SMOKE_STEPS = 100
"""Fewer than two epochs of a grid, and enough that a table of some hundred rows is no nonsense."""
_SMOKE_TRAINING = {"epochs": 2, "least_steps": _SMOKE_STEPS}
_SMOKE_PLUS = {"members": [{"harmonics": 3}, {"harmonics": 0, "season_harmonics": 2}]}
"""One network of each kind, where nothing but running is asked for."""
_WINDOWS = {"reading": "window"}
"""Chosen on the new year of a simulated world (models/dual_branch/README.md)."""
_NOT_MASKED = {"options.masked_share": 0.0}
"""Places so far away do not stand in for each other, and learning to costs what is known of them: chosen on the new
years of two simulated worlds, of whose 400 places 120 train (models/dual_branch/README.md)."""
_FREE = {"gradient_consistency_weight": 0.0}
"""Weights are asked for their sum only (Eq. 18); predictions are the same without this loss."""


def _network(
    name: str, title: str, runner: str, summary: str, version: int, cost: Cost, smoke: dict[str, Any], **fields: Any
) -> RunnerEntry:
    """A network of the proposed kind: it reads the cube's own columns and is explained by its weights.

    Args:
        name: see `RunnerEntry`, also for the other arguments that are not named here.
        title: as printed.
        runner: its class.
        summary: one line.
        version: of its numbers.
        cost: for planning; memory per sample is that of all networks.
        smoke: parameters where nothing but running is asked for.
        **fields: of the entry where they are not the usual ones.
    """
    usual: dict[str, Any] = {"requires": ("torch",), "uses_gpu": True, "uses_view": False, "explains": "sensitivity"}
    profiles = {"smoke": smoke, **fields.pop("profiles", {})}
    target, cost = f"bench.runners.dual_branch:{runner}", replace(cost, bytes_per_value=_SAMPLE_BYTES)
    return RunnerEntry(
        name, title, PROPOSED, target, summary, version=version, cost=cost, profiles=profiles, **usual | fields
    )


PROPOSED_ROWS: tuple[RunnerEntry, ...] = (
    _network(
        DUAL_BRANCH_PLUS,
        "Dual-branch plus",
        "DualBranchPlusRunner",
        "the dual-branch idea with low-rank conditions per cell, seasonal in some networks, constant in others",
        7,
        Cost(10, 5500, memory_gb=0.8),
        {"options": _SMOKE_PLUS, "training": _SMOKE_TRAINING},
        several_processes=True,
        few_and_far=_NOT_MASKED,
    ),
    _network(
        "dual_branch_plus_gradient",
        "Dual-branch plus, gradients",
        "DualBranchGradientRunner",
        "the same network, explained by the derivatives of its prediction; only by name",
        6,
        Cost(10, 5000, memory_gb=0.8),
        {"options": _FREE | _SMOKE_PLUS, "training": _SMOKE_TRAINING},
        by_name=True,
        parameters={"options": _FREE},
        few_and_far=_NOT_MASKED,
    ),
    _network(
        "dual_branch_plus_free",
        "Dual-branch plus, free weights",
        "DualBranchPlusRunner",
        "the same network, whose weights need not follow its own derivatives; only by name",
        6,
        Cost(10, 5000, memory_gb=0.8),
        {"options": _FREE | _SMOKE_PLUS, "training": _SMOKE_TRAINING},
        by_name=True,
        parameters={"options": _FREE},
        few_and_far=_NOT_MASKED,
    ),
    _network(
        DUAL_BRANCH,
        "Dual-branch (paper)",
        "DualBranchRunner",
        "the paper's dual-branch network, equation by equation",
        6,
        # 20 epochs at 561 samples a second of North China (tables/reference/perf/dual_branch.json). Every climate
        # feature is a token.
        Cost(20, 35_600, memory_gb=2.5, usual_features=9),
        {
            "options": _WINDOWS | {"window": 3, "k": 4, "width": 8, "blocks": 1},
            "node_share": 0.2,
            "training": {"epochs": 2, "patience": 1, "least_steps": _SMOKE_STEPS},
        },
        several_processes=True,
        parameters={"options": _WINDOWS, "node_share": 0.95},  # both chosen, see models/dual_branch/README.md
        profiles={
            # Small batches make more of an epoch. While the rate is high the held-out error jumps, so that the patience
            # is half of the training (models/dual_branch/README.md).
            "laptop": {
                "training": {
                    "epochs": 8,
                    "batch_size": 96,
                    "learning_rate": 3e-3,
                    "schedule": "one_cycle",
                    "patience": 4,
                }
            },
        },
    ),
)
