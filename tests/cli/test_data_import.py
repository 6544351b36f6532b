"""`bench data import`: which split it suggests, and what it says of runners."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli.data_import import command
from tests.data.importer.test_bad_input import HOUSES, TOWERS, houses, towers


def said(folder: Path, frame: pd.DataFrame, *options: str) -> list[str]:
    frame.to_csv(folder / "in.csv", index=False)
    result = CliRunner().invoke(command, [str(folder / "in.csv"), "--out", str(folder / "cube"), *options])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output.splitlines()


ONE_YEAR = towers()[lambda frame: frame.date < "2002"]


@pytest.mark.parametrize(
    ("frame", "options", "split"),
    [
        (towers(), TOWERS, "last-year-of-each-place"),
        (towers(), (*TOWERS, "--split", "part"), "column"),
        (ONE_YEAR, TOWERS, "share:0.2"),
        (houses(), HOUSES, "blocks:800,5"),
        (houses().head(4), HOUSES, "share:0.2"),
        # Every place has one year only, although the years differ.
        (
            pd.concat([ONE_YEAR, ONE_YEAR.assign(site="DD", date="2003" + ONE_YEAR.date.str[4:])[:12]]),
            TOWERS,
            "share:0.2",
        ),
    ],
    ids=["years", "own", "one year", "blocks", "few", "one year a place"],
)
def test_the_next_command_names_a_split_that_works(
    frame: pd.DataFrame, options: tuple[str, ...], split: str, tmp_path: Path
) -> None:
    last = said(tmp_path, frame, *options)[-1]
    assert last == f"next: bench run --suite full --dataset {tmp_path / 'cube'} --split {split}"


def test_a_single_sample_cannot_be_split(tmp_path: Path) -> None:
    assert said(tmp_path, houses().head(1), *HOUSES)[-1].startswith("No split leaves samples")


def test_runners_that_cannot_use_the_data_are_named_once_with_the_reason(tmp_path: Path) -> None:
    lines = [line for line in said(tmp_path, houses(), *HOUSES) if line.startswith("cannot run")]
    [seasonal] = [line for line in lines if "gtwr" in line]
    assert "gtnnwr" in seasonal and "rhythm 'none'" in seasonal
