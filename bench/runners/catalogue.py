"""The project's own runners: one line (entry) each. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.runners.registry import Cost, RunnerEntry

_TABULAR = "Tabular Machine Learning"
_TREES = ("lightgbm",)


def _autogluon(
    name: str,
    title: str,
    key: str,
    summary: str,
    cost: Cost,
    requires: tuple[str, ...] = (),
    hyperparameters: Mapping[str, Any] | None = None,
    smoke: Mapping[str, Any] | None = None,
    laptop: Mapping[str, Any] | None = None,
    thread_invariant: bool = False,
    seeded: bool = True,
) -> RunnerEntry:
    """An AutoGluon model: `key` is AutoGluon's own, hyperparameters not named keep AutoGluon's defaults."""
    base = dict(hyperparameters or {})
    return RunnerEntry(
        name=name,
        title=title,
        family=_TABULAR,
        target="bench.runners.autogluon:AutoGluonRunner",
        summary=summary,
        requires=("autogluon.tabular", *requires),
        parameters={"model": key, "hyperparameters": base},
        profiles={
            "smoke": {"hyperparameters": base | dict(smoke or {})},
            "laptop": {"hyperparameters": base | dict(laptop or {})},
        },
        thread_invariant=thread_invariant,
        seeded=seeded,
        cost=cost,
    )


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
        "each cell's training mean of the same 8-day step",
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
        Cost(8, 10),
        ("scikit-learn",),
        {"weights": "uniform"},
        seeded=False,
    ),
    _autogluon(
        "knn_dist",
        "KNeighborsDist",
        "KNN",
        "AutoGluon's nearest neighbours, distance weights",
        Cost(8, 10),
        ("scikit-learn",),
        {"weights": "distance"},
        seeded=False,
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
    RunnerEntry(
        "gwr",
        "GWR",
        "Spatial",
        "bench.runners.geographical:GwrRunner",
        "geographically weighted regression per 8-day step, adaptive bisquare, AICc; own exact engine",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        seeded=False,
        cost=Cost(5, 100, memory_gb=0.9),
    ),
    RunnerEntry(
        "gnnwr",
        "GNNWR",
        "Spatial",
        "bench.runners.geographical_networks:GnnwrRunner",
        "geographically neural network weighted regression per 8-day step; distances to landmark cells",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        parameters={"ridge": 0.3},
        profiles={"smoke": {"landmarks": 16, "hidden": (16,), "updates": 20}},
        cost=Cost(45, 2, memory_gb=0.6),
    ),
    RunnerEntry(
        "gtwr",
        "GTWR",
        "Spatiotemporal",
        "bench.runners.geographical:GtwrRunner",
        "geographically and temporally weighted regression on the panel of cells and steps; own exact engine",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        seeded=False,
        cost=Cost(15, 2000, memory_gb=1.4),
    ),
    RunnerEntry(
        "gtnnwr",
        "GTNNWR",
        "Spatiotemporal",
        "bench.runners.geographical_networks:GtnnwrRunner",
        "geographically and temporally neural network weighted regression on the panel of cells and steps",
        requires=("torch", "scikit-learn"),
        uses_view=False,
        parameters={"ridge": 0.3},
        profiles={"smoke": {"landmarks": 16, "hidden": (16,), "updates": 20}},
        cost=Cost(45, 10, memory_gb=0.7, bytes_per_value=300.0),
    ),
    RunnerEntry(
        "dual_branch_plus",
        "Ours, plus",
        "Our Method",
        "bench.runners.dual_branch:DualBranchPlusRunner",
        "the dual-branch idea with seasonal low-rank conditions per cell; ensemble of three",
        requires=("torch",),
        uses_view=False,
        profiles={"smoke": {"options": {"ensemble": 1}, "training": {"epochs": 2}}},
        cost=Cost(10, 2500, memory_gb=0.8),
    ),
    RunnerEntry(
        "dual_branch",
        "Ours",
        "Our Method",
        "bench.runners.dual_branch:DualBranchRunner",
        "the paper's dual-branch network, to the letter of its equations (hours on a CPU: paper profile)",
        requires=("torch",),
        uses_view=False,
        only_profiles=("smoke", "paper"),
        profiles={
            "smoke": {
                "options": {"n_nodes": 12, "k": 4, "width": 8, "blocks": 1, "window": 3},
                "training": {"epochs": 1},
            }
        },
        cost=Cost(20, 90_000, memory_gb=2.5),
    ),
)
