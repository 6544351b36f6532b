"""A log that is cut while its job goes on writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.execution import joblog
from bench.execution.joblog import JobLog


def test_words_written_during_a_cut_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JobLog(tmp_path / "log.txt")
    with (tmp_path / "log.txt").open("ab", buffering=0) as writer:
        writer.write(b"first words\n" + b"x" * 2 * joblog.MOST_LOG_BYTES)
        words = [b"last ", b"words\n"]
        read = os.pread

        def pread(descriptor: int, length: int, offset: int) -> bytes:
            found = read(descriptor, length, offset)
            if words:
                writer.write(words.pop(0))
            return found

        monkeypatch.setattr(os, "pread", pread)
        log.hold()
        monkeypatch.undo()
        content = log.content()
    log.close()
    assert content.startswith(b"first words\n") and content.endswith(b"xlast words\n")
    head, note = joblog.MOST_LOG_BYTES // 2, b"\n[bench: 25 MB of this log were cut out here]\n"
    assert content[head : head + len(note)] == note
    assert log.cut_bytes + len(content) - len(note) == 2 * joblog.MOST_LOG_BYTES + len(b"first words\nlast words\n")


def test_a_writer_that_never_pauses_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JobLog(tmp_path / "log.txt")
    with (tmp_path / "log.txt").open("ab", buffering=0) as writer:
        writer.write(b"x" * 2 * joblog.MOST_LOG_BYTES)
        read = os.pread

        def pread(descriptor: int, length: int, offset: int) -> bytes:
            writer.write(b"y")
            return read(descriptor, length, offset)

        monkeypatch.setattr(os, "pread", pread)
        log.hold()
        monkeypatch.undo()
        assert len(log.content()) < joblog.MOST_LOG_BYTES
    log.close()
