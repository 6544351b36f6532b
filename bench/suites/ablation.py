"""The ablation suite: what each part of the proposed model is worth.

A variant is one line of `VARIANTS`: the experiment that it belongs to, its label, its runner and the settings of that
runner in which it departs from the base. To add one, add a line; to add an experiment, add one to `EXPERIMENTS` too.
Each runner's base is run once and shared by all its experiments, as are variants that come to the same settings.

All jobs of one profile train on the same reduced sample with the same settings (`REDUCTIONS`), so that a run of all
variants fits on a laptop; their errors compare with each other, not with those of other suites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.data.datasets import OpenedDataset
from bench.data.splits import ablation_parameters
from bench.errors import BenchError, unknown
from bench.runners import registry
from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS
from bench.seeds import derive_seed
from bench.store.jobs import Job, name_of
from bench.suites import profiles
from bench.suites.options import SuiteOptions, refuse_split

SUITE = "ablation"


@dataclass(frozen=True)
class Experiment:
    """A question, asked of one or both networks.

    Attributes:
        name: as in ``--only``.
        title: as printed above its rows.
        base: runner → what its base is in this experiment, as printed.
    """

    name: str
    title: str
    base: Mapping[str, str]


@dataclass(frozen=True)
class Variant:
    """One departure from the base.

    Attributes:
        experiment: name of its experiment.
        label: as printed.
        runner: name of the runner.
        options: settings of the network that differ from the base's.
    """

    experiment: str
    label: str
    runner: str
    options: Mapping[str, Any]


EXPERIMENTS = (
    Experiment("geometry", "Neighbours: on the sphere or on the plane", {DUAL_BRANCH: "on the sphere"}),
    Experiment("nodes", "Number of graph nodes", {DUAL_BRANCH: "500 nodes"}),
    Experiment("k", "Neighbours of a node", {DUAL_BRANCH: "8 neighbours"}),
    Experiment("attention", "Attention", {DUAL_BRANCH: "linear"}),
    Experiment("losses", "Loss weights, prediction : importance", {DUAL_BRANCH: "1 : 1", DUAL_BRANCH_PLUS: "1 : 1"}),
    Experiment("branches", "Branches", {DUAL_BRANCH: "both", DUAL_BRANCH_PLUS: "both"}),
    Experiment(
        "conditions", "Conditions: shared or per cell", {DUAL_BRANCH: "500 nodes", DUAL_BRANCH_PLUS: "per cell"}
    ),
    Experiment("graph", "Graph: fixed or learned", {DUAL_BRANCH: "fixed"}),
)

VARIANTS = (
    Variant("geometry", "on the plane", DUAL_BRANCH, {"geometry": "plane"}),
    Variant("nodes", "100 nodes", DUAL_BRANCH, {"n_nodes": 100}),
    Variant("nodes", "2,000 nodes", DUAL_BRANCH, {"n_nodes": 2000}),
    Variant("k", "4 neighbours", DUAL_BRANCH, {"k": 4}),
    Variant("k", "16 neighbours", DUAL_BRANCH, {"k": 16}),
    Variant("attention", "softmax", DUAL_BRANCH, {"attention": "softmax"}),
    Variant("losses", "1 : 0.1", DUAL_BRANCH, {"importance_loss_weight": 0.1}),
    Variant("losses", "0.1 : 1", DUAL_BRANCH, {"prediction_loss_weight": 0.1}),
    Variant("losses", "1 : 0.1", DUAL_BRANCH_PLUS, {"importance_loss_weight": 0.1}),
    Variant("losses", "0.1 : 1", DUAL_BRANCH_PLUS, {"prediction_loss_weight": 0.1}),
    Variant("losses", "1 : 1, importance detached", DUAL_BRANCH_PLUS, {"importance_detached": True}),
    Variant("branches", "features only", DUAL_BRANCH, {"branches": "features"}),
    Variant("branches", "conditions only", DUAL_BRANCH, {"branches": "conditions"}),
    Variant("branches", "features only", DUAL_BRANCH_PLUS, {"branches": "features"}),
    Variant("branches", "conditions only", DUAL_BRANCH_PLUS, {"branches": "conditions"}),
    Variant("conditions", "a node per cell, at most 2,000", DUAL_BRANCH, {"n_nodes": 2000}),
    Variant("conditions", "100 groups of cells", DUAL_BRANCH_PLUS, {"condition_groups": 100}),
    Variant("conditions", "500 groups of cells", DUAL_BRANCH_PLUS, {"condition_groups": 500}),
    Variant("graph", "fixed + learned", DUAL_BRANCH, {"learned_adjacency": True}),
)

BASE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    DUAL_BRANCH: {
        "n_nodes": 500,
        "k": 8,
        "geometry": "sphere",
        "attention": "linear",
        "branches": "both",
        "prediction_loss_weight": 1.0,
        "importance_loss_weight": 1.0,
        "learned_adjacency": False,
    },
    DUAL_BRANCH_PLUS: {
        "condition_groups": None,
        "branches": "both",
        "prediction_loss_weight": 1.0,
        "importance_loss_weight": 1.0,
        "importance_detached": False,
        "gradient_consistency_weight": 0.0,
    },
}
"""Per runner, every setting that some variant changes, at its base value; and that the weights of *plus* are asked for
their sum only, as in the paper, since how the two losses compete is in question."""


@dataclass(frozen=True)
class Reduction:
    """How a profile makes all variants affordable; all variants the same.

    Attributes:
        train_cells: sampled training cells; None for all.
        step_stride: of the training steps of the year, every so-manieth and the scored ones.
        train_years: last years before the test year; None for all.
        options: per runner, settings of the network, beside `BASE_OPTIONS`.
        training: per runner, settings of the training.
    """

    train_cells: int | None = None
    step_stride: int = 1
    train_years: int | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


REDUCTIONS: Mapping[str, Reduction] = {
    "smoke": Reduction(
        train_cells=120,
        step_stride=23,
        train_years=1,
        options={
            DUAL_BRANCH: {"width": 8, "blocks": 1},
            DUAL_BRANCH_PLUS: {"members": [{"harmonics": 3, "hidden": 16}], "rank": 4, "layers": 1},
        },
        training={DUAL_BRANCH: {"epochs": 1, "decay_after": 1}, DUAL_BRANCH_PLUS: {"epochs": 2, "least_steps": 0}},
    ),
    "laptop": Reduction(
        train_cells=2000,
        step_stride=5,
        train_years=1,
        options={DUAL_BRANCH: {"width": 32}, DUAL_BRANCH_PLUS: {"members": [{"harmonics": 3}]}},
        training={DUAL_BRANCH: {"epochs": 6, "decay_after": 4, "learning_rate": 3e-3, "late_learning_rate": 3e-4}},
    ),
    "paper": Reduction(),
}


def ablation(dataset: OpenedDataset, options: SuiteOptions) -> list[Job]:
    """Ablations: the proposed model with one part changed at a time, on one reduced sample.

    ``only`` and ``skip`` name experiments. Each repetition draws its own sample; all variants share it.
    """
    refuse_split(SUITE, options)
    if len(dataset.cube.target_names) > 1:
        raise BenchError(
            f"--suite ablation takes data with one target; {dataset.cube.name!r} has "
            f"{', '.join(dataset.cube.target_names)}."
        )
    if len(options.train_cells) > 1:
        raise BenchError("--suite ablation takes one size of the sample; give one number to --train-cells.")
    profile, reduction = profiles.get(options.profile), REDUCTIONS[options.profile]
    size = options.train_cells[0] if options.train_cells else reduction.train_cells
    chosen = chosen_experiments(options.only, options.skip)
    jobs: dict[str, Job] = {}
    for repetition in range(options.first_repetition, options.first_repetition + options.repetitions):
        split = ablation_parameters(
            dataset.cube,
            options.weeks_of(dataset.cube),
            size,
            repetition,
            step_stride=reduction.step_stride,
            train_years=reduction.train_years,
            max_cells=profile.max_cells,
        )
        for runner, override in _settings(chosen, split["train_cells"]):
            entry = registry.get(runner)
            job = Job(
                suite=SUITE,
                dataset=name_of(dataset),
                dataset_fingerprint=dataset.cube.fingerprint,
                split=split,
                runner=runner,
                runner_version=entry.version,
                parameters=parameters_of(runner, override, options.profile, split["train_cells"]),
                view=None,
                profile=options.profile,
                repetition=repetition,
                seed=derive_seed(dataset.cube.name, runner, repetition),
                packages=entry.package_versions(),
                override=override,
            )
            jobs.setdefault(job.id, job)
    return list(jobs.values())


def chosen_experiments(only: Sequence[str], skip: Sequence[str] = ()) -> list[Experiment]:
    """Experiments that are named (or all), less those left out, in the order of `EXPERIMENTS`.

    Raises:
        BenchError: a name is no experiment.
    """
    known = [experiment.name for experiment in EXPERIMENTS]
    for name in (*only, *skip):
        if name not in known:
            raise unknown("experiment", name, known, "--only and --skip of --suite ablation name experiments")
    return [item for item in EXPERIMENTS if (not only or item.name in only) and item.name not in skip]


def variants_of(experiment: Experiment, runner: str) -> list[Variant]:
    """The variants of one runner in an experiment, its base not counted."""
    return [item for item in VARIANTS if item.experiment == experiment.name and item.runner == runner]


def override_of(variant: Variant, train_cells: int) -> dict[str, Any]:
    """The settings in which a variant differs from its base, as its job stores them.

    There can be no more nodes, or groups of cells, than training cells: more are capped at one per training cell. What
    then equals the base leaves nothing, and the variant is the base.

    Args:
        variant: the variant.
        train_cells: number of training cells.
    """
    base = _base_options(variant.runner, train_cells)
    return {key: value for key, value in _capped(variant.options, train_cells).items() if value != base[key]}


def is_capped(experiment: Experiment, variant: Variant | None, runner: str, train_cells: int) -> bool:
    """Whether what an experiment varies is more than the training cells allow.

    Args:
        experiment: the experiment.
        variant: one of its variants; None for the base.
        runner: name of the runner.
        train_cells: number of training cells.
    """
    varied = {key for item in variants_of(experiment, runner) for key in item.options}
    asked = {**BASE_OPTIONS[runner], **(variant.options if variant else {})}
    return any((asked[key] or 0) > train_cells for key in varied & {"n_nodes", "condition_groups"})


def parameters_of(runner: str, override: Mapping[str, Any], profile: str, train_cells: int) -> dict[str, Any]:
    """Parameters of a job: those of the runner in that profile, reduced, with the base's settings and an override's.

    Args:
        runner: name of the runner.
        override: from `override_of`; empty for the base.
        profile: name of the profile.
        train_cells: number of training cells.
    """
    given, reduction = registry.get(runner).parameters_for(profile), REDUCTIONS[profile]
    own = {key: value for key, value in given.items() if key in ("options", "training")}  # nodes are given by number
    if runner in reduction.training:
        own["training"] = dict(reduction.training[runner])
    reduced = reduction.options.get(runner, own.get("options", {}))
    return own | {"options": {**reduced, **_base_options(runner, train_cells), **override}}


def knows(runner: str, profile: str) -> bool:
    """Whether this version's ablation has a runner, in that profile; a store may hold those of another."""
    return runner in BASE_OPTIONS and profile in REDUCTIONS


