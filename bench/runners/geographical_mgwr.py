"""GWR by the ``mgwr`` package itself: a cross-check of this project's local solver on the same step means.

Its prediction cannot be called as it stands: more points than training rows are an IndexError, a second call on one
object fails, and the fitted values of its results belong to the training rows. So every block of points that is no
longer than the training sample gets an object of its own, and only the local coefficients are taken from it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.errors import BenchError
from bench.runners.geographical import GwrRunner, Steps

SMALLEST_NEIGHBOURHOOD = 40
"""mgwr's search starts at this many neighbours and two per parameter."""


class MgwrRunner(GwrRunner):
    """``mgwr``, a separate model for each step of the year: adaptive bisquare, AICc."""

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        prediction = np.empty(design.shape[:2])
        for step in set(steps.tolist()):
            columns, coefficients = np.flatnonzero(steps == step), self._coefficients(step, places)
            slopes = np.einsum("mtk,mk->mt", design[:, columns], coefficients[:, 1:])
            prediction[:, columns] = coefficients[:, :1] + slopes
        return prediction

    def _coefficients(self, step: int, places: Doubles) -> Doubles:
        size, bandwidth = len(self._means.measured(step)[1]), self._model(step)
        # Scale and residuals serve standard errors only; given, they save a second fit at the training places.
        given = {"exog_scale": 1.0, "exog_resid": np.zeros((size, 1)), "fit_params": {"lite": True}}
        blocks = []
        with self._explained(step):
            for start in range(0, len(places), size):
                block = places[start : start + size]
                model = self._mgwr_model(step, bandwidth)
                blocks.append(model.predict(block, np.zeros((len(block), self._means.design.shape[2])), **given).params)
        coefficients: Doubles = np.concatenate(blocks)
        return coefficients

    def _fit_step(self, step: int) -> Any:
        """The bandwidth of a step; mgwr's fitted objects are of no use afterwards."""
        from mgwr.sel_bw import Sel_BW

        design, target, at = self._means.measured(step)
        cells, columns = design.shape
        smallest = SMALLEST_NEIGHBOURHOOD + 2 * (columns + 1)
        if cells < smallest:
            raise BenchError(
                f"mgwr searches bandwidths from {smallest} neighbours on and the sample has {cells} cells; use "
                "runner 'gwr' or more --train-cells."
            )
        with self._explained(step):
            search = Sel_BW(
                at,
                target[:, None],
                design,
                kernel="bisquare",
                fixed=False,
                spherical=self._on_sphere,
                n_jobs=1,
            )
            return search.search(criterion="AICc")

    def _mgwr_model(self, step: int, bandwidth: float) -> Any:
        from mgwr.gwr import GWR

        design, target, at = self._means.measured(step)
        return GWR(
            at,
            target[:, None],
            design,
            bandwidth,
            kernel="bisquare",
            fixed=False,
            spherical=self._on_sphere,
            n_jobs=1,
        )

    @property
    def _on_sphere(self) -> bool:
        return not self.task.cube.is_planar

    @contextlib.contextmanager
    def _explained(self, step: int) -> Iterator[None]:
        """Names the step of a failure, and says once how many local designs were nearly singular."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except np.linalg.LinAlgError as error:
                raise BenchError(
                    f"mgwr fails in step {step}: the design around some place is singular (a constant or sparse "
                    "column); use runner 'gwr', which regularises such places."
                ) from error
        if caught:
            print(f"step {step}: {len(caught)} warnings of mgwr, the first: {caught[0].message}")
