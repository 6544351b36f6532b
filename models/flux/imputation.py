"""Imputes missing months of training towers: trains CSDI, keeps median and spread of its samples; scores of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.arrays import Reals
from models.flux.csdi import NoiseSchedule, denoising_loss, draw
from models.training import batch_rand

_VALIDATION_SEED = 20_210_707
"""Of the masks and the noise of the validation loss, the same after every epoch."""
_VALIDATION_DRAWS = 8  # steps of the diffusion tried per tower; one alone is mostly noise
NEE_CHANNEL = 2
"""The flux that may have either sign."""
_DRAWN_AT_ONCE = 32  # series


class Imputed(NamedTuple):
    """What is kept of the samples, (tower, month, 3) gC m⁻² d⁻¹.

    Attributes:
        median: the observed value where there is one.
        spread: standard deviation; 0 where a value is observed.
    """

    median: Tensor
    spread: Tensor


@dataclass(frozen=True)
class ImputationTask:
    """The training of CSDI on towers with gaps: some observed months are hidden and drawn again.

    Attributes:
        module: ε_θ.
        schedule: of the noise.
        values: (tower, month, 3) standardised, 0 where missing.
        observed: (tower, month, 3) 1 where observed.
        weather: (tower, month, variable).
        training: (sample,) tower numbers.
        validation: (tower,) tower numbers.
        floor: (3,) see ``csdi.denoising_loss``.
        identity: fingerprint of model and data.
    """

    module: nn.Module
    schedule: NoiseSchedule
    values: Tensor
    observed: Tensor
    weather: Tensor
    training: Tensor
    validation: Tensor
    floor: Tensor | None
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of training towers."""
        return len(self.training)

    def loss(self, positions: Tensor) -> Tensor:
        """Denoising loss of a batch of towers, each with its own hidden months and step of the diffusion.

        Args:
            positions: (batch,) samples.
        """
        towers = self.training[positions]
        others = self.training[(batch_rand(len(towers), towers.device) * len(self.training)).long()]
        shared = batch_rand(len(towers), towers.device)
        seeds = (batch_rand(len(towers), towers.device) * 2**24).long().tolist()
        per_tower = [self._draws(int(seed)) for seed in seeds]
        uniform, noise = (torch.stack(part).to(towers.device) for part in zip(*per_tower, strict=True))
        step = (batch_rand(len(towers), towers.device) * len(self.schedule.beta)).long()
        hidden = hide(self.observed[towers], self.observed[others], uniform, shared)
        return self._denoise(towers, hidden, step, noise)

    def validation_loss(self) -> float:
        """Denoising loss of the validation towers with fixed masks, steps and noise."""
        generator = torch.Generator().manual_seed(_VALIDATION_SEED)
        towers = self.validation
        total = 0.0
        for number in range(_VALIDATION_DRAWS):
            uniform = torch.rand(self.values[towers].shape, generator=generator).to(towers.device)
            shared = torch.rand(len(towers), generator=generator).to(towers.device)
            noise = torch.randn(uniform.shape, generator=generator).to(towers.device)
            step = torch.full_like(towers, (2 * number + 1) * len(self.schedule.beta) // (2 * _VALIDATION_DRAWS))
            others = towers.roll(number + 1)
            hidden = hide(self.observed[towers], self.observed[others], uniform, shared)
            total += float(self._denoise(towers, hidden, step, noise)) / _VALIDATION_DRAWS
        return total

    def _draws(self, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        shape = self.values.shape[1:]
        return torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)

    def _denoise(self, towers: Tensor, hidden: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        known = self.observed[towers] - hidden
        values, weather = self.values[towers], self.weather[towers]
        return denoising_loss(self.module, self.schedule, values, known, hidden, weather, step, noise, self.floor)


def hide(observed: Tensor, other: Tensor, uniform: Tensor, shared: Tensor) -> Tensor:
    """Chooses observed values to hide: scattered ones, or those in the gaps of another tower (Section 4.3, "mix").

    Args:
        observed: (batch, month, 3) 1 where observed.
        other: (batch, month, 3) the same of another tower.
        uniform: (batch, month, 3) random in [0, 1).
        shared: (batch,) random in [0, 1): below one half another tower's gaps are taken; above, twice what is over one
            half is the part of the values that is hidden.

    Returns:
        (batch, month, 3) 1 where hidden; at least one value of each tower is where any is observed.
    """
    part = (2 * shared - 1)[:, None, None]
    scattered = (uniform < part).to(observed.dtype)
    gaps = torch.where(shared[:, None, None] < 0.5, 1 - other, scattered) * observed
    none = gaps.flatten(1).sum(dim=1) == 0
    first = (uniform - observed).flatten(1).argmin(dim=1)  # some observed value
    fallback = nn.functional.one_hot(first, observed[0].numel()).view_as(observed).to(observed.dtype) * observed
    return torch.where(none[:, None, None], fallback, gaps)


def impute(
    module: nn.Module,
    schedule: NoiseSchedule,
    values: Tensor,
    observed: Tensor,
    weather: Tensor,
    mean: Tensor,
    scale: Tensor,
    *,
    samples: int,
    seed: int,
    n_steps: int | None = None,
) -> Tensor:
    """Samples of every month, those of GPP and RECO cut at 0.

    Args:
        module: the trained ε_θ.
        schedule: of the noise.
        values: (tower, month, 3) standardised, 0 where missing.
        observed: (tower, month, 3) 1 where observed.
        weather: (tower, month, variable).
        mean: (3,) gC m⁻² d⁻¹ that was taken off.
        scale: (3,) gC m⁻² d⁻¹ that was divided by.
        samples: number of draws.
        seed: of the draws; a tower's do not depend on the others'.
        n_steps: see ``csdi.draw``.

    Returns:
        (sample, tower, month, 3) gC m⁻² d⁻¹; the observed value in every sample where there is one.
    """
    module.eval()
    drawn = torch.empty((samples, *values.shape), device=values.device)
    for tower in range(len(values)):
        generator = torch.Generator().manual_seed(seed * 100_003 + tower)  # a prime: seeds of towers do not meet
        for start in range(0, samples, _DRAWN_AT_ONCE):
            n = min(_DRAWN_AT_ONCE, samples - start)
            given, known, around = (part[tower].expand(n, -1, -1) for part in (values, observed, weather))
            drawn[start : start + n, tower] = draw(module, schedule, given, known, around, generator, n_steps)
    fluxes = drawn * scale + mean
    cut = fluxes.clamp(min=0)
    cut[..., NEE_CHANNEL] = fluxes[..., NEE_CHANNEL]
    return torch.where(observed > 0, fluxes, cut)


def summary(drawn: Tensor, observed: Tensor) -> Imputed:
    """Median and spread of samples.

    Args:
        drawn: (sample, tower, month, 3).
        observed: (tower, month, 3) 1 where observed.
    """
    spread = drawn.std(dim=0, correction=0) * (1 - observed)
    median = np.median(drawn.cpu().numpy(), axis=0)  # torch's would be the lower of two middle samples
    return Imputed(torch.from_numpy(median).to(drawn.device), spread)


def crps(samples: Reals, values: Reals) -> Reals:
    """Continuous ranked probability score of an ensemble (Gneiting and Raftery 2007, Eq. 21), in the value's unit.

    Args:
        samples: (sample, …).
        values: (…) what came to be; NaN gives NaN.

    Returns:
        (…) mean |x − y| − ½ mean |x − x′| over the samples and their pairs.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64), axis=0)
    n = len(ordered)
    ranks = (2 * np.arange(1, n + 1) - n - 1).reshape(-1, *[1] * (ordered.ndim - 1))
    half_spread = (ranks * ordered).sum(axis=0) / n**2  # of the sorted sample, in place of all pairs
    return np.asarray(np.abs(ordered - values).mean(axis=0) - half_spread)


def coverage(samples: Reals, values: Reals, level: float) -> float:
    """Share of values within the central interval of their ensemble.

    Args:
        samples: (sample, …).
        values: (…); NaN is passed over.
        level: of the interval, 0–1.

    Raises:
        ValueError: the level is not between 0 and 1, or every value is NaN.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give the probability of an interval, between 0 and 1.")
    seen = np.isfinite(values)
    if not seen.any():
        raise ValueError("Every value is NaN; no coverage can be counted.")
    low, high = np.quantile(np.asarray(samples)[:, seen], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return float(((values[seen] >= low) & (values[seen] <= high)).mean())
