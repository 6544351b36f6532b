"""The steps of a fit that train the networks on simulations, on labels of shares and on towers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.arrays import Reals
from models.flux.balance import Balance, ConstructedBalance, PenalisedBalance
from models.flux.imputation import Imputed
from models.flux.networks import EncoderFactory, FluxNetwork, ImputedWeight
from models.flux.options import PUBLISHED_SCHEDULE, FluxOptions
from models.flux.parameters import PURE_TYPES
from models.flux.simulation import Simulations
from models.flux.stages import Stages
from models.flux.tasks import BranchTask, Mixtures, MixtureTask, ShareTask, TowerTask, TunedNetwork
from models.training import TrainingOptions

_BRANCHES, _COMPETITION, _SHARES, _WEIGHT = range(4)  # parts of a network, each with a seed of its own
_PART_SEED_STRIDE = 1_009  # a prime: seeds of neighbouring fits and parts do not meet
_INFERENCE_BATCH = 64  # towers


class TowerTensors(NamedTuple):
    """Training towers first, then validation towers, on the device.

    Attributes:
        inputs: (tower, month, input) standardised.
        shares: (tower, 3).
        n_training: number of training towers.
    """

    inputs: Tensor
    shares: Tensor
    n_training: int

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        """Numbers of the training towers and of the validation towers."""
        numbers = torch.arange(len(self.inputs), device=self.inputs.device)
        return numbers[: self.n_training], numbers[self.n_training :]


@dataclass(frozen=True)
class Steps:
    """Trains the parts of a network, stage by stage.

    Attributes:
        options: of the estimator.
        training: of the stages that see measured fluxes.
        pretraining: of the stages before them.
        encoder: how an encoder is made.
        stages: where stages are kept.
        device: where all tensors are.
    """

    options: FluxOptions
    training: TrainingOptions
    pretraining: TrainingOptions
    encoder: EncoderFactory
    stages: Stages
    device: torch.device

    def untrained(self, n_inputs: int, mean: Reals, scale: Reals) -> FluxNetwork:
        """A network with its branches only.

        Args:
            n_inputs: of a month.
            mean: (6,) gC m⁻² d⁻¹ of the fluxes.
            scale: (6,) gC m⁻² d⁻¹, their spread.
        """
        options = self.options
        balance: Balance = PenalisedBalance(mean, scale) if options.balance == "penalty" else ConstructedBalance(scale)
        branches = len(PURE_TYPES) if options.variant == "dere" and options.branches == "types" else 1
        with self._seeded(_BRANCHES):
            network = FluxNetwork(self.encoder, n_inputs, balance, branches, options.sees_shares)
        return network.to(self.device)

    def pretrain(self, towers: TowerTensors, simulations: Simulations) -> FluxNetwork:
        """Steps 1 and 2: the branches, then what their sum lacks.

        Args:
            towers: whose weather the process model was run with.
            simulations: of the same towers.
        """
        network = self.untrained(towers.inputs.shape[-1], simulations.mean, simulations.scale)
        network.train_only(["encoder", "decoders"])
        if len(network.decoders) > 1:
            self._train_branches(network, towers, simulations)
        else:
            self._train_mixtures("branches", network, towers, simulations, self._of_one_branch(towers, simulations))
        if self.options.variant == "dere" and self.options.competition:
            with self._seeded(_COMPETITION):
                network.add_competition(self.encoder)
            network.to(self.device).train_only(["competition"])
            if self.options.mixtures:
                self._train_mixtures("competition", network, towers, simulations, _random(simulations))
            self._train_mixtures("cells", network, towers, simulations, _own(towers, simulations))
        return network

    def train_shares(self, network: FluxNetwork, towers: TowerTensors) -> None:
        """Step 3: a model of the shares, from their labels.

        Args:
            network: to add it to.
            towers: whose labels are learned.
        """
        with self._seeded(_SHARES):
            network.add_share_model(self.encoder)
        network.to(self.device).train_only(["share_model"])

        def task(identity: str) -> ShareTask:
            return ShareTask(network, towers.inputs, towers.shares, *towers.parts, identity)

        facts = [network, towers.inputs, towers.shares, towers.n_training]
        self.stages.train("shares", task, self.pretraining, facts, shared=True)

    def tune(self, network: FluxNetwork, towers: TowerTensors, targets: Reals, imputed: Imputed | None) -> None:
        """Step 4, and step 6 where there are imputed months.

        Args:
            network: trained in place.
            towers: with fluxes.
            targets: (tower, month, 3) gC m⁻² d⁻¹ of the same towers; NaN where missing.
            imputed: of the training towers; None for step 4.
        """
        options = self.options
        frozen = options.variant == "dere" and options.tuned == "frozen"
        network.train_only(["competition", "share_model"] + ([] if frozen else ["encoder", "decoders"]))
        weight = None
        if imputed is not None:
            kind = options.omega if options.imputation == "weighted" else "equal"
            with self._seeded(_WEIGHT):
                weight = ImputedWeight(kind).to(self.device)
        raw = torch.from_numpy(np.asarray(targets, dtype=np.float32)).to(self.device)
        observed = raw.isfinite()
        scale = torch.tensor(_deviations(targets[: towers.n_training]), dtype=torch.float32, device=self.device)
        branches = self._branches(network, towers) if frozen else None

        def task(identity: str) -> TowerTask:
            values = torch.where(observed, raw, 0.0)
            known = values, observed.float(), scale, imputed, options.missing == "masked"
            module = TunedNetwork(network, weight)
            return TowerTask(module, towers.inputs, towers.shares, branches, *known, *towers.parts, identity)

        schedule: dict[str, Any] = PUBLISHED_SCHEDULE if options.schedule == "published" else {}
        known_labels = None if imputed is None else list(imputed)
        facts: list[object] = [network, weight, towers.inputs, towers.shares, towers.n_training, raw, known_labels]
        facts += [options.missing, options.tuned]
        name = "towers" if imputed is None else "imputed_towers"
        self.stages.train(name, task, replace(self.training, **schedule), facts)

    def _train_branches(self, network: FluxNetwork, towers: TowerTensors, simulations: Simulations) -> None:
        simulated = torch.from_numpy(simulations.pure).to(self.device)
        scale = torch.tensor(simulations.scale, dtype=torch.float32, device=self.device)

        def task(identity: str) -> BranchTask:
            return BranchTask(network, towers.inputs, towers.shares, simulated, scale, *towers.parts, identity)

        facts = [network, towers.inputs, simulated, scale, towers.n_training]
        self.stages.train("branches", task, self.pretraining, facts, shared=True)

    def _train_mixtures(
        self, name: str, network: FluxNetwork, towers: TowerTensors, simulations: Simulations, mixtures: Mixtures
    ) -> None:
        mixtures = Mixtures(*(part.to(self.device) for part in mixtures))
        scale = torch.tensor(simulations.scale, dtype=torch.float32, device=self.device)
        branches = self._branches(network, towers) if network.competition is not None else None

        def task(identity: str) -> MixtureTask:
            return MixtureTask(network, towers.inputs, branches, mixtures, scale, *towers.parts, identity)

        facts = [network, towers.inputs, list(mixtures), scale, towers.n_training]
        self.stages.train(name, task, self.pretraining, facts, shared=True)

    def _branches(self, network: FluxNetwork, towers: TowerTensors) -> Tensor:
        """What frozen branches say about every tower: computed once for all epochs."""
        network.eval()
        with torch.no_grad():
            starts = range(0, len(towers.inputs), _INFERENCE_BATCH)
            parts = [slice(start, start + _INFERENCE_BATCH) for start in starts]
            return torch.cat([network.branches(towers.inputs[part], towers.shares[part]) for part in parts])

    def _of_one_branch(self, towers: TowerTensors, simulations: Simulations) -> Mixtures:
        """All ground that a network can tell apart: without shares as inputs, the towers' own."""
        own = _own(towers, simulations)
        if not self.options.sees_shares:
            return own
        n_towers, n_types = simulations.pure.shape[:2]
        pure = Mixtures(torch.eye(n_types).repeat(n_towers, 1, 1), torch.from_numpy(simulations.pure))
        return Mixtures(*(torch.cat(parts, dim=1) for parts in zip(own, pure, _random(simulations), strict=True)))

    @contextmanager
    def _seeded(self, part: int) -> Iterator[None]:
        """A random state of its own for each part, so that leaving one out changes no other."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.training.seed * _PART_SEED_STRIDE + part)
            yield


def _own(towers: TowerTensors, simulations: Simulations) -> Mixtures:
    return Mixtures(towers.shares.cpu()[:, None], torch.from_numpy(simulations.own)[:, None])


def _random(simulations: Simulations) -> Mixtures:
    return Mixtures(torch.from_numpy(simulations.mixture_shares), torch.from_numpy(simulations.mixtures))


def _deviations(targets: Reals) -> npt.NDArray[np.float64]:
    """(3,) standard deviation of each observed flux; 1 where it never varies."""
    deviation = np.nanstd(targets.astype(np.float64), axis=(0, 1))
    return np.where(deviation > 0, deviation, 1.0)


def measured_statistics(targets: Reals) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and spread of the six fluxes where only three are measured: Ra and Rh are taken for halves of RECO.

    Args:
        targets: (tower, month, 3) gC m⁻² d⁻¹ of the training towers; NaN where missing.

    Returns:
        (6,) and (6,), in the order of ``balance.FLUXES``.
    """
    gpp, reco, nee = np.nanmean(targets.astype(np.float64), axis=(0, 1))
    gpp_spread, reco_spread, nee_spread = _deviations(targets)
    mean = np.array([gpp, gpp - reco / 2, reco / 2, reco / 2, reco, nee])
    return mean, np.array([gpp_spread, gpp_spread, reco_spread, reco_spread, reco_spread, nee_spread])
