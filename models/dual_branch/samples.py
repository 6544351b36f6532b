"""Training samples: checked, parted, and what is fitted to them before any training."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from models.arrays import Indices, Mask, Singles
from models.dual_branch.network import NetworkInputs
from models.dual_branch.series import SeriesPanel
from models.dual_branch.target import TargetScaling
from models.training import DevicePanel, Panel
from models.validation import array_with_gaps


class Samples(NamedTuple):
    """Samples and their targets.

    Attributes:
        cells: (sample,) cell index.
        times: (sample,) time index.
        values: (sample,) targets.
    """

    cells: Indices
    times: Indices
    values: Singles

    @classmethod
    def checked(cls, panel: Panel, target: ArrayLike, cells: ArrayLike, times: ArrayLike) -> Self:
        """Reads the target at the samples.

        Args:
            panel: the data.
            target: (sample,), or (cell, time), which may be NaN or masked elsewhere.
            cells: (sample,) cell index.
            times: (sample,) time index.

        Raises:
            ValueError: shapes disagree, or a target is NaN, infinite, masked or no real number.
        """
        cells, times = panel.check_samples(cells, times)
        known = array_with_gaps(target, "target")
        if known.shape not in (cells.shape, (panel.n_cells, panel.n_times)):
            raise ValueError(
                f"target has shape {known.shape}; expected {(panel.n_cells, panel.n_times)}, or {cells.shape} for the "
                "samples alone."
            )
        with np.errstate(over="ignore"):  # what single precision cannot hold is named below
            values = np.array(known if known.ndim == 1 else known[cells, times], dtype=np.float32)
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"target is NaN, infinite or masked at training cell {cells[bad]}, time {times[bad]}.")
        return cls(cells, times, values)

    def parted(self, aside: Mask) -> tuple[Samples, Samples]:
        """Those that stay, and those that are set aside.

        Args:
            aside: (sample,) which to set aside.
        """
        cells, times, values = self
        return (
            Samples(cells[~aside], times[~aside], values[~aside]),
            Samples(cells[aside], times[aside], values[aside]),
        )

    def told(self, scaling: TargetScaling) -> Samples:
        """The same samples, their targets as a network learns them.

        Args:
            scaling: fitted to the training samples.
        """
        return self._replace(values=scaling.standardise(self.values))


@dataclass(frozen=True)
class TrainingSamples:
    """Training samples and what is fitted to them.

    Attributes:
        panel: the data.
        fit: what is learned, the targets as ``target`` tells them.
        aside: what the training is judged by, told alike; None where nothing is held out.
        target: fitted to ``fit``.
        data: the panel as the network reads it, on the device.
        inputs: fitted to ``fit``.
        identity: fingerprint of all of this and the options.
    """

    panel: Panel
    fit: Samples
    aside: Samples | None
    target: TargetScaling
    data: DevicePanel
    inputs: NetworkInputs
    identity: str

    def series(self) -> Samples:
        """Cell and first step of each series with samples that are learned, and its targets.

        The targets are (series, step), NaN where nothing is to be learned.
        """
        assert isinstance(self.data, SeriesPanel)
        first, n_times = self.data.first.cpu().numpy()[self.fit.times], self.panel.n_times
        keys, row = np.unique(self.fit.cells.astype(np.int64) * n_times + first, return_inverse=True)
        target = np.full((len(keys), self.data.length), np.nan, np.float32)
        target[row, self.fit.times - first] = self.fit.values
        cells, times = np.divmod(keys, n_times)
        return Samples(cells, times, target)


def fingerprint(about: str, inputs: NetworkInputs, fit: Samples, aside: Samples | None) -> str:
    """Hash of options, samples, targets and of what was fitted to the inputs of the training samples.

    Args:
        about: kind of model, its options and the shape of the panel.
        inputs: what was fitted.
        fit: what is learned.
        aside: what the training is judged by.
    """
    digest = hashlib.sha256(about.encode())
    for samples in (fit,) if aside is None else (fit, aside):
        for index in samples[:2]:
            digest.update(np.ascontiguousarray(index, dtype=np.int64).tobytes())
        digest.update(samples.values.tobytes())
    for tensor in (*asdict(inputs.scaling).values(), inputs.location["lon"], inputs.location["lat"]):
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
