"""The estimator on plain arrays: fit in named stages, predict with a standard deviation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

from models.arrays import Indices, Reals
from models.flux.backbones import encoder as backbone_encoder
from models.flux.balance import TARGET_FLUXES
from models.flux.calibration import calibrate
from models.flux.data import Standardisation, TowerPanel, check_index, check_towers
from models.flux.imputation import Imputed
from models.flux.imputer import FluxImputer
from models.flux.networks import EncoderFactory, FluxNetwork
from models.flux.options import FLUX_PRETRAINING, FLUX_TRAINING, FluxOptions
from models.flux.process_model import Calibration
from models.flux.simulation import Simulations
from models.flux.spread import Spread
from models.flux.stages import StageCallback, StageReport, Stages
from models.flux.steps import Steps, TowerTensors, measured_statistics
from models.training import ProgressCallback, TrainingOptions

_PREDICTION_BATCH = 64  # towers


class FluxPrediction(NamedTuple):
    """What ``predict`` returns, (tower, month, 3): GPP, RECO, NEE in gC m⁻² d⁻¹.

    Attributes:
        fluxes: the predictions; NEE = RECO − GPP with a balance by construction.
        spread: standard deviation of the error.
    """

    fluxes: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]


class FluxRegressor:
    """GPP, RECO and NEE of towers never seen, with or without what a process model knows.

    Attributes:
        reports: of the stages of the last ``fit``, in their order.
        calibration: of the process model; all factors are 1 unless the options ask for a calibration.
    """

    def __init__(
        self,
        options: FluxOptions | None = None,
        training: TrainingOptions | None = None,
        pretraining: TrainingOptions | None = None,
        *,
        encoder: EncoderFactory | None = None,
    ) -> None:
        """Creates an unfitted estimator.

        Args:
            options: what it is made of.
            training: of the stages that see measured fluxes; ``FLUX_TRAINING`` where None.
            pretraining: of the stages before them, whose seed and device are those of ``training``;
                ``FLUX_PRETRAINING`` where None.
            encoder: makes an encoder in place of the options' backbone.
        """
        self.options, self.training = options or FluxOptions(), training or FLUX_TRAINING
        seed, device = self.training.seed, self.training.device
        self.pretraining = replace(pretraining or FLUX_PRETRAINING, seed=seed, device=device)
        self.reports: tuple[StageReport, ...] = ()
        self.calibration = Calibration()
        self._encoder: EncoderFactory = encoder or self._own_encoder
        self._network: FluxNetwork | None = None
        self._standardisation: Standardisation | None = None
        self._spread: Spread | None = None

    def fit(
        self,
        panel: TowerPanel,
        targets: Reals,
        training: Indices,
        validation: Indices,
        *,
        simulated: Indices | None = None,
        simulated_validation: Indices | None = None,
        checkpoint: Path | None = None,
        pretrained: Path | None = None,
        on_progress: ProgressCallback | None = None,
        on_stage: StageCallback | None = None,
    ) -> Self:
        """Fits all stages; fluxes of other towers are not read, and no statistic is taken of them.

        Args:
            panel: all towers.
            targets: (tower, month, 3) GPP, RECO, NEE in gC m⁻² d⁻¹; NaN where missing.
            training: index of the towers whose fluxes are learned from.
            validation: index of the towers that decide when each stage stops.
            simulated: index of the towers whose weather the process model is run with; their fluxes are not read. The
                training towers where None.
            simulated_validation: index of the towers whose weather judges what is learned from simulations; holds the
                validation towers, which they are where None. Fits that name the same can share their pretraining.
            checkpoint: folder for finished stages and the unfinished training; a killed ``fit`` with the same
                arguments goes on from it to the same numbers.
            pretrained: folder for the stages that other fits share, named by what they depend on; ``checkpoint`` where
                None.
            on_progress: called with a ``Progress``; each stage counts its own epochs.
            on_stage: called with the name of each stage when it begins, found or not.

        Raises:
            ValueError: as ``data.check_towers``, or a driver of the process model is missing.
            UnusableCheckpoint: a file in a folder is damaged.
            FloatingPointError: a loss became NaN or infinite.
        """
        check_towers(panel, targets, training, validation)
        simulated = training if simulated is None else simulated
        check_index(panel, simulated, "simulated")
        judging = validation if simulated_validation is None else simulated_validation
        check_index(panel, judging, "simulated_validation")
        if len(np.intersect1d(simulated, np.concatenate([validation, judging]))):
            raise ValueError("A validation tower is among the simulated ones; the sets must not overlap.")
        options, device = self.options, self.training.resolve_device()
        self._standardisation = Standardisation.of(panel, simulated if options.simulated else training)
        facts = [options.backbone, options.sizes, self._standardisation]
        stages = Stages(checkpoint, pretrained, on_progress, facts, on_stage)
        steps = Steps(options, self.training, self.pretraining, self._encoder, stages, device)
        measured = np.asarray(targets[np.concatenate([training, validation])])
        towers = self._tensors(panel, training, validation)
        if options.simulated:
            around = self._tensors(panel, simulated, judging)
            simulations = self._simulate(panel, targets, training, np.concatenate([simulated, judging]))
            network = steps.pretrain(around, simulations)
            if options.variant == "dere" and options.shares == "predicted":
                steps.train_shares(network, around)
        else:
            network = steps.untrained(towers.inputs.shape[-1], *measured_statistics(targets[training]))
        towers = towers._replace(shares=self._known(towers.shares))
        steps.tune(network, towers, measured, None)
        if options.imputation != "none":
            apart = Stages(checkpoint, pretrained, on_progress, None, on_stage)  # the same for every network
            imputed = self._impute(apart, panel, targets, training, validation)
            stages.reports += apart.reports
            steps.tune(network, towers, measured, imputed)
        self._network, self.reports = network.eval(), tuple(stages.reports)
        at_validation = self._fluxes(panel, validation).astype(np.float64)
        self._spread = Spread.of_residuals(at_validation, np.asarray(targets[validation], dtype=np.float64))
        return self

    def predict(self, panel: TowerPanel, towers: Indices | None = None) -> FluxPrediction:
        """Predictions of every month.

        Args:
            panel: may hold other towers and months than that of ``fit``, with the same drivers.
            towers: index of the towers; all where None.

        Raises:
            ValueError: the estimator is not fitted, a tower is not in the panel, or the drivers are others.
        """
        if self._network is None or self._spread is None:
            raise ValueError("The estimator is not fitted; call fit first.")
        towers = np.arange(panel.n_towers) if towers is None else towers
        check_index(panel, towers, "towers")
        fluxes = self._fluxes(panel, towers)
        spread = self._spread.of_prediction(fluxes.astype(np.float64)).astype(np.float32)
        return FluxPrediction(fluxes, spread)

    def _own_encoder(self, n_inputs: int) -> torch.nn.Module:
        return backbone_encoder(self.options.backbone, n_inputs, self.options.sizes)

    def _tensors(self, panel: TowerPanel, training: Indices, validation: Indices) -> TowerTensors:
        assert self._standardisation is not None
        device, towers = self.training.resolve_device(), np.concatenate([training, validation])
        inputs = torch.from_numpy(self._standardisation.apply(panel)[towers]).to(device)
        shares = torch.from_numpy(panel.shares[towers].astype(np.float32)).to(device)
        return TowerTensors(inputs, shares, len(training))

    def _known(self, shares: torch.Tensor) -> torch.Tensor:
        """The shares that the options let the towers have."""
        unknown = self.options.variant == "dere" and self.options.shares == "none"
        return torch.full_like(shares, 1 / shares.shape[1]) if unknown else shares

    def _simulate(self, panel: TowerPanel, targets: Reals, training: Indices, towers: Indices) -> Simulations:
        weather, shares = panel.weather(), panel.shares
        self.calibration = Calibration()
        if self.options.calibrated:
            self.calibration = calibrate(weather, shares, np.asarray(targets, dtype=np.float64), training)
        n, seed = self.options.mixtures, self.training.seed
        return Simulations.of(weather.at(towers), shares[towers], n, seed, self.calibration)

    def _impute(
        self, stages: Stages, panel: TowerPanel, targets: Reals, training: Indices, validation: Indices
    ) -> Imputed:
        """Step 5: medians and spreads of the training towers; the validation towers' are not needed and are 0."""
        imputer = FluxImputer(self.options.csdi, self.training.seed, self.training.device)
        imputer.fit(panel, targets, training, validation, stages=stages)

        def compute() -> dict[str, torch.Tensor]:
            return {key: value.cpu() for key, value in imputer.imputed(panel, targets, training)._asdict().items()}

        drawn = [self.options.csdi.samples, self.options.csdi.draw_steps]
        kept = stages.compute("samples", compute, drawn, shared=True)
        nothing = torch.zeros((len(validation), *kept["median"].shape[1:]))
        device = self.training.resolve_device()
        return Imputed(*(torch.cat([kept[name], nothing]).to(device) for name in Imputed._fields))

    def _fluxes(self, panel: TowerPanel, towers: Indices) -> npt.NDArray[np.float32]:
        assert self._network is not None
        network, known = self._network, self._tensors(panel, towers, towers[:0])
        allowed, fluxes = self._known(known.shares), []
        with torch.inference_mode():
            for start in range(0, len(towers), _PREDICTION_BATCH):
                part = slice(start, start + _PREDICTION_BATCH)
                inputs = known.inputs[part]
                fluxes.append(network(inputs, network.shares_of(inputs, allowed[part])))
        measured: npt.NDArray[np.float32] = torch.cat(fluxes)[..., list(TARGET_FLUXES)].cpu().numpy()
        return measured
