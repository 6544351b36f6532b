import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch_frame import stype
from torch_frame.data.stats import StatType, compute_col_stats

from models.pytorch_frame import MODELS, PyTorchFrameOptions, PyTorchFrameRegressor, TrainingOptions
from models.pytorch_frame.columns import ModelColumns

NAMES = ("temperature", "radiation", "constant", "lon")
TRAINING = TrainingOptions(epochs=2, batch_size=64, learning_rate=3e-3, schedule="one_cycle", seed=3, device="cpu")


def options(model, **changes):
    return PyTorchFrameOptions(
        **{"model": model, "channels": 16, "num_layers": 2, "heads": 2, "dropout": 0.1} | changes
    )


def rows(n=300, seed=0):
    """Features far from standard scale, and a smooth target of the first two."""
    generator = np.random.default_rng(seed)
    standard = generator.normal(size=(n, 4)).astype(np.float32)
    features = standard * np.array([10, 60, 0, 3], np.float32) + np.array([12, 160, 0.25, 115], np.float32)
    target = 5 + 3 * np.tanh(standard[:, 0]) * (1 + 0.5 * standard[:, 1]) + 0.1 * standard[:, 3]
    return features, target.astype(np.float32)


def fitted(model, training=TRAINING, data=None, **keywords):
    features, target = data or rows()
    return PyTorchFrameRegressor(options(model), training).fit(features, target, NAMES, **keywords)


def parameters(estimator):
    return torch.cat([value.flatten().float() for value in estimator.network_.state_dict().values()])


@pytest.mark.parametrize("model", MODELS)
def test_each_model_learns_a_smooth_function(model):
    estimator = fitted(model, replace(TRAINING, epochs=10), rows(1000))
    features, target = rows(500, seed=1)
    error = np.sqrt(np.mean((estimator.predict(features) - target) ** 2))
    assert error < 0.5 * target.std()
    assert estimator.training_result_.epoch_losses[-1] < estimator.training_result_.epoch_losses[0]


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_gives_the_same_numbers_and_another_seed_others(model):
    first = fitted(model)
    torch.randn(3)  # the state outside must not matter
    second, third = fitted(model), fitted(model, replace(TRAINING, seed=4))
    features, _ = rows(50, seed=1)
    assert torch.equal(parameters(first), parameters(second))
    np.testing.assert_array_equal(first.predict(features), second.predict(features))
    assert not np.array_equal(first.predict(features), third.predict(features))


def test_predictions_of_a_mixed_precision_training_are_not_rounded_to_it():
    estimator = fitted("resnet", replace(TRAINING, precision="bfloat16"))
    mean, deviation = estimator._scale
    standardised = torch.from_numpy((estimator.predict(rows(50, seed=1)[0]) - mean) / deviation)
    assert (standardised - standardised.bfloat16()).abs().max() > 1e-4


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stop", [2, 7])
def test_a_killed_training_goes_on_to_the_same_bits(model, stop, tmp_path):
    training = replace(TRAINING, checkpoint_seconds=0, progress_seconds=0)
    path, reports = tmp_path / "training.pt", []

    def interrupt(progress):
        reports.append(progress)
        if len(reports) == stop:
            raise Interrupted

    with pytest.raises(Interrupted):
        fitted(model, training, checkpoint=path, on_progress=interrupt)
    resumed = fitted(model, training, checkpoint=path, on_progress=reports.append)
    assert len(reports) == 2 * 5  # five batches an epoch, none of them twice
    assert torch.equal(parameters(resumed), parameters(fitted(model)))


