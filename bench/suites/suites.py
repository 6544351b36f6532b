"""The suites. Each is a function from a data set and options to a plain list of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.physics import knows_equations
from bench.data.spacing import few_and_far
from bench.data.split_names import default_split, parse_split, split_parameters
from bench.data.splits import fewshot_parameters, make_split
from bench.data.views import VIEWS
from bench.errors import BenchError, unknown
from bench.runners import registry
from bench.runners.entry import FAMILY_WORDS, PROPOSED, REFERENCE, RunnerEntry
from bench.seeds import derive_seed
from bench.store.jobs import MOST_REPETITION, Job, name_of
from bench.suites import profiles
from bench.suites.ablation import SUITE as ABLATION
from bench.suites.ablation import ablation
from bench.suites.flux import SUITE as FLUX
from bench.suites.flux import flux
from bench.suites.options import SuiteOptions, refuse_split
from bench.suites.settings import parse_settings, require_known, require_planned, with_settings

MOST_REPETITIONS = 10_000
"""In one run: intervals stop growing narrower long before."""
TABULAR = {REFERENCE, "Tabular Machine Learning", "Tabular Deep Learning", PROPOSED}
SPATIAL = {"Spatial", "Spatiotemporal"}


def full(dataset: OpenedDataset, options: SuiteOptions) -> list[Job]:
    """Table 1: every tabular, deep and reference runner; trained on all years but the last, tested on the last.

    With another split (``--split``, or the data's own) the spatial runners stand in the same table, since all of them
    can then be compared on the same samples; on the last year they are added by name (``--with``). A name that stands
    for several folds gives every runner a job per fold.
    """
    cube = dataset.cube
    name = parse_split(options.split or default_split(cube))
    splits = split_parameters(cube, name, profiles.get(options.profile).max_cells)
    families = TABULAR if name.kind == "last-year" else TABULAR | SPATIAL
    chosen = _chosen(families, options)
    if name.kind != "last-year":
        chosen = [entry for entry in chosen if entry.name != LAST_YEAR_LAI]  # it knows nothing of places never seen
    splits = _of_each_target(dataset, splits)
    return _jobs("full", dataset, splits, chosen, options, _few_and_far(cube, splits))


def fewshot(dataset: OpenedDataset, options: SuiteOptions) -> list[Job]:
    """Tables 2 and 3: trained on a sample of cells, tested on named steps of the last year over all cells.

    The suite's own rows are the reference, spatial and spatiotemporal runners and the proposed model; tabular
    baselines are added by name (`--with`). Each repetition draws its own sample; all runners of a repetition share it.
    """
    refuse_split("fewshot", options)
    chosen = [entry for entry in _chosen({REFERENCE, PROPOSED} | SPATIAL, options) if entry.name != LAST_YEAR_LAI]
    max_cells = profiles.get(options.profile).max_cells
    first = [
        fewshot_parameters(dataset.cube, options.weeks_of(dataset.cube), size, 0, max_cells)
        for size in (options.train_cells or (None,))
    ]
    far = _few_and_far(dataset.cube, _of_each_target(dataset, first))  # alike for all samples of a size
    jobs: list[Job] = []
    for repetition in range(options.first_repetition, options.first_repetition + options.repetitions):
        splits = [
            fewshot_parameters(dataset.cube, options.weeks_of(dataset.cube), size, repetition, max_cells)
            for size in (options.train_cells or (None,))
        ]
        # The sample itself depends on the repetition, so that runners without a seed of their own are repeated too.
        of_targets = _of_each_target(dataset, splits)
        jobs += _jobs("fewshot", dataset, of_targets, chosen, options, far, only_repetition=repetition)
    return jobs


def _few_and_far(cube: Cube, splits: Sequence[dict[str, Any]]) -> dict[int | None, bool]:
    """Size of the few-shot sample (None without one) → whether its places are few and far: in every fold and target.

    It is one answer for all that is averaged in a row.
    """
    far: dict[int | None, bool] = {}
    for split in splits:
        size = split.get("train_cells")
        far[size] = far.get(size, True) and few_and_far(cube, make_split(cube, split).train)
    return far


LAST_YEAR_LAI = "pml_last_year_lai"


def _chosen(families: set[str], options: SuiteOptions) -> list[RunnerEntry]:
    """Runners of some families, in the registry's order, and those that are added by name."""
    chosen = [entry for entry in registry.entries().values() if entry.family in families]
    named = [name for name in (*options.extra, *options.only) if name in registry.entries() or name in options.extra]
    return chosen + [entry for entry in map(registry.get, dict.fromkeys(named)) if entry not in chosen]


def _of_each_target(dataset: OpenedDataset, splits: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Splits that name their target where the data have several, each target with its own; else as they are."""
    targets = dataset.cube.several_targets
    return [split | {"target": target} for target in targets for split in splits] if targets else list(splits)


SUITES: dict[str, Callable[[OpenedDataset, SuiteOptions], list[Job]]] = {
    "full": full,
    "fewshot": fewshot,
    "ablation": ablation,
    FLUX: flux,
}


def make_jobs(suite: str, dataset: OpenedDataset, options: SuiteOptions) -> list[Job]:
    """Jobs of a suite, in the registry's order.

    Raises:
        BenchError: unknown suite, profile, view, runner or family, an empty selection, or a setting without a job.
    """
    if suite not in SUITES:
        raise unknown("suite", suite, list(SUITES), "see `bench run --help`")
    profiles.get(options.profile)
    _refuse_settings(suite, options)
    only, skip, extra = map(registry.expanded, (options.only, options.skip, options.extra))
    views, sizes = tuple(dict.fromkeys(options.views)), tuple(dict.fromkeys(options.train_cells))
    options = replace(options, only=only, skip=skip, extra=extra, views=views, train_cells=sizes)
    for view in options.views:
        if view not in VIEWS:
            raise unknown("view", view, VIEWS, "see `bench run --help`")
    require_repetitions(options)
    if options.designs and suite != FLUX:
        raise BenchError(f"--designs is for --suite {FLUX}; leave it out with --suite {suite}.")
    jobs = SUITES[suite](dataset, options)
    if not jobs:
        raise BenchError(
            f"Nothing to run: --only/--skip leave no runner of suite {suite!r}; `bench ls runners` lists them."
        )
    require_planned(options.settings, {job.runner for job in jobs})
    return list({job.id: job for job in jobs}.values())  # two sizes may come to one, where the data have fewer cells


def require_settings(suite: str, options: SuiteOptions) -> None:
    """Checks ``--set`` as far as no data are needed: before any are built, and not first in a job.

    Raises:
        BenchError: the suite takes no settings, or one cannot be read or is none of its runner's.
    """
    _refuse_settings(suite, options)
    if options.settings:
        for words in (options.only, options.skip, options.extra):
            registry.expanded(words)  # a class of scikit-learn's is a runner once it is named
        require_known(options.settings, options.profile)


def _refuse_settings(suite: str, options: SuiteOptions) -> None:
    if options.settings and suite in (ABLATION, FLUX):
        raise BenchError(
            f"--set is for the suites full and fewshot; rows of --suite {suite} are lines of bench/suites/{suite}.py."
        )


def require_repetitions(options: SuiteOptions) -> None:
    """Checks the numbers of repetitions.

    Raises:
        BenchError: one is out of range.
    """
    if not 1 <= options.repetitions <= MOST_REPETITIONS:
        raise BenchError(f"--repeats must be at least 1 and at most {MOST_REPETITIONS:,}.")
    if not 0 <= options.first_repetition <= MOST_REPETITION - MOST_REPETITIONS:
        raise BenchError(f"--first-repeat must be at least 0 and at most {MOST_REPETITION - MOST_REPETITIONS:,}.")


def select(entries: Sequence[RunnerEntry], only: Sequence[str], skip: Sequence[str]) -> list[RunnerEntry]:
    """Entries that are named (or all), less those left out, by runner or family name.

    Raises:
        BenchError: a name is neither a runner nor a family.
    """
    families = FAMILY_WORDS | {"our-method": PROPOSED}  # as in 0.1
    for name in (*only, *skip):
        if name.lower() not in families and name not in registry.entries():
            raise unknown("runner or family", name, [*registry.entries(), *families], "`bench ls runners` lists them")

    def named(entry: RunnerEntry, names: Sequence[str]) -> bool:
        return any(name == entry.name or families.get(name.lower()) == entry.family for name in names)

    return [entry for entry in entries if (not only or named(entry, only)) and not named(entry, skip)]


def _jobs(
    suite: str,
    dataset: OpenedDataset,
    splits: Sequence[dict[str, Any]],
    chosen: Sequence[RunnerEntry],
    options: SuiteOptions,
    far: Mapping[int | None, bool],
    only_repetition: int | None = None,
) -> list[Job]:
    cube = dataset.cube
    sizes = [(len(make_split(cube, split).train), far[split.get("train_cells")]) for split in splits]
    settings = parse_settings(options.settings)
    jobs = []
    for entry in select(chosen, options.only, options.skip):
        if entry.withheld and not (set(entry.withheld) <= set(cube.withheld) and knows_equations(cube)):
            continue  # the data set does not know what made its target
        if entry.by_name and entry.name not in (*options.only, *options.extra):
            continue
        if entry.only_profiles and options.profile not in entry.only_profiles:
            if entry.name in options.only:
                raise BenchError(
                    f"Runner {entry.name!r} is planned in profile {' or '.join(entry.only_profiles)} only; choose one "
                    "with --profile."
                )
            continue
        if only_repetition is not None:
            repetitions = [only_repetition]
        elif entry.seeded:
            repetitions = list(range(options.first_repetition, options.first_repetition + options.repetitions))
        else:
            repetitions = [0]  # the same numbers whatever the seed
        chosen_settings = settings.get(entry.name, {})
        for split, (n_train, is_far) in zip(splits, sizes, strict=True):
            for view in options.views if entry.uses_view else (None,):
                for repetition in repetitions:
                    jobs.append(
                        Job(
                            suite=suite,
                            dataset=name_of(dataset),
                            dataset_fingerprint=cube.fingerprint,
                            split=split,
                            runner=entry.name,
                            runner_version=entry.version,
                            parameters=with_settings(
                                entry.parameters_for(options.profile, n_train),
                                {**(entry.few_and_far if is_far else {}), **chosen_settings},
                                entry.name,
                            ),
                            view=view,
                            profile=options.profile,
                            repetition=repetition,
                            seed=derive_seed(cube.name, entry.name, repetition) if entry.seeded else None,
                            packages=entry.package_versions(),
                            override=chosen_settings or None,
                        )
                    )
    return jobs
