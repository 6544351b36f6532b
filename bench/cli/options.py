"""Options that several verbs share; what `run` and `plan` share are the fields of `RunOptions`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from bench.data.split_names import parse_split
from bench.data.splits import parse_weeks
from bench.errors import BenchError
from bench.suites import profiles

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class _Parsed(click.ParamType):  # type: ignore[type-arg]  # older versions of click know no argument
    """Text that a function makes a value of; its `BenchError` passes as it is."""

    def __init__(self, name: str, parse: Callable[[str, str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the parsed text, or the value where it is none."""
        option = param.opts[0] if param is not None else self.name
        return self._parse(value, option) if isinstance(value, str) else value


def names(text: str) -> tuple[str, ...]:
    """A comma-separated list, without blanks and repetitions."""
    return tuple(dict.fromkeys(filter(None, (item.strip() for item in text.split(",")))))


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """A comma-separated list of whole numbers, without repetitions.

    Raises:
        BenchError: something is no whole number.
    """
    found: dict[int, None] = {}
    for item in names(text):
        try:
            found[int(item)] = None
        except ValueError as error:
            raise BenchError(
                f"{option}: {item!r} is no whole number; give numbers such as {option} 300,600."
            ) from error
    return tuple(found)


NAMES = _Parsed("names", lambda text, option: names(text))
WHOLE_NUMBERS = _Parsed("whole numbers", whole_numbers)
WEEKS = _Parsed("weeks", lambda text, option: parse_weeks(text))
SPLIT = _Parsed("split", lambda text, option: parse_split(text).text)


def dataset_argument(default: str) -> Callable[[CommandT], CommandT]:
    """A data set as the command's argument, or as ``--dataset`` as in other verbs; the command gets it as ``spec``."""

    def decorate(function: CommandT) -> CommandT:
        @functools.wraps(function)
        def command(*given: Any, argument: str | None, dataset: str | None, **options: Any) -> Any:
            if argument is not None and dataset is not None and argument != dataset:
                raise BenchError(f"Two data sets are named, {argument} and --dataset {dataset}; name one.")
            return function(*given, spec=argument or dataset or default, **options)

        option = click.option("--dataset", default=None, metavar="SPEC", help="The same as SPEC.")(command)
        return cast(CommandT, click.argument("argument", required=False, metavar=f"[SPEC: {default}]")(option))

    return decorate


def store_option(function: CommandT) -> CommandT:
    """``--store``."""
    return click.option(
        "--store",
        "store_path",
        type=click.Path(path_type=Path),
        default=None,
        help="Result store  [default: $BENCH_STORE or ./runs]",
    )(function)


def json_option(function: CommandT) -> CommandT:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def suite_options(function: CommandT) -> CommandT:
    """The options that choose jobs and resources, shared by `run` and `plan`."""
    options = (
        click.option(
            "--suite", required=True, metavar="NAME", help="full (Table 1), fewshot (Tables 2 and 3), ablation or flux."
        ),
        click.option(
            "--dataset",
            default="auto",
            show_default=True,
            metavar="SPEC",
            help="auto, a name of `bench ls datasets`, such as simulated:cells=N,years=N, or a folder with a cube.",
        ),
        click.option(
            "--profile",
            default=profiles.DEFAULT_PROFILE,
            show_default=True,
            metavar="NAME",
            help="smoke, laptop or paper.",
        ),
        click.option(
            "--only",
            type=NAMES,
            metavar="A,B",
            default="",
            help="Keep these runners or families (also sklearn:module.Class); ablation: experiments.",
        ),
        click.option("--skip", type=NAMES, metavar="A,B", default="", help="Leave these out."),
        click.option(
            "--with",
            "extra",
            type=NAMES,
            metavar="A,B",
            default="",
            help="Add these runners to the suite's own; strong: today's strongest tabular baselines.",
        ),
        click.option(
            "--view",
            "views",
            type=NAMES,
            metavar="A,B",
            default="located",
            show_default=True,
            help="Feature views: point, located, window.",
        ),
        click.option(
            "--first-repeat",
            "first_repetition",
            type=int,
            default=0,
            show_default=True,
            help="Number of the first repetition.",
        ),
        click.option(
            "--repeats",
            "repetitions",
            type=int,
            default=1,
            show_default=True,
            help="Repetitions of every runner that depends on a seed.",
        ),
        click.option(
            "--weeks",
            type=WEEKS,
            default=(),
            metavar="W,W",
            help="fewshot, ablation: steps of the year that are scored; of 8-day data, weeks 1-46  [default: "
            "1,10,20,30,40, or the steps of the data's rhythm in which these begin].",
        ),
        click.option(
            "--split",
            type=SPLIT,
            default=None,
            metavar="NAME",
            help="full: last-year, last-year-of-each-place, column, published, share:0.2, blocks:SIZE,FOLDS, "
            "places:FOLDS; FOLD/FOLDS for one fold  [default: the data's own, else last-year].",
        ),
        click.option(
            "--designs",
            type=NAMES,
            default="",
            metavar="A,B",
            help="flux: places, years, few, tropics, imputation  [default: all that the data allow].",
        ),
        click.option(
            "--train-cells",
            type=WHOLE_NUMBERS,
            default="",
            metavar="N,N",
            help="fewshot, ablation: sampled cells  [default, fewshot: 6000, or 30 % of fewer than 20,000].",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="RUNNER.KEY=VALUE",
            help="Set a parameter of a runner, such as gnnwr.ridge=0.1; part of the job's id. May be repeated.",
        ),
        click.option(
            "--jobs",
            "jobs_at_once",
            type=int,
            default=None,
            help="Jobs at once  [default: one per core, fewer if memory is short].",
        ),
        click.option(
            "--memory",
            "memory_gb",
            type=float,
            default=None,
            help="Memory cap of one job in GB  [default: an equal share].",
        ),
        click.option(
            "--timeout",
            "timeout_s",
            type=float,
            default=None,
            help="Wall-clock limit of one job in seconds  [default: the profile's].",
        ),
        click.option(
            "--disk",
            "disk_gb",
            type=float,
            default=None,
            metavar="GB",
            help="What one job may write into its folders, in GB  [default: 50].",
        ),
        click.option(
            "--processes-per-job",
            type=int,
            default=1,
            show_default=True,
            metavar="N",
            help="Processes that train one job together, each on a GPU of its own where there are GPUs "
            "(dual-branch networks only).",
        ),
        click.option(
            "--gpus-per-job",
            type=int,
            default=0,
            show_default=True,
            metavar="N",
            help="GPUs that a job asks a cluster for if its runner can use them; as many processes train it.",
        ),
        click.option(
            "--store",
            type=click.Path(path_type=Path),
            default=None,
            help="Result store  [default: $BENCH_STORE or ./runs]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
