"""Any regressor with scikit-learn's interface as a row: ``sklearn:module.Class``."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner
from bench.runners.entry import Cost, RunnerEntry
from bench.runners.foreign import NotImportable, imported
from bench.runners.known import Known
from bench.system.text import one_line, text_of

ESTIMATOR = "estimator"
"""Parameter of a job that names the class; all others are the class's own."""
_COST = Cost(seconds=5.0, seconds_per_million=5.0, bytes_per_value=24.0)


class SklearnRunner(Runner):
    """A regressor on a feature view whose columns are standardised by the training rows.

    Where the class knows ``random_state`` it gets the job's seed, and where it knows ``n_jobs`` the job's threads.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known | None:
        """See `Runner`; those of the class that is named."""
        make = regressor_class(str(parameters[ESTIMATOR]))
        return None if _takes_any(make) else dict.fromkeys((ESTIMATOR, *_settings_of(make)))

    def fit(self) -> None:
        """Builds the regressor and fits it to the training rows."""
        from sklearn.preprocessing import StandardScaler

        settings = dict(self.task.parameters)
        make = regressor_class(str(settings.pop(ESTIMATOR)))
        known = _settings_of(make)
        if "random_state" in known and "random_state" not in settings:
            settings["random_state"] = self.task.seed % 2**32
        if "n_jobs" in known and "n_jobs" not in settings:
            settings["n_jobs"] = self.task.threads
        table, target = self.task.training_table()
        self._scaler = StandardScaler().fit(table.values)
        model = make(**settings)
        if not (hasattr(model, "fit") and hasattr(model, "predict")):
            raise BenchError(
                f"{self.task.parameters[ESTIMATOR]} returned a {type(model).__name__}, which is no regressor."
            )
        model.fit(self._scaler.transform(table.values), target)
        self._model = model  # not what fit returns: of a class that someone wrote it is often nothing

    def predict(self, part: Part) -> FloatArray:
        """(n_cells, n_times) in the target's units, some cells at a time."""
        return self.task.predict_rows(part, lambda table: self._model.predict(self._scaler.transform(table.values)))


def regressor_class(path: str) -> Any:
    """The class (or a function that returns a regressor) that a dotted name means.

    Raises:
        BenchError: there is none, or it is no regressor.
    """
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        found = imported(module, name)
    except NotImportable as error:
        raise BenchError(
            f"There is no regressor {path!r} ({error}); name a class as in sklearn:sklearn.linear_model.Ridge."
        ) from error
    if not (inspect.isclass(found) or inspect.isfunction(found)) or (
        inspect.isclass(found) and not (hasattr(found, "fit") and hasattr(found, "predict"))
    ):
        raise BenchError(f"{path} is no regressor: it has no fit and predict; name a class that has both.")
    if inspect.isclass(found) and not _is_regressor(found):
        raise BenchError(
            f"{path} is no regressor by its own word (RegressorMixin), and the target is a number; name one, of a "
            "pipeline or a search a function of yours that makes it."
        )
    if inspect.isclass(found) and _needed(found):
        needed = ", ".join(_needed(found))
        raise BenchError(f"{path} cannot be made without {needed}; name a function of yours that makes it.")
    if inspect.isclass(found) and inspect.isabstract(found):
        raise BenchError(f"{path} is abstract; name a class that can be fitted.")
    return found


def entry_of(estimator: Any, name: str | None, title: str | None, settings: Mapping[str, Any]) -> RunnerEntry:
    """The entry of a regressor.

    Args:
        estimator: ``module.Class``, or a regressor of a plain class.
        name: of its row; None for ``sklearn_`` and the class.
        title: of its row as printed; None for the class.
        settings: of the class, replacing those of the object.

    Raises:
        BenchError: there is no such regressor, it does not know a setting, or an object does not tell its settings.
    """
    path = estimator if isinstance(estimator, str) else _path_of(estimator)
    if path.startswith("__main__."):
        raise BenchError(
            f"{path} is defined in the program that was started, where the process of a job cannot import it; put it "
            "into a module of its own."
        )
    make = regressor_class(path)
    own = {} if isinstance(estimator, str) else _own_settings(estimator, path)
    known, chosen = _settings_of(make), {key: _plain(value) for key, value in {**own, **settings}.items()}
    wrong = [key for key in chosen if key not in known]
    if wrong and not _takes_any(make):
        raise BenchError(f"{path} has no setting {wrong[0]!r}; it has {', '.join(known) or 'none'}.")
    _require_storable(path, chosen)
    kind_name = path.replace(":", ".").rpartition(".")[2]
    slug = re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind_name).lower())
    return RunnerEntry(
        name=name or f"sklearn_{slug.strip('_')}",
        title=title or name or kind_name,
        family="Tabular Machine Learning",
        target="bench.runners.sklearn:SklearnRunner",
        summary=f"{path} on standardised features",
        requires=_distributions(path.partition(".")[0]),
        seeded="random_state" in known and chosen.get("random_state") is None,
        parameters={ESTIMATOR: path, **chosen},
        cost=_COST,
    )


