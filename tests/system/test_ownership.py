"""Whose a folder is, where several machines share a file system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.system.disk import write_atomically
from bench.system.ownership import ABANDONED_AFTER_S, host_name, is_abandoned, owner

ID = "0123456789abcdef"
GONE = 999999999


def made(folder: Path, name: str, age_s: float = 0.0) -> Path:
    """A folder with a file that was written some time ago."""
    path = folder / name
    path.mkdir()
    (path / "log.txt").touch()
    for item in (path / "log.txt", path):
        os.utime(item, (time.time() - age_s,) * 2)
    return path


@pytest.mark.parametrize("name", [f"{ID}-{{}}-{{}}", f"replaced-{ID}-{{}}-{{}}", "c.zarr.{}-{}.partial"])
def test_only_this_machines_dead_processes_have_abandoned_a_folder(tmp_path: Path, name: str) -> None:
    assert is_abandoned(made(tmp_path, name.format(host_name(), GONE)))
    assert not is_abandoned(made(tmp_path, name.format(host_name(), os.getpid()), age_s=2 * ABANDONED_AFTER_S))
    assert not is_abandoned(made(tmp_path, name.format("another_node", GONE), age_s=ABANDONED_AFTER_S / 2))


def test_what_nobody_wrote_into_for_a_month_is_abandoned_wherever_it_came_from(tmp_path: Path) -> None:
    old = made(tmp_path, f"{ID}-another_node-{GONE}", age_s=2 * ABANDONED_AFTER_S)
    unnamed = made(tmp_path, f"{ID}-{GONE}", age_s=2 * ABANDONED_AFTER_S)  # of a version without machines in the names
    assert is_abandoned(old) and is_abandoned(unnamed)
    (old / "log.txt").touch()
    assert not is_abandoned(old)


def test_a_process_that_ended_but_was_not_waited_for_is_dead(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    folder = made(tmp_path, f"{ID}-{host_name()}-{child.pid}")
    deadline = time.monotonic() + 20
    while not is_abandoned(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_abandoned(folder)
    child.wait()


def test_temporary_names_of_two_machines_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[str] = []
    monkeypatch.setattr("os.replace", lambda source, target: replaced.append(Path(source).name))
    for host in ("node-1.cluster", "node-2.cluster"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        assert owner() == f"{host.replace('-', '_').replace('.', '_')}-{os.getpid()}"
        write_atomically(tmp_path / "record.json", b"{}")
    assert len(set(replaced)) == 2
