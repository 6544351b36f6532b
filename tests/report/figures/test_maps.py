"""Maps show what is stored, each value at its place."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from bench.report.figures.maps import temperature_of
from bench.store.store import Store
from tests.report.figures.conftest import figure_of, grid_cube, residual_of, weight_of


def values_of(axes: Axes) -> np.ndarray:
    [mesh] = [item for item in axes.collections if isinstance(item, QuadMesh)]
    return np.asarray(mesh.get_array())


def test_figure_5_maps_the_weight_of_temperature_and_the_prediction(full_store: Store) -> None:
    sheet = figure_of(full_store, "full", "full_figure5_dual_branch_plus").render()
    cube, cells = grid_cube(), np.arange(36)
    maps = [axes for axes in sheet.axes if axes.get_title(loc="left") or axes.images]
    assert [axes.get_title(loc="left") for axes in maps[:4]] == [
        "Step 1 (from 1 Jan)",
        "Step 10 (from 13 Mar)",
        "Step 20 (from 1 Jun)",
        "Step 30 (from 20 Aug)",
    ]
    for index, step in enumerate((1, 10, 20, 30)):
        weights = np.mean([weight_of(cells, np.array([step]), 0, seed) for seed in (0, 1)], axis=0)
        # Cells are ordered by row from the south, as the boxes of the grid are.
        np.testing.assert_allclose(values_of(maps[index]), weights.reshape(6, 6), rtol=1e-6)
        predicted = cube.target[:, 46 + step - 1] + 0.5 * residual_of(cells)
        np.testing.assert_allclose(values_of(maps[4 + index]), predicted.reshape(6, 6), atol=1e-5)
    labels = [axes.get_ylabel() for axes in sheet.axes[8:]]
    assert labels == ["Weight of mean air\ntemperature Tavg\n(gC m⁻² d⁻¹ per SD)", "Predicted GPP\n(gC m⁻² d⁻¹)"]


def test_fewshot_maps_only_the_steps_that_were_scored(fewshot_store: Store) -> None:
    sheet = figure_of(fewshot_store, "fewshot", "fewshot_figure5_dual_branch").render()
    titles = [axes.get_title(loc="left") for axes in sheet.axes]
    assert [title for title in titles if title] == ["Step 10 (from 13 Mar)", "Step 30 (from 20 Aug)"]


def test_residual_maps_show_prediction_less_target_with_one_scale(full_store: Store) -> None:
    sheet = figure_of(full_store, "full", "full_residual_maps").render()
    expected = residual_of(np.arange(36)).reshape(6, 6)
    scales = set()
    for axes, title, scale in zip(
        sheet.axes, ("Cell × step climatology", "LightGBM Large", "Dual-branch plus"), (1, 1, 0.5), strict=False
    ):
        assert title in axes.get_title(loc="left")
        np.testing.assert_allclose(values_of(axes), scale * expected, atol=1e-5)
        [mesh] = [item for item in axes.collections if isinstance(item, QuadMesh)]
        scales.add(mesh.get_clim())
    [(low, high)] = scales
    assert low == -high and 1.0 < high <= 1.85


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("Tmax", "Tmin", "Tavg"), "Tavg"),
        (("temperature_2m_max", "temperature_2m"), "temperature_2m"),
        (("rain",), None),
    ],
)
def test_the_temperature_is_found_by_name(names: tuple[str, ...], chosen: str | None) -> None:
    assert temperature_of(names) == chosen
