"""`bench completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="""\b
Examples:
  bench completion bash >> ~/.bashrc
  bench completion zsh > ~/.zfunc/_bench
  bench completion fish > ~/.config/fish/completions/bench.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the shell completion script for bash, zsh or fish."""
    from bench.cli import cli

    completion = get_completion_class(shell)
    assert completion is not None  # click knows the three shells of the choice
    click.echo(completion(cli, {}, "bench", "_BENCH_COMPLETE").source())
    return 0
