from __future__ import annotations

import subprocess
import sys

import pytest

from bench.errors import BenchError
from bench.runners import registry
from bench.runners.entry import RunnerEntry


@pytest.fixture(autouse=True)
def fresh_registry() -> object:
    registry.entries.cache_clear()
    yield
    registry.entries.cache_clear()


def test_the_papers_nine_autogluon_models_are_there() -> None:
    tabular = [entry for entry in registry.entries().values() if entry.family == "Tabular Machine Learning"]
    titles = {entry.title for entry in tabular if not entry.by_name}
    assert titles == {
        "LightGBM",
        "LightGBMXT",
        "LightGBM Large",
        "XGBoost",
        "CatBoost",
        "RandomForestMSE",
        "KNeighborsUnif",
        "KNeighborsDist",
        "NeuralNetFastAI",
    }


def test_only_runners_that_compute_on_a_gpu_are_given_one() -> None:
    dual = {f"dual_branch{end}" for end in ("", "_plus", "_plus_gradient", "_plus_consistent")}
    frame = {"tabnet", "excelformer", "resnet", "fttransformer"}
    assert {entry.name for entry in registry.entries().values() if entry.uses_gpu} == dual | frame | {"gnnwr", "gtnnwr"}


def test_an_unknown_runner_gets_a_suggestion() -> None:
    with pytest.raises(BenchError, match="Unknown runner 'lightgmb': did you mean 'lightgbm'"):
        registry.get("lightgmb")


def test_a_plug_in_adds_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", "tests.support.runners:QUICK")
    assert registry.get("noise_a").load().__name__ == "Noise"


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("no.such.module:X", "cannot be imported"),
        ("tests.support.runners:NOTHING", "cannot be imported"),
        ("tests.support.runners:__name__", "where a RunnerEntry is needed"),
        ("tests.support.runners:QUICK,tests.support.runners:QUICK", "'noise_a' is defined twice"),
    ],
)
def test_bad_plug_ins_are_named(monkeypatch: pytest.MonkeyPatch, plugin: str, message: str) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", plugin)
    with pytest.raises(BenchError, match=message):
        registry.entries()


def test_an_entry_point_adds_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    point = importlib.metadata.EntryPoint("mine", "tests.support.runners:PEEKING", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point] if group == registry.ENTRY_POINT_GROUP else []
    )
    assert "peeking" in registry.entries()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../x"}, "may hold only"),
        ({"family": "Tabular"}, "Unknown family"),
        ({"target": "nowhere"}, "module:object"),
    ],
)
def test_entries_check_themselves(changes: dict[str, str], message: str) -> None:
    arguments = {"name": "x", "title": "X", "family": "Reference", "target": "a:b", "summary": "s"} | changes
    with pytest.raises(BenchError, match=message):
        RunnerEntry(**arguments)  # type: ignore[arg-type]


def test_a_missing_package_makes_a_runner_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bench.runners.entry._installed_version", lambda name: None if name == "autogluon.tabular" else "1.0"
    )
    assert "needs autogluon.tabular: pip install" in (registry.get("lightgbm").unavailable() or "")
    assert registry.get("climatology").unavailable() is None


def test_the_registry_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bench.runners import registry; registry.entries(); "
        "print([m for m in ('torch', 'autogluon', 'sklearn', 'lightgbm', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_profiles_change_only_what_they_name() -> None:
    entry = registry.get("lightgbm_large")
    assert entry.parameters_for("paper")["hyperparameters"]["num_leaves"] == 128
    assert entry.parameters_for("smoke")["hyperparameters"]["num_leaves"] == 128
    assert "num_boost_round" not in entry.parameters_for("laptop")["hyperparameters"]


def test_what_an_explanation_means_is_one_of_three_words() -> None:
    with pytest.raises(BenchError, match="kind of explanation 'gradient'"):
        RunnerEntry("mine", "Mine", "Spatial", "a:B", "", explains="gradient")  # type: ignore[arg-type]
