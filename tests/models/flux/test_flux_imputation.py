import math

import numpy as np
import pytest
import torch
from torch import nn

from models.flux.csdi import CsdiNetwork, denoising_loss, draw, noise_schedule, visited_steps
from models.flux.imputation import coverage, crps, hide, summary
from models.flux.imputer import FluxImputer
from models.flux.options import CsdiOptions
from tests.support.flux_towers import towers

SMALL = CsdiOptions(channels=16, layers=1, heads=2, steps=20, samples=20, epochs=80, batch_size=10, learning_rate=5e-3)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_noise_schedule_against_the_paper():
    # Tashiro et al. (2021), Section 6.1: β_t = ((T − t)/(T − 1) √β_1 + (t − 1)/(T − 1) √β_T)², T = 50.
    schedule = noise_schedule(CsdiOptions())
    total = 1.0
    for t in range(1, 51):
        beta = ((50 - t) / 49 * math.sqrt(1e-4) + (t - 1) / 49 * math.sqrt(0.5)) ** 2
        total *= 1 - beta
        assert schedule.beta[t - 1] == pytest.approx(beta, rel=1e-5)
        assert schedule.alpha_bar[t - 1] == pytest.approx(total, rel=1e-4)
    assert total < 1e-3  # nothing is left of the series


def test_a_training_step_against_its_equations_written_out():
    options = CsdiOptions(channels=8, layers=2, heads=2, steps=10)
    schedule = noise_schedule(options)
    torch.manual_seed(0)
    network = CsdiNetwork(options, 3, 4)
    nn.init.normal_(network.leave[-1].weight)
    values, weather, noise = random(2, 6, 3), random(2, 6, 4, seed=1), random(2, 6, 3, seed=2)
    observed = (random(2, 6, 3, seed=3) > -1).float()
    hidden = (random(2, 6, 3, seed=4) > 0).float() * observed
    known, step = observed - hidden, torch.tensor([2, 7])
    loss = denoising_loss(network, schedule, values * observed, known, hidden, weather, step, noise)
    total, count = 0.0, 0
    noisy = torch.zeros(2, 6, 3)
    for b in range(2):
        bar = float(torch.prod(1 - schedule.beta[: step[b] + 1]))
        for t in range(6):
            for k in range(3):
                if known[b, t, k] == 0:
                    value = float(values[b, t, k] * observed[b, t, k])
                    noisy[b, t, k] = math.sqrt(bar) * value + math.sqrt(1 - bar) * float(noise[b, t, k])
    with torch.no_grad():
        predicted = network(noisy, values * known, known, weather, step)
    for b, t, k in torch.nonzero(hidden).tolist():
        total += float(predicted[b, t, k] - noise[b, t, k]) ** 2
        count += 1
    assert float(loss.detach()) == pytest.approx(total / count, rel=1e-5)


def test_what_is_hidden_does_not_reach_the_network():
    options = CsdiOptions(channels=8, layers=1, heads=2, steps=10)
    network = CsdiNetwork(options, 3, 4)
    nn.init.normal_(network.leave[-1].weight)
    schedule, known = noise_schedule(options), torch.ones(1, 6, 3)
    known[0, 2:4] = 0
    values, weather = random(1, 6, 3), random(1, 6, 4)
    other = values.clone()
    other[0, 2:4] = 99
    drawn = [
        draw(network.eval(), schedule, series, known, weather, torch.Generator().manual_seed(1))
        for series in (values, other)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0][known > 0], values[known > 0])


class GaussianNoise(nn.Module):
    """The exact ε of a series of independent N(mean, deviation²) months."""

    def __init__(self, schedule, mean, deviation):
        super().__init__()
        self.schedule, self.mean, self.deviation = schedule, mean, deviation

    def forward(self, noisy, known, mask, weather, step):
        bar = self.schedule.alpha_bar[step][:, None, None]
        variance = bar * self.deviation**2 + 1 - bar
        return (1 - bar).sqrt() * (noisy - bar.sqrt() * self.mean) / variance


def test_the_reverse_diffusion_with_the_exact_noise_draws_the_right_distribution():
    schedule = noise_schedule(CsdiOptions(steps=200, last_noise=0.1))
    nothing = torch.zeros(400, 10, 3)
    network = GaussianNoise(schedule, mean=1.5, deviation=0.5)
    drawn = draw(network, schedule, nothing, nothing, torch.zeros(400, 10, 1), torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(1.5, abs=0.03)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.03)


