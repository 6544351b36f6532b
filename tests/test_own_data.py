"""docs/own-data.md is true: its commands are extracted and run on files as it describes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data import Columns, Feature, from_frame
from bench.data.cross_sections import examples_folder
from bench.data.cube_zarr import open_cube
from tests.conftest import ROOT, bench_environment

PAGE = (ROOT / "docs" / "own-data.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs a block in an empty folder, with ``bench`` and ``python`` those of this test."""
    (tmp_path / "bin").mkdir()
    for name, command in {"bench": f"{sys.executable} -m bench", "python": sys.executable}.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    environment = bench_environment(tmp_path)
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"

    def run(block: str) -> str:
        result = subprocess.run(
            ["sh", "-ec", block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


def towers(header: str) -> pd.DataFrame:
    """Three years of six towers with the page's columns, ragged and with gaps."""
    generator = np.random.default_rng(0)
    months = pd.period_range("2001-01", periods=36, freq="M").astype(str)
    parts = []
    for index in range(6):
        own = months[index:]
        values = generator.normal(size=(len(own), 4))
        part = pd.DataFrame(values, columns=["GPP", "NEE", "tair", "rain"]).assign(month=own, site=f"T-{index}")
        parts.append(part.assign(lon=10.0 + index, lat=50.0, elevation=100 * index, IGBP=("ENF", "GRA")[index % 2]))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[generator.uniform(size=len(frame)) < 0.2, "NEE"] = np.nan
    return frame[header.split(",")]


@pytest.mark.skipif(examples_folder() is None, reason="libpysal comes with the runners")
def test_the_cross_section_answers_as_the_page_says(shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    said = shell(blocks("sh")[0]).splitlines()
    for line in blocks("text")[0].splitlines():
        assert line in said
    assert open_cube(tmp_path / "my" / "georgia").n_cells == 159


def test_the_towers_come_in_run_and_are_reported(shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    header = blocks("text")[1].splitlines()[0]
    towers(header).to_csv(tmp_path / "towers.csv", index=False)
    said = shell(blocks("sh")[1])
    assert "next: bench run --suite full --dataset my/towers --split last-year-of-each-place" in said
    cube = open_cube(tmp_path / "my" / "towers")
    assert cube.target_names == ("GPP", "NEE") and cube.groupings == ("IGBP",) and cube.rhythm.name == "month"


def test_the_grid_comes_in(shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from tests.data.importer.test_gridded import grid

    grid().to_netcdf(tmp_path / "grid.nc")
    assert "5 places x 24 steps" in shell(blocks("sh")[2])


def test_python_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = towers(blocks("text")[1].splitlines()[0]).rename(columns={"month": "date"})
    [block] = blocks("python")
    names = {"frame": frame, "Columns": Columns, "Feature": Feature, "from_frame": from_frame}
    exec(block, names)  # the page's own lines
    assert open_cube(tmp_path / "my" / "towers").n_cells == 6


def test_every_option_of_the_table_exists() -> None:
    from bench.cli.data_import import command

    known = {option for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"--[a-z][a-z-]*", "\n".join(re.findall(r"^\|.*\|$", PAGE, re.MULTILINE))))
    assert named and named <= known
