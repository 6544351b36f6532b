"""Sums of many jobs: the same numbers as in their files, and what is common to them once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.data.splits import full_parameters, make_split
from bench.report.results.kept_sums import KeptSums
from bench.scoring.metrics import statistics_of
from tests.conftest import make_cube


def sums(noise: float) -> pd.DataFrame:
    cube = make_cube()
    split = make_split(cube, full_parameters(cube))
    parts = {"train": split.scored_train, "test": split.test}
    found = statistics_of(cube, split, {name: part.of(cube.target) + noise for name, part in parts.items()})
    return found if "year" in found else found.assign(year=0)


def test_frames_come_back_as_they_were() -> None:
    kept, frame = KeptSums(), sums(0.5)
    as_categories = frame.astype(dict.fromkeys(("part", "group", "weighting"), "category"))
    for job, given in (("a", frame), ("b", as_categories)):
        again = kept.of(job, lambda given=given: given).frame()  # type: ignore[misc]
        pd.testing.assert_frame_equal(again[list(frame.columns)], frame, check_dtype=False)


def test_groups_have_the_sums_of_their_blocks() -> None:
    frame = sums(0.5)
    found = KeptSums().of("a", lambda: frame).of_group("test", "all", "plain")
    assert found is not None
    blocks, values = found
    own = frame[(frame["part"] == "test") & (frame["group"] == "all") & (frame["weighting"] == "plain")]
    assert list(blocks) == sorted(own["block"])
    assert values.sum(axis=(1, 2))[4] == pytest.approx(own["squared_error"].sum())
    assert KeptSums().of("a", lambda: frame).of_group("test", "week:99", "plain") is None


def test_jobs_of_a_split_share_keys_and_sums_of_the_targets() -> None:
    kept = KeptSums()
    first, second = (kept.of(str(noise), lambda noise=noise: sums(noise)) for noise in (0.5, 1.0))  # type: ignore[misc]
    assert first.layout is second.layout
    shared = [np.shares_memory(*columns) for columns in zip(first.columns, second.columns, strict=True)]
    assert sum(shared) == 4
    other = kept.of("c", lambda: sums(0.5).iloc[1:])
    assert other.layout is not first.layout
