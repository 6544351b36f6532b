"""Explanations of AutoGluon's LightGBM that need no importance weights: TreeSHAP and permutation importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.autogluon import AutoGluonRunner


class TreeShapRunner(AutoGluonRunner):
    """LightGBM with its own TreeSHAP contributions (Lundberg et al. 2020, Nature Machine Intelligence 2:56–67).

    AutoGluon grows thousands of trees, which makes contributions slow, so a random part of the cells is explained;
    parameter: ``explained_samples``.
    """

    def explain(self, part: Part) -> FloatArray:
        """(n_cells, n_times, feature) contributions, in the target's units; NaN in cells that are not explained."""
        cube, task = self.task.cube, self.task
        names = (*cube.feature_names, *cube.static_names)
        n_cells = int(np.clip(task.parameters["explained_samples"] // len(part.times), 1, len(part.cells)))
        chosen = np.sort(np.random.default_rng(task.seed).permutation(len(part.cells))[:n_cells])
        explained = np.full((len(part.cells), len(part.times), len(names)), np.nan, np.float32)
        explained[chosen] = self._contributions(Part(part.cells[chosen], part.times), names)
        return explained

    def _contributions(self, part: Part, names: tuple[str, ...]) -> FloatArray:
        model = self._predictor._trainer.load_model(self._model)
        rows: Any = model.preprocess(self._predictor.transform_features(self.task.table(part).to_frame()))
        # The last column is the expected prediction, the same for every sample.
        found = model.model.predict(rows, pred_contrib=True, num_threads=self.task.threads)[:, :-1]
        by_name = dict(zip(rows.columns, found.T, strict=True))
        nothing = np.zeros(len(part))  # AutoGluon drops columns that are constant in training
        values = np.stack([by_name.get(name, nothing) for name in names], axis=-1)
        return np.asarray(values.reshape(len(part.cells), len(part.times), len(names)), np.float32)


class PermutationRunner(AutoGluonRunner):
    """LightGBM with its permutation importance on training samples (Breiman 2001; Fisher, Rudin and Dominici 2019).

    One number per feature for the whole data set, hence a floor for explanations that claim to know places and steps.
    Parameter: ``explained_samples``, training samples among which values are exchanged.
    """

    def explain(self, part: Part) -> FloatArray:
        """(n_cells, n_times, feature) rise of the training RMSE when a feature's values are exchanged, everywhere."""
        importance = self._importance().astype(np.float32)
        return np.array(np.broadcast_to(importance, (len(part.cells), len(part.times), len(importance))))

    def _importance(self) -> npt.NDArray[np.float64]:
        task = self.task
        generator = np.random.default_rng(task.seed)
        n_rows = min(len(task.train), task.parameters["explained_samples"])
        chosen = np.sort(generator.permutation(len(task.train))[:n_rows])
        target = task.train.select(task.train_target)[chosen].astype(np.float64)
        rows = task.table(task.train).to_frame().iloc[chosen].reset_index(drop=True)

        def rmse(values: Any) -> float:
            predicted = self._predictor.predict(values, model=self._model).to_numpy(np.float64)
            return float(np.sqrt(np.mean((predicted - target) ** 2)))

        unchanged = rmse(rows)
        rises = []
        for name in (*task.cube.feature_names, *task.cube.static_names):
            exchanged = rows.assign(**{name: rows[name].to_numpy()[generator.permutation(n_rows)]})
            rises.append(rmse(exchanged) - unchanged)
        return np.array(rises)