def _path_of(estimator: Any) -> str:
    """The dotted name of the class of an object.

    Raises:
        BenchError: it is no regressor.
    """
    if inspect.isclass(estimator) or inspect.isfunction(estimator):
        called, name = "class" if inspect.isclass(estimator) else "function", estimator.__qualname__
        raise BenchError(
            f"{name} is a {called} and no object; name it as a text, {f'{estimator.__module__}.{name}'!r}, or give a "
            "regressor that it makes."
        )
    kind = type(estimator)
    if not (hasattr(kind, "fit") and hasattr(kind, "predict")):
        raise BenchError(f"A {kind.__name__} cannot be registered; give a RunnerEntry or a regressor.")
    return f"{kind.__module__}.{kind.__qualname__}"


def _own_settings(estimator: Any, path: str) -> dict[str, Any]:
    """Settings of an object that are not its class's defaults.

    Raises:
        BenchError: the object does not tell them, or another one that is made with them tells others.
    """
    kind = type(estimator)
    defaults = _settings_of(kind)
    if not hasattr(kind, "get_params"):
        if defaults or _takes_any(kind):
            raise BenchError(
                f"A {kind.__name__} does not tell its settings, so that a job would run with its defaults; let the "
                f"class inherit BaseEstimator, or give {path!r} and the settings."
            )
        return {}
    try:
        given = estimator.get_params(deep=False)
        own = {key: value for key, value in given.items() if key not in defaults or not _same(value, defaults[key])}
        again = kind(**own).get_params(deep=False)
    except Exception as error:  # noqa: BLE001 - a class of others may raise anything
        raise BenchError(
            f"The settings of a {kind.__name__} cannot be taken over ({type(error).__name__}: "
            f"{one_line(text_of(error))}); give {path!r} and the settings, or name a function of yours that makes it."
        ) from error
    lost = [key for key, value in given.items() if key not in again or not _same(value, again[key])]
    if lost:
        raise BenchError(
            f"A {kind.__name__} that is made with the settings of this one has another {lost[0]}; give {path!r} and "
            "the settings, or name a function of yours that makes it."
        )
    return own


def _distributions(package: str) -> tuple[str, ...]:
    """Installed distributions that a package is of: another version of them may give other numbers."""
    if package == "sklearn":
        return ("scikit-learn",)  # without the second that looking through all takes
    return tuple(sorted(set(importlib.metadata.packages_distributions().get(package, ()))))


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _require_storable(path: str, settings: Mapping[str, Any]) -> None:
    """Raises where a setting is such as the id of a job cannot hold.

    Raises:
        BenchError: a setting is an object, an array or a function.
    """
    for key, value in settings.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BenchError(
                f"{path}: its setting {key} is such as JSON cannot hold ({one_line(text_of(error))}); name a function "
                "of yours that makes the regressor, as 'module.function'."
            ) from error


def _is_regressor(kind: Any) -> bool:
    says = getattr(kind, "_estimator_type", None) == "regressor"
    return says or any(base.__name__ == "RegressorMixin" for base in kind.__mro__)


def _needed(kind: Any) -> list[str]:
    """Settings without a default that a class takes by name."""
    parameters = list(_signature(kind).parameters.values())
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [item.name for item in parameters if item.kind in named and item.default is item.empty]


def _signature(make: Any) -> inspect.Signature:
    try:
        return inspect.signature(make)
    except Exception as error:  # noqa: BLE001 - a class of others may answer with anything
        raise BenchError(f"{make!r} does not say what settings it takes; name another class.") from error


def _settings_of(make: Any) -> dict[str, Any]:
    """Name → default of what a class takes."""
    parameters = _signature(make).parameters.values()
    return {
        item.name: item.default for item in parameters if item.kind in (item.KEYWORD_ONLY, item.POSITIONAL_OR_KEYWORD)
    }


def _takes_any(make: Any) -> bool:
    return any(item.kind is item.VAR_KEYWORD for item in _signature(make).parameters.values())


def _same(value: Any, other: Any) -> bool:
    """Whether two settings mean the same; 1 and 1.0, also within a list, do not (one feature, all features)."""
    try:
        return value is other or (bool(value == other) and repr(value) == repr(other))
    except (TypeError, ValueError):  # arrays
        return False
