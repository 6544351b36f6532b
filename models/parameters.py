"""scikit-learn's conventions on parameters for estimators that do without scikit-learn.

A machine that only trains a network has torch, NumPy and SciPy; and importing scikit-learn takes as long as importing
torch. So it is imported only where a caller has it in hand already.
"""

from __future__ import annotations

import inspect
from typing import Any, Self


class Parameters:
    """Reads and sets what ``__init__`` takes; ``sklearn.base.clone`` needs no more."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the parameters by name.

        Args:
            deep: part of the convention; no parameter here has parameters of its own.
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **parameters: Any) -> Self:
        """Sets parameters by name and returns the estimator.

        Raises:
            ValueError: there is no such parameter.
        """
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                kind = type(self).__name__
                raise ValueError(f"Invalid parameter {name!r} for estimator {kind}; it has {', '.join(known)}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True),
            regressor_tags=RegressorTags(),
        )


def not_fitted(message: str) -> ValueError:
    """Returns the error of an estimator that is not fitted: scikit-learn's, or its base where that is not installed.

    Args:
        message: one sentence.
    """
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return ValueError(message)
    error: ValueError = NotFittedError(message)
    return error
