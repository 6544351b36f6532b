from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.runners import registry
from bench.runners.catalogue import CATALOGUE
from bench.runners.entry import RunnerEntry
from tests.conftest import bench_environment
from tests.support import estimators


@pytest.fixture(autouse=True)
def fresh_registry() -> object:
    registry.reload()
    yield
    registry.reload()


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
    dual = {f"dual_branch{end}" for end in ("", "_plus", "_plus_gradient", "_plus_free")}
    frame = {"tabnet", "excelformer", "resnet", "fttransformer"}
    backbones = {"transformer", "informer", "fedformer", "itransformer", "timexer", "simpletm"}
    flux = {f"flux_{name}" for name in backbones | {"imputation", "dual_branch", "dual_branch_plus"}}
    others = {"gnnwr", "gtnnwr"}
    assert {entry.name for entry in registry.entries().values() if entry.uses_gpu} == dual | frame | flux | others


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
def test_a_bad_plug_in_is_skipped_and_named_and_disables_nothing(
    monkeypatch: pytest.MonkeyPatch, plugin: str, message: str
) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", plugin + ",tests.support.runners:PEEKING")
    assert {"lightgbm", "peeking"} <= set(registry.entries())
    [problem] = registry.problems()
    assert message in problem and "BENCH_PLUGINS" in problem
    with pytest.raises(BenchError, match="Skipped: "):
        registry.get("no_such_runner")


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('no')",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "import asyncio; raise asyncio.CancelledError",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', '', needs=('nope',))",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', '', needs=(3,))",
        "from bench import RunnerEntry\nX = RunnerEntry(5, 'Mine', 'Spatial', 'a:B', '')",
        "from bench import RunnerEntry\nX = RunnerEntry('m' * 101, 'Mine', 'Spatial', 'a:B', '')",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'M' * 201, 'Spatial', 'a:B', '')",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', '', uses_gpu=1)",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'M', 'Spatial', 'a:B', '', most_rows={'paper': 'x'})",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', '', profiles={'paper': 3})",
        "from bench import Cost, RunnerEntry\nX = RunnerEntry('mine', 'M', 'Spatial', 'a:B', '', cost=Cost('x'))",
        "from bench import Cost, RunnerEntry\nX = RunnerEntry('mine', 'M', 'Spatial', 'a:B', '', cost=Cost(-1.0))",
        "import sys; sys.exit(3)",
        "this is no Python",
        "import no_such_package",
        "X = 1 / 0",
        "from bench import RunnerEntry\nX = RunnerEntry('mine', 'Mine', 'No such family', 'a:B', '')",
        "from bench import RunnerEntry\nX = RunnerEntry('lightgbm', 'Mine', 'Spatial', 'a:B', '')",
        "from bench import RunnerEntry\nX = [RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', '')] * 2",
        "from bench import RunnerEntry\nX = [RunnerEntry('mine', 'Mine', 'Spatial', 'a:B', ''), None]",
        "X = None",
    ],
)
def test_whatever_a_plug_in_does_at_import_it_alone_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str
) -> None:
    (tmp_path / "broken_plugin.py").write_text(code)
    monkeypatch.chdir(tmp_path)  # modules of the current folder are found
    monkeypatch.setenv("BENCH_PLUGINS", "broken_plugin:X")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)
    assert "lightgbm" in registry.entries() and "mine" not in registry.entries()
    assert len(registry.problems()) == 1 and registry.get("lightgbm").family == "Tabular Machine Learning"


def test_a_registered_runner_is_known_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(registry.REGISTERED_VARIABLE, raising=False)
    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")
    entry = RunnerEntry("mine", "Mine", "Spatial", "a:B", "", parameters={"x": [1, 2]}, only_profiles=("smoke",))
    assert registry.register(entry) is entry
    code = (
        "from bench.runners import registry as r; e = r.get('mine'); print(e.parameters['x'], e.only_profiles, e.cost)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"[1, 2] ('smoke',) {entry.cost}" or told.startswith("(1, 2)")


@pytest.mark.parametrize(
    ("runner", "settings", "message"),
    [
        (RunnerEntry("x", "X", "Spatial", "__main__:X", ""), {}, "cannot import it"),
        (RunnerEntry("lightgbm", "X", "Spatial", "a:X", ""), {}, "choose another name"),
        ("sklearn.linear_model.Rigde", {}, "There is no regressor"),
        ("no.such.Thing", {}, "There is no regressor"),
        ("math.sqrt", {"alpha": 1}, "no regressor"),
        ("sklearn.linear_model.Ridge", {"alhpa": 1}, "has no setting 'alhpa'"),
        ("sklearn.preprocessing.StandardScaler", {}, "no fit and predict"),
        ("sklearn.svm.SVC", {}, "no regressor by its own word"),
        ("sklearn.pipeline.Pipeline", {}, "no regressor by its own word"),
        ("os.system", {"x": 1}, "no regressor"),
        ("sklearn.pipeline.Pipeline", {}, "of a pipeline or a search a function of yours"),
        ("sklearn.linear_model.Ridge", {"alpha": np.ones(3)}, "its setting alpha is such as JSON cannot hold"),
        (estimators.Kept, {}, "is a class and no object; name it as a text, 'tests.support.estimators.Kept'"),
        (estimators.piped, {}, "is a function and no object; name it as a text, 'tests.support.estimators.piped'"),
        (estimators.Untold(level=5.0), {}, "does not tell its settings, so that a job would run with its defaults"),
        (estimators.Renamed(level=5.0), {}, "cannot be taken over .AttributeError"),
        (estimators.Doubled(level=5.0), {}, "has another level"),
        (estimators.Kept(level=5.0), {"name": "strong"}, "means several runners already"),
        (estimators.Kept(level=5.0), {"name": "reference"}, "means several runners already"),
        (3, {}, "cannot be registered"),
    ],
)
def test_what_cannot_be_registered_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, runner: object, settings: dict[str, object], message: str
) -> None:
    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")
    with pytest.raises(BenchError, match=message):
        registry.register(runner, **settings)
    assert "x" not in registry.entries()


