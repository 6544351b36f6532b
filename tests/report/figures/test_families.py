"""Densities, errors by group, training and learning curves show the stored numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.report.figures import groups
from bench.report.figures.density import density
from bench.report.figures.learning import curve
from bench.report.figures.maps import _limit
from bench.report.figures.stored import MOST_SHOWN, representatives
from bench.report.figures.style import feature_title, feature_words, label_ends, spread
from bench.report.figures.training import LossCurve, loss_curves, mean_curve, training_curves
from bench.report.results.data_words import units
from bench.runners.history import Epoch, history_table
from bench.store.store import Store
from tests.report.figures.conftest import EPOCHS, LARGEST, context_of, figure_of, grid_cube


def test_a_density_counts_every_sample_once_and_says_how_many_lie_outside(full_store: Store) -> None:
    context = context_of(full_store, "full")
    [row] = [row for row in context.shown if row.key.runner == "dual_branch_plus"]
    n = 36 * 46
    counts, outside = density(context, row, np.array([-1e3, 1e3]))
    assert counts.tolist() == [[n]] and outside == 0.0
    target = grid_cube().target[:, 46:]
    middle = float(np.median(target))
    counts, outside = density(context, row, np.array([-1e3, middle]))
    assert outside == pytest.approx(1 - counts.sum() / n) and 0.4 < outside < 0.7


def test_the_density_prints_the_metrics_of_the_tables(full_store: Store) -> None:
    context = context_of(full_store, "full")
    sheet = figure_of(full_store, "full", "full_observed_predicted").render()
    rows = {row.title: row for row in representatives(context)}
    for axes in sheet.axes[: len(rows)]:
        row = rows[axes.get_title(loc="left")[3:]]
        rmse, r2 = (context.reader.estimate(row.records, metric) for metric in ("rmse", "r2"))
        assert rmse is not None and r2 is not None
        [text] = axes.texts
        assert f"RMSE {rmse.value:.2f}" in text.get_text() and f"R² {r2.value:.2f}" in text.get_text()


def test_errors_by_group_are_the_tables_estimates_with_their_intervals(full_store: Store) -> None:
    context = context_of(full_store, "full")
    left, right = figure_of(full_store, "full", "full_error_groups").render().axes
    labels = [label.get_text().partition("\n")[0] for label in left.get_yticklabels()]
    assert labels == ["All scored steps", "Dec–Feb", "Mar–May", "Jun–Aug", "Sep–Nov"]
    groups = ["all", "season:DJF", "season:MAM", "season:JJA", "season:SON"]
    bars = [item for item in left.containers if isinstance(item, ErrorbarContainer)]
    chosen = representatives(context)
    assert [bar.get_label() for bar in bars] == [row.title for row in chosen]
    for bar, row in zip(bars, chosen, strict=True):
        found = [context.reader.estimate(row.records, "rmse", group=group) for group in groups]
        points, _, [intervals] = bar
        np.testing.assert_allclose(points.get_xdata(), [estimate.value for estimate in found if estimate])
        ends = [segment[:, 0].tolist() for segment in intervals.get_segments() if np.ndim(segment) == 2]
        drawn = [end for end in ends if np.isfinite(end).all()]
        np.testing.assert_allclose(
            drawn, [(estimate.low, estimate.high) for estimate in found if estimate and estimate.known]
        )
    cube = grid_cube()
    covers = [label.get_text() for label in right.get_yticklabels()]
    counts = np.bincount(cube.land_cover_class)
    assert f"n = {46 * counts.max():,}" in covers[0]


def test_representatives_are_few_and_in_the_order_of_the_families(full_store: Store) -> None:
    chosen = representatives(context_of(full_store, "full"))
    assert [row.key.runner for row in chosen] == ["climatology", "lightgbm_large", "dual_branch_plus"]
    assert len(chosen) <= MOST_SHOWN


def test_curves_are_the_trainings_of_a_job_in_their_order() -> None:
    stored = [Epoch("step_10", 1, 3.0, 9.0), Epoch("step_10", 2, 2.0, 8.0), Epoch("step_01", 1, 4.0, None)]
    curves = loss_curves(history_table(stored))
    assert curves == [LossCurve("step_10", (1, 2), (3.0, 2.0)), LossCurve("step_01", (1,), (4.0,))]
    assert loss_curves(history_table([])) == []
    assert mean_curve(curves) == ([1, 2], [3.5, 2.0])


def test_without_a_stored_history_there_are_no_training_curves_and_a_sentence_says_so(full_store: Store) -> None:
    context = context_of(full_store, "full")
    others = tuple(row for row in context.shown if row.key.runner != "dual_branch_plus")
    drawings = training_curves(replace(context, shown=others))
    assert drawings.figures == () and "no finished job has a history.parquet" in drawings.left_out[0]


def test_a_history_that_is_damaged_while_the_report_is_made_is_refused(full_store: Store, tmp_path: Path) -> None:
    shutil.copytree(full_store.root, tmp_path / "runs")
    context = context_of(Store(tmp_path / "runs"), "full")  # a job damaged before that is left out
    for path in (tmp_path / "runs" / "cells").glob("*/history.parquet"):
        path.write_bytes(b"PAR1")
    with pytest.raises(BenchError, match="history.parquet is missing or damaged"):
        training_curves(context)


def test_training_curves_draw_every_training_and_their_mean(full_store: Store) -> None:
    [axes] = figure_of(full_store, "full", "full_training_curves").render().axes
    assert len(axes.lines) == 3  # two seeds and their mean
    for line in axes.lines:
        np.testing.assert_allclose(line.get_xdata(), np.arange(1, EPOCHS + 1))
        np.testing.assert_allclose(line.get_ydata(), 8.0 / np.arange(1, EPOCHS + 1), atol=1e-4)
    assert axes.get_yscale() == "log" and "2 trainings" in axes.texts[0].get_text()


def test_learning_curves_are_the_tables_estimates_over_the_training_cells(fewshot_store: Store) -> None:
    context = context_of(fewshot_store, "fewshot")
    sheet = figure_of(fewshot_store, "fewshot", "fewshot_learning_curves").render()
    left = sheet.axes[0]
    bars = {bar.get_label(): bar for bar in left.containers}
    assert set(bars) == {"GWR", "Dual-branch (paper)"} and {text.get_text() for text in left.texts} == {
        "GWR",
        "Dual-branch (paper)",
    }
    [row] = [row for row in representatives(context) if row.title == "GWR"]
    points = curve(context, row, "rmse")
    assert [size for size, _ in points] == [10, LARGEST] and points[0][1].value > points[1][1].value
    np.testing.assert_allclose(bars["GWR"][0].get_ydata(orig=False), [estimate.value for _, estimate in points])
    assert row.key.train_cells == LARGEST  # other figures show the largest sample


def test_positions_move_apart_as_little_as_need_be() -> None:
    np.testing.assert_allclose(spread(np.array([0.0, 10.0]), 4.0), [0.0, 10.0])
    np.testing.assert_allclose(spread(np.array([5.0, 5.0, 5.0]), 4.0), [1.0, 5.0, 9.0])
    moved = spread(np.sort(np.random.default_rng(0).uniform(0, 20, 8)), 3.0)
    assert (np.diff(moved) >= 3.0 - 1e-9).all()


def test_no_lines_need_no_labels(full_store: Store) -> None:
    [axes] = figure_of(full_store, "full", "full_training_curves").render().axes
    before = len(axes.texts)
    label_ends(axes, [])
    assert len(axes.texts) == before


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("gC m-2 d-1", "gC m⁻² d⁻¹"),
        ("m3 m-3", "m³ m⁻³"),
        ("degC", "degC"),
        ("mm d-1", "mm d⁻¹"),
        ("1", ""),
        ("-", ""),
        ("kg. m-2", "kg.m⁻²"),
    ],
)
def test_units_are_printed_with_superscripts(text: str, printed: str) -> None:
    assert units(text) == printed


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("temperature_2m", "2 m temperature"),
        ("temperature_2m_max", "2 m temperature max"),
        ("surface_solar_radiation_downwards_sum", "solar radiation down"),
        ("u_component_of_wind_10m", "10 m u wind"),
        ("volumetric_soil_water_layer_1", "soil water layer 1"),
        ("Tavg", "Tavg"),
    ],
)
def test_features_are_printed_in_words(name: str, printed: str) -> None:
    assert feature_title(name) == printed


@pytest.mark.parametrize(
    ("name", "unit", "printed"),
    [
        ("Rs", "W m-2", "shortwave radiation Rs (W m⁻²)"),
        ("Tavg", "degC", "mean air temperature Tavg (°C)"),
        ("volumetric_soil_water_layer_1", "1", "soil water layer 1"),
        ("own", "", "own"),
    ],
)
def test_features_are_named_in_words_with_symbol_and_unit(name: str, unit: str, printed: str) -> None:
    assert feature_words(name, unit) == printed


def test_a_colour_scale_ends_at_the_largest_value_unless_single_ones_would_drown_the_rest() -> None:
    values = np.linspace(-1, 1, 1000)
    assert _limit(values) == (1.0, False)
    limit, clipped = _limit(np.append(values, 50.0))
    assert clipped and 0.9 < limit < 1.0


def test_an_axis_ends_before_errors_that_drown_the_rest_and_names_them() -> None:
    axes = Figure().subplots()
    groups._limit(axes, [(1.0, 0.0), (1.2, 1.0), (0.8, 2.0), (42.9, 3.0)])
    assert axes.get_xlim()[1] < 10 and [text.get_text() for text in axes.texts] == ["42.9 →"]
    usual = Figure().subplots()
    groups._limit(usual, [(1.0, 0.0), (1.2, 1.0)])
    assert not usual.texts
