"""Geographically weighted models, fitted per step or on the panel of places and steps."""

from __future__ import annotations

from typing import Any

from bench.runners.entry import Cost, RunnerEntry

_SPATIAL, _SPATIOTEMPORAL = "Spatial", "Spatiotemporal"
_NETWORK: dict[str, Any] = {
    "version": 2,
    "uses_gpu": True,
    "seeded": True,
    "parameters": {"ridge": 0.3},
    "profiles": {"smoke": {"landmarks": 16, "hidden": (16,), "updates": 20}},
}


def _local(
    name: str, title: str, family: str, runner: str, summary: str, needs: str, cost: Cost, **fields: Any
) -> RunnerEntry:
    """A model of coefficients that differ from place to place: fitted on step means, explained by the coefficients.

    Args:
        name: see `RunnerEntry`, also for the other arguments that are not named here.
        title: as printed.
        family: as printed.
        runner: its target below `bench.runners`.
        summary: one line.
        needs: what it needs of the data, in `bench.runners.suitability`.
        cost: for planning.
        **fields: of the entry where they are not the usual ones.
    """
    usual: dict[str, Any] = {
        "requires": ("torch", "scikit-learn"),
        "uses_view": False,
        "explains": "sensitivity",
        "seeded": False,
        "step_means": True,
    }
    return RunnerEntry(
        name, title, family, f"bench.runners.{runner}", summary, needs=(needs,), cost=cost, **usual | fields
    )


GEOGRAPHICAL_ROWS: tuple[RunnerEntry, ...] = (
    _local(
        "gwr",
        "GWR",
        _SPATIAL,
        "geographical:GwrRunner",
        "geographically weighted regression per step of the year, adaptive bisquare, AICc; own exact local solver",
        "places_per_step",
        Cost(5, 100, memory_gb=0.9),
        version=2,
    ),
    _local(
        "gwr_validated",
        "GWR, validated",
        _SPATIAL,
        "geographical_validated:ValidatedGwrRunner",
        "the same GWR; bandwidth by held-out cells on raw samples, predictions within the range of training",
        "places_per_step_held_out",
        Cost(8, 100, memory_gb=0.9),
    ),
    _local(
        "gwr_mgwr",
        "GWR (mgwr)",
        _SPATIAL,
        "geographical_mgwr:MgwrRunner",
        "the same GWR by the mgwr package, as a cross-check; only by name (fails where a local design is singular)",
        "places_per_step",
        # 16 evaluations per search, each about 0.45 µs a pair of cells, and the prediction.
        Cost(8, memory_gb=0.6, seconds_per_million_pairs=10.0),
        requires=("mgwr",),
        by_name=True,
        refused_after=3600.0,
        instead="gwr",
    ),
    _local(
        "gwr_rf",
        "Geographical RF",
        _SPATIAL,
        "geographical_forest:GeographicalForestRunner",
        "random forests at anchor cells and a global one, blended, per step of the year; tuned by out-of-bag error",
        "places_per_step",
        Cost(8, 900, memory_gb=0.6),
        requires=("scikit-learn", "torch"),
        explains="share",
        seeded=True,
        thread_invariant=True,
        profiles={"smoke": {"anchors": 3, "trees": 30, "bandwidths": (0.3,)}},
    ),
    _local(
        "gnnwr",
        "GNNWR",
        _SPATIAL,
        "geographical_networks:GnnwrRunner",
        "geographically neural network weighted regression per step of the year; distances to landmark cells",
        "places_per_step",
        Cost(45, 2, memory_gb=0.6),
        **_NETWORK,
    ),
    _local(
        "gtwr",
        "GTWR",
        _SPATIOTEMPORAL,
        "geographical:GtwrRunner",
        "geographically and temporally weighted regression on the panel of cells and steps; own exact local solver",
        "panel",
        Cost(15, 2000, memory_gb=1.4),
        version=2,
    ),
    _local(
        "gtwr_validated",
        "GTWR, validated",
        _SPATIOTEMPORAL,
        "geographical_validated:ValidatedGtwrRunner",
        "the same GTWR; bandwidths by held-out cells on raw samples, predictions within the range of training",
        "panel_held_out",
        Cost(15, 3000, memory_gb=1.4),
    ),
    _local(
        "gtnnwr",
        "GTNNWR",
        _SPATIOTEMPORAL,
        "geographical_networks:GtnnwrRunner",
        "geographically and temporally neural network weighted regression on the panel of cells and steps",
        "seasons",
        Cost(45, 10, memory_gb=0.7, bytes_per_value=300.0),
        **_NETWORK,
    ),
)
