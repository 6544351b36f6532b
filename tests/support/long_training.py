"""The proposed model, trained long enough to be killed in the middle, and planned in one profile only."""

from __future__ import annotations

import dataclasses

from bench.runners.catalogue import CATALOGUE

[_PLUS] = [entry for entry in CATALOGUE if entry.name == "dual_branch_plus"]
ENTRIES = [
    dataclasses.replace(
        _PLUS,
        name="long_training",
        profiles={
            "smoke": {
                "options": {"members": [{"harmonics": 3}]},
                "training": {"epochs": 200, "checkpoint_seconds": 0.1},
            }
        },
    ),
    dataclasses.replace(_PLUS, name="paper_only", only_profiles=("paper",)),
]
