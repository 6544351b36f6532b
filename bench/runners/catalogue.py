"""The project's own runners: one line (entry) each. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.runners.entry import Cost, Explains, RunnerEntry

_TABULAR = "Tabular Machine Learning"
_TREES = ("lightgbm",)
_MOST_ROWS = {"laptop": 2_000_000, "paper": 10_000_000}
"""Rows that a tabular model learns from at most: 10 million rows of 33 columns are 1.3 GB, of which libraries make
several copies. The paper names no limit for its 50 million."""
_EXPLAINED_SAMPLES = 2000
"""Samples that are followed through thousands of trees for TreeSHAP, or exchanged for permutation importance."""


_COPIES_BYTES = 32.0
"""Per value of AutoGluon's table, of which it and pandas keep copies: 15.1 GB for 10 million rows of 47 columns
(tables/reference/perf/scale_lightgbm.json)."""
_SAMPLE_BYTES = 60.0
"""Per sample of the dual-branch models: target, indices and order; they read the columns from the cube's map."""


def _autogluon(
    name: str,
    title: str,
    key: str,
    summary: str,
    cost: Cost,
    requires: tuple[str, ...] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    smoke: Mapping[str, Any] | None = None,
    seeded: bool = True,
    refused_after: float | None = None,
    instead: str = "",
    explained_by: tuple[str, Explains] | None = None,
) -> RunnerEntry:
    """An AutoGluon model: `key` is AutoGluon's own, hyperparameters not named keep AutoGluon's defaults.

    `explained_by` names a class that explains the model and what its numbers mean; such an entry is only by name.
    """
    base = dict(hyperparameters or {})
    runner, explains = explained_by or ("autogluon:AutoGluonRunner", None)
    return RunnerEntry(
        name=name,
        title=title,
        family=_TABULAR,
        target=f"bench.runners.{runner}",
        summary=summary,
        requires=("autogluon.tabular", *requires),
        parameters={"model": key, "hyperparameters": base}
        | ({"explained_samples": _EXPLAINED_SAMPLES} if explained_by else {}),
        profiles={
            "smoke": {"hyperparameters": base | dict(smoke or {})},
            "laptop": {"hyperparameters": base},
        },
        seeded=seeded,
        most_rows=_MOST_ROWS,
        refused_after=refused_after,
        instead=instead,
        by_name=explained_by is not None,
        explains=explains,
        cost=replace(cost, bytes_per_value=max(cost.bytes_per_value, _COPIES_BYTES)),
    )


