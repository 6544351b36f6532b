"""Each command end to end, and every kind of bad input: one sentence, exit code 2, nothing stored lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench.cli import _VERBS
from bench.data.cube_zarr import write_cube
from tests.conftest import ROOT, Bench, make_cube

QUICK = "tests.support.runners:QUICK"


@pytest.fixture
def data(tmp_path: Path) -> str:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return str(tmp_path / "toy.zarr")


@pytest.fixture
def finished(bench: Bench, data: str) -> str:
    result = bench(
        "run",
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        data,
        "--only",
        "noise_a,climatology",
        plugins=QUICK,
    )
    assert result.returncode == 0, result.stderr
    return data


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_explains_itself_with_examples(bench: Bench, verb: str) -> None:
    result = bench(verb, "--help")
    assert result.returncode == 0
    assert "Usage: bench " + verb in result.stdout and "bench " + verb in result.stdout.partition("Example")[2]


@pytest.mark.alone
def test_help_answers_in_under_half_a_second() -> None:
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bench", "--help"], check=True, capture_output=True, cwd=ROOT)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.5


def test_plan_lists_jobs_with_state_and_needs_without_creating_a_store(bench: Bench, data: str, tmp_path: Path) -> None:
    arguments = ("plan", "--suite", "full", "--profile", "smoke", "--dataset", data, "--only", "reference,noise_a")
    planned = json.loads(bench(*arguments, "--json", plugins=QUICK).stdout)
    assert [row["runner"] for row in planned["jobs"]] == [
        "training_mean",
        "climatology",
        "noise_a",
    ]
    assert all(row["state"] == "missing" and row["memory_bytes"] > 0 and row["seconds"] > 0 for row in planned["jobs"])
    assert "missing" in bench(*arguments, plugins=QUICK).stdout
    assert not (tmp_path / "runs").exists()


def test_plan_knows_what_is_done_and_takes_times_from_it(bench: Bench, finished: str) -> None:
    result = bench(
        "plan",
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        finished,
        "--only",
        "noise_a,noise_b",
        "--json",
        plugins=QUICK,
    )
    assert {row["runner"]: row["state"] for row in json.loads(result.stdout)["jobs"]} == {
        "noise_a": "done",
        "noise_b": "missing",
    }


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("suites", "fewshot"),
        ("runners", "catboost"),
        ("datasets", "simulated"),
        ("profiles", "laptop"),
        ("views", "window"),
    ],
)
def test_ls_lists(bench: Bench, what: str, name: str) -> None:
    assert name in bench("ls", what).stdout
    assert name in {row["name"] for row in json.loads(bench("ls", what, "--json").stdout)}


def test_ls_jobs_and_info_show_a_stored_job(bench: Bench, finished: str) -> None:
    rows = json.loads(bench("ls", "cells", "--json", plugins=QUICK).stdout)
    assert {row["status"] for row in rows} == {"done"} and len(rows) == 2
    shown = json.loads(bench("info", rows[0]["id"], "--json", plugins=QUICK).stdout)
    assert shown["metrics"]["test"]["rmse"] == pytest.approx(rows[0]["test_rmse"])
    assert "metrics:" in bench("info", rows[0]["id"], plugins=QUICK).stdout


def test_info_shows_runners_and_data_sets(bench: Bench) -> None:
    assert "num_leaves: 128" in bench("info", "lightgbm_large").stdout
    described = json.loads(bench("info", "simulated:cells=64,years=2", "--json").stdout)
    assert described["cells"] == 64 and len(described["climate"]) == 26


def test_why_explains_done_and_missing(bench: Bench, finished: str, tmp_path: Path) -> None:
    rows = json.loads(bench("ls", "cells", "--json", plugins=QUICK).stdout)
    assert "fingerprint unchanged" in bench("why", rows[0]["id"], plugins=QUICK).stdout
    gone = json.loads(bench("why", "noise_a", "--json").stdout)  # whose plug-in is not loaded
    assert gone[0]["state"] == "done" and "no runner of the name 'noise_a' is here now" in gone[0]["because"]
    shutil.rmtree(tmp_path / "runs" / "cells" / rows[0]["id"])
    answer = json.loads(bench("why", rows[0]["id"], "--json", plugins=QUICK).stdout)
    assert answer[0]["state"] == "missing" and "run the same command again" in answer[0]["because"]


def test_report_writes_tables_and_every_number(bench: Bench, finished: str, tmp_path: Path) -> None:
    result = bench("report", plugins=QUICK)
    assert result.returncode == 0 and "2 of 2 jobs done" in result.stdout
    folder = tmp_path / "runs" / "report"
    assert {item.name for item in folder.iterdir()} == {
        *(f"{table}.{extension}" for table in ("table1", "costs_full") for extension in ("tex", "csv", "md")),
        "files.json",
        "metrics_full.csv",
        "numbers.tex",
        "tables.tex",
        "figures",
        "answer.md",
    }
    names = ("observed_predicted", "residual_maps", "error_groups")
    drawn = {f"full_{name}.{extension}" for name in names for extension in ("pdf", "png", "json")}
    assert {item.name for item in (folder / "figures").iterdir()} == drawn
    assert "No figure: Learning curves (full): every run of this suite trains on all places." in result.stdout
    arguments = ("report", "--json", "--no-figures", "--out", str(tmp_path / "elsewhere"))
    assert json.loads(bench(*arguments, plugins=QUICK).stdout)["files"]
    assert (tmp_path / "elsewhere" / "table1.tex").read_text() == (folder / "table1.tex").read_text()
    assert not (tmp_path / "elsewhere" / "figures").exists()


def test_a_run_with_nothing_to_do_still_describes_its_data_set(bench: Bench, finished: str, tmp_path: Path) -> None:
    [described] = (tmp_path / "runs" / "datasets").iterdir()
    content = {item.name: item.read_bytes() for item in described.iterdir()}
    assert set(content) == {"dataset.json", "cells.parquet", "times.parquet"}
    shutil.rmtree(tmp_path / "runs" / "datasets")  # as in a store of an earlier version
    arguments = ("--suite", "full", "--profile", "smoke", "--dataset", finished, "--only", "noise_a,climatology")
    result = bench("run", *arguments, plugins=QUICK)
    assert result.returncode == 0 and "nothing to do; 2 done before" in result.stdout
    assert {item.name: item.read_bytes() for item in described.iterdir()} == content


def test_the_fewshot_suite_runs_and_gives_tables_2_and_3(bench: Bench, data: str, tmp_path: Path) -> None:
    arguments = (
        "--suite",
        "fewshot",
        "--weeks",
        "1,40",
        "--profile",
        "smoke",
        "--dataset",
        data,
        "--only",
        "noise_a,climatology",
    )
    result = bench("run", *arguments, "--train-cells", "5,10", "--with", "noise_a", "--repeats", "2", plugins=QUICK)
    assert result.returncode == 0 and "8 done" in result.stdout, result.stdout + result.stderr
    report = bench("report", "--no-figures", plugins=QUICK)
    assert "W40 RMSE" in report.stdout and "Unseen cells" in report.stdout and "(5 cells)" in report.stdout
    assert "GNNWR (not in this run)" in report.stdout
    assert (tmp_path / "runs" / "report" / "table3.tex").exists()


def test_data_info_verify_and_audit(bench: Bench, data: str) -> None:
    assert "every value finite. OK" in bench("data", "verify", data).stdout
    assert json.loads(bench("data", "info", "simulated:cells=64,years=2", "--json").stdout)["steps"] == 92
    audit = json.loads(bench("data", "audit", data, "--runner", "climatology", "--json").stdout)
    assert audit["passed"] and audit["runner_saw_training_only"] and audit["shared_samples"] == 0
    leak = bench("data", "audit", "--dataset", data, "--runner", "peeking", plugins="tests.support.runners:PEEKING")
    assert leak.returncode == 2 and "found a leak" in leak.stderr
    said = [" ".join(line.split()) for line in leak.stdout.splitlines()]
    assert "Samples in both 0" in said and "Fit of peeking LEAK: depends on other values" in said
    two = bench("data", "verify", data, "--dataset", "northchina")
    assert two.returncode == 2 and "Two data sets are named" in two.stderr


def test_info_tells_of_a_regressor_and_of_a_folder(bench: Bench, data: str) -> None:
    assert "sklearn.linear_model.Ridge" in bench("info", "sklearn:sklearn.linear_model.Ridge").stdout
    assert f"folder: {data}" in bench("info", data).stdout


def test_doctor_names_what_is_missing_with_a_remedy(bench: Bench) -> None:
    result = bench("doctor", "--json", plugins="tests.support.runners:UNAVAILABLE")
    assert result.returncode == 1
    [finding] = [item for item in json.loads(result.stdout) if item["subject"] == "runner unavailable"]
    assert not finding["ok"] and "pip install" in finding["remedy"]
    assert "NO  runner unavailable" in bench("doctor", plugins="tests.support.runners:UNAVAILABLE").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(bench: Bench, shell: str) -> None:
    assert "_BENCH_COMPLETE" in bench("completion", shell).stdout


def test_completion_completes_verbs(bench: Bench) -> None:
    result = bench(_BENCH_COMPLETE="bash_complete", COMP_WORDS="bench rep", COMP_CWORD="1")
    assert result.stdout.split() == ["plain,report"]


def test_the_cli_works_without_the_runners_packages(tmp_path: Path) -> None:
    """AutoGluon, torch and the others are made unfindable: the command line answers and says what is unavailable."""
    code = (
        "import sys, importlib.metadata as m; real = m.version\n"
        "hidden = {'autogluon.tabular', 'torch', 'lightgbm', 'catboost', 'xgboost-cpu', 'fastai'}\n"
        "def version(name):\n"
        "    if name in hidden: raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
        "for name in ('autogluon', 'torch', 'lightgbm', 'catboost', 'xgboost', 'fastai'): sys.modules[name] = None\n"
        "sys.argv = ['bench', 'ls', 'runners', '--json']\n"
        "from bench.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    rows = {row["name"]: row["unavailable"] for row in json.loads(result.stdout)}
    assert rows["climatology"] is None
    assert (
        rows["catboost"]
        == "needs autogluon.tabular, catboost: pip install 'climate2gpp-bench[runners]' --constraint constraints.txt"
    )


BAD = [
    (("run", "--suite", "ful"), "Unknown suite 'ful': did you mean 'full'"),
    (("run", "--suite", "full", "--dataset", "northchino"), "Unknown data set 'northchino': did you mean 'northchina'"),
    (
        ("run", "--suite", "full", "--dataset", "DATA", "--only", "lightgmb"),
        "Unknown runner or family 'lightgmb': did you mean 'lightgbm'",
    ),
    (
        ("run", "--suite", "full", "--dataset", "DATA", "--profile", "laptob"),
        "Unknown profile 'laptob': did you mean 'laptop'",
    ),
    (
        ("run", "--suite", "full", "--dataset", "DATA", "--view", "locatd"),
        "Unknown view 'locatd': did you mean 'located'",
    ),
    (
        ("run", "--suite", "full", "--dataset", "DATA", "--retry", "faild"),
        "Unknown state for --retry 'faild': did you mean 'failed'",
    ),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "0"), "Week 0 is outside 1–366"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "47"), "no 8-day step 47 of the year"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "one"), "'one' is no whole number"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "3,3"), "Week 3 is named twice"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", ","), "--weeks names no week"),
    (("plan", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "1,10,99"), "no 8-day step 99 of the year"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--train-cells", "31"), "--train-cells 31 is outside 1–30"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--train-cells", "5,31"), "--train-cells 31 is outside 1–30"),
    (("plan", "--suite", "fewshot", "--dataset", "DATA", "--train-cells", "0"), "--train-cells 0 is outside 1–30"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--train-cells", "ten"), "'ten' is no whole number"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--with", "lightgbn"), "Unknown runner 'lightgbn'"),
    (("run", "--suite", "full", "--dataset", "DATA", "--jobs", "0"), "--jobs is 0"),
    (("run", "--suite", "full", "--dataset", "DATA", "--jobs", "two"), "'two' is not a valid integer"),
    (("run", "--suite", "full", "--dataset", "DATA", "--memory", "-1"), "--memory is -1 GB"),
    (("run", "--suite", "full", "--dataset", "DATA", "--timeout", "0"), "--timeout is 0 s"),
    (("run", "--suite", "full", "--dataset", "DATA", "--repeats", "0"), "--repeats must be at least 1"),
    (("run", "--suite", "full", "--dataset", "DATA", "--only", "climatology", "--skip", "reference"), "Nothing to run"),
    (("run", "--suite", "full", "--dataset", "./nowhere.zarr"), "no cube of this project"),
    (("run", "--suite", "full", "--dataset", "simulated:cells=8"), "64"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--weeks", "²"), "'²' is no whole number"),
    (("run", "--suite", "fewshot", "--dataset", "DATA", "--train-cells", "+-5"), "'+-5' is no whole number"),
    (("run", "--suite", "full", "--dataset", "DATA", "--memory", "nan"), "--memory is nan GB"),
    (("run", "--suite", "full", "--dataset", "DATA", "--timeout", "inf"), "--timeout is inf s"),
    (("run", "--suite", "full", "--dataset", "DATA", "--store", "DATA/zarr.json"), "is a file, not a folder"),
    (("report", "--out", "toy.zarr/zarr.json"), "is a file, not a folder"),
    (("run",), "Missing option '--suite'"),
    (("rum",), "Unknown command 'rum': did you mean 'run'"),
    (("ls", "runers"), "Unknown list 'runers': did you mean 'runners'"),
    (("info", "lightgb"), "Unknown name 'lightgb': did you mean 'lightgbm"),
    (("info", "0123456789abcdef"), "There is no job 0123456789abcdef"),
    (("why", "../../etc"), "neither a job nor a runner"),
    (("report", "--suite", "fewshot"), "holds no run of suite 'fewshot'"),
    (("report", "--weighting", "areal"), "Unknown weighting 'areal': did you mean 'area'"),
    (("report", "--dataset", "moon"), "holds no run of suite 'full', data set moon"),
    (("report", "--store", "elsewhere"), "There is no result store in elsewhere"),
    (("data", "info", "nothing"), "Unknown data set 'nothing'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_code_2(
    bench: Bench, arguments: tuple[str, ...], message: str, tmp_path: Path, stored_once: Path, data: str
) -> None:
    shutil.copytree(stored_once, tmp_path / "runs")
    before = snapshot(tmp_path / "runs")
    result = bench(*(item.replace("DATA", data) for item in arguments), plugins=QUICK)
    assert result.returncode == 2, result.stdout + result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert snapshot(tmp_path / "runs") == before


@pytest.fixture(scope="module")
def stored_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one finished run, made once and copied for each bad input."""
    from tests.conftest import bench_environment

    folder = tmp_path_factory.mktemp("stored")
    write_cube(folder / "toy.zarr", make_cube())
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        str(folder / "toy.zarr"),
        "--only",
        "climatology",
    ]
    subprocess.run(command, env=bench_environment(folder, QUICK), check=True, capture_output=True, cwd=folder)
    return folder / "runs"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(item.relative_to(folder)): item.read_bytes() for item in folder.rglob("*") if item.is_file()}


