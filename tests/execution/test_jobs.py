"""What happens to a job: done, failed, timeout, oom, skipped; and that others never notice."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from bench.data.cube_zarr import write_cube
from bench.runners import registry
from bench.store.records import Record
from bench.store.store import Store
from tests.conftest import Bench, bench_environment, make_cube

QUICK = "tests.support.runners:QUICK"
BAD = "tests.support.runners:BAD"


@pytest.fixture
def data(tmp_path: Path) -> str:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return str(tmp_path / "toy.zarr")


def run(bench: Bench, data: str, *arguments: str, plugins: str = QUICK, expect: int = 0, **environment: str) -> str:
    result = bench(
        "run", "--suite", "full", "--profile", "smoke", "--dataset", data, *arguments, plugins=plugins, **environment
    )
    assert result.returncode == expect, result.stdout + result.stderr
    return result.stdout


def records(folder: Path) -> dict[str, Record]:
    return {record.job.runner: record for record in Store(folder / "runs").records()}


def test_a_run_stores_records_predictions_and_statistics(bench: Bench, data: str, tmp_path: Path) -> None:
    out = run(bench, data, "--only", "climatology,noise_a")
    assert "2 done; 0 done before" in out
    cube, found = make_cube(), records(tmp_path)
    for record in found.values():
        predictions = pd.read_parquet(tmp_path / "runs" / "cells" / record.job_id / "predictions.parquet")
        assert len(predictions) == record.n_test == 30 * 46
        np.testing.assert_array_equal(predictions["target"], cube.target[predictions["cell"], predictions["time"]])
        rmse = np.sqrt(np.mean((predictions["prediction"].astype(float) - predictions["target"].astype(float)) ** 2))
        assert record.metrics["test"]["rmse"] == pytest.approx(rmse, rel=1e-6)
        assert (record.peak_memory_bytes or 0) > 50e6 and record.threads is not None and record.fit_seconds is not None
    manifest = json.loads(next((tmp_path / "runs" / "manifests").glob("*.json")).read_text())
    assert {job["runner"] for job in manifest["cells"]} == {"climatology", "noise_a"}


def test_the_record_says_how_the_training_ended(bench: Bench, data: str, tmp_path: Path) -> None:
    plugins = "tests.support.runners:UNFINISHED,tests.support.runners:QUICK"
    run(bench, data, "--only", "unfinished,noise_a", plugins=plugins)
    assert {name: record.training_ended for name, record in records(tmp_path).items()} == {
        "unfinished": "budget",
        "noise_a": None,
    }


def test_a_second_run_has_nothing_to_do_and_failed_jobs_wait_for_retry(bench: Bench, data: str, tmp_path: Path) -> None:
    both = QUICK + "," + BAD
    run(bench, data, "--only", "noise_a,raising", plugins=both, expect=1)
    before = records(tmp_path)
    out = run(bench, data, "--only", "noise_a,raising", plugins=both, expect=1)
    assert "nothing to do; 1 done before" in out and "--retry failed" in out
    assert records(tmp_path) == before
    run(bench, data, "--only", "noise_a,raising", "--retry", "failed", plugins=both, expect=1)
    after = records(tmp_path)
    assert after["noise_a"] == before["noise_a"]
    assert after["raising"].started > before["raising"].started


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        ("raising", "RuntimeError: the model does not converge"),
        ("dying", "exit code 7"),
        ("not_a_number", "1380 NaN or infinite predictions of the test part"),
        ("too_few", r"(29, 46) predictions of the test part instead of (30, 46)"),
    ],
)
def test_a_failing_job_is_recorded_with_its_reason(
    bench: Bench, data: str, tmp_path: Path, runner: str, reason: str
) -> None:
    run(bench, data, "--only", runner, plugins=BAD, expect=1)
    record = records(tmp_path)[runner]
    assert record.status == "failed" and reason in (record.reason or "")
    assert not record.interrupted
    log = (tmp_path / "runs" / "cells" / record.job_id / "log.txt").read_text()
    assert runner != "raising" or "Traceback" in log


@pytest.mark.alone
def test_a_job_that_never_returns_and_one_that_eats_memory_end_within_their_limits(
    bench: Bench, data: str, tmp_path: Path
) -> None:
    both = QUICK + "," + BAD
    chosen = "endless,greedy,greedy_at_once,noise_a,noise_d"
    out = run(bench, data, "--only", chosen, "--timeout", "6", "--memory", "0.9", "--jobs", "2", plugins=both, expect=1)
    found = records(tmp_path)
    assert {name: record.status for name, record in found.items()} == {
        "endless": "timeout",
        "greedy": "oom",
        "greedy_at_once": "oom",
        "noise_a": "done",
        "noise_d": "done",
    }, out
    assert 6 <= (found["endless"].wall_seconds or 0) < 7
    assert 0.9e9 < (found["greedy"].peak_memory_bytes or 0) < 1.9e9
    assert "no result within 6 s" in (found["endless"].reason or "")
    again = run(
        bench, data, "--only", chosen, "--timeout", "6", "--memory", "0.9", "--retry", "oom", plugins=both, expect=1
    )
    assert "2 oom; 2 done before" in again


def test_an_unavailable_runner_is_skipped_with_the_remedy(bench: Bench, data: str, tmp_path: Path) -> None:
    out = run(bench, data, "--only", "unavailable,climatology", plugins="tests.support.runners:UNAVAILABLE")
    assert "1 done, 1 skipped" in out or "1 skipped, 1 done" in out
    record = records(tmp_path)["unavailable"]
    assert record.status == "skipped" and "pip install" in (record.reason or "")


def test_a_job_that_cannot_fit_is_refused_before_anything_starts(bench: Bench, data: str, tmp_path: Path) -> None:
    out = run(bench, data, "--only", "climatology", "--memory", "0.1")
    assert "skipped - needs about 0.3 GB, its cap is 0.1 GB" in out
    plan = bench(
        "plan", "--suite", "full", "--profile", "smoke", "--dataset", data, "--only", "climatology", "--memory", "0.1"
    )
    assert "too large" in plan.stdout


def test_artefacts_go_unless_asked_for(bench: Bench, data: str, tmp_path: Path) -> None:
    plugin = "tests.support.runners:LITTERING"
    run(bench, data, "--only", "littering", plugins=plugin)
    assert not list((tmp_path / "runs").rglob("model.bin")) and not list(tmp_path.rglob("left-behind.txt"))
    run(bench, data, "--only", "littering", "--first-repeat", "1", "--keep-artefacts", plugins=plugin)
    [kept] = (tmp_path / "runs").rglob("model.bin")
    assert kept.parent.name == "artefacts"


def test_the_same_numbers_whatever_the_number_of_workers_and_whoever_else_runs(
    bench: Bench, data: str, tmp_path: Path
) -> None:
    run(bench, data, "--only", "noise_a,noise_b,climatology", "--jobs", "3")
    alone = bench(
        "run",
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        data,
        "--only",
        "noise_b",
        "--jobs",
        "1",
        plugins=QUICK,
        BENCH_STORE=str(tmp_path / "other"),
    )
    assert alone.returncode == 0
    first = records(tmp_path)["noise_b"]
    [second] = Store(tmp_path / "other").records()
    assert (first.job_id, first.files) == (second.job_id, second.files)


def test_repetitions_differ_and_unseeded_runners_run_once(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_a,climatology", "--repeats", "3")
    found = list(Store(tmp_path / "runs").records())
    rmse = {record.job.repetition: record.metrics["test"]["rmse"] for record in found if record.job.runner == "noise_a"}
    assert sorted(rmse) == [0, 1, 2] and len(set(rmse.values())) == 3
    assert sum(record.job.runner == "climatology" for record in found) == 1


def test_a_damaged_job_is_set_aside_and_repeated(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_a")
    record = records(tmp_path)["noise_a"]
    path = tmp_path / "runs" / "cells" / record.job_id / "record.json"
    path.write_text("{")
    listing = bench("ls", "cells", plugins=QUICK)
    assert "corrupt" in listing.stdout
    report = bench("report", plugins=QUICK)
    assert report.returncode == 0 and "sets a damaged job aside" in report.stderr
    run(bench, data, "--only", "noise_a")
    again = records(tmp_path)["noise_a"]
    assert again.files == record.files
    assert list((tmp_path / "runs" / "quarantine").iterdir())


def test_why_names_the_part_of_the_fingerprint_that_changed(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_b")
    changed = "tests.support.changed:ENTRIES"
    result = bench("why", "noise_b", plugins=QUICK)
    assert "done" in result.stdout
    run(bench, data, "--only", "noise_b", plugins=changed)
    old = [record for record in Store(tmp_path / "runs").records() if record.job.parameters["seconds"] == 0.1][0]
    result = bench("why", old.job_id, plugins=changed)
    assert "stale" in result.stdout and "parameters.seconds: 0.1 → 0.0" in result.stdout
    assert bench("why", "lightgbn", plugins=changed).returncode == 2


def test_why_says_of_a_killed_job_that_it_is_repeated_unasked(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_b")
    record = records(tmp_path)["noise_b"]
    killed = record.model_copy(update={"status": "failed", "interrupted": True, "reason": "ended by SIGKILL"})
    path = tmp_path / "runs" / "cells" / record.job_id / "record.json"
    path.write_text(killed.model_dump_json(by_alias=True))
    assert (
        "interrupted: ended by SIGKILL; the next run repeats it unasked"
        in bench("why", record.job_id, plugins=QUICK).stdout
    )


@pytest.mark.alone
def test_the_harness_itself_stays_small(data: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "run", "--suite", "full", "--profile", "smoke", "--dataset", data]
    process = psutil.Popen(
        [*command, "--only", "noise_a,noise_b,noise_c,noise_d,climatology"],
        env=bench_environment(tmp_path, QUICK),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            peak = max(peak, process.memory_info().rss)
        time.sleep(0.02)
    assert process.returncode == 0
    assert 20e6 < peak < 500e6


def test_a_crash_after_the_result_is_whole_loses_nothing(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "crashing_at_exit", plugins="tests.support.runners:CRASHING_AT_EXIT")
    assert records(tmp_path)["crashing_at_exit"].status == "done"


def test_a_changed_file_is_noticed_by_the_next_run_and_computed_anew(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_a")
    record = records(tmp_path)["noise_a"]
    path = tmp_path / "runs" / "cells" / record.job_id / "statistics.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert f"{record.job_id}/statistics.parquet is missing or damaged" in bench("report", plugins=QUICK).stderr
    assert "1 done; 0 done before" in run(bench, data, "--only", "noise_a")
    assert bench("report", plugins=QUICK).returncode == 0
    assert records(tmp_path)["noise_a"].files == record.files


def test_a_damaged_manifest_is_set_aside_by_the_next_run(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "noise_a")
    [manifest] = (tmp_path / "runs" / "manifests").glob("*.json")
    manifest.write_text("{")
    refused = bench("report", plugins=QUICK)
    assert refused.returncode == 2 and "holds no run that can be read" in refused.stderr
    run(bench, data, "--only", "noise_a")
    assert bench("report", plugins=QUICK).returncode == 0
    assert list((tmp_path / "runs" / "quarantine").iterdir())


def test_a_nan_in_the_data_is_refused_by_plan_and_run_and_named(bench: Bench, data: str, tmp_path: Path) -> None:
    chunk = next((Path(data) / "target").rglob("0/0"))
    values = np.fromfile(chunk, "<f4")
    values[92 + 60] = np.nan
    values.tofile(chunk)
    for verb in ("plan", "run"):
        result = bench(verb, "--suite", "full", "--profile", "smoke", "--dataset", data, plugins=QUICK)
        assert result.returncode == 2 and "missing values, of which its record knows nothing" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_fewer_jobs_run_at_once_where_the_largest_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.data.datasets import OpenedDataset
    from bench.execution import planning
    from bench.suites.options import SuiteOptions
    from bench.suites.suites import make_jobs

    cube = make_cube()
    jobs = make_jobs(
        "full", OpenedDataset(cube, Path(), "toy", ""), SuiteOptions(profile="smoke", only=("random_forest",))
    )
    monkeypatch.setattr(planning, "available_cores", lambda: 8)
    monkeypatch.setattr(planning, "available_memory", lambda: 8_000_000_000)
    assert planning.estimate(jobs[0], cube).memory_bytes > 2e9
    assert planning.default_at_once(jobs, cube) == 3


def test_the_memory_of_scoring_is_planned_for() -> None:
    from bench.data.datasets import OpenedDataset
    from bench.execution import planning
    from bench.suites.options import SuiteOptions
    from bench.suites.suites import make_jobs

    def expected(runner: str, n_cells: int) -> int:
        cube = make_cube(n_cells=n_cells)
        options = SuiteOptions(profile="laptop", only=(runner,))
        [job] = make_jobs("full", OpenedDataset(cube, Path(), "toy", ""), options)
        return planning.estimate(job, cube).memory_bytes

    samples, test, features = 2 * 46 * 1000, 46 * 1000, 3 + 4
    for runner, weights in (("training_mean", 0), ("dual_branch_plus", 10 * features * test)):
        fitting = registry.get(runner).cost.bytes_per_value * samples
        grown = expected(runner, 1030) - expected(runner, 30)
        assert grown == pytest.approx(fitting + 8 * samples + 32 * test + weights, abs=2)


def test_unseeded_runners_have_one_job_whatever_the_seed(bench: Bench, data: str, tmp_path: Path) -> None:
    run(bench, data, "--only", "climatology")
    assert "nothing to do; 1 done before" in run(bench, data, "--only", "climatology", "--first-repeat", "5")
