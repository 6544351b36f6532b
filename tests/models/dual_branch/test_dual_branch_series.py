import numpy as np
import pytest
import torch

from models.dual_branch.series import SeriesPanel, year_bounds
from models.training import Panel

CPU = torch.device("cpu")
PARTIAL = np.array([5, 6, 1, 2, 4, 6, 1, 2, 3])
"""A year that begins late, one with gaps, and one that has just begun."""


def make_panel(step_of_year=PARTIAL):
    generator = np.random.default_rng(0)
    return Panel(
        generator.normal(size=(4, len(step_of_year), 2)).astype(np.float32),
        generator.random((4, 1)).astype(np.float32),
        np.array([10.0, 20, 30, 40]),
        np.array([1.0, 2, 3, 4]),
        step_of_year,
    )


@pytest.mark.parametrize(
    ("steps", "first", "last"),
    [
        (PARTIAL, [0, 0, 2, 2, 2, 2, 6, 6, 6], [1, 1, 5, 5, 5, 5, 8, 8, 8]),
        ([7], [0], [0]),
        ([7, 7, 7], [0, 1, 2], [0, 1, 2]),
        (range(1, 47), [0] * 46, [45] * 46),
    ],
)
def test_a_year_begins_where_the_step_does_not_rise(steps, first, last):
    found = year_bounds(np.array(list(steps)))
    assert [bound.tolist() for bound in found] == [list(first), list(last)]


def test_a_short_year_repeats_its_last_step():
    panel = make_panel()
    data = SeriesPanel(panel, CPU)
    assert data.length == 4
    batch = data.gather(torch.tensor([3, 1]), torch.tensor([1, 4]))
    climate = torch.from_numpy(panel.climate)
    assert torch.equal(batch.windows[0], climate[3][[0, 1, 1, 1]])
    assert torch.equal(batch.windows[1], climate[1][[2, 3, 4, 5]])
    assert batch.steps.tolist() == [[4, 5, 5, 5], [0, 1, 3, 5]]
    assert torch.equal(batch.windows.flatten(0, 1)[batch.asked], torch.stack((climate[3, 1], climate[1, 4])))


def test_samples_of_one_year_of_a_cell_share_a_series():
    panel = make_panel()
    data = SeriesPanel(panel, CPU)
    cells, times = torch.tensor([2, 0, 2, 2]), torch.tensor([8, 3, 0, 6])
    batch = data.gather_shared(cells, times)
    assert len(batch.windows) == 3 and sorted(batch.cells.tolist()) == [0, 2, 2]
    expected = torch.from_numpy(panel.climate)[cells, times]
    assert torch.equal(batch.windows.flatten(0, 1)[batch.asked], expected)
