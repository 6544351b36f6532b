"""The command line: one file per verb, imported only when that verb is called."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from types import FrameType
from typing import Any

import click

from bench.errors import BenchError, shortened
from bench.system.terminal import ensure_standard_streams, flush_or_give_up, go_on_without_reader
from bench.system.text import plain
from bench.version import __version__

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C, as shells have it."""
_VERBS = {
    "run": "Run a suite; re-issued, it finishes the remainder.",
    "plan": "Show what a run would do: state, expected time, memory and disk.",
    "report": "Render the tables from stored results (LaTeX, CSV, terminal).",
    "compare": "Compare two stores row by row: what is new, what changed its number, and why.",
    "export": "Write predictions for other programs: Parquet, or NetCDF by the CF conventions.",
    "ls": "List suites, runners, data sets, profiles, views or stored jobs.",
    "info": "Show everything known of a runner, a data set or a stored job.",
    "why": "Say why a job is done, missing, failed or stale.",
    "clean": "Remove stale, failed and quarantined jobs; asks first.",
    "data": "Fetch, build, import, describe, verify and audit data sets.",
    "doctor": "Say what of this machine and its packages will not work, and what to do.",
    "completion": "Print the shell completion script.",
}
_WRITES = {"run": OSError, "report": BrokenPipeError, "export": BrokenPipeError, "data": BrokenPipeError}
"""Verbs that write files, and what standard output may fail of while they go on: a run has hours to lose, the others
say it where the disk is full."""

_RENAMED = {
    "--seed": "--first-repeat",
    "--cell": "--job",
    "--engine": "--executor",
    "--processes-per-cell": "--processes-per-job",
    "--gpus-per-cell": "--gpus-per-job",
    "--cells-per-index": "--jobs-per-index",
}
"""Spellings of options of `run` and `plan` in version 0.1, and what they are called now."""


class _LazyGroup(click.Group):
    """Knows its verbs by name and summary; a verb's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"bench.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] in _WRITES:
            go_on_without_reader(_WRITES[args[0]])
        if args and args[0] in ("run", "plan"):
            args = [args[0], *map(_present_spelling, args[1:])]
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            from bench.errors import unknown

            raise unknown("command", args[0], list(_VERBS), "`bench --help` lists them")
        return super().resolve_command(ctx, args)


def _present_spelling(word: str) -> str:
    option, equals, value = word.partition("=")
    if option not in _RENAMED:
        return word
    click.echo(f"Note: {option} is called {_RENAMED[option]} now.", err=True)
    return _RENAMED[option] + equals + value


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with:  bench run --suite full --profile smoke  and then  bench report",
)
@click.version_option(__version__, prog_name="bench")
def cli() -> None:
    """Compare models that predict gross primary productivity (GPP) from climate, and believe the result."""


def main() -> None:
    """The command line `bench`."""
    ensure_standard_streams()
    try:
        call(cli, "bench")
    finally:
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is said: Python's own end is no place for exceptions


class _Interrupts:
    """Ctrl-C, and SIGTERM in the same way: noted, since libraries make other exceptions of what it raises."""

    def __init__(self) -> None:
        self.noted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted = True
        raise KeyboardInterrupt


def call(command: click.Command, name: str) -> None:
    """Runs a command line and ends the process: user errors are one sentence on standard error and exit code 2.

    Args:
        command: what to call with the words of the command line.
        name: as the user typed it.
    """
    interrupts = _Interrupts()
    try:
        _call(command, name)
    except BaseException as error:
        if not interrupts.noted or isinstance(error, SystemExit):
            raise
        click.echo("Aborted.", err=True)
        sys.exit(INTERRUPTED)
    finally:
        flush_or_give_up()  # what an error left unwritten would be another error, and another code, at Python's own end


def _call(command: click.Command, name: str) -> None:
    try:
        code = command.main(prog_name=name, standalone_mode=False)
    except BenchError as error:
        click.echo(f"Error: {plain(str(error))}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(file=said)
        click.echo(plain(shortened(said.getvalue())), err=True, nl=False)
        sys.exit(2)
    except click.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`bench ls | head`): nothing to report
        sys.exit(0)
    except OSError as error:
        # Whatever a folder or disk refuses that no place nearer to it has words for.
        what = shortened(f"{error.filename or 'A file'}: {error.strerror or error}")
        click.echo(f"Error: {plain(what)}; check the path and its permissions.", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