def base_parameters(job: Job) -> dict[str, Any]:
    """Parameters of an ablation job with its override undone: equal for all jobs that differ in nothing else."""
    if job.runner not in BASE_OPTIONS:
        return job.parameters  # of another version's ablation
    base = _base_options(job.runner, job.split["train_cells"])
    undone = {key: base[key] for key in job.override or () if key in base}
    return job.parameters | {"options": job.parameters["options"] | undone}


def _settings(chosen: Sequence[Experiment], train_cells: int) -> list[tuple[str, dict[str, Any]]]:
    """Runner and override of every job of one repetition; equal ones may repeat."""
    settings: list[tuple[str, dict[str, Any]]] = []
    for experiment in chosen:
        for runner in experiment.base:
            settings.append((runner, {}))
            settings += [(runner, override_of(item, train_cells)) for item in variants_of(experiment, runner)]
    return settings


def _base_options(runner: str, train_cells: int) -> dict[str, Any]:
    return _capped(BASE_OPTIONS[runner], train_cells)


def _capped(options: Mapping[str, Any], train_cells: int) -> dict[str, Any]:
    capped = dict(options)
    if "n_nodes" in capped:
        capped["n_nodes"] = min(capped["n_nodes"], train_cells)
    if (capped.get("condition_groups") or 0) >= train_cells:
        capped["condition_groups"] = None
    return capped
