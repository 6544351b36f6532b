"""The strongest tabular baselines of today, beside the paper's nine and four.

Some take longer than all of the paper's together, so that no suite plans them by itself: `--with strong` names all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.runners.catalogue.tabular import TREES, autogluon
from bench.runners.entry import Cost, RunnerEntry

_EPOCHS = {"smoke": 2, "laptop": 40}
"""TabM's and RealMLP's own limits are without end and 256; early stopping often ends them before."""


def _strong(
    name: str,
    title: str,
    key: str,
    summary: str,
    cost: Cost,
    requires: tuple[str, ...] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    smoke: Mapping[str, Any] | None = None,
    laptop: Mapping[str, Any] | None = None,
    **settings: Any,
) -> RunnerEntry:
    return autogluon(
        name,
        title,
        key,
        f"{summary}; only by name",
        cost,
        requires,
        hyperparameters,
        smoke,
        laptop=laptop,
        by_name=True,
        **settings,
    )


STRONG_ROWS: tuple[RunnerEntry, ...] = (
    _strong(
        "extra_trees",
        "ExtraTreesMSE",
        "XT",
        "AutoGluon's extremely randomised trees, squared error",
        Cost(10, 100, memory_gb=2.0, bytes_per_value=200.0),
        ("scikit-learn",),
        {"criterion": "squared_error"},
        smoke={"n_estimators": 10},
    ),
    _strong(
        "ebm",
        "EBM",
        "EBM",
        "AutoGluon's explainable boosting machine, defaults",
        Cost(20, 700, memory_gb=1.0),
        ("interpret-core",),
        smoke={"max_rounds": 20},
    ),
    _strong(
        "nn_torch",
        "NeuralNetTorch",
        "NN_TORCH",
        "AutoGluon's own network in torch, defaults",
        Cost(12, 120),
        ("torch",),
        smoke={"num_epochs": 2},
    ),
    _strong(
        "tabm",
        "TabM",
        "TABM",
        "AutoGluon's TabM (Gorishniy et al. 2025), an ensemble in one network",
        Cost(15, 2200, memory_gb=1.5),
        ("torch",),
        smoke={"n_epochs": _EPOCHS["smoke"]},
        laptop={"n_epochs": _EPOCHS["laptop"]},
    ),
    _strong(
        "realmlp",
        "RealMLP",
        "REALMLP",
        "AutoGluon's RealMLP (Holzmüller et al. 2024), with its tuned defaults",
        Cost(15, 75, memory_gb=1.5),
        ("torch", "pytabkit"),
        smoke={"n_epochs": _EPOCHS["smoke"]},
        laptop={"n_epochs": _EPOCHS["laptop"]},
    ),
    _strong(
        "lightgbm_blocks",
        "LightGBM, hold-out by blocks",
        "GBM",
        "the same LightGBM, stopped early by blocks of place and time instead of random rows",
        Cost(10, 30),
        TREES,
        smoke={"num_boost_round": 30},
        hold_out="blocks",
    ),
    _strong(
        "catboost_blocks",
        "CatBoost, hold-out by blocks",
        "CAT",
        "the same CatBoost, stopped early by blocks of place and time instead of random rows",
        Cost(10, 60),
        ("catboost",),
        smoke={"iterations": 50},
        hold_out="blocks",
    ),
    RunnerEntry(
        "knn_standardised",
        "KNeighborsDist, standardised",
        "Tabular Machine Learning",
        "bench.runners.sklearn:SklearnRunner",
        "five nearest neighbours in standardised features, weighted by distance; only by name",
        requires=("scikit-learn",),
        parameters={
            "estimator": "sklearn.neighbors.KNeighborsRegressor",
            "n_neighbors": 5,
            "weights": "distance",
        },
        seeded=False,
        by_name=True,
        refused_after=12 * 3600.0,
        instead="lightgbm",
        cost=Cost(8, 1, seconds_per_billion_comparisons=2.5),
    ),
    RunnerEntry(
        "autogluon_best",
        "AutoGluon, best quality (time budget, not reproducible)",
        "Tabular Machine Learning",
        "bench.runners.autogluon_best:BestQualityRunner",
        "AutoGluon's preset best_quality, as far as its time goes: other numbers each time; only by name",
        requires=("autogluon.tabular", "lightgbm", "xgboost-cpu", "catboost", "fastai", "torch"),
        parameters={"minutes": 240.0},
        profiles={"smoke": {"minutes": 0.5}, "laptop": {"minutes": 20.0}},
        most_rows={"laptop": 2_000_000, "paper": 10_000_000},
        by_name=True,
        # What comes with the rows is prediction: every fold of every model has thousands of trees.
        cost=Cost(60, 700, memory_gb=4.0, bytes_per_value=200.0, minutes_in="minutes"),
    ),
)
