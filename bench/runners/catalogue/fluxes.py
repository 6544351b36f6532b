"""Entries of the runners of the suite `flux`; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.runners.entry import PROPOSED, REFERENCE, SEQUENCE_MODELS, Cost, RunnerEntry

BACKBONE_TITLES = {
    "transformer": "Transformer",
    "informer": "Informer",
    "fedformer": "FEDformer",
    "itransformer": "iTransformer",
    "timexer": "TimeXer",
    "simpletm": "SimpleTM",
}
"""Backbone → title, in the order of the tables."""
PREFIX = "flux_"
_SMOKE_SIZES = {"width": 16, "layers": 1, "heads": 2}
_SMOKE_CSDI = {"channels": 8, "layers": 1, "heads": 2, "steps": 8, "draw_steps": 3, "samples": 8, "epochs": 2}
_LAPTOP_CSDI = {"epochs": 100, "patience": 20, "samples": 25, "draw_steps": 10}
_NETWORK_PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {
        "options": {"sizes": _SMOKE_SIZES, "csdi": _SMOKE_CSDI, "mixtures": 1},
        "training": {"epochs": 2, "decay_after": 2, "batch_size": 32},
        "pretraining": {"epochs": 1, "patience": 1, "batch_size": 32},
    },
    "laptop": {
        "options": {"sizes": {"width": 32}, "csdi": _LAPTOP_CSDI},
        "training": {"epochs": 120, "decay_after": 120, "patience": 20},
        "pretraining": {"epochs": 20, "patience": 20},
    },
    "paper": {"options": {"csdi": {"channels": 64, "layers": 4, "heads": 8}}},
}
"""What differs from the defaults of `models.flux`; the paper profile's imputation has Tashiro et al.'s (2021) sizes."""

_SECONDS_PER_MILLION = {
    "transformer": 3500.0,
    "informer": 5000.0,
    "fedformer": 5000.0,
    "itransformer": 2000.0,
    "timexer": 2400.0,
    "simpletm": 11_000.0,
}
"""Of training samples: one core, laptop profile, the mean of baseline and DERE, from their seconds per epoch."""


def _backbone(name: str, seconds: float) -> RunnerEntry:
    """The sequence model with one of the backbones; its variants are chosen by its options."""
    profiles = {
        profile: {key: value | ({"backbone": name} if key == "options" else {}) for key, value in settings.items()}
        for profile, settings in _NETWORK_PROFILES.items()
    }
    return RunnerEntry(
        f"{PREFIX}{name}",
        f"{BACKBONE_TITLES[name]} (fluxes)",
        SEQUENCE_MODELS,
        "bench.runners.flux:FluxRunner",
        f"GPP, RECO and NEE at towers by a {BACKBONE_TITLES[name]}, with or without a process model's knowledge",
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        by_name=True,
        needs=("fluxes_and_weather",),
        parameters={"options": {"backbone": name}},
        profiles=profiles,
        cost=Cost(6, seconds, memory_gb=0.7),
    )


def _reference(
    name: str,
    title: str,
    target: str,
    summary: str,
    *,
    requires: tuple[str, ...] = (),
    needs: str = "fluxes",
    seeded: bool = False,
    parameters: Mapping[str, Any] | None = None,
    cost: Cost | None = None,
) -> RunnerEntry:
    return RunnerEntry(
        f"{PREFIX}{name}",
        title,
        REFERENCE,
        f"bench.runners.{target}",
        summary,
        requires=requires,
        uses_view=False,
        by_name=True,
        needs=(needs,),
        seeded=seeded,
        thread_invariant=not requires,
        parameters=parameters or {},
        cost=cost or Cost(3),
    )


def _dual_branch(name: str, title: str, target: str, summary: str, seconds: float, **more: Any) -> RunnerEntry:
    return RunnerEntry(
        f"{PREFIX}{name}",
        title,
        PROPOSED,
        f"bench.runners.flux_dual_branch:{target}",
        summary,
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        by_name=True,
        needs=("fluxes",),
        cost=Cost(10, seconds, memory_gb=0.8),
        **more,
    )


FLUX_ROWS: tuple[RunnerEntry, ...] = (
    _reference(
        "mean",
        "Training mean (fluxes)",
        "flux_reference:FluxMean",
        "the mean over the learning towers' months everywhere",
    ),
    _reference(
        "climatology",
        "Class × month climatology (fluxes)",
        "flux_reference:FluxClimatology",
        "the learning towers' mean of the same land-cover class and month",
    ),
    _reference(
        "process",
        "Process model (fluxes)",
        "flux_reference:FluxProcess",
        "MOD17-like process model with published numbers, or with four factors fitted to the learning towers",
        needs="fluxes_and_weather",
        parameters={"calibrated": False},
    ),
    _reference(
        "lightgbm",
        "LightGBM (fluxes)",
        "flux_reference:FluxLightgbm",
        "LightGBM on drivers, their means over a season and a year, month and shares; with or without process outputs",
        requires=("lightgbm",),
        needs="fluxes_and_weather",
        seeded=True,
        parameters={
            "process": False,
            "trees": 2000,
            "patience": 50,
            "settings": {"learning_rate": 0.03, "num_leaves": 31, "min_data_in_leaf": 20, "feature_fraction": 0.8},
        },
        cost=Cost(6, 500),
    ),
    *(_backbone(name, seconds) for name, seconds in _SECONDS_PER_MILLION.items()),
    _dual_branch(
        "dual_branch_plus",
        "Dual-branch plus (fluxes)",
        "FluxDualBranchPlus",
        "a Dual-branch plus for GPP and one for RECO, judged by the validation towers",
        5000.0,
        parameters={"training": {"patience": 6}},
        profiles={
            "smoke": {
                "options": {"members": [{"harmonics": 3}], "rank": 4, "layers": 1},
                "training": {"epochs": 2, "least_steps": 0, "patience": 1},
            },
        },
    ),
    _dual_branch(
        "dual_branch",
        "Dual-branch, paper (fluxes)",
        "FluxDualBranch",
        "the paper's dual-branch network for GPP and one for RECO, judged by the validation towers",
        48_000.0,  # at most; 493 samples a second, as in the other suites
        version=2,
        parameters={"node_share": 0.95, "training": {"patience": 5}},
        profiles={
            "smoke": {
                "options": {"k": 4, "width": 8, "blocks": 1},
                "node_share": 0.2,
                "training": {"epochs": 2, "patience": 1},
            },
            "laptop": {
                "training": {
                    "epochs": 12,
                    "batch_size": 96,
                    "learning_rate": 3e-3,
                    "late_learning_rate": 2e-4,
                    "schedule": "plateau",
                    "patience": 3,
                }
            },
        },
    ),
    RunnerEntry(
        f"{PREFIX}imputation",
        "Imputation of fluxes",
        SEQUENCE_MODELS,
        "bench.runners.flux_imputation:make",
        "hidden months of towers by CSDI, linear interpolation or climatology",
        requires=("torch",),
        uses_gpu=True,
        uses_view=False,
        by_name=True,
        needs=("fluxes",),
        parameters={"method": "csdi"},
        profiles={
            "smoke": {"csdi": _SMOKE_CSDI},
            "laptop": {"csdi": _LAPTOP_CSDI},
            "paper": {"csdi": {"channels": 64, "layers": 4, "heads": 8}},
        },
        cost=Cost(6, 7000, memory_gb=0.7),
    ),
)
