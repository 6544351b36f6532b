"""Imputes missing months of towers: the estimator's step 5, and by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.arrays import Indices, Reals
from models.flux.csdi import CsdiNetwork, NoiseSchedule, noise_schedule
from models.flux.data import Standardisation, TowerPanel, check_index, check_towers
from models.flux.imputation import NEE_CHANNEL, ImputationTask, Imputed, impute, summary
from models.flux.options import CsdiOptions
from models.flux.stages import Stages
from models.training import ProgressCallback, TrainingOptions


class FluxImputer:
    """Samples of GPP, RECO and NEE in missing months, given the observed ones and the weather (CSDI).

    Args:
        options: sizes.
        seed: of initialisation, training and draws.
        device: as in ``TrainingOptions``.
    """

    def __init__(self, options: CsdiOptions | None = None, seed: int = 0, device: str = "auto") -> None:
        self.options = options or CsdiOptions()
        self.training = TrainingOptions(
            epochs=self.options.epochs,
            batch_size=self.options.batch_size,
            learning_rate=self.options.learning_rate,
            decay_after=self.options.epochs,
            weight_decay=0.0,
            gradient_clip=1.0,
            patience=self.options.patience,
            seed=seed,
            device=device,
            precision="float32",
        )
        self._standardisation: Standardisation | None = None
        self._network: CsdiNetwork | None = None
        self._mean = self._scale = torch.zeros(0)

    def fit(
        self,
        panel: TowerPanel,
        targets: Reals,
        training: Indices,
        validation: Indices,
        *,
        stages: Stages | None = None,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Trains on the observed months of the training towers.

        Args:
            panel: all towers.
            targets: (tower, month, 3) GPP, RECO, NEE in gC m⁻² d⁻¹; NaN where missing.
            training: index of the training towers.
            validation: index of the towers that decide when to stop.
            stages: where the training is kept; a place of its own where None.
            checkpoint: folder for the training, finished or not; of no use where ``stages`` are given.
            on_progress: likewise.

        Raises:
            ValueError: as ``data.check_towers``.
            UnusableCheckpoint: a file is damaged.
        """
        check_towers(panel, targets, training, validation)
        device = self.training.resolve_device()
        self._standardisation = Standardisation.of(panel, training)
        seen = np.isfinite(targets[training])
        self._mean, self._scale = (
            torch.tensor([float(take(targets[training][..., k][seen[..., k]])) for k in range(3)], device=device)
            for take in (np.mean, np.std)
        )
        self._scale = torch.where(self._scale > 0, self._scale, 1.0)
        towers = np.concatenate([training, validation])
        weather, values, observed = self._tensors(panel, targets, towers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.training.seed)
            network = CsdiNetwork(self.options, 3, weather.shape[-1]).to(device)
        floor = None
        if self.options.clip_noise:
            floor = -self._mean / self._scale
            floor[NEE_CHANNEL] = -torch.inf

        def task(identity: str) -> ImputationTask:
            numbers = torch.arange(len(towers), device=device)
            parts = numbers[: len(training)], numbers[len(training) :]
            return ImputationTask(network, self._schedule, values, observed, weather, *parts, floor, identity)

        stages = stages or Stages(checkpoint, None, on_progress, None)
        facts = [self._sizes(), network, weather, values, observed, len(training), floor]
        stages.train("imputation", task, self.training, facts, shared=True)
        self._network = network
        return self

    def sample(
        self, panel: TowerPanel, targets: Reals, towers: Indices, samples: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Draws every month of some towers.

        Args:
            panel: as in ``fit``, or of other towers with the same drivers.
            targets: (tower, month, 3); observed months condition and are returned as they are.
            towers: index of the towers.
            samples: number of draws; that of the options where None.

        Returns:
            (sample, tower, month, 3) gC m⁻² d⁻¹.

        Raises:
            ValueError: the imputer is not fitted, or a tower is not in the panel.
        """
        drawn: npt.NDArray[np.float32] = self._sample(panel, targets, towers, samples)[0].cpu().numpy()
        return drawn

    def imputed(self, panel: TowerPanel, targets: Reals, towers: Indices) -> Imputed:
        """Median and spread of the samples of some towers.

        Args:
            panel: as in ``sample``.
            targets: as in ``sample``.
            towers: as in ``sample``.

        Raises:
            ValueError: as in ``sample``.
        """
        return summary(*self._sample(panel, targets, towers, None))

    @property
    def _schedule(self) -> NoiseSchedule:
        return NoiseSchedule(*(part.to(self.training.resolve_device()) for part in noise_schedule(self.options)))

    def _sizes(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self.options).items() if key not in ("samples", "draw_steps")}

    def _sample(self, panel: TowerPanel, targets: Reals, towers: Indices, samples: int | None) -> tuple[Tensor, Tensor]:
        if self._network is None:
            raise ValueError("The imputer is not fitted; call fit first.")
        check_index(panel, towers, "towers")
        weather, values, observed = self._tensors(panel, targets, towers)
        network, seed = self._network.eval(), self.training.seed
        number = self.options.samples if samples is None else samples
        series = values, observed, weather, self._mean, self._scale
        steps = self.options.draw_steps
        return impute(network, self._schedule, *series, samples=number, seed=seed, n_steps=steps), observed

    def _tensors(self, panel: TowerPanel, targets: Reals, towers: Indices) -> tuple[Tensor, Tensor, Tensor]:
        """Weather, standardised values with 0 for missing ones, and 1 where observed."""
        assert self._standardisation is not None
        device = self._mean.device
        weather = torch.from_numpy(self._standardisation.apply(panel)[towers]).to(device)
        raw = torch.from_numpy(np.asarray(targets[towers], dtype=np.float32)).to(device)
        observed = raw.isfinite()
        values = torch.where(observed, (raw - self._mean) / self._scale, 0.0)
        return weather, values, observed.float()
