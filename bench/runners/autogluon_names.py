"""Which hyperparameters AutoGluon's models read: half of them take any name, and do nothing with one they do not know.

The names come from the installed libraries, so that another version's are known as well; those of TabM, which reads
them one by one, and XGBoost's own beside those of its scikit-learn class are listed here, from the documentation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection

_OF_AUTOGLUON = ("ag", "ag_args", "ag_args_fit", "ag_args_ensemble")
"""What AutoGluon itself takes among the hyperparameters of any model (``ag`` of names such as ``ag.early_stop``)."""
_TABM = (
    "allow_amp",
    "arch_type",
    "average_logits",
    "batch_size",
    "bool_to_cat",
    "compile_model",
    "d_block",
    "d_embedding",
    "dropout",
    "eval_batch_size",
    "gradient_clipping_norm",
    "lr",
    "n_blocks",
    "n_epochs",
    "num_emb_n_bins",
    "num_emb_type",
    "patience",
    "random_state",
    "share_training_batches",
    "tabm_k",
    "verbosity",
    "weight_decay",
)
_XGBOOST = (
    "alpha",
    "eta",
    "lambda",
    "max_cached_hist_node",
    "min_split_loss",
    "normalize_type",
    "nthread",
    "one_drop",
    "process_type",
    "rate_drop",
    "refresh_leaf",
    "sample_type",
    "seed",
    "seed_per_iteration",
    "skip_drop",
    "tweedie_variance_power",
    "updater",
)


def hyperparameters_of(key: str) -> Collection[str] | None:
    """The names that a model reads, or None where it refuses others itself, or cannot be asked.

    Args:
        key: AutoGluon's own of the model, such as ``GBM``.
    """
    ask = _ASKED.get(key)
    return None if ask is None else (*sorted(ask()), *_OF_AUTOGLUON)


def _lightgbm() -> Collection[str]:
    from lightgbm.basic import _ConfigAliases

    aliases = _ConfigAliases._get_all_param_aliases()  # the library's own table; there is no public way to it
    return {"dart_retrain", *aliases, *(name for names in aliases.values() for name in names)}


def _xgboost() -> Collection[str]:
    from xgboost import XGBModel

    return {*inspect.signature(XGBModel).parameters, *_XGBOOST, "proc"} - {"kwargs"}


def _catboost() -> Collection[str]:
    from catboost import CatBoostRegressor

    return inspect.signature(CatBoostRegressor).parameters.keys()


def _fastai() -> Collection[str]:
    from autogluon.tabular.models.fastainn.hyperparameters.parameters import get_param_baseline

    own = ("best_epoch", "clipping", "max_unique_categorical_values", "random_seed", "y_scaler")
    return {*get_param_baseline("regression"), *own}


def _nn_torch() -> Collection[str]:
    from autogluon.tabular.models.tabular_nn.hyperparameters.parameters import get_default_param

    return {*get_default_param("regression", "pytorch"), "batch_size", "seed_value"}


_ASKED: dict[str, Callable[[], Collection[str]]] = {
    "GBM": _lightgbm,
    "XGB": _xgboost,
    "CAT": _catboost,
    "FASTAI": _fastai,
    "NN_TORCH": _nn_torch,
    "TABM": lambda: _TABM,
}