def test_an_object_is_registered_with_all_that_is_not_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import RandomForestRegressor

    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")

    def taken(estimator: object) -> dict[str, object]:
        return {key: value for key, value in registry.register(estimator).parameters.items() if key != "estimator"}

    assert taken(RandomForestRegressor(max_features=1)) == {"max_features": 1}  # one feature; by default 1.0, all
    assert taken(RandomForestRegressor(max_features=1.0)) == {}
    many = taken(RandomForestRegressor(n_estimators=np.int64(3), min_samples_leaf=np.float32(0.25)))
    assert many == {"n_estimators": 3, "min_samples_leaf": 0.25} and type(many["n_estimators"]) is int
    assert taken(estimators.Kept(level=5.0)) == {"level": 5.0} and taken(estimators.Kept()) == {}
    assert taken(estimators.Plain()) == {}


def test_a_regressor_with_a_seed_of_its_own_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")
    forest = "sklearn.ensemble.RandomForestRegressor"
    assert registry.register(forest, "free").seeded and not registry.register(forest, "own", random_state=3).seeded


def test_the_package_of_a_regressor_is_part_of_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.REGISTERED_VARIABLE, "[]")
    assert registry.register("sklearn.linear_model.Ridge").requires == ("scikit-learn",)
    assert registry.register("lightgbm.LGBMRegressor").requires == ("lightgbm",)
    assert registry.register(estimators.Kept()).requires == ()


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
        ({"version": "x"}, "version of runner 'x' is a str"),
        ({"requires": None}, "requires of runner 'x' is a NoneType"),
        ({"requires": (3,)}, "no text"),
        ({"parameters": {"x": object()}}, "JSON cannot hold"),
        ({"parameters": {"x": float("nan")}}, "JSON cannot hold"),
        ({"parameters": {1: 2}}, "keys that are no texts"),
        ({"profiles": {"smoke": {"x": [{1: 2}]}}}, "keys that are no texts"),
        ({"name": "spatial"}, "means several runners already"),
    ],
)
def test_entries_check_themselves(changes: dict[str, object], message: str) -> None:
    arguments = {"name": "x", "title": "X", "family": "Reference", "target": "a:b", "summary": "s"} | changes
    with pytest.raises(BenchError, match=message):
        RunnerEntry(**arguments)  # type: ignore[arg-type]


def test_a_missing_package_makes_a_runner_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bench.runners.entry.installed_version", lambda name: None if name == "autogluon.tabular" else "1.0"
    )
    assert "needs autogluon.tabular: pip install" in (registry.get("lightgbm").unavailable() or "")
    assert registry.get("climatology").unavailable() is None


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        ({"pytabkit"}, "'climate2gpp-bench[strong]' --constraint constraints.txt"),
        ({"pytabkit", "torch"}, "'climate2gpp-bench[runners,strong]' --constraint constraints.txt"),
        ({"someones"}, "someones"),
        ({"someones", "torch"}, "someones 'climate2gpp-bench[runners]' --constraint constraints.txt"),
    ],
)
def test_the_remedy_for_a_missing_package_installs_it(
    monkeypatch: pytest.MonkeyPatch, missing: set[str], remedy: str
) -> None:
    monkeypatch.setattr("bench.runners.entry.installed_version", lambda name: None if name in missing else "1.0")
    entry = RunnerEntry("x", "X", "Spatial", "a:X", "", requires=("torch", "pytabkit", "someones"))
    assert (entry.unavailable() or "").partition(": pip install ")[2] == remedy


def test_what_the_projects_own_runners_need_comes_with_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.runners.entry.installed_version", lambda name: None)
    for entry in CATALOGUE:
        assert not entry.requires or ": pip install 'climate2gpp-bench[" in (entry.unavailable() or "")


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


def test_the_needs_that_an_entry_may_name_are_those_that_have_a_rule() -> None:
    from bench.runners.entry import NEEDS
    from bench.runners.suitability import NEEDS as RULES

    assert set(NEEDS) == set(RULES)


def test_ctrl_c_while_a_plug_in_is_imported_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nX = []")
    code = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have it ignored
    code += "from bench.runners import registry\ntry: registry.entries()\nexcept KeyboardInterrupt: print('heard')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=bench_environment(tmp_path, "slow:X"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "heard\n", done.stderr


def test_texts_of_an_entry_are_fit_for_every_output() -> None:
    entry = RunnerEntry("mine", "a\x1b[31m\nb\u202ec\u200bd", "Spatial", "a:B", "\x00sum\udce9mary")
    assert entry.title == r"a\x1b[31m b\u202ec\u200bd" and entry.summary == r"\x00sum\udce9mary"


def test_every_package_of_a_built_in_row_comes_with_an_extra_that_its_remedy_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.runners.entry.installed_version", lambda name: None)
    needing = [entry for entry in CATALOGUE if entry.requires]
    assert needing
    for entry in needing:
        assert str(entry.unavailable()).partition(": pip install ")[2].startswith("'climate2gpp-bench["), entry.name