def test_a_checkpoint_of_other_data_or_another_model_is_refused(tmp_path):
    path, (features, target) = tmp_path / "training.pt", rows()
    fitted("resnet", checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another training"):
        fitted("resnet", data=(features, target + 1), checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another training"):
        fitted("resnet", data=(features * 2, target), checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another training"):
        fitted("tabnet", checkpoint=path)


def test_the_statistics_are_pytorch_frames_own_of_the_training_rows():
    features, target = rows()
    columns = fitted("resnet", data=(features, target)).columns_
    assert columns.names == ["temperature", "radiation", "lon"]
    for position in columns.positions:
        expected = compute_col_stats(pd.Series(features[:, position]), stype.numerical)
        assert columns.scaling.mean[position] == pytest.approx(expected[StatType.MEAN], rel=1e-5)
        assert columns.scaling.scale[position] == pytest.approx(expected[StatType.STD], rel=1e-5)
    frame = columns.frame(features, None, torch.device("cpu")).feat_dict[stype.numerical].numpy()
    np.testing.assert_allclose(frame.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frame.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_prediction_depends_on_its_own_row_only(model):
    estimator = fitted(model)
    features, _ = rows(40, seed=1)
    others = features.copy()
    others[20:] += 100
    np.testing.assert_array_equal(estimator.predict(features)[:20], estimator.predict(others)[:20])
    np.testing.assert_allclose(estimator.predict(features[:1]), estimator.predict(features)[:1], rtol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_a_column_that_is_constant_in_training_is_not_used(model):
    estimator = fitted(model)
    features, _ = rows(20, seed=1)
    moved = features.copy()
    moved[:, 2] = 1e6
    np.testing.assert_array_equal(estimator.predict(features), estimator.predict(moved))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [65, 1, 2])
def test_a_last_batch_of_one_row_is_no_problem(model, n):
    features, target = rows(max(n, 2))
    if n == 1:  # a batch of one row from the first step on
        estimator = fitted(model, replace(TRAINING, batch_size=1), (features, target))
    else:
        estimator = fitted(model, data=(features, target))
    assert np.isfinite(estimator.predict(features)).all()
    assert np.isfinite(estimator.training_result_.epoch_losses).all()


def test_excelformers_columns_are_sorted_by_what_they_tell_and_need_no_global_seed():
    features, target = rows(800)
    first = fitted("excelformer", data=(features, target)).columns_
    np.random.seed(9)
    second = fitted("excelformer", data=(features, target)).columns_
    assert first.names[0] == "temperature" and set(first.names) == {"temperature", "radiation", "lon"}
    assert torch.equal(first.information, second.information)
    assert (first.information.diff() <= 0).all()
    frame = first.frame(features[:5], None, torch.device("cpu"))
    expected = first.scaling.standardise(features[:5])[:, list(first.positions)]
    np.testing.assert_allclose(frame.feat_dict[stype.numerical].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixup", ["feature", "hidden", None])
def test_excelformer_trains_with_every_mixup_even_where_no_column_tells_anything(mixup):
    features, _ = rows(100)
    estimator = PyTorchFrameRegressor(options("excelformer", mixup=mixup), TRAINING)
    estimator.fit(features, np.full(100, 2.5, np.float32))
    assert np.isfinite(estimator.training_result_.epoch_losses).all()
    np.testing.assert_allclose(estimator.predict(features), 2.5, atol=1)


def test_sparsity_and_dropout_reach_the_networks():
    features, target = rows()
    for model, change in (
        ("tabnet", {"sparsity_weight": 1.0}),
        ("tabnet", {"gamma": 2.0}),
        ("resnet", {"dropout": 0.5}),
        ("fttransformer", {"dropout": 0.5}),
        ("fttransformer", {"heads": 4}),
        ("excelformer", {"dropout": 0.5}),
        ("excelformer", {"mixup": "feature"}),
    ):
        training = replace(TRAINING, epochs=1)
        plain = PyTorchFrameRegressor(options(model), training).fit(features, target)
        changed = PyTorchFrameRegressor(options(model, **change), training).fit(features, target)
        assert plain.training_result_.epoch_losses != changed.training_result_.epoch_losses, (model, change)


def test_bad_input_is_named():
    features, target = rows()
    spoilt = features.copy()
    spoilt[7, 1] = np.nan
    estimator = PyTorchFrameRegressor(options("resnet"), TRAINING)
    with pytest.raises(ValueError, match="not fitted"):
        estimator.predict(features)
    with pytest.raises(ValueError, match="X is NaN or infinite in column 'radiation', row 7"):
        estimator.fit(spoilt, target, NAMES)
    with pytest.raises(ValueError, match=re.escape("y holds 1 NaN or infinite values, the first at [2]")):
        estimator.fit(features, np.where(np.arange(300) == 2, np.inf, target), NAMES)
    with pytest.raises(ValueError, match=re.escape("X has shape (300, 4), but there are 3 names")):
        estimator.fit(features, target, NAMES[:3])
    with pytest.raises(ValueError, match="expected equal rows"):
        estimator.fit(features, target[1:], NAMES)
    with pytest.raises(ValueError, match="X is empty"):
        estimator.fit(features[:0], target[:0], NAMES)
    with pytest.raises(ValueError, match="names are repeated"):
        estimator.fit(features, target, ("a", "b", "c", "a"))
    with pytest.raises(ValueError, match="Every column is constant"):
        estimator.fit(np.ones_like(features), target, NAMES)
    estimator.fit(features, target, NAMES)
    with pytest.raises(ValueError, match="X is NaN or infinite in column 'radiation', row 7"):
        estimator.predict(spoilt)
    with pytest.raises(ValueError, match=re.escape("X has 3 features, but PyTorchFrameRegressor is expecting 4")):
        estimator.predict(features[:, :3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "tabnett"}, "choose one of tabnet, excelformer, resnet, fttransformer"),
        ({"channels": 0}, "channels is 0"),
        ({"channels": 15}, "multiple of heads"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"gamma": 0.5}, "gamma is 0.5"),
        ({"mixup": "both"}, "mixup is 'both'"),
    ],
)
def test_options_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PyTorchFrameOptions(**{"model": "excelformer"} | change)


def test_columns_without_a_name_get_one():
    features, target = rows()
    columns = PyTorchFrameRegressor(options("resnet"), TRAINING).fit(features, target).columns_
    assert isinstance(columns, ModelColumns) and columns.given == ("x0", "x1", "x2", "x3")


def test_a_task_leaves_the_estimator_as_it_is():
    features, target = rows()
    estimator = PyTorchFrameRegressor(options("resnet"), replace(TRAINING, epochs=1))
    assert estimator.task(features, target + 5, NAMES).n_samples == len(features)
    with pytest.raises(NotFittedError, match="not fitted"):
        estimator.predict(features)
    before = estimator.fit(features, target, NAMES).predict(features)
    estimator.task(features, target + 5, NAMES)
    np.testing.assert_array_equal(estimator.predict(features), before)