def test_a_draw_with_all_steps_is_algorithm_2_written_out():
    schedule = noise_schedule(CsdiOptions(steps=6))
    network = GaussianNoise(schedule, mean=0.5, deviation=0.8)
    nothing = torch.zeros(2, 4, 3)
    drawn = draw(network, schedule, nothing, nothing, nothing, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 3, generator=generator)
    for t in range(5, -1, -1):
        beta, bar = schedule.beta[t], torch.prod(1 - schedule.beta[: t + 1])
        noise = network(x, None, None, None, torch.tensor([t, t]))
        x = (x - beta / (1 - bar).sqrt() * noise) / (1 - beta).sqrt()
        if t > 0:
            variance = (1 - torch.prod(1 - schedule.beta[:t])) / (1 - bar) * beta
            x = x + variance.sqrt() * torch.randn(2, 4, 3, generator=generator)
    torch.testing.assert_close(drawn, x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("deviation", [0.3, 1.0])
def test_the_solver_draws_the_right_distribution_in_few_steps_and_better_than_the_paper(deviation):
    schedule, nothing = noise_schedule(CsdiOptions()), torch.zeros(400, 10, 3)
    network = GaussianNoise(schedule, mean=1.5, deviation=deviation)
    solved, published = (
        draw(network, schedule, nothing, nothing, nothing, torch.Generator().manual_seed(0), n_steps=n_steps)
        for n_steps in (CsdiOptions().draw_steps, None)
    )
    assert float(solved.mean()) == pytest.approx(1.5, abs=0.05)
    assert float(solved.std()) == pytest.approx(deviation, rel=0.04)
    assert 0.88 * deviation < float(published.std()) < 0.96 * deviation
    with pytest.raises(ValueError, match="draw_steps is 1"):
        CsdiOptions(draw_steps=1)


def test_visited_steps_go_from_noise_to_signal_without_repeating():
    schedule = noise_schedule(CsdiOptions())
    steps = visited_steps(schedule, 15)
    assert steps[0] == 49 and steps[-1] == 0 and len(steps) == 15
    assert steps == sorted(set(steps), reverse=True)
    assert len(visited_steps(schedule, 200)) <= 50


def test_hidden_months_are_observed_ones_and_follow_other_towers_gaps():
    observed = torch.ones(4, 12, 3)
    observed[:, 3] = 0
    other = torch.ones(4, 12, 3)
    other[:, 5:9] = 0
    uniform = torch.rand(4, 12, 3, generator=torch.Generator().manual_seed(0))
    gaps = hide(observed, other, uniform, torch.full((4,), 0.2))
    assert gaps[:, 5:9].all() and gaps.sum() == 4 * 4 * 3
    scattered = hide(observed, other, uniform, torch.tensor([0.75, 0.75, 0.999, 0.5001]))
    assert ((scattered == 1) <= (observed == 1)).all()
    assert 0.3 < scattered[:2].sum() / observed[:2].sum() < 0.7
    nothing_to_share = hide(observed, torch.ones(4, 12, 3), uniform, torch.zeros(4))
    assert (nothing_to_share.flatten(1).sum(dim=1) == 1).all()
    assert ((nothing_to_share == 1) <= (observed == 1)).all()
    assert hide(torch.zeros(1, 12, 3), other[:1], uniform[:1], torch.zeros(1)).sum() == 0


def test_crps_against_closed_forms():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=200_00)
    for y in (-1.0, 0.0, 2.0):  # Gneiting and Raftery (2007): y(2Φ(y) − 1) + 2φ(y) − 1/√π of N(0, 1)
        cumulative, density = 0.5 * (1 + math.erf(y / math.sqrt(2))), math.exp(-y * y / 2) / math.sqrt(2 * math.pi)
        exact = y * (2 * cumulative - 1) + 2 * density - 1 / math.sqrt(math.pi)
        assert float(crps(samples, np.array(y))) == pytest.approx(exact, abs=0.01)
    assert float(crps(np.array([3.0]), np.array(1.0))) == 2  # one sample: the absolute error
    few = rng.normal(size=(7, 3, 2))
    values = rng.normal(size=(3, 2))
    pairs = np.abs(few[:, None] - few[None]).mean(axis=(0, 1))
    np.testing.assert_allclose(crps(few, values), np.abs(few - values).mean(axis=0) - pairs / 2)
    assert np.isnan(crps(few, np.full((3, 2), np.nan))).all()


