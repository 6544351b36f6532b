"""Conditional score-based diffusion for imputation (CSDI; Tashiro et al. 2021, arXiv:2107.03502).

The observed months condition a diffusion over the missing ones. Fluxes are the channels; the weather of every month is
side information, so that a month without any neighbour is still drawn from its weather.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.flux.options import CsdiOptions

_EMBEDDING = 64  # numbers that encode a step of the diffusion, and a month's place in the series
_FEED_FORWARD = 64  # hidden units of a transformer layer, as in the paper


class NoiseSchedule(NamedTuple):
    """Each (step,), float32.

    Attributes:
        beta: variance of the noise that a step adds; √β grows linearly (Section 6.1).
        alpha: 1 − β.
        alpha_bar: product of the α up to and including the step.
    """

    beta: Tensor
    alpha: Tensor
    alpha_bar: Tensor


def noise_schedule(options: CsdiOptions) -> NoiseSchedule:
    """The quadratic schedule.

    Args:
        options: its length and ends.
    """
    first, last = math.sqrt(options.first_noise), math.sqrt(options.last_noise)
    beta = torch.linspace(first, last, options.steps, dtype=torch.float64).square()
    alpha = 1 - beta
    return NoiseSchedule(beta.float(), alpha.float(), alpha.cumprod(0).float())


class ResidualLayer(nn.Module):
    """Attention over months, attention over fluxes, side information, a gate (Figure 6 of the paper).

    Args:
        channels: of a hidden vector.
        heads: of attention.
        n_side: channels of the side information.
    """

    def __init__(self, channels: int, heads: int, n_side: int) -> None:
        super().__init__()
        self.step = nn.Linear(_EMBEDDING, channels)
        self.over_months, self.over_fluxes = _transformer(channels, heads), _transformer(channels, heads)
        self.widen, self.side = nn.Linear(channels, 2 * channels), nn.Linear(n_side, 2 * channels)
        self.narrow = nn.Linear(channels, 2 * channels)

    def forward(self, hidden: Tensor, side: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """The next hidden vectors, and what is skipped to the end.

        Args:
            hidden: (batch, flux, month, channel).
            side: (batch, flux, month, side channel).
            step: (batch, embedding) of the diffusion's step.
        """
        batch, n_fluxes, n_months, channels = hidden.shape
        mixed = hidden + self.step(step)[:, None, None]
        mixed = self.over_months(mixed.reshape(-1, n_months, channels)).view_as(hidden)
        mixed = self.over_fluxes(mixed.transpose(1, 2).reshape(-1, n_fluxes, channels))
        mixed = mixed.view(batch, n_months, n_fluxes, channels).transpose(1, 2)
        gate, content = (self.widen(mixed) + self.side(side)).chunk(2, dim=-1)
        onward, skipped = self.narrow(gate.sigmoid() * content.tanh()).chunk(2, dim=-1)
        return (hidden + onward) / math.sqrt(2), skipped


class CsdiNetwork(nn.Module):
    """ε_θ: the noise in a noisy series, given the observed months and the side information.

    Args:
        options: sizes.
        n_fluxes: channels of the series.
        n_weather: standardised side variables of a month.
    """

    def __init__(self, options: CsdiOptions, n_fluxes: int, n_weather: int) -> None:
        super().__init__()
        channels = options.channels
        self.flux_embedding = nn.Embedding(n_fluxes, 16)  # 16 as in the paper
        self.enter = nn.Linear(2, channels)
        self.steps = nn.Sequential(nn.Linear(_EMBEDDING, _EMBEDDING), nn.SiLU(), nn.Linear(_EMBEDDING, _EMBEDDING))
        n_side = _EMBEDDING + 16 + 1 + n_weather
        self.layers = nn.ModuleList(ResidualLayer(channels, options.heads, n_side) for _ in range(options.layers))
        self.leave = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 1))
        last = self.leave[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # as in the paper's code: the first prediction is no noise at all

    def forward(self, noisy: Tensor, known: Tensor, mask: Tensor, weather: Tensor, step: Tensor) -> Tensor:
        """Predicted noise.

        Args:
            noisy: (batch, month, flux) the noisy series, 0 where a month is known.
            known: (batch, month, flux) the known values, 0 elsewhere.
            mask: (batch, month, flux) 1 where known.
            weather: (batch, month, variable).
            step: (batch,) int64 step of the diffusion, from 0.

        Returns:
            (batch, month, flux).
        """
        batch, n_months, n_fluxes = noisy.shape
        months = sinusoids(torch.arange(n_months, device=noisy.device))
        fluxes = self.flux_embedding.weight
        side = torch.cat(
            [
                months[None, None].expand(batch, n_fluxes, -1, -1),
                fluxes[None, :, None].expand(batch, -1, n_months, -1),
                mask.transpose(1, 2)[..., None],
                weather[:, None].expand(-1, n_fluxes, -1, -1),
            ],
            dim=-1,
        )
        embedded = self.steps(sinusoids(step))
        hidden = self.enter(torch.stack([known, noisy], dim=-1).transpose(1, 2)).relu()
        skipped = torch.zeros_like(hidden)
        for layer in self.layers:
            hidden, skip = layer(hidden, side, embedded)
            skipped = skipped + skip
        noise: Tensor = self.leave(skipped / math.sqrt(len(self.layers)))[..., 0].transpose(1, 2)
        return noise


def sinusoids(positions: Tensor) -> Tensor:
    """(position, 64) sines and cosines of geometrically growing wavelengths (Vaswani et al. 2017).

    Args:
        positions: (position,) int64.
    """
    rates = torch.exp(torch.arange(0, _EMBEDDING, 2, device=positions.device) * (-math.log(10_000.0) / _EMBEDDING))
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def denoising_loss(
    network: nn.Module,
    schedule: NoiseSchedule,
    values: Tensor,
    known: Tensor,
    hidden: Tensor,
    weather: Tensor,
    step: Tensor,
    noise: Tensor,
    floor: Tensor | None = None,
) -> Tensor:
    """Mean squared error of the noise at the hidden months (Eq. 6 of the paper); a scalar.

    Args:
        network: ε_θ.
        schedule: of the noise.
        values: (batch, month, flux) standardised, 0 where not observed.
        known: (batch, month, flux) 1 where a value conditions.
        hidden: (batch, month, flux) 1 where an observed value is to be found again.
        weather: (batch, month, variable).
        step: (batch,) int64.
        noise: (batch, month, flux) standard normal.
        floor: (flux,) least predicted noise, as in the published scripts; None clips nothing.
    """
    bar = schedule.alpha_bar[step][:, None, None]
    noisy = (bar.sqrt() * values + (1 - bar).sqrt() * noise) * (1 - known)
    predicted = network(noisy, values * known, known, weather, step)
    if floor is not None:
        predicted = torch.maximum(predicted, floor)
    error: Tensor = ((predicted - noise).square() * hidden).sum() / hidden.sum().clamp(min=1)
    return error


@torch.no_grad()
def draw(
    network: nn.Module,
    schedule: NoiseSchedule,
    values: Tensor,
    known: Tensor,
    weather: Tensor,
    generator: torch.Generator,
    n_steps: int | None = None,
) -> Tensor:
    """One sample of the unknown months of each series.

    Args:
        network: ε_θ.
        schedule: of the noise.
        values: (batch, month, flux) standardised; read where ``known``.
        known: (batch, month, flux) 1 where a value conditions.
        weather: (batch, month, variable).
        generator: of the draws, on the CPU.
        n_steps: of a second-order solver; where None the paper's Algorithm 2, which visits every step and draws 5–10 %
            too narrow with its 50 steps even where ε_θ is exact.

    Returns:
        (batch, month, flux), the known values where they are known.
    """
    given = values * known

    def normal() -> Tensor:
        return torch.randn(values.shape, generator=generator).to(values.device)

    def noise_in(sample: Tensor, number: int) -> Tensor:
        step = torch.full((len(values),), number, device=values.device)
        noise: Tensor = network(sample * (1 - known), given, known, weather, step)
        return noise

    sample = _ancestral(noise_in, schedule, normal) if n_steps is None else _solved(noise_in, schedule, normal, n_steps)
    filled: Tensor = torch.where(known > 0, values, sample)
    return filled


NoiseIn = Callable[[Tensor, int], Tensor]
"""Sample and step of the diffusion → the noise in the sample."""


def _ancestral(noise_in: NoiseIn, schedule: NoiseSchedule, normal: Callable[[], Tensor]) -> Tensor:
    """Algorithm 2 of the paper."""
    sample = normal()
    for number in reversed(range(len(schedule.beta))):
        beta, alpha, bar = schedule.beta[number], schedule.alpha[number], schedule.alpha_bar[number]
        sample = (sample - beta / (1 - bar).sqrt() * noise_in(sample, number)) / alpha.sqrt()
        if number > 0:
            variance = (1 - schedule.alpha_bar[number - 1]) / (1 - bar) * beta
            sample = sample + variance.sqrt() * normal()
    return sample


def _solved(noise_in: NoiseIn, schedule: NoiseSchedule, normal: Callable[[], Tensor], n_steps: int) -> Tensor:
    """DPM-Solver++ (2M) (Lu et al. 2022, arXiv:2211.01095, Algorithm 2): the noise is drawn once and then followed."""
    bars, log_snr = schedule.alpha_bar, _half_log_snr(schedule)
    visited = visited_steps(schedule, n_steps)
    sample, before, before_leap = normal(), None, log_snr.new_ones(())
    for number, following in pairwise([*visited, -1]):
        bar = bars[number]
        clean = (sample - (1 - bar).sqrt() * noise_in(sample, number)) / bar.sqrt()
        if following < 0:
            return clean
        leap, next_bar = log_snr[following] - log_snr[number], bars[following]
        ahead = clean if before is None else clean + leap / (2 * before_leap) * (clean - before)
        sample = ((1 - next_bar) / (1 - bar)).sqrt() * sample - next_bar.sqrt() * torch.expm1(-leap) * ahead
        before, before_leap = clean, leap
    return sample


def visited_steps(schedule: NoiseSchedule, n_steps: int) -> list[int]:
    """Steps of the diffusion from the noisiest to the cleanest, evenly spaced in the logarithm of signal to noise.

    Args:
        schedule: of the noise.
        n_steps: at most; steps that fall together are visited once.
    """
    log_snr = _half_log_snr(schedule)
    places = torch.linspace(float(log_snr[-1]), float(log_snr[0]), n_steps, dtype=torch.float64)
    return sorted({int((log_snr.double().cpu() - place).abs().argmin()) for place in places}, reverse=True)


def _half_log_snr(schedule: NoiseSchedule) -> Tensor:
    return 0.5 * torch.log(schedule.alpha_bar / (1 - schedule.alpha_bar))


def _transformer(channels: int, heads: int) -> nn.Module:
    return nn.TransformerEncoderLayer(channels, heads, _FEED_FORWARD, dropout=0.0, activation="gelu", batch_first=True)
