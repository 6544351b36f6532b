"""The answer in three sentences: what the paper claims, what its network reaches here, and what our variant reaches.

Everything is computed from the store as the tables compute it (`bench.report.results.comparison`), with the tables'
intervals; only the paper's own number is copied, from ``tables/published``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.report import published
from bench.report.flux_answer import flux_sentences
from bench.report.paper.check import TOLERANCE
from bench.report.paper.rankings import NOT_REACHED, REACHED
from bench.report.paper.scores import Scores
from bench.report.results import marks
from bench.report.results.comparison import Measure, number, paired, ratio
from bench.report.results.data_words import DataWords, spoken, words_of
from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.rows import RowResult
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.tables.numbered import TABLE1_DENOMINATOR
from bench.runners import registry
from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS, PROPOSED, REFERENCE
from bench.scoring.interval import Interval
from bench.suites.flux import SUITE as FLUX
from bench.suites.profiles import DEFAULT_PROFILE, SMOKE

RMSE = Measure("rmse")


@dataclass(frozen=True)
class Answer:
    """What a store answers to the question of the benchmark.

    Attributes:
        sentences: in order; names of models stand between asterisks.
    """

    sentences: tuple[str, ...]

    @property
    def markdown(self) -> str:
        """One paragraph, with names in italics."""
        return " ".join(self.sentences)

    @property
    def plain(self) -> tuple[str, ...]:
        """The sentences without markup."""
        return tuple(sentence.replace("*", "") for sentence in self.sentences)


@dataclass(frozen=True)
class _Suite:
    """The comparisons of one suite; few-shot, of the most training cells."""

    scores: Scores
    reader: StatisticsReader
    words: DataWords
    weeks: tuple[int, ...]

    def ratio(self, first: RowResult, second: RowResult, measure: Measure = RMSE) -> Interval | None:
        return ratio(self.reader, first, second, measure)

    def ordered(self, measure: Measure = RMSE) -> list[RowResult]:
        """All rows with results, of any view, but those of the reference rules; the least error first."""
        return [row for row in self._by_error(measure) if row.family != REFERENCE]

    def _by_error(self, measure: Measure) -> list[RowResult]:
        """All rows with results, of any view; the least error first."""
        every = self.scores.of_all_views
        errors = {row.key: found.value for row in every if (found := number(self.reader, row, measure)) is not None}
        return sorted((row for row in every if row.key in errors), key=lambda row: errors[row.key])

    def name(self, row: RowResult) -> str:
        """The title of a row; with what tells it from the row that stands for its model, a view or settings."""
        view = None if row.key.view == self.scores.view else row.key.view
        said = ", ".join(filter(None, (view, row.key.variant)))
        return f"{row.title} ({said})" if said else row.title

    def best_baseline(self, measure: Measure = RMSE) -> RowResult | None:
        """The row with the least error that is neither a rule nor of the proposed family."""
        return next(iter(self.baselines(measure)), None)

    def closest(self, row: RowResult, measure: Measure) -> RowResult | None:
        """The baseline that does best beside a row, on the samples of places that both were fitted to.

        Rows may have other numbers of samples, of which one is harder than the next.
        """
        errors = {}
        for other in self.baselines(measure):
            both = [number(self.reader, one, measure) for one in paired(other, row)]
            if both[0] is not None and both[1] is not None:
                errors[other.key] = both[0].value / both[1].value
        return min(
            (other for other in self.baselines(measure) if other.key in errors),
            key=lambda one: errors[one.key],
            default=None,
        )

    def baselines(self, measure: Measure = RMSE) -> list[RowResult]:
        """All rows with results that are neither a rule nor of the proposed family, of any view; the best first.

        A row that is there to explain a model is no other model than that of its own row.
        """
        return [row for row in self.ordered(measure) if row.family != PROPOSED and not _only_explains(row)]

    def better_rule(self, measure: Measure = RMSE) -> RowResult | None:
        """The reference rule that errs less than every baseline, if there is one; it is no baseline itself."""
        best = next((row for row in self._by_error(measure) if row.family != PROPOSED), None)
        return best if best is not None and best.family == REFERENCE else None


def answer(selections: Mapping[str, Selection], reader: StatisticsReader) -> Answer:
    """The answer of a store: of the paper's suites, and of fluxes where it has them.

    Args:
        selections: suite → its jobs, all of one data set and profile.
        reader: of the same store.
    """
    others = {name: chosen for name, chosen in selections.items() if name != FLUX}
    sentences = _of_paper_suites(others, reader).sentences if others else ()
    if FLUX in selections:
        sentences += flux_sentences(selections[FLUX], towers_of(reader))
    return Answer(sentences)


def _of_paper_suites(selections: Mapping[str, Selection], reader: StatisticsReader) -> Answer:
    suites = {name: _suite(chosen, reader) for name, chosen in selections.items() if name in ("full", "fewshot")}
    first = next(iter(selections.values()))
    where = spoken(first.jobs[0].dataset, first.manifest.dataset_title)
    of_paper = any(suite.words.of_paper for suite in suites.values())
    claim = (_claim(),) if of_paper else ()
    if first.jobs[0].profile == SMOKE:
        return Answer((*claim, f"This run, on {where}, is {marks.NOT_JUDGED}: {marks.WHY_NOT_JUDGED}"))
    if not of_paper:
        return Answer((*_of_other_data(suites, where),))
    profile = first.jobs[0].profile
    return Answer((*claim, _network(suites.get("full"), f"{where}{_in_profile(profile)}"), _variant(suites)))


def _in_profile(profile: str) -> str:
    """Which profile it was, where it is not the usual one."""
    return "" if profile == DEFAULT_PROFILE else f" (profile {profile})"


def _suite(selection: Selection, reader: StatisticsReader) -> _Suite:
    sizes = {record.job.split.get("train_cells") for record in selection.done}
    largest = max(sizes, key=lambda size: size or 0, default=None)
    weeks = tuple(selection.jobs[0].split.get("weeks", ()))
    return _Suite(Scores(selection, reader, largest), reader, words_of(reader.store, selection), weeks)


def _published_ratio() -> float:
    values = published.load(1)
    ours = published.find(values, DUAL_BRANCH, "rmse")
    theirs = published.find(values, TABLE1_DENOMINATOR, "rmse")
    assert ours is not None and theirs is not None, "tables/published/table1.csv has both rows"
    return ours.value / theirs.value


def _claim() -> str:
    values = [item for item in published.load(2) if item.metric == "rmse"]
    weeks = dict.fromkeys(item.week for item in values)
    led = sum(
        min((item for item in values if item.week == week), key=lambda item: item.value).runner == DUAL_BRANCH
        for week in weeks
    )
    return (
        f"The paper claims that its network errs {_published_ratio():.2f} times as much as {_title(TABLE1_DENOMINATOR)}"
        f", its best gradient boosting, and least of all models in {led} of {len(weeks)} weeks when few places train."
    )


def _network(full: _Suite | None, where: str) -> str:
    row = None if full is None else full.scores.row(DUAL_BRANCH)
    name = f"*{_title(DUAL_BRANCH)}*"
    if full is None or row is None:
        return f"On {where} this store has no result of that network, {name}, on the full suite."
    below = full.scores.row(TABLE1_DENOMINATOR)
    found = None if below is None else full.ratio(row, below)
    if found is None:
        reached = f"has an error, but there is none of {_title(TABLE1_DENOMINATOR)} to compare it with"
    else:
        reached = f"errs {_times(found)} times as much as {_title(TABLE1_DENOMINATOR)} ({_apart(found)}; {_runs(row)})"
    return f"Here, on {where}, that network, {name}, {reached}; {_ended(row)}."


def _ended(row: RowResult) -> str:
    """Whether the trainings of a row came to an end, in words."""
    reasons = {record.training_ended for record in row.records}
    if "budget" in reasons:
        return "it is not trained to the end (its error on held-out samples was still falling), so it could be better"
    if reasons == {"converged"}:
        return "it is trained to the end (its error on held-out samples had stopped falling)"
    if reasons == {"schedule"}:
        return "its training ran to the end of its schedule; nothing was held out to say whether more would help"
    return "whether it is trained to the end was not measured"


def _variant(suites: Mapping[str, _Suite]) -> str:
    name = f"*{_title(DUAL_BRANCH_PLUS)}*, this project's variant of it,"
    parts = list(_on_full(suites.get("full")))
    parts += _on_weeks(suites.get("fewshot"), first=not parts)
    if parts:
        return f"{name} {'; '.join(parts)}."
    if any(suite.scores.row(DUAL_BRANCH_PLUS) is not None for suite in suites.values()):
        return f"{name} has an error, but no baseline of the same suite has one to compare it with."
    return f"{name} has no result in this store."


def _on_full(full: _Suite | None) -> Iterator[str]:
    row = None if full is None else full.scores.row(DUAL_BRANCH_PLUS)
    if full is None or row is None:
        return
    below = full.scores.row(TABLE1_DENOMINATOR)
    against = None if below is None else full.ratio(row, below)
    if against is not None:
        yield (
            f"errs {_times(against)} times as much as {_title(TABLE1_DENOMINATOR)} ({_runs(row)}): "
            f"the paper's ratio is {reached_by_variant(against.value, _published_ratio())}"
        )
    best = full.best_baseline()
    found = None if best is None else full.ratio(row, best)
    if best is not None and found is not None:
        place = "leads" if found.value < 1 else "is behind"
        name = full.name(best)
        against_rule = _against_rule(full, row, place)
        it, baselines = "" if against is None else "it ", len({other.title for other in full.baselines()})
        yield (
            f"{it}{place} {_best_of(baselines)}, *{name}*, with {_times(found)} times its error ({_apart(found)})"
            f"{against_rule}"
        )


def _best_of(baselines: int) -> str:
    """The best baseline, and of how many: a store may have few of them."""
    return f"the best of {baselines} baselines" if baselines > 1 else "the only baseline"


def _against_rule(full: _Suite, row: RowResult, place: str) -> str:
    """A clause on the reference rule that is a stronger opponent than the best baseline; "" where there is none.

    Args:
        full: the suite.
        row: of our variant.
        place: whether it leads the best baseline or is behind it, as said before.
    """
    rule = full.better_rule()
    found = None if rule is None else full.ratio(row, rule)
    if rule is None or found is None:
        return ""
    own = "leads" if found.value < 1 else "is behind"
    joined = "and" if own == place else f"but {own}"
    times = f"{_times(found)} times its error ({_apart(found)})"
    return f", {joined} the reference row *{full.name(rule)}*, which errs less than every baseline, with {times}"


def _on_weeks(fewshot: _Suite | None, *, first: bool) -> Iterator[str]:
    """The clause on steps of few-shot; the first of its sentence needs no subject of its own."""
    row = None if fewshot is None else fewshot.scores.row(DUAL_BRANCH_PLUS)
    if fewshot is None or row is None:
        return
    led, apart, lost, compared = 0, 0, [], 0
    for week in fewshot.weeks:
        measure = Measure("rmse", f"week:{week}")
        best = fewshot.closest(row, measure)
        found = None if best is None else fewshot.ratio(row, best, measure)
        if best is None or found is None:
            continue
        compared += 1
        if found.value < 1:
            led += 1
            apart += found.excludes(1)
        else:
            lost.append(f"{fewshot.words.week} {week} ({_times(found)} times *{fewshot.name(best)}*)")
    if compared:
        unit = f"{fewshot.words.week}{'s' if compared > 1 else ''}"
        told = f", told apart from the best baseline in {apart} of them" if led else ""
        behind = f"; it is behind in {', '.join(lost)}" if lost else ""
        leads = "leads, when few places train," if first else "when few places train it leads"
        yield f"{leads} in {led} of {compared} {unit}{told} ({_runs(row)}){behind}"


def _only_explains(row: RowResult) -> bool:
    """Whether a row is a model of another row, explained (`lightgbm_shap`)."""
    entry = registry.entries().get(row.key.runner)
    return entry is not None and entry.by_name and entry.explains is not None


def reached_by_variant(ours: float, theirs: float) -> str:
    """Whether our variant of a published model comes to its ratio; a variant reproduces nothing."""
    return REACHED if ours <= theirs * (1 + TOLERANCE) else NOT_REACHED


def _of_other_data(suites: Mapping[str, _Suite], where: str) -> Iterator[str]:
    """The best rows of data that the paper has no numbers for."""
    yield f"The paper has no numbers for {where}."
    for name, suite in suites.items():
        what = suite.words.split if name == "full" else f"few places train, {suite.words.split}"
        order = suite.ordered()
        if not order:
            yield f"No model has a result ({what})."
            continue
        best = order[0]
        error = number(suite.reader, best, RMSE)
        assert error is not None, "ordered rows have errors"
        runner_up = f", and no other model has a result ({_runs(best)})"
        found = suite.ratio(best, order[1]) if len(order) > 1 else None
        if found is not None:
            runner_up = (
                f", {_times(found)} times that of the next, *{suite.name(order[1])}* ({_apart(found)}; {_runs(best)})"
            )
        unit = f" {suite.words.units}" if suite.words.units else ""
        proposed = [row for row in order if row.family == PROPOSED]
        own = "" if best.family == PROPOSED else _behind(suite, proposed, best)
        yield (
            f"{what[0].upper()}{what[1:]}: *{suite.name(best)}* has the least RMSE of {suite.words.target}, "
            f"{_with_interval(error)}{unit}{runner_up}{own}."
        )


def _behind(suite: _Suite, proposed: Sequence[RowResult], best: RowResult) -> str:
    found = suite.ratio(proposed[0], best) if proposed else None
    if found is None:
        return ""
    return f"; *{proposed[0].title}* has {_times(found)} times its error ({_apart(found)})"


def _title(runner: str) -> str:
    return registry.get(runner).title


def _times(found: Interval) -> str:
    """A ratio with two digits; with three where its interval would seem to end at 1."""
    ends_at_1 = found.known and "1.00" in (f"{found.low:.2f}", f"{found.high:.2f}")
    return _with_interval(found, 3 if ends_at_1 else 2)


def _with_interval(found: Interval, digits: int = 3) -> str:
    interval = f" [{found.low:.{digits}f}, {found.high:.{digits}f}]" if found.known else ""
    return f"{found.value:.{digits}f}{interval}"


def _apart(found: Interval) -> str:
    return "told apart" if found.excludes(1) else "not told apart"


def _runs(row: RowResult) -> str:
    return f"{row.runs} run{'s' if row.runs != 1 else ''}"
