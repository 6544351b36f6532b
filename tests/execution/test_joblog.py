"""A log that is cut while its job goes on writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.execution import joblog
from bench.execution.joblog import JobLog


def test_a_log_is_cut_beside_its_writers_only_when_it_is_far_too_long(tmp_path: Path) -> None:
    log, path = JobLog(tmp_path / "log.txt"), tmp_path / "log.txt"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"first words\n" + b"x" * 3 * joblog.MOST_LOG_BYTES)
        log.hold()
        assert path.stat().st_size > 3 * joblog.MOST_LOG_BYTES
        writer.write(b"last words\n")
    content = log.content()
    assert content.startswith(b"first words\n") and content.endswith(b"last words\n")
    assert len(content) < joblog.MOST_LOG_BYTES and path.stat().st_size == len(content)
    log.close()


def test_words_written_during_a_cut_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblog, "_WHILE_WRITTEN", 1)
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
    monkeypatch.setattr(joblog, "_WHILE_WRITTEN", 1)
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


@pytest.mark.parametrize("character", ["a", "é", "€", "😀"])
@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_a_cut_divides_no_character(
    tmp_path: Path, character: str, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("MOST_LOG_BYTES", 2000), ("_HEAD_BYTES", 1000), ("_TAIL_BYTES", 501)):
        monkeypatch.setattr(joblog, name, size)
    log = JobLog(tmp_path / "log.txt")
    with (tmp_path / "log.txt").open("ab", buffering=0) as writer:
        for _ in range(2):  # the second cut leaves the place of the first one's note as it is
            writer.write(("x" * shift + character * 2500).encode())
            writer.write(b"y" * shift)
            content = log.content()
            text = content.decode()
            assert text.count("[bench: ") == 1 and text.startswith("x" * shift + character)
            assert set(text.partition("\n[bench: ")[0]) <= {"x", character} and text.endswith("y" * shift)
    log.close()


def test_bytes_that_are_no_text_are_cut_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("MOST_LOG_BYTES", 2000), ("_HEAD_BYTES", 1000), ("_TAIL_BYTES", 500)):
        monkeypatch.setattr(joblog, name, size)
    log = JobLog(tmp_path / "log.txt")
    (tmp_path / "log.txt").write_bytes(b"\x80" * 5000)
    assert log.content().count(b"\x80") == 1500 and log.cut_bytes == 3500
    log.close()
