"""The way in from Python: run, plan, results, predictions, report, register."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.data.cube_zarr import write_cube
from bench.errors import BenchError
from bench.runners import registry
from tests.conftest import make_cube


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")
    registry.reload()
    write_cube(tmp_path / "toy.zarr", make_cube())
    return {"dataset": str(tmp_path / "toy.zarr"), "profile": "smoke", "store": tmp_path / "runs"}


def test_from_registering_a_regressor_to_its_row_in_table_1(
    toy: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from sklearn.linear_model import Ridge

    entry = bench.register(Ridge(alpha=2.0), name="my_ridge", title="My ridge")
    assert entry.parameters["alpha"] == 2.0
    wanted = {**toy, "only": "my_ridge,climatology"}
    assert [item.state for item in bench.plan("full", **wanted)] == ["missing", "missing"]
    done = bench.run("full", quiet=True, **wanted)
    assert done.failures == 0 and done.summary.counts == {"done": 2}
    assert capsys.readouterr().out == ""
    assert bench.run("full", quiet=True, **wanted).summary.already_done == 2

    table = bench.results(toy["store"]).set_index(["runner", "part", "metric"])
    line = table.loc["my_ridge", "test", "rmse"]
    assert line["low"] <= line["value"] <= line["high"] and line["runs"] == line["planned"] == 1
    samples = bench.predictions("my_ridge", toy["store"])
    error = np.sqrt(((samples["prediction"].astype(float) - samples["target"]) ** 2).mean())
    assert error == pytest.approx(line["value"], rel=1e-5)
    assert samples.equals(bench.predictions(line["jobs"][0], toy["store"]))
    assert {"cell", "time", "lon", "lat", "date"} <= set(samples)

    report = bench.report(store=toy["store"], figures=False)
    assert [row.label for row in report.tables["table1"].rows][:2] == ["Cell × step climatology", "My ridge"]
    assert all(path.is_file() for path in report.files)
    everything = bench.results(toy["store"], groups=None)
    assert set(everything["group"]) > {"all"} and set(everything["suite"]) == {"full"}


def test_settings_make_a_row_of_their_own(toy: dict[str, Any]) -> None:
    bench.register("sklearn.linear_model.Ridge")
    bench.run("full", quiet=True, only="sklearn_ridge", **toy)
    bench.run("full", quiet=True, only="sklearn_ridge", settings="sklearn_ridge.alpha=1000000", **toy)
    table = bench.results(toy["store"]).query("part == 'test' and metric == 'rmse'").set_index("variant")
    assert set(table.index) == {None, "alpha=1000000"}
    assert table.loc["alpha=1000000", "value"] > 1.05 * table[table.index.isna()]["value"].iloc[0]
    [registered] = table[table.index.isna()]["jobs"].iloc[0]
    named = bench.predictions("sklearn_ridge", toy["store"])
    assert named.equals(bench.predictions(registered, toy["store"])), "the newer job is one that settings changed"


def test_predictions_are_of_one_data_set_and_profile(toy: dict[str, Any], tmp_path: Path) -> None:
    first = {**toy, "only": "climatology"}
    write_cube(tmp_path / "other.zarr", make_cube(seed=3))
    other = {**first, "dataset": str(tmp_path / "other.zarr")}
    bench.run("full", quiet=True, **first)
    bench.run("full", quiet=True, **other)
    names = [f"toy@{bench.plan('full', **asked)[0].job.dataset_fingerprint[:12]}" for asked in (first, other)]
    of_first = bench.predictions("climatology", toy["store"], dataset=names[0])
    of_other = bench.predictions("climatology", toy["store"], dataset=names[1], profile=toy["profile"])
    assert not of_first["target"].equals(of_other["target"])
    assert bench.predictions("climatology", toy["store"]).equals(of_other), "not named: the data of its newest job"
    with pytest.raises(BenchError, match="has no job of runner 'climatology'.*profile paper"):
        bench.predictions("climatology", toy["store"], profile="paper")
    with pytest.raises(BenchError, match="has no job of runner 'climatology'.*target RECO"):
        bench.predictions("climatology", toy["store"], target="RECO")
    assert bench.predictions("climatology", toy["store"], target="GPP").equals(of_other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"profiel": "smoke"}, "Unknown option 'profiel': did you mean 'profile'"),
        ({"suite": "ful"}, "Unknown suite 'ful'"),
        ({"weeks": "one"}, "give whole numbers"),
        ({"only": ["no_such"]}, "Unknown runner or family 'no_such'"),
        ({"jobs_at_once": 0}, "--jobs is 0"),
    ],
)
def test_mistakes_are_one_sentence(toy: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        bench.plan("full", **{**toy, **fields})


def test_questions_to_an_empty_store_are_one_sentence(tmp_path: Path) -> None:
    for ask in (bench.results, lambda store: bench.report(store=store), lambda store: bench.predictions("x", store)):
        with pytest.raises(BenchError, match="no result store|holds no run|There is no"):
            ask(tmp_path / "none")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, bench; print([m for m in ('numpy', 'pandas', 'pydantic', 'click', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert set(bench.__all__) <= set(dir(bench))
