"""Any regressor with scikit-learn's interface as a row: ``sklearn:module.Class``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner
from bench.runners.entry import Cost, RunnerEntry
from bench.runners.foreign import NotImportable, imported
from bench.runners.known import Known

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
        self._model = model.fit(self._scaler.transform(table.values), target)

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
        raise BenchError(f"{path} is no regressor by its own word (RegressorMixin); name one, the target is a number.")
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
        BenchError: there is no such regressor, or it does not know a setting.
    """
    if isinstance(estimator, str):
        path, own = estimator, {}
    else:
        kind = type(estimator)
        if not (hasattr(kind, "fit") and hasattr(kind, "predict")):
            raise BenchError(f"A {kind.__name__} cannot be registered; give a RunnerEntry or a regressor.")
        path = f"{kind.__module__}.{kind.__qualname__}"
        defaults = _settings_of(kind)
        given = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
        own = {key: value for key, value in given.items() if key not in defaults or not _same(value, defaults[key])}
    if path.startswith("__main__."):
        raise BenchError(
            f"{path} is defined in the program that was started, where the process of a job cannot import it; put it "
            "into a module of its own."
        )
    make = regressor_class(path)
    known, chosen = _settings_of(make), {**own, **settings}
    wrong = [key for key in chosen if key not in known]
    if wrong and not _takes_any(make):
        raise BenchError(f"{path} has no setting {wrong[0]!r}; it has {', '.join(known) or 'none'}.")
    kind_name = path.replace(":", ".").rpartition(".")[2]
    slug = re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind_name).lower())
    package = path.partition(".")[0]
    requires = ("scikit-learn",) if package == "sklearn" else ()
    return RunnerEntry(
        name=name or f"sklearn_{slug.strip('_')}",
        title=title or name or kind_name,
        family="Tabular Machine Learning",
        target="bench.runners.sklearn:SklearnRunner",
        summary=f"{path} on standardised features",
        requires=requires,
        seeded="random_state" in known,
        parameters={ESTIMATOR: path, **chosen},
        cost=_COST,
    )


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


def _same(value: Any, default: Any) -> bool:
    try:
        return bool(value == default) or value is default
    except (TypeError, ValueError):  # arrays
        return False
