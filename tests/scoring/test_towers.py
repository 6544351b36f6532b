"""Intervals over towers: equal to a literal bootstrap, paired, and they cover a known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.scoring.draws import counts_of, stream
from bench.scoring.metrics import STATISTICS
from bench.scoring.towers import FEWEST_GROUPS, MEDIAN_R2, TowerSums, group_draws, infer_towers
from bench.scoring.uncertainty import CONFIDENCE

Months = Sequence[tuple[np.ndarray, np.ndarray]]
"""Target and prediction of the months of each tower."""


def identity(values: np.ndarray) -> np.ndarray:
    return values


def ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first / second


def towers_of(generator: np.random.Generator, n_towers: int, noise: float) -> Months:
    """Towers with 6 to 40 months, each with a level and an error of its own."""
    found = []
    for _ in range(n_towers):
        months = int(generator.integers(6, 40))
        target = generator.normal(3, 1.5) + generator.normal(0, 2, months)
        own = noise * generator.lognormal(0, 0.4)
        found.append((target, target + generator.normal(0, 0.5 * own) + generator.normal(0, own, months)))
    return found


def sums_of(repetitions: Sequence[Months], group: str = "", near: np.ndarray | None = None) -> TowerSums:
    values = np.array(
        [
            [
                [len(y), len(y), (p - y).sum(), np.abs(p - y).sum(), ((p - y) ** 2).sum(), y.sum(), (y**2).sum()]
                for y, p in months
            ]
            for months in repetitions
        ]
    )
    assert values.shape[2] == len(STATISTICS)
    return TowerSums(np.arange(len(repetitions[0])), values.transpose(0, 2, 1), near, group)


def literal_metric(name: str, months: Months) -> float:
    """The metric of a list of towers, in which one may stand several times, from the months themselves."""

    def r2(target: np.ndarray, prediction: np.ndarray) -> float:
        return float(1 - ((prediction - target) ** 2).sum() / ((target - target.mean()) ** 2).sum())

    if name == MEDIAN_R2:
        return float(np.median([r2(*own) for own in months]))
    target, prediction = (np.concatenate([own[index] for own in months]) for index in (0, 1))
    error = prediction - target
    return {"rmse": np.sqrt((error**2).mean()), "mae": np.abs(error).mean(), "r2": r2(target, prediction)}[name]


def literal_interval(
    function: Callable[..., float],
    name: str,
    rows: Sequence[tuple[Sequence[Months], str]],
    positive: bool,
    draws: np.ndarray,
    near: np.ndarray,
) -> tuple[float, float, float]:
    """The bootstrap as the module describes it, draw by draw and tower by tower."""
    n_groups = draws.shape[1]
    of = (lambda value: np.log(value)) if positive else identity
    mean = [np.mean([literal_metric(name, months) for months in repetitions]) for repetitions, _ in rows]
    value = of(function(*mean))
    over_towers, over_seeds = [], {group: [] for _, group in rows}
    for draw, counts in enumerate(draws):
        picked = [
            tower
            for group in range(n_groups)
            for _ in range(int(counts[group]))
            for tower in np.flatnonzero(near == group)
        ]
        drawn = [
            [literal_metric(name, [months[tower] for tower in picked]) for months in repetitions]
            for repetitions, _ in rows
        ]
        base = of(function(*map(np.mean, drawn)))
        over_towers.append((base - value) * np.sqrt(n_groups / (n_groups - 1)))
        for group in over_seeds:
            n = next(len(repetitions) for repetitions, own in rows if own == group)
            share = counts_of(n, len(draws), group)[:, draw] / n
            redrawn = [
                sum(weight * metric for weight, metric in zip(share, metrics, strict=True))
                if own == group
                else np.mean(metrics)
                for metrics, (_, own) in zip(drawn, rows, strict=True)
            ]
            over_seeds[group].append((of(function(*redrawn)) - base) * np.sqrt(n / (n - 1)))
    parts = [(np.array(over_towers), n_groups - 1)]
    parts += [
        (np.array(part), next(len(repetitions) for repetitions, own in rows if own == group) - 1)
        for group, part in over_seeds.items()
    ]
    variance = [part.var() for part, _ in parts]
    freedom = sum(variance) ** 2 / sum(own**2 / n for own, (_, n) in zip(variance, parts, strict=True))
    tails = np.sqrt(freedom / stream("tails").chisquare(freedom, len(parts[0][0])))
    deviation = sum(part for part, _ in parts) * tails
    half = np.quantile(np.abs(deviation), CONFIDENCE)
    back = np.exp if positive else identity
    return float(back(value)), float(back(value - half)), float(back(value + half))


@pytest.mark.parametrize("near", [np.arange(12), np.array([7, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8])], ids=["alone", "near"])
@pytest.mark.parametrize(("name", "positive"), [("rmse", True), ("mae", True), ("r2", False), (MEDIAN_R2, False)])
def test_it_is_the_literal_bootstrap(
    name: str, positive: bool, near: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = group_draws(int(near.max()) + 1, 120)
    monkeypatch.setattr("bench.scoring.towers.FEWEST_GROUPS", 5)
    monkeypatch.setattr("bench.scoring.towers.group_draws", lambda _: draws)
    generator = np.random.default_rng(0)
    truth = towers_of(generator, 12, 1.0)

    def again(noise: float) -> Months:
        return [(y, y + generator.normal(0, noise, len(y))) for y, _ in truth]

    rows = [([again(1.0) for _ in range(3)], "a"), ([again(1.5) for _ in range(2)], "b")]
    terms = [sums_of(repetitions, group, near) for repetitions, group in rows]
    for function, chosen in ((identity, slice(1)), (ratio, slice(2))):
        found = infer_towers(function, name, terms[chosen], positive=positive)
        assert found is not None
        expected = literal_interval(function, name, rows[chosen], positive, draws, near)  # type: ignore[arg-type]
        assert (found.value, found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_draws_are_seeded_and_every_tower_is_drawn_once_on_average() -> None:
    counts = group_draws(30, 4000)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(30), abs=0.1)
    assert group_draws(30, 4000) is counts  # the same for every row of a table


def test_few_towers_have_no_interval_and_other_towers_no_ratio() -> None:
    generator = np.random.default_rng(1)
    for n_towers in (1, FEWEST_GROUPS - 1, FEWEST_GROUPS):
        term = sums_of([towers_of(generator, n_towers, 1.0)])
        found = infer_towers(identity, "rmse", [term], positive=True)
        assert found is not None and np.isfinite(found.value) and found.known == (n_towers >= FEWEST_GROUPS)
    one, other = sums_of([towers_of(generator, 12, 1.0)]), sums_of([towers_of(generator, 13, 1.0)])
    assert infer_towers(ratio, "rmse", [one, other], positive=True) is None
    assert infer_towers(ratio, "rmse", [one, TowerSums(one.towers + 1, one.values)], positive=True) is None
    assert infer_towers(identity, "rmse", [TowerSums(np.arange(0), np.zeros((1, len(STATISTICS), 0)))]) is None


def test_what_both_rows_share_drops_out_of_their_ratio() -> None:
    generator = np.random.default_rng(2)
    months = towers_of(generator, 40, 1.0)
    better = [(y, y + 0.8 * (p - y)) for y, p in months]
    found = infer_towers(ratio, "rmse", [sums_of([better], "a"), sums_of([months], "b")], positive=True)
    assert found is not None and (found.value, found.low, found.high) == pytest.approx((0.8, 0.8, 0.8))
    alone = infer_towers(identity, "rmse", [sums_of([months])], positive=True)
    assert alone is not None and alone.high > 1.1 * alone.value


def test_seeds_that_disagree_widen_an_interval() -> None:
    generator = np.random.default_rng(3)
    months = towers_of(generator, 40, 1.0)
    scaled = [[(y, y + factor * (p - y)) for y, p in months] for factor in (0.7, 1.0, 1.3)]
    found = [infer_towers(identity, "rmse", [sums_of(rows)], positive=True) for rows in ([months] * 3, scaled)]
    widths = [item.high - item.low for item in found if item is not None]
    assert widths[1] > 1.5 * widths[0]


def test_one_perfect_row_has_a_number_and_no_interval() -> None:
    months = [(y, y) for y, _ in towers_of(np.random.default_rng(4), 20, 1.0)]
    found = infer_towers(identity, "rmse", [sums_of([months])], positive=True)
    assert found is not None and found.value == 0 and not found.known


@pytest.mark.parametrize(("n_towers", "least"), [(20, 0.86), (150, 0.91)])
def test_intervals_cover_the_truth(n_towers: int, least: float) -> None:
    """The ratio of two rows' errors over infinitely many towers is inside in nearly 95 of 100 experiments.

    Errors of towers differ by a factor of 5 here; few towers then seldom show how different others can be.
    """
    covered, experiments, months = 0, 200, 24
    truth = 0.8 * np.exp(0.3**2)
    for seed in range(experiments):
        generator = np.random.default_rng([5, seed])
        level = generator.lognormal(0, 0.4, n_towers)  # shared: a hard tower is hard for both
        terms = []
        for name, scale in (("a", level * 0.8 * generator.lognormal(0, 0.3, n_towers)), ("b", level)):
            errors = scale[:, None] * generator.normal(0, 1, (n_towers, months))
            values = np.zeros((1, len(STATISTICS), n_towers))
            values[0, :2], values[0, STATISTICS.index("squared_error")] = months, (errors**2).sum(axis=1)
            terms.append(TowerSums(np.arange(n_towers), values, group=name))
        found = infer_towers(ratio, "rmse", terms, positive=True)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert least <= covered / experiments <= 0.99


def test_towers_that_are_near_are_drawn_together() -> None:
    """Where four towers share their error, drawing them apart promises too much; drawn together they cover it."""
    covered = {"apart": 0, "together": 0}
    groups, size, months, experiments = 40, 4, 24, 150
    near = np.repeat(np.arange(groups), size)
    truth = np.exp(0.4**2)
    for seed in range(experiments):
        generator = np.random.default_rng([6, seed])
        level = generator.lognormal(0, 0.4, groups)[near]
        errors = level[:, None] * generator.normal(0, 1, (groups * size, months))
        values = np.zeros((1, len(STATISTICS), groups * size))
        values[0, :2], values[0, STATISTICS.index("squared_error")] = months, (errors**2).sum(axis=1)
        for name, drawn in (("apart", None), ("together", near)):
            found = infer_towers(identity, "rmse", [TowerSums(np.arange(groups * size), values, drawn)], positive=True)
            assert found is not None
            covered[name] += found.low <= truth <= found.high
    assert covered["apart"] / experiments < 0.75 and covered["together"] / experiments > 0.87
