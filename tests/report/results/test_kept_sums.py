"""Sums of many jobs: the same numbers as in their files, and what is common to them once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data.splits import full_parameters, make_split
from bench.report.results import kept_sums
from bench.report.results.kept_sums import KeptSums
from bench.report.results.sums_file import SumsFile
from bench.scoring.metrics import STATISTICS, evaluate, statistics_of
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.result_tables import sums_in
from tests.conftest import make_cube

PATH = Path("statistics.parquet")


def sums(noise: float) -> pd.DataFrame:
    cube = make_cube()
    split = make_split(cube, full_parameters(cube))
    parts = {"train": split.scored_train, "test": split.test}
    found = statistics_of(cube, split, {name: part.of(cube.target) + noise for name, part in parts.items()})
    return found if "year" in found else found.assign(year=0)


def parquet(frame: pd.DataFrame, **options: Any) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False, **options)
    return stream.getvalue()


class Files:
    """Results whose jobs are named by their place in a list of files, or of frames where there are no files."""

    def __init__(self, *content: bytes | pd.DataFrame) -> None:
        self.root, self._content, self.decoded = Path(), content, 0

    def jobs(self) -> list[Record]:
        return [Record.model_construct(job_id=str(at)) for at in range(len(self._content))]

    def statistics_file(self, record: Record) -> bytes | None:
        found = self._content[int(record.job_id)]
        return found if isinstance(found, bytes) else None

    def statistics(self, record: Record) -> pd.DataFrame:
        self.decoded += 1
        found = self._content[int(record.job_id)]
        return sums_in(found, PATH) if isinstance(found, bytes) else found


def kept(*content: bytes | pd.DataFrame) -> tuple[KeptSums, list[Record], Files]:
    files = Files(*content)
    return KeptSums(files), files.jobs(), files  # type: ignore[arg-type]


def test_frames_come_back_as_they_were() -> None:
    frame = sums(0.5)
    as_categories = frame.astype(dict.fromkeys(("part", "group", "weighting"), "category"))
    reader, jobs, _ = kept(frame, as_categories, parquet(frame), parquet(frame))
    for found in reader.of(jobs):
        pd.testing.assert_frame_equal(found.frame()[list(frame.columns)], frame, check_dtype=False)


def test_groups_have_the_sums_of_their_blocks() -> None:
    frame = sums(0.5)
    reader, jobs, _ = kept(frame)
    [found] = reader.of(jobs)
    group = found.of_group("test", "all", "plain")
    assert group is not None
    blocks, values = group
    own = frame[(frame["part"] == "test") & (frame["group"] == "all") & (frame["weighting"] == "plain")]
    assert list(blocks) == sorted(own["block"])
    assert values.sum(axis=(1, 2))[4] == pytest.approx(own["squared_error"].sum())
    assert found.of_group("test", "week:99", "plain") is None


def test_jobs_of_a_split_share_keys_and_sums_of_the_targets() -> None:
    reader, jobs, _ = kept(sums(0.5), sums(1.0), sums(0.5).iloc[1:])
    first, second, other = reader.of(jobs)
    assert first.layout is second.layout
    shared = [np.shares_memory(*columns) for columns in zip(first.columns, second.columns, strict=True)]
    assert sum(shared) == 4
    assert other.layout is not first.layout


def test_totals_are_those_of_the_whole_table_whatever_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_sums, "_MOST_BYTES", 1)
    frames = [sums(noise) for noise in (0.5, 1.0, 2.0)]
    frames.append(frames[0].iloc[len(frames[0]) // 2 :].reset_index(drop=True))  # another layout
    reader, jobs, _ = kept(*map(parquet, frames))
    for _ in range(2):
        for frame, found in zip(frames, reader.totals(jobs), strict=True):
            expected = evaluate(frame)
            assert [list(key) for key in found.keys] == expected[["part", "group", "weighting"]].to_numpy().tolist()
            for name, column in zip(STATISTICS, found.columns, strict=True):
                assert np.array_equal(column, expected[name].to_numpy(np.float64))
    again = [found.frame() for found in reader.of(jobs)]
    assert all(found["error"].equals(frame["error"]) for found, frame in zip(again, frames, strict=True))


def test_files_of_one_split_are_decoded_by_their_own_columns() -> None:
    frames = [sums(noise) for noise in (0.5, 1.0, 2.0)]
    reader, jobs, files = kept(*map(parquet, frames))
    for frame, found in zip(frames, reader.of(jobs), strict=True):
        pd.testing.assert_frame_equal(found.frame()[list(frame.columns)], frame, check_dtype=False)
    assert files.decoded == 1


@pytest.mark.parametrize("name", ["part", "group", "block", "year", "n", "weight", "target", "squared_target"])
def test_a_file_with_another_key_or_target_is_never_taken_for_a_known_one(name: str) -> None:
    frame = sums(0.5)
    changed = frame.copy()
    if name == "part":
        changed[name] = frame[name].map({"train": "test", "test": "train"})
    elif name == "group":
        changed[name] = frame[name] + "'"
    else:
        changed[name] = frame[name] + 1
    reader, jobs, _ = kept(parquet(frame), parquet(changed))
    first, second = (found.frame() for found in reader.of(jobs))
    pd.testing.assert_frame_equal(first[list(frame.columns)], frame, check_dtype=False)
    pd.testing.assert_frame_equal(second[list(frame.columns)], changed, check_dtype=False)


def test_files_that_are_encoded_otherwise_have_the_same_numbers() -> None:
    frame = sums(0.5)
    other = (parquet(frame, **options) for options in ({"compression": None}, {"row_group_size": 50}))
    reader, jobs, _ = kept(parquet(frame), *other)
    for found in reader.of(jobs):
        pd.testing.assert_frame_equal(found.frame()[list(frame.columns)], frame, check_dtype=False)


def test_a_file_that_is_no_table_of_sums_is_said_to_be_damaged() -> None:
    whole = parquet(sums(0.5))
    for content in (b"", b"PAR1", whole[:-20], whole[:100] + bytes(400) + whole[500:]):
        reader, jobs, _ = kept(whole, content)
        with pytest.raises(CorruptRecord, match=r"statistics\.parquet is missing or damaged"):
            list(reader.of(jobs))
    without = parquet(sums(0.5).drop(columns="error"))
    reader, jobs, _ = kept(whole, without)
    with pytest.raises(CorruptRecord, match=r"statistics\.parquet is missing or damaged"):
        list(reader.of(jobs))


def test_own_columns_are_read_without_the_rest() -> None:
    frame = sums(0.5)
    for values, name in zip(SumsFile(parquet(frame)).own(), ("error", "absolute_error", "squared_error"), strict=True):
        assert np.array_equal(values, frame[name].to_numpy())


def test_what_files_are_compared_with_is_bounded_and_their_numbers_are_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_sums, "_MOST_KNOWN_BYTES", 1)
    monkeypatch.setattr(kept_sums, "_MOST_BYTES", 1)
    whole = sums(0.5)
    frames = [whole.iloc[: len(whole) - cut].reset_index(drop=True) for cut in range(4)] * 2
    reader, jobs, files = kept(*map(parquet, frames))
    for job, frame in zip(jobs, frames, strict=True):  # one after the other, as rows ask for them
        [found] = reader.of([job])
        pd.testing.assert_frame_equal(found.frame()[list(frame.columns)], frame, check_dtype=False)
    del found
    assert files.decoded == len(frames)  # none was known any more
    assert len(reader._layouts) <= 2  # of the last file and of the job that is kept
