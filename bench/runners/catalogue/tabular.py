"""Tabular models: AutoGluon's and PyTorch Frame's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.runners.entry import Cost, Explains, RunnerEntry

_TABULAR = "Tabular Machine Learning"
TREES = ("lightgbm",)
_MOST_ROWS = {"laptop": 2_000_000, "paper": 10_000_000}
"""Rows that a tabular model learns from at most: 10 million rows of 33 columns are 1.3 GB, of which libraries make
several copies. The paper names no limit for its 50 million."""
_EXPLAINED_SAMPLES = 2000
"""Samples that are followed through thousands of trees for TreeSHAP, or exchanged for permutation importance."""
_COPIES_BYTES = 32.0
"""Per value of AutoGluon's table, of which it and pandas keep copies: 15.1 GB for 10 million rows of 47 columns
(tables/reference/perf/scale_lightgbm.json)."""


def autogluon(
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
    laptop: Mapping[str, Any] | None = None,
    hold_out: str | None = None,
    by_name: bool = False,
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
        | ({"hold_out": hold_out} if hold_out else {})
        | ({"explained_samples": _EXPLAINED_SAMPLES} if explained_by else {}),
        profiles={
            "smoke": {"hyperparameters": base | dict(smoke or {})},
            "laptop": {"hyperparameters": base | dict(laptop or {})},
        },
        seeded=seeded,
        most_rows=_MOST_ROWS,
        refused_after=refused_after,
        instead=instead,
        by_name=by_name or explained_by is not None,
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
_LARGE = {"learning_rate": 0.03, "num_leaves": 128, "feature_fraction": 0.9, "min_data_in_leaf": 3}
"""AutoGluon's former preset 'GBMLarge', spelled out because the string is refused since AutoGluon 1.3."""

TABULAR_ROWS: tuple[RunnerEntry, ...] = (
    autogluon(
        "lightgbm",
        "LightGBM",
        "GBM",
        "AutoGluon's LightGBM, defaults",
        Cost(10, 30),
        TREES,
        smoke={"num_boost_round": 30},
    ),
    autogluon(
        "lightgbm_shap",
        "LightGBM, TreeSHAP",
        "GBM",
        "the same LightGBM with its TreeSHAP contributions in a random part of the cells; only by name",
        Cost(150, 30),
        TREES,
        smoke={"num_boost_round": 30},
        explained_by=("autogluon_explained:TreeShapRunner", "contribution"),
    ),
    autogluon(
        "lightgbm_permutation",
        "LightGBM, permutation",
        "GBM",
        "the same LightGBM with its permutation importance on training samples, one number per feature; only by name",
        Cost(60, 30),
        TREES,
        smoke={"num_boost_round": 30},
        explained_by=("autogluon_explained:PermutationRunner", "share"),
    ),
    autogluon(
        "lightgbm_xt",
        "LightGBMXT",
        "GBM",
        "AutoGluon's LightGBM with extremely randomised splits",
        Cost(10, 35),
        TREES,
        {"extra_trees": True},
        smoke={"num_boost_round": 30},
    ),
    autogluon(
        "lightgbm_large",
        "LightGBM Large",
        "GBM",
        "AutoGluon's former GBMLarge: 128 leaves, learning rate 0.03",
        Cost(15, 120),
        TREES,
        _LARGE,
        smoke={"num_boost_round": 30},
    ),
    autogluon(
        "xgboost",
        "XGBoost",
        "XGB",
        "AutoGluon's XGBoost, defaults",
        Cost(10, 40),
        ("xgboost-cpu",),
        smoke={"n_estimators": 30},
    ),
    autogluon(
        "catboost",
        "CatBoost",
        "CAT",
        "AutoGluon's CatBoost, defaults",
        Cost(10, 60),
        ("catboost",),
        smoke={"iterations": 50},
    ),
    autogluon(
        "random_forest",
        "RandomForestMSE",
        "RF",
        "AutoGluon's random forest, squared error",
        Cost(10, 150, memory_gb=2.0, bytes_per_value=200.0),
        ("scikit-learn",),
        {"criterion": "squared_error"},
        smoke={"n_estimators": 10},
    ),
    autogluon(
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
    autogluon(
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
    autogluon(
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
)
