"""Ctrl-C at any import of any verb: exit code 130 and at most one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import bench_environment

PROGRAM = """
import os, signal, sys
from bench.__main__ import main
left = {count}
class Finder:
    def find_spec(self, name, path=None, target=None):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.{signal})
sys.argv = ["bench", *{arguments!r}]
{ignored}
sys.meta_path.insert(0, Finder())
main()
"""


def interrupted(
    folder: Path, count: int, arguments: tuple[str, ...], *, by: str = "SIGINT", ignored: bool = False
) -> tuple[int, str]:
    """Exit code and standard error of a verb that gets a signal at one of its imports."""
    handler = "SIG_IGN" if ignored else "default_int_handler"  # whoever runs the tests may ignore it himself
    ignore = f"signal.signal(signal.SIGINT, signal.{handler})"
    program = PROGRAM.format(count=count, arguments=list(arguments), ignored=ignore, signal=by)
    done = subprocess.run(
        [sys.executable, "-c", program], env=bench_environment(folder), cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [("ls", "runners"), ("report",)])
@pytest.mark.parametrize("count", [2, 40, 100, 150])
def test_ctrl_c_while_something_is_imported(tmp_path: Path, count: int, arguments: tuple[str, ...]) -> None:
    code, said = interrupted(tmp_path, count, arguments)
    assert code == 130 and "Traceback" not in said and len(said.strip().splitlines()) <= 1, said


def test_who_ignores_ctrl_c_goes_on(tmp_path: Path) -> None:
    assert interrupted(tmp_path, 40, ("ls", "suites"), ignored=True) == (0, "")


def test_sigterm_ends_like_ctrl_c(tmp_path: Path) -> None:
    code, said = interrupted(tmp_path, 150, ("ls", "runners"), by="SIGTERM")
    assert code == 130 and "Traceback" not in said
