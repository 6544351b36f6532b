"""Locks between processes, and a file system that has none."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.system.locks import ProcessLock


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    first, second = ProcessLock(tmp_path / "x.lock"), ProcessLock(tmp_path / "x.lock")
    assert first.try_acquire() and not second.try_acquire()
    first.release()
    with second:
        assert not first.try_acquire()


@pytest.mark.parametrize("missing", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_one_sentence_and_gets_no_marker_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(missing, "no flock here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = ProcessLock(tmp_path / "x.lock")
    with pytest.raises(BenchError, match="lies on a file system without file locks"):
        lock.try_acquire()
    with pytest.raises(BenchError, match="lies on a file system without file locks"), lock:
        pass