def _frame(
    name: str,
    title: str,
    summary: str,
    cost: Cost,
    laptop: Mapping[str, Any],
    laptop_training: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> RunnerEntry:
    """A PyTorch Frame model: 128 channels and the paper's optimiser settings, in the laptop profile what is named.

    The laptop's were chosen on a validation part of the training year (docs/methods.md). Attention between columns is
    what costs time on a CPU, so the two transformers are the ones made much smaller.
    """
    return RunnerEntry(
        name=name,
        title=title,
        family="Tabular Deep Learning",
        target="bench.runners.pytorch_frame:PyTorchFrameRunner",
        summary=summary,
        version=2,
        requires=("pytorch-frame", "torch"),
        uses_gpu=True,
        parameters={"options": {"model": name, **(options or {})}},
        profiles={
            "smoke": {
                "options": {"model": name, "channels": 16, "num_layers": 1, "heads": 2},
                "training": {"epochs": 1, "batch_size": 64, "learning_rate": 0.01},
            },
            "laptop": {
                "options": {"model": name, **laptop},
                "training": {"schedule": "one_cycle", **laptop_training},
            },
        },
        most_rows=_MOST_ROWS,
        cost=cost,
    )


_NEIGHBOURS = Cost(8, 1, seconds_per_billion_comparisons=2.5)
"""In some 30 columns a tree of neighbours visits nearly all rows, so the time is that of comparing all with all."""
_NEIGHBOURS_LIMIT = 12 * 3600.0
_SMOKE_STEPS = 100  # fewer than two epochs of a grid, and enough that a table of some hundred rows is no nonsense
_SMOKE_TRAINING = {"epochs": 2, "least_steps": _SMOKE_STEPS}
_SMOKE_PLUS = {"members": [{"harmonics": 3}, {"harmonics": 0, "season_harmonics": 2}]}
"""One network of each kind, where nothing but running is asked for."""
_CONSISTENT = {"gradient_consistency_weight": 1.0, "gradient_consistency_two_way": False}
_LARGE = {"learning_rate": 0.03, "num_leaves": 128, "feature_fraction": 0.9, "min_data_in_leaf": 3}
"""AutoGluon's former preset 'GBMLarge', spelled out because the string is refused since AutoGluon 1.3."""

CATALOGUE: tuple[RunnerEntry, ...] = (
    RunnerEntry(
        "training_mean",
        "Training mean",
        "Reference",
        "bench.runners.reference:TrainingMean",
        "the mean of the training target everywhere",
        uses_view=False,
        seeded=False,
        thread_invariant=True,
    ),
    RunnerEntry(
        "climatology",
        "Cell × step climatology",
        "Reference",
        "bench.runners.reference:Climatology",
        "each cell's training mean of the same step of the year",
        uses_view=False,
        seeded=False,
        thread_invariant=True,
    ),
    RunnerEntry(
        "pml_last_year_lai",
        "PML_V2, last year's LAI",
        "Reference",
        "bench.runners.reference:LastYearLai",
        "the equations behind the target: this year's climate, the training years' LAI, one factor per cell",
        uses_view=False,
        withheld=("LAI",),
        seeded=False,
        thread_invariant=True,
        cost=Cost(seconds=4.0, bytes_per_value=40.0),
    ),
    _autogluon(
        "lightgbm",
        "LightGBM",
        "GBM",
        "AutoGluon's LightGBM, defaults",
        Cost(10, 30),
        _TREES,
        smoke={"num_boost_round": 30},
    ),
    _autogluon(
        "lightgbm_shap",
        "LightGBM, TreeSHAP",
        "GBM",
        "the same LightGBM with its TreeSHAP contributions in a random part of the cells; only by name",
        Cost(150, 30),
        _TREES,
        smoke={"num_boost_round": 30},
        explained_by=("autogluon_explained:TreeShapRunner", "contribution"),
    ),
    _autogluon(
        "lightgbm_permutation",
        "LightGBM, permutation",
        "GBM",
        "the same LightGBM with its permutation importance on training samples, one number per feature; only by name",
        Cost(60, 30),
        _TREES,
        smoke={"num_boost_round": 30},
        explained_by=("autogluon_explained:PermutationRunner", "share"),
    ),
    _autogluon(
        "lightgbm_xt",
        "LightGBMXT",
        "GBM",
        "AutoGluon's LightGBM with extremely randomised splits",
        Cost(10, 35),
        _TREES,
        {"extra_trees": True},
        smoke={"num_boost_round": 30},
    ),
    _autogluon(
        "lightgbm_large",
        "LightGBM Large",
        "GBM",
        "AutoGluon's former GBMLarge: 128 leaves, learning rate 0.03",
        Cost(15, 120),
        _TREES,
        _LARGE,
        smoke={"num_boost_round": 30},
    ),
    _autogluon(
        "xgboost",
        "XGBoost",
        "XGB",
        "AutoGluon's XGBoost, defaults",
        Cost(10, 40),
        ("xgboost-cpu",),
        smoke={"n_estimators": 30},
    ),
    _autogluon(
        "catboost",
        "CatBoost",
        "CAT",
        "AutoGluon's CatBoost, defaults",
        Cost(10, 60),
        ("catboost",),
        smoke={"iterations": 50},
    ),
    _autogluon(
        "random_forest",
        "RandomForestMSE",
        "RF",
        "AutoGluon's random forest, squared error",
        Cost(10, 150, memory_gb=2.0, bytes_per_value=200.0),
        ("scikit-learn",),
        {"criterion": "squared_error"},
        smoke={"n_estimators": 10},
    ),
    _autogluon(
        "knn_unif",
        "KNeighborsUnif",
        "KNN",
        "AutoGluon's nearest neighbours, uniform weights",
        _NEIGHBOURS,
        ("scikit-learn",),
        {"weights": "uniform"},
        seeded=False,
        refused_after=_NEIGHBOURS_LIMIT,
        instead="lightgbm",
    ),
    _autogluon(
        "knn_dist",
        "KNeighborsDist",
        "KNN",
        "AutoGluon's nearest neighbours, distance weights",
        _NEIGHBOURS,
        ("scikit-learn",),
        {"weights": "distance"},
        seeded=False,
        refused_after=_NEIGHBOURS_LIMIT,
        instead="lightgbm",
    ),
    _autogluon(
        "fastai",
        "NeuralNetFastAI",
        "FASTAI",
        "AutoGluon's fastai tabular network, defaults",
        Cost(12, 20),
        ("fastai", "torch"),
        smoke={"epochs": 2},
    ),
    _frame(
        "tabnet",
        "TabNet",
        "PyTorch Frame's TabNet: sequential attention to columns",
        Cost(15, 55, memory_gb=0.5),
        {"channels": 64, "num_layers": 4},
        {"epochs": 20, "learning_rate": 0.01},
        options={"num_layers": 6},
    ),
    _frame(
        "excelformer",
        "ExcelFormer",
        "PyTorch Frame's ExcelFormer: attention along columns sorted by mutual information",
        Cost(20, 180, memory_gb=0.7),
        {"channels": 32, "num_layers": 2, "heads": 4, "dropout": 0.0},
        {"epochs": 30, "learning_rate": 0.01},
    ),
    _frame(
        "resnet",
        "ResNet",
        "PyTorch Frame's residual network on column embeddings",
        Cost(15, 80, memory_gb=0.5),
        {"channels": 128, "num_layers": 3, "dropout": 0.0},
        {"epochs": 20, "learning_rate": 1e-3},
    ),
    _frame(
        "fttransformer",
        "FTTransformer",
        "PyTorch Frame's FT-Transformer: attention between column embeddings",
        Cost(15, 200, memory_gb=0.7),
        {"channels": 32, "num_layers": 2, "heads": 4, "dropout": 0.0},
        {"epochs": 30, "learning_rate": 0.01},
    ),
    RunnerEntry(
        "gwr",
        "GWR",
        "Spatial",
        "bench.runners.geographical:GwrRunner",
        "geographically weighted regression per step of the year, adaptive bisquare, AICc; own exact local solver",
        version=2,
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        seeded=False,
        step_means=True,
        needs=("places_per_step",),
        cost=Cost(5, 100, memory_gb=0.9),
    ),
    RunnerEntry(
        "gwr_validated",
        "GWR, validated",
        "Spatial",
        "bench.runners.geographical_validated:ValidatedGwrRunner",
        "the same GWR; bandwidth by held-out cells on raw samples, predictions within the range of training",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        seeded=False,
        step_means=True,
        needs=("places_per_step_held_out",),
        cost=Cost(8, 100, memory_gb=0.9),
    ),
    RunnerEntry(
        "gwr_mgwr",
        "GWR (mgwr)",
        "Spatial",
        "bench.runners.geographical_mgwr:MgwrRunner",
        "the same GWR by the mgwr package, as a cross-check; only by name (fails where a local design is singular)",
        requires=("mgwr",),
        uses_view=False,
        explains="sensitivity",
        seeded=False,
        step_means=True,
        needs=("places_per_step",),
        by_name=True,
        refused_after=3600.0,
        instead="gwr",
        # 16 evaluations per search, each about 0.45 µs a pair of cells, and the prediction.
        cost=Cost(8, memory_gb=0.6, seconds_per_million_pairs=10.0),
    ),
    RunnerEntry(
        "gwr_rf",
        "Geographical RF",
        "Spatial",
        "bench.runners.geographical_forest:GeographicalForestRunner",
        "random forests at anchor cells and a global one, blended, per step of the year; tuned by out-of-bag error",
        requires=("scikit-learn", "torch"),
        uses_view=False,
        explains="share",
        step_means=True,
        needs=("places_per_step",),
        thread_invariant=True,
        profiles={"smoke": {"anchors": 3, "trees": 30, "bandwidths": (0.3,)}},
        cost=Cost(8, 900, memory_gb=0.6),
    ),
    RunnerEntry(
        "gnnwr",
        "GNNWR",
        "Spatial",
        "bench.runners.geographical_networks:GnnwrRunner",
        "geographically neural network weighted regression per step of the year; distances to landmark cells",
        version=2,
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        uses_gpu=True,
        step_means=True,
        needs=("places_per_step",),
        parameters={"ridge": 0.3},
        profiles={"smoke": {"landmarks": 16, "hidden": (16,), "updates": 20}},
        cost=Cost(45, 2, memory_gb=0.6),
    ),
    RunnerEntry(
        "gtwr",
        "GTWR",
        "Spatiotemporal",
        "bench.runners.geographical:GtwrRunner",
        "geographically and temporally weighted regression on the panel of cells and steps; own exact local solver",
        version=2,
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        seeded=False,
        step_means=True,
        needs=("panel",),
        cost=Cost(15, 2000, memory_gb=1.4),
    ),
    RunnerEntry(
        "gtwr_validated",
        "GTWR, validated",
        "Spatiotemporal",
        "bench.runners.geographical_validated:ValidatedGtwrRunner",
        "the same GTWR; bandwidths by held-out cells on raw samples, predictions within the range of training",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        seeded=False,
        step_means=True,
        needs=("panel_held_out",),
        cost=Cost(15, 3000, memory_gb=1.4),
    ),
    RunnerEntry(
        "gtnnwr",
        "GTNNWR",
        "Spatiotemporal",
        "bench.runners.geographical_networks:GtnnwrRunner",
        "geographically and temporally neural network weighted regression on the panel of cells and steps",
        version=2,
        requires=("torch", "scikit-learn"),
        uses_view=False,
        explains="sensitivity",
        uses_gpu=True,
        step_means=True,
        needs=("seasons",),
        parameters={"ridge": 0.3},
        profiles={"smoke": {"landmarks": 16, "hidden": (16,), "updates": 20}},
        cost=Cost(45, 10, memory_gb=0.7, bytes_per_value=300.0),
    ),
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
                "training": {"epochs": 2, "patience": 1, "least_steps": _SMOKE_STEPS},
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
