"""`georgia` and `baltimore`: what libpysal's files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data import cross_sections
from bench.data.cross_sections import build_baltimore, build_georgia, examples_folder
from bench.errors import BenchError

needs_libpysal = pytest.mark.skipif(examples_folder() is None, reason="libpysal comes with the runners")


@needs_libpysal
def test_georgia(tmp_path: Path) -> None:
    cube = build_georgia(tmp_path / "georgia")
    assert (cube.n_cells, cube.n_times, cube.crs, cube.rhythm.name) == (159, 1, "EPSG:26916", "none")
    assert cube.lon[0] == 941396.6 and cube.lat[0] == 3521764
    np.testing.assert_allclose(cube.climate[0, 0], [75.6, 11.43, 0.64, 19.9, 20.76], rtol=1e-6)
    assert cube.target[0, 0] == pytest.approx(8.2)


@needs_libpysal
def test_baltimore(tmp_path: Path) -> None:
    cube = build_baltimore(tmp_path / "baltimore")
    assert (cube.n_cells, len(cube.feature_names), cube.target_units) == (211, 13, "kUSD")
    assert cube.places[0].tolist() == [907_000, 534_000] and cube.target[0, 0] == 47


def test_without_libpysal_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_sections, "examples_folder", lambda: None)
    with pytest.raises(BenchError, match="comes with libpysal, which is not installed"):
        build_georgia(tmp_path / "georgia")


def test_another_file_of_that_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_sections, "examples_folder", lambda: tmp_path)
    with pytest.raises(BenchError, match="is missing or not that of libpysal"):
        build_baltimore(tmp_path / "baltimore")
