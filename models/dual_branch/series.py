"""The series that the paper's network reads: all steps of a year of a cell, with a prediction at every step.

Eq. 1–4 act on the whole of X ∈ ℝ^(L×D) and leave a feature for every one of its L steps, so that nothing has to be
computed again for each predicted step, as in windows that end there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.arrays import Indices
from models.training import DevicePanel, Panel, SampleBatch


def year_bounds(step_of_year: Indices) -> tuple[Indices, Indices]:
    """First and last time index of the year that each step belongs to, (time,) each.

    A year begins where the step of the year does not rise; the first and the last of a panel may be incomplete.

    Args:
        step_of_year: (time,) position of each step in the year.
    """
    begins = np.flatnonzero(np.diff(step_of_year.astype(np.int64), prepend=np.iinfo(np.int32).max) <= 0)
    ends = np.append(begins[1:], len(step_of_year)) - 1
    lengths = ends - begins + 1
    return np.repeat(begins, lengths).astype(np.int64), np.repeat(ends, lengths).astype(np.int64)


class SeriesPanel(DevicePanel):
    """A panel whose batches are whole years of cells; a year shorter than the longest repeats its last step."""

    def __init__(self, panel: Panel, device: torch.device) -> None:
        """Opens the panel.

        Args:
            panel: the data.
            device: where batches are delivered.
        """
        super().__init__(panel, 1, device)
        first, last = year_bounds(panel.step_of_year)
        self.length = int((last - first).max()) + 1
        self.first, self.last = (torch.from_numpy(bound).to(device) for bound in (first, last))
        self.offsets = torch.arange(self.length, device=device)

    def gather(self, cells: Tensor, times: Tensor) -> SampleBatch:
        """One series per sample, of which that sample only is asked for.

        Args:
            cells: (batch,) int64 cell index, on the device.
            times: (batch,) int64 time index, on the device.
        """
        rows = torch.arange(len(cells), device=self.device)
        return self.gather_series(cells, times, rows * self.length + times - self.first[times])

    def gather_series(self, cells: Tensor, times: Tensor, asked: Tensor) -> SampleBatch:
        """The series of years of cells.

        Args:
            cells: (series,) int64 cell index, on the device.
            times: (series,) int64 time index of any step of the year, on the device.
            asked: (sample,) int64 row · ``length`` + step of each sample asked for.
        """
        inside = torch.minimum(self.first[times][:, None] + self.offsets, self.last[times][:, None])
        return self._gather(cells, inside)._replace(asked=asked)

    def gather_shared(self, cells: Tensor, times: Tensor) -> SampleBatch:
        """One series for all samples of the same cell and year.

        Args:
            cells: (sample,) int64 cell index, on the device.
            times: (sample,) int64 time index, on the device.
        """
        first = self.first[times]
        series, row = torch.unique(cells * self.n_times + first, return_inverse=True)
        return self.gather_series(series // self.n_times, series % self.n_times, row * self.length + times - first)
