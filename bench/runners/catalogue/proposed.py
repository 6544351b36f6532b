"""The paper's dual-branch network, and this project's variant of it."""

from __future__ import annotations

from bench.runners.entry import Cost, RunnerEntry

_SAMPLE_BYTES = 60.0
"""Per sample of the dual-branch models: target, indices and order; they read the columns from the cube's map."""
_SMOKE_TRAINING = {"epochs": 2, "least_steps": 0}  # few rows would make as many epochs as it takes
_SMOKE_PLUS = {"members": [{"harmonics": 3}, {"harmonics": 0, "season_harmonics": 2}]}
"""One network of each kind, where nothing but running is asked for."""
_CONSISTENT = {"gradient_consistency_weight": 1.0, "gradient_consistency_two_way": False}

PROPOSED_MODEL: tuple[RunnerEntry, ...] = (
    RunnerEntry(
        "dual_branch_plus",
        "Dual-branch plus",
        "Proposed",
        "bench.runners.dual_branch:DualBranchPlusRunner",
        "the dual-branch idea with low-rank conditions per cell, seasonal in some networks, constant in others",
        version=4,
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        explains="sensitivity",
        several_processes=True,
        profiles={"smoke": {"options": _SMOKE_PLUS, "training": _SMOKE_TRAINING}},
        cost=Cost(10, 2500, memory_gb=0.8, bytes_per_value=_SAMPLE_BYTES),
    ),
    RunnerEntry(
        "dual_branch_plus_gradient",
        "Dual-branch plus, gradients",
        "Proposed",
        "bench.runners.dual_branch:DualBranchGradientRunner",
        "the same network, explained by the derivatives of its prediction; only by name",
        version=3,
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        by_name=True,
        explains="sensitivity",
        profiles={"smoke": {"options": _SMOKE_PLUS, "training": _SMOKE_TRAINING}},
        cost=Cost(10, 2500, memory_gb=0.8, bytes_per_value=_SAMPLE_BYTES),
    ),
    RunnerEntry(
        "dual_branch_plus_consistent",
        "Dual-branch plus, consistent weights",
        "Proposed",
        "bench.runners.dual_branch:DualBranchPlusRunner",
        "the same network, whose weights are trained to follow its own derivatives; only by name",
        version=3,
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        by_name=True,
        explains="sensitivity",
        parameters={"options": _CONSISTENT},  # chosen on a validation part, see docs/interpretability.md
        profiles={
            "smoke": {
                "options": _CONSISTENT | _SMOKE_PLUS,
                "training": _SMOKE_TRAINING,
            }
        },
        cost=Cost(10, 3500, memory_gb=0.8, bytes_per_value=_SAMPLE_BYTES),
    ),
    RunnerEntry(
        "dual_branch",
        "Dual-branch (paper)",
        "Proposed",
        "bench.runners.dual_branch:DualBranchRunner",
        "the paper's dual-branch network, equation by equation",
        version=3,
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        explains="sensitivity",
        several_processes=True,
        parameters={"node_share": 0.95},  # chosen on a validation part, see models/dual_branch/README.md
        profiles={
            "smoke": {
                "options": {"k": 4, "width": 8, "blocks": 1},
                "node_share": 0.2,
                "training": {"epochs": 2, "patience": 1},
            },
            # The paper's 20 epochs are a quarter of an hour on one core. Smaller batches make more of fewer epochs.
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
        # 20 epochs at 493 samples a second (tables/reference/perf/train.json).
        cost=Cost(20, 40_500, memory_gb=2.5, bytes_per_value=_SAMPLE_BYTES),
    ),
)
