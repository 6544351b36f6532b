"""Figures of the flux suite: they are drawn from the store's numbers, and say why they cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.report.figures import figures, save
from bench.report.figures.flux import FluxContext, flux_figures
from bench.report.figures.flux.courses import INSIDE_90, chosen_towers, course, title_of_tower
from bench.report.figures.flux.few_towers import curves_of
from bench.report.figures.flux.tower_maps import log_ratio, rmse_of_towers
from bench.report.figures.model import Figure
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection, select
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.dataset_record import read_dataset_record
from bench.store.store import Store
from bench.suites.flux import FEW, PLACES
from tests.support.flux_store import TARGETS, add_flux_manifest, make_flux_job, make_flux_towers, split_of

NAMES = ["flux_courses", "flux_few_towers", "flux_towers", "flux_reliability"]


@pytest.fixture
def context(flux: tuple[Store, Cube], flux_selection: Selection, flux_reader: TowerReader) -> FluxContext:
    return FluxContext(flux_selection, flux_reader, read_dataset_record(flux[0], flux[1].fingerprint))


def named(context: FluxContext, name: str) -> Figure:
    [found] = [figure for figure in flux_figures(context).figures if figure.name == name]
    return found


def test_all_four_are_there_and_the_report_draws_them(
    flux: tuple[Store, Cube], context: FluxContext, tmp_path: Path
) -> None:
    drawings = figures(context.selection, StatisticsReader(flux[0]), context.dataset)
    assert [figure.name for figure in drawings.figures] == NAMES and not drawings.left_out
    for figure in drawings.figures:
        assert figure.job_ids and "towers_toy" in figure.caption and figure.about["suite"] == "flux"
    paths = save(drawings.figures[3], tmp_path)
    assert {path.suffix for path in paths} == {".pdf", ".png", ".json"} and all(path.stat().st_size for path in paths)


def test_courses_are_means_of_the_predictions(flux: tuple[Store, Cube], context: FluxContext) -> None:
    assert context.dataset is not None
    [row, *_] = context.shown(PLACES)
    months = course(context, row, context.dataset)
    chosen = chosen_towers(months, context.dataset)
    labels = flux[1].labels_of("IGBP")
    assert len(chosen) == len(set(chosen)) == 6 and {labels[tower] for tower in chosen[:3]} == set(np.unique(labels))
    frame = pd.concat([context.reader.predictions(record) for record in row.result.records])
    month = flux[1].step_of_year[frame["time"]]
    own = frame[(frame["variable"] == "NEE") & (frame["cell"] == chosen[0]) & (month == 7)]
    found = months.loc[("NEE", chosen[0], 7)]
    assert found["prediction"] == pytest.approx(own["prediction"].mean(), rel=1e-5)
    assert found["deviation"] == pytest.approx(0.8, rel=1e-5) and found["n"] == len(own)
    sheet = named(context, "flux_courses").render()
    panels = [axes for axes in sheet.axes if axes.lines]
    assert len(panels) == 18 and title_of_tower(chosen[0], context.dataset) == panels[0].get_title()
    drawn = dict(zip(*panels[12].lines[0].get_data(), strict=True))  # NEE of the first tower
    assert drawn[7] == pytest.approx(found["prediction"])
    low, high = panels[12].collections[0].get_datalim(panels[12].transData).intervaly
    assert high - low >= 2 * INSIDE_90 * 0.8


def test_curves_are_the_numbers_of_f2(context: FluxContext) -> None:
    rows_of = {size: context.shown(FEW, size) for size in (10, 20)}
    curves = curves_of(rows_of)
    assert list(curves) == ["Transformer, DERE", "Transformer, Baseline + shares", "LightGBM + shares"]
    panels = named(context, "flux_few_towers").render().axes
    assert len(panels) == len(TARGETS)
    line = panels[0].containers[0].lines[0]
    expected = [context.reader.estimate(rows_of[size][0], "GPP", "rmse") for size in (10, 20)]
    assert line.get_ydata() == pytest.approx([found.value for found in expected if found is not None])


def test_maps_show_every_tower_and_the_change(context: FluxContext) -> None:
    dere, _, shares, _ = context.shown(PLACES)
    towers, error = rmse_of_towers(context, dere, "GPP")
    assert len(towers) == 40 and (error > 0).all()
    change = log_ratio(context, dere, shares, "GPP")
    assert np.median(change) == pytest.approx(np.log2(0.8), abs=0.15)
    sheet = named(context, "flux_towers").render()
    points = [axes.collections[-1] for axes in sheet.axes if axes.get_title(loc="left")]
    assert len(points) == 6 and all(len(item.get_offsets()) == 40 for item in points)


def test_reliability_is_that_of_f4(context: FluxContext) -> None:
    panels = named(context, "flux_reliability").render().axes
    heights = sorted(float(item.lines[0].get_ydata()[0]) for item in panels[0].containers)
    assert len(heights) == 6 and all(0.3 < height < 0.7 for height in heights[:3])
    assert all(0.8 < height <= 1 for height in heights[3:])


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    add_flux_manifest(store, cube, [make_flux_job(cube, "flux_mean", None, split_of("places", 1))])
    selection = select(store, "flux")
    drawings = flux_figures(FluxContext(selection, TowerReader(store), None))
    assert not drawings.figures and len(drawings.left_out) == 4
