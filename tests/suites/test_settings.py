"""`--set runner.key=value`: parsed, applied, part of the id, and a row of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.execution.request import RunOptions, resolve
from bench.runners import registry
from bench.runners.entry import RunnerEntry
from bench.runners.known import known_parameters
from bench.suites.settings import parse_settings, require_known, require_planned, with_settings


def test_values_are_json_or_else_text() -> None:
    words = ["lightgbm.a.b=2", "lightgbm.a.c=[1, null]", "catboost.mode=fast=yes", "lightgbm.flag=true"]
    assert parse_settings(words) == {
        "lightgbm": {"a.b": 2, "a.c": [1, None], "flag": True},
        "catboost": {"mode": "fast=yes"},
    }


@pytest.mark.parametrize("word", ["", "x", "lightgbm=2", "lightgbm.=2", ".a=2", "lightgbm.a", "lightgbm.a..b=1"])
def test_other_forms_are_refused(word: str) -> None:
    with pytest.raises(BenchError, match="not of the form runner.key=value"):
        parse_settings([word])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(BenchError, match="give a finite one"):
        parse_settings([f"lightgbm.x={value}"])


def test_an_unknown_runner_gets_a_suggestion() -> None:
    with pytest.raises(BenchError, match="did you mean 'lightgbm'"):
        parse_settings(["lightgmb.x=1"])


def test_nested_settings_change_a_copy() -> None:
    base: dict[str, Any] = {"options": {"width": 8, "k": 3}, "x": 1}
    assert with_settings(base, {"options.width": 16, "new.key": 2}, "r") == {
        "options": {"width": 16, "k": 3},
        "x": 1,
        "new": {"key": 2},
    }
    assert base == {"options": {"width": 8, "k": 3}, "x": 1}
    with pytest.raises(BenchError, match="--set r.x.y: x is 1"):
        with_settings(base, {"x.y": 1}, "r")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lightgbm.num_leaves=64", "did you mean 'hyperparameters.num_leaves'"),
        ("lightgbm.hyperparameter.num_leaves=64", "did you mean 'hyperparameters.num_leaves'"),
        ("random_forest.hyperparameter.criterions=64", "did you mean 'hyperparameters'"),
        ("lightgbm.holdout=blocks", "did you mean 'hold_out'"),
        ("lightgbm_shap.explained_sample=9", "did you mean 'explained_samples'"),
        ("autogluon_best.minute=1", "did you mean 'minutes'"),
        ("resnet.options.channel=8", "did you mean 'options.channels'"),
        ("resnet.epochs=3", "did you mean 'training.epochs'"),
        ("resnet.training.seed=3", "knows no parameter 'training.seed'"),
        ("dual_branch.options.widht=8", "did you mean 'options.width'"),
        ('dual_branch.options={"widht": 8}', "did you mean 'options.width'"),
        ("dual_branch.node_shares=0.5", "did you mean 'node_share'"),
        ("dual_branch_plus.node_share=0.5", "knows no parameter 'node_share'"),
        ("gnnwr.rigde=0.1", "did you mean 'ridge'"),
        ("gnnwr.proximity_width=4", "it knows landmarks, hidden"),
        ("gtnnwr.period=4", "knows no parameter 'period'"),
        ("gwr_rf.tree=4", "did you mean 'trees'"),
        ("gwr.bandwidth=40", "runner 'gwr' has no parameters; leave it out"),
        ("climatology.x=1", "runner 'climatology' has no parameters"),
        ("knn_standardised.n_neighbours=3", "did you mean 'n_neighbors'"),
        ("knn_standardised.N_JOBS=3", "did you mean 'n_jobs'"),
        ("resnet.training.lr=3", "it knows training.epochs, (?!.*options)"),  # its group alone, and nothing unlike it
        ("resnet.option.chanels=3", "did you mean 'options.channels'"),
        ('resnet.options={"": 3}', "knows no parameter 'options.'"),
        ("resnet.options=3", "options holds parameters of its own and cannot be 3; set one of them"),
        ("dual_branch.training=null", "training holds parameters of its own"),
        ("lightgbm.hyperparameters=[1]", "hyperparameters holds parameters of its own"),
    ],
)
def test_a_parameter_that_a_runner_does_not_know_is_refused_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(BenchError, match=said) as found:
        require_known([word], "smoke")
    assert str(found.value).startswith(f"--set {word.partition('.')[0]}.")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gnnwr.ridge=abc", "it is a number"),
        ("dual_branch.training.epochs=eight", "it is a number"),
        ('dual_branch.training={"epochs": "8 epochs"}', "it is a number"),
        ("autogluon_best.minutes=ten", "it is a number"),
        ("autogluon_best.minutes=true", "it is a number above 0"),
        ("autogluon_best.minutes=[1]", "it is a number above 0"),
        ("autogluon_best.minutes=0", "it is a number above 0"),
        ("autogluon_best.minutes=-1", "it is a number above 0"),
        ("autogluon_best.minutes=1e9", "at most 100,000"),
    ],
)
def test_a_word_in_the_place_of_a_number_is_refused(word: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        require_known([word], "smoke")
    require_known(["gnnwr.ridge=0.5", "dual_branch.training.epochs=3"], "smoke")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("tabm.hyperparameters.n_epoch=3", "n_epochs"),
        ("fastai.hyperparameters.epoch=3", "epochs"),
        ("xgboost.hyperparameters.n_estimator=3", "n_estimators"),
        ('lightgbm.hyperparameters={"num_boost_rond": 3}', "num_boost_round"),
        ("lightgbm_large.hyperparameters.Num_Leaves=3", "num_leaves"),
        ("lightgbm.hyperparameters.learing_rate=3", "learning_rate"),
        ("xgboost.hyperparameters.max_dept=3", "max_depth"),
        ("catboost.hyperparameters.l2_leaf_regg=3", "l2_leaf_reg"),
        ("nn_torch.hyperparameters.dropout=3", "dropout_prob"),
        ("fastai.hyperparameters.early.stoping.patience=3", "early.stopping.patience"),
        ("lightgbm_blocks.hyperparameters.lambda_2=3", "lambda_l2"),
    ],
)
@pytest.mark.parametrize("profile", ["smoke", "laptop"])
def test_a_mistyped_hyperparameter_that_its_library_would_ignore_is_refused(
    word: str, meant: str, profile: str
) -> None:
    with pytest.raises(BenchError, match=f"did you mean 'hyperparameters.{meant}'"):
        require_known([word], profile)


def test_other_hyperparameters_are_left_to_their_library() -> None:
    names = ("num_leaf", "max_leaves", "min_data_per_leaf", "num_round", "num_leaves", "learning_rate", "bagging_seed")
    for name in names:
        require_known([f"lightgbm.hyperparameters.{name}=3"], "laptop")
    require_known(["tabm.hyperparameters.n_blocks=3", "tabm.hyperparameters.n_epochs=3"], "laptop")
    require_known(["xgboost.hyperparameters.min_split_loss=0.1", "xgboost.hyperparameters.max_leaves=3"], "laptop")
    require_known(['fastai.hyperparameters={"early.stopping.patience": 3, "lr": 0.1}'], "laptop")
    require_known(["catboost.hyperparameters.depth=4", "catboost.hyperparameters.ag_args_fit.max_rows=4"], "laptop")


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("lightgbm.hyperparameters.eta=0.3", "learning_rate"),
        ("lightgbm_shap.hyperparameters.application=3", "objective"),
        ("lightgbm_large.hyperparameters.min_child_samples=9", "min_data_in_leaf"),
        ("lightgbm_large.hyperparameters.num_leaf=9", "num_leaves"),
        ('lightgbm_blocks.hyperparameters={"reg_lambda": 1, "lambda_l2": 2}', "lambda_l2"),
        ("xgboost.hyperparameters.eta=0.3", "learning_rate"),
        ('xgboost.hyperparameters={"alpha": 1, "reg_alpha": 2}', "reg_alpha"),
    ],
)
def test_another_name_of_a_hyperparameter_that_is_set_already_is_refused(word: str, read: str) -> None:
    with pytest.raises(BenchError, match=f"is another name of {read}, which is set already"):
        require_known([word], "laptop")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("lightgbm.hyperparameters.seed=3", "the repetition gives the seed"),
        ("catboost_blocks.hyperparameters.random_seed=3", "the repetition gives the seed"),
        ("random_forest.hyperparameters.random_state=3", "the repetition gives the seed"),
        ('nn_torch.hyperparameters={"seed_value": 3}', "the repetition gives the seed"),
        ("catboost.hyperparameters.thread_count=3", "the run gives every job its threads"),
        ("xgboost.hyperparameters.n_jobs=3", "the run gives every job its threads"),
    ],
)
def test_what_a_job_gives_its_model_is_no_hyperparameter(word: str, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        require_known([word], "smoke")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lightgbm.hyperparameters.ag.early_stp=3", "did you mean 'early_stop'"),
        ("random_forest.hyperparameters.ag.max_row=3", "did you mean 'max_rows'"),
        ('catboost.hyperparameters={"ag_args_fit": {"early_stops": 3}}', "did you mean 'early_stop'"),
        ("fastai.hyperparameters.ag.early_stop=3", "reads no 'early_stop' for FASTAI"),
        ('lightgbm.hyperparameters={"ag": {"early_stop": 3}}', "as hyperparameters.ag.early_stop"),
    ],
)
def test_what_autogluon_itself_would_not_read_is_refused(word: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        require_known([word], "laptop")


@pytest.mark.parametrize("word", ["excelformer.options={}", 'resnet.options={"channels": 8}'])
def test_options_without_the_model_are_refused(word: str) -> None:
    with pytest.raises(BenchError, match="leaves model out"):
        require_known([word], "laptop")
    require_known(['resnet.options={"model": "resnet", "channels": 8}'], "laptop")
    require_known(['resnet.options={"channels": 8}', "resnet.options.model=resnet"], "laptop")


@pytest.mark.parametrize(
    ("runner", "name"),
    [
        ("nn_torch", "proc.skew_threshold"),
        ("xgboost", "proc.max_category_levels"),
        ("fastai", "early.stopping.patience"),
        ("lightgbm", "ag.early_stop"),
    ],
)
def test_a_name_with_dots_reaches_the_model_as_one_name(runner: str, name: str) -> None:
    word = f"{runner}.hyperparameters.{name}=3"
    require_known([word], "laptop")
    parameters = with_settings({"hyperparameters": {"kept": 1}}, parse_settings([word])[runner], runner)
    assert parameters == {"hyperparameters": {"kept": 1, name: 3}}
    if name.startswith("proc."):
        with pytest.raises(BenchError, match="knows no parameter"):
            require_known([f"{runner}.hyperparameters.proc.skew=3"], "laptop")


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("lightgbm.hyperparameters.foo=3", "it knows 3[0-9]{2} others, see its library's"),
        ("tabm.hyperparameters.zzz=3", "it knows hyperparameters.allow_amp, "),
        ("fastai.hyperparameters.foo=3", "it knows hyperparameters"),
        ("xgboost.hyperparameters.quux=3", "others, see its library's"),
        ("nn_torch.hyperparameters.zzz=3", "it knows "),
    ],
)
def test_a_hyperparameter_unlike_any_that_its_library_reads_is_refused(word: str, known: str) -> None:
    with pytest.raises(BenchError, match=f"knows no parameter 'hyperparameters.*{known}"):
        require_known([word], "laptop")


@pytest.mark.parametrize(
    "word",
    [
        "random_forest.model=GBM",
        "resnet.options.model=tabnet",
        'excelformer.options={"model": "tabnet"}',
        "knn_standardised.estimator=sklearn.linear_model.Ridge",
        "lightgbm.model=[1]",
    ],
)
def test_a_row_is_of_one_model(word: str) -> None:
    with pytest.raises(BenchError, match="run the row of another model"):
        require_known([word], "laptop")
    require_known(["lightgbm.model=GBM"], "laptop")


@pytest.mark.parametrize("value", ["block", "true", "3"])
def test_a_way_of_holding_out_that_is_none_is_refused_and_not_ignored(value: str) -> None:
    with pytest.raises(BenchError, match="set it to blocks"):
        require_known([f"lightgbm.hold_out={value}"], "smoke")
    require_known(["lightgbm_blocks.hold_out=null"], "smoke")


def test_a_group_does_not_replace_what_was_set_in_it_before() -> None:
    with pytest.raises(BenchError, match="name resnet.options first"):
        parse_settings(["resnet.options.channels=8", 'resnet.options={"num_layers": 1}'])
    given = parse_settings(['resnet.options={"num_layers": 1}', "resnet.options.channels=8"])["resnet"]
    assert with_settings({"options": {"channels": 2}}, given, "resnet") == {"options": {"num_layers": 1, "channels": 8}}


@pytest.mark.parametrize(
    "word",
    [
        "lightgbm." + "a." * 400 + "b=1",
        "lightgbm.x=" + "[" * 400 + "]" * 400,
        "lightgbm.x=" + '{"a":' * 60 + "1" + "}" * 60,
    ],
)
def test_what_no_record_can_hold_is_refused(word: str) -> None:
    with pytest.raises(BenchError, match="nested too deeply"):
        parse_settings([word])
    parse_settings(["lightgbm.a.b.c=[[[1]], {}]"])


def test_a_setting_without_a_value_is_refused() -> None:
    with pytest.raises(BenchError, match="not of the form runner.key=value"):
        parse_settings(["gnnwr.ridge= "])


def test_a_setting_of_a_class_that_is_not_named_says_how_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {name: entry for name, entry in registry.entries().items() if not name.startswith("sklearn_")}
    monkeypatch.setattr(registry, "entries", lambda: others)
    with pytest.raises(BenchError, match="--only sklearn:module.Class"):
        parse_settings(["sklearn_svr.C=1"])


def test_a_setting_that_changes_no_job_is_refused() -> None:
    require_planned(["gnnwr.ridge=1"], {"gnnwr", "lightgbm"})
    with pytest.raises(BenchError, match=r"--set gnnwr.ridge: no job of this run is of 'gnnwr'"):
        require_planned(["lightgbm.hyperparameters.num_leaves=3", "gnnwr.ridge=1"], {"lightgbm"})


@pytest.mark.parametrize(
    "word",
    [
        "random_forest.hyperparameters.anything=1",
        "lightgbm.hyperparameters.num_leaf=1",
        "lightgbm.hold_out=blocks",
        "resnet.training.epochs=3",
        "resnet.training={}",
        "dual_branch.node_share=0.5",
        'dual_branch_plus.options={"rank": 4}',
        "dual_branch_plus.options.members=[]",
        "gtnnwr.proximity_width=4",
        "knn_standardised.leaf_size=5",
    ],
)
def test_what_a_runner_knows_is_taken(word: str) -> None:
    require_known([word], "laptop")


@pytest.mark.parametrize("entry", registry.entries().values(), ids=registry.entries())
def test_every_runner_knows_what_its_own_entry_sets(entry: RunnerEntry) -> None:
    for profile in ("smoke", "laptop", "paper"):
        own = entry.parameters_for(profile)
        known = known_parameters(entry, own)
        if known is not None:
            for name, value in own.items():
                inner = known[name]
                assert inner is None or set(value) <= set(inner)


def test_a_plug_in_is_given_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = RunnerEntry("foreign_row", "Foreign", "Spatial", "a_module_that_nobody_has:Runner", "of somebody else")
    monkeypatch.setattr(registry, "entries", lambda: {"foreign_row": entry})
    require_known(["foreign_row.whatever=1"], "smoke")


@pytest.mark.parametrize(
    ("suite", "word", "said"),
    [
        ("full", "lightgbm.num_leaves=64", "did you mean 'hyperparameters.num_leaves'"),
        ("full", "lightgmb.x=1", "did you mean 'lightgbm'"),
        ("fewshot", "sklearn_ridge.alhpa=1", "did you mean 'alpha'"),
        ("ablation", "dual_branch.node_share=0.5", "bench/suites/ablation.py"),
        ("flux", "flux_lightgbm.trees=3", "bench/suites/flux.py"),
    ],
)
def test_it_is_noticed_before_any_data_are_opened(suite: str, word: str, said: str, tmp_path: Path) -> None:
    options = RunOptions(
        suite=suite,
        dataset=str(tmp_path / "no data"),
        store=tmp_path / "runs",
        settings=(word,),
        only=("sklearn:sklearn.linear_model.Ridge",),
    )
    with pytest.raises(BenchError, match=said):
        resolve(options, lambda text: None)
    assert not (tmp_path / "runs").exists()
