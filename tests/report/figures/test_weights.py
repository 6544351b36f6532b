"""Figure 4 shows the means of what is stored."""

from __future__ import annotations

import numpy as np
import pytest

from bench.report.figures.style import feature_words
from bench.report.figures.weights import courses
from bench.store.store import Store
from tests.report.figures.conftest import context_of, figure_of, weight_of


def test_courses_are_means_over_the_cells_of_a_class_and_the_seeds(full_store: Store) -> None:
    context = context_of(full_store, "full")
    [row] = [row for row in context.shown if row.key.runner == "dual_branch_plus"]
    found = courses(context, row)
    assert context.dataset is not None and found.steps == list(range(1, 47))
    assert found.features == ["Prcp", "Rs", "Tavg"]  # by size of the weight, which grows with the feature's index
    cells = context.dataset.cells
    counts = (cells["land_cover"] + cells["climate"]).value_counts()
    assert [len(region.cells) for region in found.regions] == counts.head(6).tolist()
    for index, region in enumerate(found.regions):
        assert len({(cells["land_cover"][cell], cells["climate"][cell]) for cell in region.cells}) == 1
        means = [weight_of(region.cells, np.array([7]), 2, seed).mean() for seed in (0, 1)]
        assert found.weights[index, 6, 0] == pytest.approx(np.mean(means), rel=1e-5)


def test_what_is_drawn_are_the_courses(full_store: Store) -> None:
    context = context_of(full_store, "full")
    [row] = [row for row in context.shown if row.key.runner == "dual_branch_plus"]
    found = courses(context, row)
    described = context.dataset.description  # type: ignore[union-attr]
    named = {
        name: feature_words(name, unit)
        for name, unit in zip(described.feature_names, described.feature_units, strict=True)
    }
    sheet = figure_of(full_store, "full", "full_figure4_dual_branch_plus").render()
    assert len(sheet.axes) == len(found.regions)
    for index, axes in enumerate(sheet.axes):
        drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
        for at, feature in enumerate(found.features):
            np.testing.assert_allclose(drawn[named[feature]], found.weights[index, :, at])
        title = axes.get_title(loc="left").replace("\n", " ")
        assert found.regions[index].title in title and f"({len(found.regions[index].cells)}" in title
    legend = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert legend == [named[feature] for feature in found.features]
    assert "gC m⁻² d⁻¹ per standard deviation" in sheet.get_supylabel()