def test_a_cube_with_nan_is_refused_by_verify(bench: Bench, data: str, tmp_path: Path) -> None:
    chunk = next((Path(data) / "target").rglob("0/0"))
    values = np.fromfile(chunk, "<f4")
    values[11] = np.nan
    values.tofile(chunk)
    result = bench("data", "verify", data)
    assert (
        result.returncode == 2 and "its target has missing values, of which its record knows nothing" in result.stderr
    )


def test_a_store_of_a_newer_version_is_refused(bench: Bench, finished: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "store.json").write_text('{"schema_version": 2}')
    for verb in (("report",), ("run", "--suite", "full", "--dataset", finished)):
        result = bench(*verb, plugins=QUICK)
        assert result.returncode == 2 and "written by a newer version" in result.stderr


def test_a_broken_plug_in_is_named_and_disables_nothing(bench: Bench) -> None:
    result = bench("ls", "runners", plugins="no_such_module:X")
    assert result.returncode == 0 and "lightgbm" in result.stdout
    assert "The BENCH_PLUGINS 'no_such_module:X' cannot be imported" in result.stderr


@pytest.mark.parametrize("content", ["def broken(:", "ENTRIES = 3"])
def test_a_plug_in_that_does_not_even_parse_is_named(bench: Bench, tmp_path: Path, content: str) -> None:
    (tmp_path / "broken_plugin.py").write_text(content)
    result = bench("doctor", plugins="broken_plugin:ENTRIES", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    [line] = [line for line in result.stdout.splitlines() if line.startswith("NO  plug-in: skipped")]
    assert "broken_plugin" in line


def test_a_cube_with_damaged_metadata_is_named(bench: Bench, data: str) -> None:
    metadata = Path(data) / "zarr.json"
    content = json.loads(metadata.read_text())
    del content["attributes"]["schema"]["static_names"]
    metadata.write_text(json.dumps(content))
    result = bench("data", "info", data)
    assert result.returncode == 2 and "metadata of cube" in result.stderr


def test_why_compares_with_what_would_be_planned_now(bench: Bench, finished: str) -> None:
    result = bench(
        "run", "--suite", "full", "--profile", "smoke", "--dataset", finished, "--only", "noise_b", plugins=QUICK
    )
    assert result.returncode == 0
    answer = json.loads(bench("why", "noise_b", "--json", plugins="tests.support.changed:ENTRIES").stdout)
    assert answer[0]["state"] == "stale" and answer[0]["changes"] == {"parameters.seconds": [0.1, 0.0]}
