"""Intervals: what they are made of, that they are paired, and that they cover a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from bench.errors import BenchError
from bench.scoring.draws import block_draws
from bench.scoring.interval import Interval
from bench.scoring.metrics import BLOCK_COLUMNS, METRICS, STATISTICS
from bench.scoring.places import FEWEST_BLOCKS
from bench.scoring.samples import sample_of, samples_of
from bench.scoring.uncertainty import holm, infer


def layout(rows: int, columns: int) -> np.ndarray:
    """Blocks of a rectangle at 30° N."""
    return (60 + np.arange(rows)[:, None]) * BLOCK_COLUMNS + 100 + np.arange(columns)


def sums_of(squared: np.ndarray, per_block: float = 20.0) -> np.ndarray:
    """(statistics, years, blocks) from (years, blocks) mean squared errors of a target that alternates 0, 2."""
    values = np.zeros((len(STATISTICS), *squared.shape))
    values[:2] = per_block
    values[STATISTICS.index("squared_error")] = per_block * squared
    values[STATISTICS.index("absolute_error")] = per_block * np.sqrt(squared)
    values[STATISTICS.index("target")] = per_block
    values[STATISTICS.index("squared_target")] = 2 * per_block
    return values


def identity(values: np.ndarray) -> np.ndarray:
    return values


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first - second


def test_every_block_is_drawn_equally_often_and_neighbours_together() -> None:
    blocks = layout(8, 9).ravel()
    weights = block_draws(blocks, 4000).weights
    assert weights.mean(axis=0) == pytest.approx(np.full(len(blocks), weights.mean()), rel=0.1)
    correlation = np.corrcoef(weights[:, 30], weights.T)[0, 1:]
    assert correlation[31] == pytest.approx(0.5, abs=0.1)  # next to it: half of its windows
    assert abs(correlation[70]) < 0.1  # far away


def test_windows_reach_across_the_date_line() -> None:
    row = 70 * BLOCK_COLUMNS
    weights = block_draws(np.array([row, row + 40, row + 90, row + BLOCK_COLUMNS - 1]), 4000).weights
    together = np.corrcoef(weights.T)[0]
    assert together[3] > 0.15 and together[1] < 0 and together[2] < 0


def test_no_block_is_refused_and_few_blocks_have_no_interval() -> None:
    with pytest.raises(BenchError, match="at least one spatial block"):
        block_draws(np.array([], int))
    generator = np.random.default_rng(0)
    for n_blocks in (1, 2, FEWEST_BLOCKS - 1, FEWEST_BLOCKS):
        draws = block_draws(layout(2, FEWEST_BLOCKS).ravel()[:n_blocks])
        squared = generator.gamma(4, 1.0, (1, n_blocks))
        found = infer(identity, [samples_of([sums_of(squared)], draws)["rmse"]], draws)
        assert found.value == pytest.approx(np.sqrt(squared.mean()))
        assert found.known == (n_blocks == FEWEST_BLOCKS)
        assert found.known or np.isnan([found.low, found.high, found.p]).all()
    assert not Interval(1.0).excludes(5.0)


def test_blocks_without_a_sample_play_no_part() -> None:
    blocks = layout(5, 6).ravel()
    squared = np.random.default_rng(6).gamma(4, 0.25, (1, len(blocks)))
    some = np.arange(len(blocks)) % 3 > 0
    sums = sums_of(squared)
    sums[:, :, ~some] = 0
    whole, part = block_draws(blocks), block_draws(blocks[some])
    within = infer(identity, [samples_of([sums], whole)["rmse"]], whole)
    alone = infer(identity, [samples_of([sums_of(squared[:, some])], part)["rmse"]], part)
    assert within.value == pytest.approx(alone.value)
    assert within.high - within.low == pytest.approx(alone.high - alone.low, rel=0.1)
    sums[:, :, 8:] = 0  # five blocks are left
    assert not infer(identity, [samples_of([sums], whole)["rmse"]], whole).known


def test_a_rank_correlation_of_models_has_an_interval_though_no_single_block_moves_it() -> None:
    blocks = layout(6, 8).ravel()
    draws = block_draws(blocks)
    generator = np.random.default_rng(7)
    errors = [generator.gamma(4, (1 + 0.05 * number) / 4, (1, len(blocks))) for number in range(6)]
    samples = [samples_of([sums_of(own)], draws, str(index))["rmse"] for index, own in enumerate(errors)]

    def ranks(*values: np.ndarray) -> np.ndarray:
        order = np.argsort(np.argsort(np.stack(values), axis=0), axis=0) - 2.5
        return np.asarray((np.arange(6) - 2.5) @ order / 17.5)

    found = infer(ranks, samples, draws)
    assert found.known and 0.1 < found.high - found.value < 2


def test_the_deviation_is_that_of_students_t_in_the_seeds() -> None:
    """Where places do not matter, the interval of n seeds is their mean ± t · s ÷ √n, roughly."""
    blocks = layout(5, 5).ravel()
    draws = block_draws(blocks, 20_000)
    values = np.random.default_rng(0).normal(1.0, 0.1, 12)
    draws_alike, blocks_alike = (np.repeat(values[:, None], n, axis=1) for n in (20_000, len(blocks)))
    sample = sample_of(values, draws_alike, blocks_alike, np.full(len(blocks), 1 / len(blocks)))
    found = infer(identity, [sample], draws)
    expected = student.ppf(0.975, 11) * values.std(ddof=1) / np.sqrt(12)
    assert found.high - found.value == pytest.approx(expected, rel=0.1)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_few_seeds_widen_an_interval_and_one_seed_says_nothing_about_others() -> None:
    blocks = layout(6, 8).ravel()
    draws = block_draws(blocks)
    squared = np.random.default_rng(1).gamma(4, 0.25, (1, len(blocks)))
    same = samples_of([sums_of(squared)] * 3, draws)["rmse"]
    one = samples_of([sums_of(squared)], draws)["rmse"]
    apart = samples_of([sums_of(squared * factor) for factor in (0.8, 1.0, 1.2)], draws)["rmse"]
    width = [found.high - found.low for item in (one, same, apart) for found in [infer(identity, [item], draws)]]
    assert width[0] == pytest.approx(width[1]) and width[2] > 1.5 * width[0]


def test_the_years_of_a_test_are_drawn_too() -> None:
    blocks = layout(6, 8).ravel()
    draws = block_draws(blocks)
    squared = np.random.default_rng(2).gamma(4, 0.25, (1, len(blocks)))
    equal, unequal = np.repeat(squared, 4, axis=0), squared * np.array([[0.5], [0.8], [1.2], [1.5]])
    width = [
        found.high - found.low
        for years in (squared, equal, unequal)
        for found in [infer(identity, [samples_of([sums_of(years)], draws)["rmse"]], draws)]
    ]
    assert width[1] == pytest.approx(width[0], rel=1e-9) and width[2] > 1.5 * width[0]


def test_what_both_models_share_drops_out_of_their_difference() -> None:
    blocks = layout(6, 8).ravel()
    draws = block_draws(blocks)
    generator = np.random.default_rng(3)
    shared = generator.gamma(1, 1.0, (1, len(blocks)))
    first, second = (
        samples_of([sums_of(shared * factor)], draws, name)["mae"] for factor, name in ((1, "a"), (1.21, "b"))
    )
    single, paired = infer(identity, [first], draws), infer(difference, [second, first], draws)
    assert paired.high - paired.low < 0.2 * (single.high - single.low)
    assert paired.excludes(0) and paired.p < 0.01
    relative = infer(lambda a, b: a / b, [second, first], draws, positive=True)
    assert relative.low == pytest.approx(1.1) and relative.high == pytest.approx(1.1)


def test_an_interval_excludes_a_number_exactly_where_the_p_value_is_below_five_per_cent() -> None:
    blocks = layout(6, 8).ravel()
    draws = block_draws(blocks)
    generator = np.random.default_rng(4)
    for size in np.linspace(0, 0.4, 30):
        first = samples_of([sums_of(generator.gamma(9, 1 / 9, (1, len(blocks))))], draws, "a")["rmse"]
        more = sums_of(generator.gamma(9, (1 + size) / 9, (1, len(blocks))))
        second = samples_of([more], draws, "b")["rmse"]
        found = infer(difference, [first, second], draws)
        assert found.excludes(0) == (found.p < 0.05) or abs(found.p - 0.05) < 0.002


def test_an_interval_ends_where_its_number_does_and_an_unknown_one_stays_unknown() -> None:
    cut = Interval(0.9, 0.5, 1.3, 0.01).within(-1, 1)
    assert (cut.value, cut.low, cut.high, cut.p) == (0.9, 0.5, 1.0, 0.01)
    unknown = Interval(0.9, float("nan"), float("nan"), float("nan")).within(-1, 1)
    assert np.isnan([unknown.low, unknown.high]).all() and not unknown.excludes(0)


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    corrected = holm([0.9, float("nan"), 0.8])
    assert corrected[0] == 1.0 and np.isnan(corrected[1]) and corrected[2] == 1.0
    assert holm([]) == []


def test_intervals_cover_a_known_truth_where_plain_blocks_do_not() -> None:
    """Squared errors with a correlation length of 1.25°, three seeds: 95 % intervals hold nine times in ten or more."""
    rows, columns, trials = 7, 8, 200
    blocks = layout(rows, columns)
    place = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    distance = 2 * np.hypot(*(place[:, None] - place).T)  # in degrees
    root = np.linalg.cholesky(np.exp(-distance / 1.25))
    draws = block_draws(blocks.ravel(), 1000)
    generator = np.random.default_rng(5)
    covered, plainly = 0, 0
    for _ in range(trials):
        field = 1 + 0.5 * root @ generator.normal(size=len(root))  # mean squared error 1
        seeds = 1 + 0.03 * generator.normal(size=3)
        sums = [sums_of(np.maximum(field * seed, 0.01)[None]) for seed in seeds]
        found = infer(identity, [samples_of(sums, draws)["rmse"]], draws, positive=True)
        covered += found.low <= 1 <= found.high
        mean = field.mean() * seeds.mean()
        plainly += abs(mean - 1) <= 1.96 * field.std(ddof=1) / np.sqrt(len(field))
    assert 0.9 <= covered / trials <= 0.99
    assert plainly / trials < 0.85


@pytest.mark.parametrize(("repetitions", "years"), [(3, 1), (3, 2), (40, 1)])
def test_a_metric_has_the_same_sample_whatever_others_are_asked_for(repetitions: int, years: int) -> None:
    blocks = layout(3, 4).ravel()
    generator, draws = np.random.default_rng(3), block_draws(blocks)
    sums = [sums_of(generator.gamma(9, 1 / 9, (years, len(blocks)))) for _ in range(repetitions)]
    whole = samples_of(sums, draws, "a")
    assert list(whole) == list(METRICS)
    for name, sample in whole.items():
        [(alone, found)] = samples_of(sums, draws, "a", [name]).items()
        assert alone == name
        for field, value in vars(sample).items():
            assert np.array_equal(np.asarray(vars(found)[field]), np.asarray(value)), field
