"""Which hyperparameters AutoGluon's models read: half of them take any name, and do nothing with one they do not know.

The names come from the installed libraries, so that another version's are known as well; those of TabM, which reads
them one by one, and XGBoost's own beside those of its scikit-learn class are listed here, from the documentation.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Collection, Mapping

from bench.errors import BenchError

_OF_AUTOGLUON = ("ag", "ag_args", "ag_args_fit", "ag_args_ensemble")
"""What AutoGluon itself takes among the hyperparameters of any model (``ag`` of names such as ``ag.early_stop``)."""
_WITH_DOTS = ("ag.", "early.stopping.", "proc.")
"""How names begin that hold dots themselves: AutoGluon's own of any model, and those of its networks."""
_SEEDS = ("random_seed", "random_state", "seed", "seed_value")
_THREADS = (
    "n_jobs",
    "n_thread",
    "n_threads",
    "nthread",
    "nthreads",
    "num_cpus",
    "num_thread",
    "num_threads",
    "thread_count",
)
_SET_BY_AUTOGLUON = {"GBM": ("learning_rate", "objective"), "XGB": ("learning_rate", "objective", "booster")}
"""What AutoGluon sets in models whose library drops one of two names of a parameter; CatBoost refuses both."""
_ROUNDS = "num_iterations"
"""LightGBM's parameter of which AutoGluon takes ``num_boost_round`` out, so that any other name of it has effect."""
_XGBOOST_ALIASES = {
    "learning_rate": ("eta",),
    "gamma": ("min_split_loss",),
    "reg_alpha": ("alpha",),
    "reg_lambda": ("lambda",),
}
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
    "one_drop",
    "process_type",
    "rate_drop",
    "refresh_leaf",
    "sample_type",
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


def steps_to(dotted: str) -> list[str]:
    """The keys that lead to a parameter: parts between dots, but for the hyperparameters whose names hold dots.

    Args:
        dotted: such as ``hyperparameters.early.stopping.patience``.
    """
    head, _, name = dotted.partition(".")
    return [head, name] if head == "hyperparameters" and name.startswith(_WITH_DOTS) else dotted.split(".")


def refuse_without_effect(key: str, held: Mapping[str, object]) -> None:
    """Raises where a model would read another value in the place of one of its hyperparameters.

    Args:
        key: AutoGluon's own of the model.
        held: its hyperparameters.

    Raises:
        BenchError: one is the seed or the number of threads, which the run gives, or stands beside another name of the
            same parameter, of which the library drops one.
    """
    for name in held:
        if name in (*_SEEDS, *_THREADS):
            given = "the repetition gives the seed" if name in _SEEDS else "the run gives every job its threads"
            raise BenchError(f"hyperparameters.{name} would have no effect, since {given}; leave it out.")
    _refuse_unread_by_autogluon(key, held)
    if key not in _SET_BY_AUTOGLUON:
        return
    present = {*held, *_SET_BY_AUTOGLUON[key]}
    for main, others in (_lightgbm_aliases() if key == "GBM" else _XGBOOST_ALIASES).items():
        names = sorted(present & {main, *others}, key=lambda name: name != main)
        if len(names) > 1 and main != _ROUNDS:
            raise BenchError(
                f"hyperparameters.{names[1]} is another name of {names[0]}, which is set already, and one of the two "
                f"would have no effect; set hyperparameters.{names[0]}."
            )


def _refuse_unread_by_autogluon(key: str, held: Mapping[str, object]) -> None:
    """Raises where AutoGluon would take a name out of the hyperparameters and then read it nowhere."""
    if "ag" in held:
        raise BenchError(
            "hyperparameters.ag is read by no model; set one of its names, as hyperparameters.ag.early_stop."
        )
    of_fit = held.get("ag_args_fit")
    given = [name for name in held if name.startswith("ag.")]
    given += [f"ag_args_fit.{name}" for name in of_fit] if isinstance(of_fit, Mapping) else []
    if not given:
        return
    from autogluon.core.models.abstract._auxiliary_params import AuxiliaryParams  # there is no public way to it
    from autogluon.tabular.registry import ag_model_registry

    model = ag_model_registry.key_to_cls(key)
    known = {
        "num_cpus",
        "num_gpus",
        *model._ag_params(model),
        *(item.name for item in dataclasses.fields(AuxiliaryParams)),
    }
    for dotted in given:
        name = dotted.removeprefix("ag_args_fit.").removeprefix("ag.")
        if name not in known or name == "extra":
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it reads {', '.join(sorted(known - {'extra'}))}."
            raise BenchError(f"hyperparameters.{dotted}: AutoGluon reads no {name!r} for {key}; {hint}")


def _lightgbm_aliases() -> Mapping[str, Collection[str]]:
    """Name of a parameter → its other names."""
    from lightgbm.basic import _ConfigAliases

    aliases: Mapping[str, Collection[str]] = _ConfigAliases._get_all_param_aliases()  # there is no public way to it
    return aliases


def _lightgbm() -> Collection[str]:
    aliases = _lightgbm_aliases()
    return {"dart_retrain", *aliases, *(name for names in aliases.values() for name in names)}


def _xgboost() -> Collection[str]:
    from xgboost import XGBModel

    return {*inspect.signature(XGBModel).parameters, *_XGBOOST, "proc.max_category_levels"} - {"kwargs"}


def _catboost() -> Collection[str]:
    from catboost import CatBoostRegressor

    return inspect.signature(CatBoostRegressor).parameters.keys()


def _fastai() -> Collection[str]:
    from autogluon.tabular.models.fastainn.hyperparameters.parameters import get_param_baseline

    own = ("best_epoch", "clipping", "max_unique_categorical_values", "y_scaler")
    return {*get_param_baseline("regression"), *own} - {"smoothing"}  # of classes alone


def _nn_torch() -> Collection[str]:
    from autogluon.tabular.models.tabular_nn.hyperparameters.parameters import get_default_param

    return {*get_default_param("regression", "pytorch"), "batch_size"}


_ASKED: dict[str, Callable[[], Collection[str]]] = {
    "GBM": _lightgbm,
    "XGB": _xgboost,
    "CAT": _catboost,
    "FASTAI": _fastai,
    "NN_TORCH": _nn_torch,
    "TABM": lambda: _TABM,
}
