"""`python -m tools.perf`: what it counts, what it compares, what it prints, and what it refuses."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from tests.conftest import bench_environment

torch = pytest.importorskip("torch")

from models.dual_branch import DualBranchOptions, DualBranchRegressor, TrainingOptions  # noqa: E402
from tools.perf import gwr, machine, scale, train, train_pieces, training_tasks  # noqa: E402
from tools.perf.fresh_process import Measured, in_fresh_process  # noqa: E402
from tools.perf.operations import matrix_operations  # noqa: E402

pytestmark = pytest.mark.runners
HEADER = {"schema_version", "command", "date", "bench_version", "host", "packages", "options", "matrix_rate"}
GWR_ROW = {"n", "own", "mgwr", "mgwr_skipped", "speed_ratio", "same_bandwidth", "aicc_difference"}
TRAIN_ROW = {
    "model",
    "batch_size",
    "precision",
    "samples_per_second",
    "operations_per_sample",
    "matrix_rate_share",
    "reference_samples_per_second",
    "reference_ratio",
}


def perf(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Calls ``python -m tools.perf`` in a process of its own."""
    command = [sys.executable, "-m", "tools.perf", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=bench_environment(folder), cwd=folder, timeout=300
    )


def small_letter(data: training_tasks.RandomData, device: str) -> training_tasks.Trainable:
    options = DualBranchOptions(reading="window", n_nodes=12, k=4, width=8, blocks=1, window=3)
    return training_tasks._on_windows(DualBranchRegressor(options, TrainingOptions(device=device)), data)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, without a process of their own, and a machine of 1 TFLOP/s: quick."""

    def call(target: str, arguments: dict[str, Any], *, threads: int) -> Measured:
        if target == "tools.perf.machine:measure_rates":
            rates = dict.fromkeys(arguments["dtypes"], 1e12)
            return Measured({"device": "cpu", "device_name": None, "per_second": rates}, 1)
        module, _, function = target.partition(":")
        answer = getattr(importlib.import_module(module), function)(**arguments)
        return Measured(json.loads(json.dumps(answer)), 1)

    for module in (gwr, machine, scale, train):
        monkeypatch.setattr(module, "in_fresh_process", call)


def test_operations_of_products_are_counted_whatever_kernel_hides_them() -> None:
    left, right = torch.ones(10, 20, dtype=torch.float64), torch.ones(20, 30, dtype=torch.float64)
    total = torch.zeros(10, 30, dtype=torch.float64)
    assert matrix_operations(lambda: left @ right) == 2 * 10 * 20 * 30
    assert matrix_operations(lambda: total.addmm_(left, right)) == 2 * 10 * 20 * 30
    memory, steps = torch.nn.LSTM(8, 8, batch_first=True), torch.ones(5, 7, 8)
    with torch.no_grad():
        assert matrix_operations(lambda: memory(steps)) == 2 * 5 * 7 * (4 * 8) * (8 + 8)
    query, key = torch.ones(3, 1, 6, 8), torch.ones(3, 1, 4, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert matrix_operations(lambda: attend(query, key, key)) == 2 * (2 * 3 * 6 * 4 * 8)


@pytest.mark.parametrize(
    "prepare", [small_letter, *(training_tasks.MODELS[name] for name in ("dual_branch_plus", "tabnet", "resnet"))]
)
def test_the_plain_loop_trains_the_same_loss_as_the_engine(prepare: Any) -> None:
    data = training_tasks.random_data(40, 92)
    made = prepare(data, "cpu")
    positions = torch.randperm(made.task.n_samples, generator=torch.Generator().manual_seed(3))[:64]
    positions[0] = 0  # a window that begins before the series
    made.task.module.train()
    batch = torch.utils.data.default_collate([made.dataset[int(position)] for position in positions])
    torch.manual_seed(5)
    engine = made.task.loss(positions)
    torch.manual_seed(5)
    plain = made.plain_loss(batch)
    assert plain.item() == pytest.approx(engine.item(), rel=1e-6)
    parameters = list(made.task.module.parameters())
    pairs = zip(torch.autograd.grad(engine, parameters), torch.autograd.grad(plain, parameters), strict=True)
    for own, reference in pairs:
        torch.testing.assert_close(reference, own, rtol=1e-4, atol=1e-5)


def test_gwr_report_compares_both_engines_and_says_why_one_is_left_out(in_this_process: None) -> None:
    pytest.importorskip("mgwr")
    said: list[str] = []
    report = gwr.measure(gwr.GwrOptions((120, 150), columns=3, skip_mgwr_above=130), said.append)
    assert set(report) == HEADER | {"sizes"}
    both, alone = report["sizes"]
    assert set(both) == set(alone) == GWR_ROW
    assert both["same_bandwidth"] and abs(both["aicc_difference"]) < 1e-6 and both["speed_ratio"] > 0
    assert both["mgwr"]["seconds"] > 0 and both["mgwr_skipped"] is None
    assert 0 < both["own"]["matrix_rate_share"] < 1.5
    assert both["own"]["matrix_operations"] > 2 * 120 * 120 * 9  # one bandwidth alone, with (k² + 3k) / 2 columns
    assert alone["mgwr"] is None and alone["speed_ratio"] is None and "--skip-mgwr-above" in alone["mgwr_skipped"]
    assert any("150" in line and "skipped" in line for line in said)


def test_train_report_has_rate_share_ratio_and_memory(in_this_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(training_tasks.MODELS, "small", small_letter)
    options = train.TrainOptions(("small",), samples_seconds=0.2, threads=1, device="cpu", cells=30, memory_cells=(20,))
    report = train.measure(options, lambda _: None)
    assert set(report) == HEADER | {"panel", "models", "memory"}
    [row], [memory] = report["models"], report["memory"]
    assert set(row) == TRAIN_ROW
    assert row["batch_size"] == 256 and row["precision"] == "float32"
    assert row["reference_ratio"] == pytest.approx(row["samples_per_second"] / row["reference_samples_per_second"])
    assert 0 < row["matrix_rate_share"] < 1.5 and row["operations_per_sample"] > 0
    assert memory["panel_bytes"] == 20 * 92 * 26 * 4 and memory["peak_memory_bytes"] > 0


def test_scale_report_has_building_training_and_lightgbm_and_leaves_no_cube(
    in_this_process: None, tmp_path: Path
) -> None:
    options = scale.ScaleOptions(
        80, 2, tmp_path, threads=1, memory_seconds=0.1, lightgbm_rows=500, lightgbm_rounds=(2, 3)
    )
    report = scale.measure(options, lambda _: None)
    assert report["build"]["samples"] == 80 * 92 and report["build"]["samples_per_second"] > 0
    assert 80 * 92 * 27 * 4 < report["build"]["disk_bytes"] < 80 * 92 * scale.BYTES_PER_SAMPLE + 100_000
    assert len(report["verify"]["fingerprint"]) == 64
    assert report["train_disk"]["train_samples"] == report["train_disk"]["trained_samples"] == 80 * 46
    assert report["train_disk"]["share_of_memory_rate"] > 0
    assert [(row["rows"], row["rounds"]) for row in report["lightgbm"]] == [(500, 2), (500, 3)]
    assert list(tmp_path.iterdir()) == []


def test_scale_refuses_a_cube_that_the_disk_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="name another folder with --work or fewer --cells"):
        scale.measure(scale.ScaleOptions(200_000_000, 40, tmp_path), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_counted_with_its_backward_pass() -> None:
    made = training_tasks.MODELS["dual_branch_plus"](training_tasks.random_data(40, 92), "cpu")
    forward = 0
    for perceptron in (made.task.module.predictor, made.task.module.explainer):
        forward += sum(2 * layer.weight.numel() for layer in perceptron if isinstance(layer, torch.nn.Linear))
    forward += 2 * made.task.module.from_static.weight.numel()
    counted = train_pieces.operations_per_sample(made)
    assert 2 * forward < counted <= 3 * forward  # weights twice; inputs' gradients only where they are trained


def test_bench_perf_gwr_prints_one_document(tmp_path: Path) -> None:
    pytest.importorskip("mgwr")
    result = perf(tmp_path, "gwr", "--sizes", "120", "--columns", "3", "--output", str(tmp_path / "gwr.json"))
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "gwr.json").read_text())
    [row] = report["sizes"]
    assert row["same_bandwidth"] and 0 < row["own"]["matrix_rate_share"] < 1.5
    assert 5e7 < row["own"]["peak_memory_bytes"] < 4e9
    assert "own engine" in result.stderr and "Bandwidth" in result.stderr  # mgwr's own words, out of the document


def test_bench_perf_train_prints_one_document(tmp_path: Path) -> None:
    arguments = ("--models", "dual_branch_plus", "--cells", "40", "--samples-seconds", "0.3", "--threads", "1")
    result = perf(tmp_path, "train", *arguments, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    [row] = json.loads(result.stdout)["models"]
    assert row["reference_ratio"] > 0 and 0 < row["matrix_rate_share"] < 1.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("gwr --sizes 0", "0 points are too few"),
        ("gwr --sizes 92", "give at least 93"),
        ("gwr --sizes 1e3", "'1e3' is no whole number"),
        ("gwr --sizes ,", "--sizes is empty"),
        ("gwr --columns 1", "--columns is 1"),
        ("gwr --repeat 0", "--repeat is 0"),
        ("gwr --output no/such/folder.json", "no folder"),
        ("train --models dual_brunch", "did you mean 'dual_branch'"),
        ("train --samples-seconds nan", "--samples-seconds is nan"),
        ("train --threads 0", "--threads is 0"),
        ("train --cells 0", "0 cells"),
        ("scale --years 1", "--years must be at least 2"),
        ("scale --work no/such", "no/such is no folder"),
        ("train --device gpu", "Unknown device 'gpu'"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(tmp_path: Path, arguments: str, sentence: str) -> None:
    result = perf(tmp_path, *arguments.split())
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1 and sentence in result.stderr


def test_what_a_model_refuses_is_said_by_the_parent() -> None:
    with pytest.raises(BenchError, match="'TrainingOptions' cannot be made: TrainingOptions.epochs is 0"):
        in_fresh_process("models.training.options:TrainingOptions", {"epochs": 0}, threads=1)


def test_a_job_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    endless = {"target": "multiprocessing.connection:wait", "arguments": {"object_list": [], "timeout": 600}}
    with subprocess.Popen(
        [sys.executable, "-m", "tools.perf.fresh_process"],
        env=bench_environment(tmp_path),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as job:
        assert job.stdin is not None and job.stderr is not None
        job.stdin.write(json.dumps(endless).encode() + b"\n")
        job.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(timeout=2)
        job.stdin.close()  # as the kernel does for a killed parent
        assert job.wait(timeout=30) == 1 and job.stderr.read() == b""