def test_coverage_of_an_ensemble_that_is_right_and_of_one_that_is_too_sure():
    rng = np.random.default_rng(1)
    values, samples = rng.normal(size=4000), rng.normal(size=(400, 4000))
    assert coverage(samples, values, 0.9) == pytest.approx(0.9, abs=0.02)
    assert coverage(samples, values, 0.5) == pytest.approx(0.5, abs=0.03)
    assert coverage(0.5 * samples, values, 0.9) < 0.7
    values[::2] = np.nan
    assert coverage(samples, values, 0.9) == pytest.approx(0.9, abs=0.03)
    with pytest.raises(ValueError, match="between 0 and 1"):
        coverage(samples, values, 90)
    with pytest.raises(ValueError, match="Every value is NaN"):
        coverage(samples, values * np.nan, 0.9)


def test_summary_of_an_even_number_of_samples():
    drawn = torch.tensor([0.0, 1.0, 2.0, 9.0]).reshape(4, 1, 1, 1).expand(-1, 1, 2, 3).clone()
    observed = torch.tensor([1.0, 0.0])[None, :, None].expand(1, 2, 3)
    kept = summary(drawn, observed)
    assert kept.median[0, 1, 0] == 1.5
    assert kept.spread[0, 0, 0] == 0
    assert kept.spread[0, 1, 0] == pytest.approx(np.std([0, 1, 2, 9]))


def test_imputation_is_better_than_nothing_on_a_toy(tmp_path):
    panel, complete = towers(12, 36, missing=0.0)
    targets = complete.copy()
    targets[:, 10:16] = np.nan
    targets[np.random.default_rng(0).random((12, 36)) < 0.3] = np.nan
    training, validation = np.arange(10), np.array([10, 11])
    imputer = FluxImputer(SMALL, seed=1, device="cpu").fit(panel, targets, training, validation, checkpoint=tmp_path)
    samples = imputer.sample(panel, targets, training)
    assert samples.shape == (20, 10, 36, 3)
    assert samples[..., :2].min() >= min(0, complete[..., :2].min())
    seen = np.isfinite(targets[training])
    assert np.abs(samples - complete[training])[:, seen].max() < 1e-4
    truth, gap = complete[training][~seen[..., 0]], ~seen[..., 0]
    mean = np.nanmean(targets[training], axis=(0, 1))
    error = np.sqrt(((np.median(samples, axis=0)[gap] - truth) ** 2).mean(axis=0))
    nothing = np.sqrt(((mean - truth) ** 2).mean(axis=0))
    assert (error[:2] < 0.8 * nothing[:2]).all()  # NEE of these towers is mostly noise
    assert crps(samples[:, gap], truth).mean() < 0.7 * np.abs(mean - truth).mean()
    kept = imputer.imputed(panel, targets, training)
    assert (kept.spread[torch.from_numpy(gap)] > 0).all()
    again = FluxImputer(SMALL, seed=1, device="cpu").fit(panel, targets, training, validation, checkpoint=tmp_path)
    np.testing.assert_array_equal(again.sample(panel, targets, training), samples)


def test_the_published_clip_raises_predicted_noise_to_the_floor():
    schedule = noise_schedule(CsdiOptions(steps=4))
    zeros, step = torch.zeros(1, 5, 3), torch.zeros(1, dtype=torch.int64)
    floor = torch.tensor([0.5, -0.5, -torch.inf])

    def no_noise(noisy, known, mask, weather, step):
        return torch.zeros_like(noisy)

    losses = [
        denoising_loss(no_noise, schedule, zeros, zeros, zeros + 1, zeros, step, zeros, limit)
        for limit in (None, floor)
    ]
    assert losses[0] == 0
    assert float(losses[1]) == pytest.approx(0.5**2 / 3)
    panel, targets = towers(5, 24)
    options = CsdiOptions(channels=8, layers=1, heads=2, steps=5, epochs=2, clip_noise=True)
    imputer = FluxImputer(options, device="cpu").fit(panel, targets, np.arange(4), np.array([4]))
    assert np.isfinite(imputer.sample(panel, targets, np.arange(4), samples=2)).all()


def test_bad_options_and_an_unfitted_imputer():
    with pytest.raises(ValueError, match="multiple of 3 heads"):
        CsdiOptions(channels=16, heads=3)
    with pytest.raises(ValueError, match="2 steps"):
        CsdiOptions(steps=1)
    with pytest.raises(ValueError, match="samples is 0"):
        CsdiOptions(samples=0)
    panel, targets = towers(3)
    with pytest.raises(ValueError, match="not fitted"):
        FluxImputer().sample(panel, targets, np.arange(2))
