"""Checks of what a user passes in; each failure is one ``ValueError`` with one sentence.

Every estimator here takes the same things for an array: numpy arrays of real numbers, lists, data frames and series,
numpy arrays of Python's numbers. Every one refuses the same things: masked values, which would enter as whatever lies
under the mask (−9999, say), NaN and infinity, complex numbers, text (also text that spells numbers), dates, sparse
matrices, ragged lists, and columns with other names than those of the fit.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.arrays import Doubles

_KINDS = {
    "c": "complex numbers; give their real part or their size (Complex data not supported)",
    "U": "text; give numbers",
    "S": "text; give numbers",
    "T": "text; give numbers",
    "M": "dates; give numbers, such as days since one of them",
    "m": "time spans; give numbers, such as days",
    "V": "records; give one array of numbers",
}
"""What is wrong with arrays of numpy's kinds that hold no real numbers, and what to do."""


def real_array(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return the values as an array of real numbers, without a copy where they are one.

    Args:
        values: an array, nested lists, a data frame or a series.
        name: what the error message calls it.

    Returns:
        An array of a floating-point, integer or boolean type.

    Raises:
        ValueError: values are masked, or are no real numbers of one rectangular shape.
    """
    masked = _masked_values(values)
    if masked:
        raise ValueError(f"{name} has {masked} masked values; fill them or drop their rows first.")
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise ValueError(f"{name} is a sparse matrix; give a dense one, such as {name}.toarray().")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers of one rectangular shape: {_first_line(error)}") from error
    if array.dtype.kind in _KINDS:
        raise ValueError(f"{name} holds {_KINDS[array.dtype.kind]}.")
    return _unboxed(array, name) if array.dtype.kind == "O" else array


def array_with_gaps(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return the values as ``real_array`` does, but masked ones as NaN: for a target with gaps between the samples.

    Raises:
        ValueError: values are no real numbers of one rectangular shape.
    """
    if not isinstance(values, np.ma.MaskedArray) or values.dtype.kind not in "biuf":
        return real_array(values, name)
    gaps = np.ma.getmaskarray(values)
    return np.where(gaps, np.nan, np.ma.getdata(values)) if gaps.any() else np.ma.getdata(values)


def rows_of_numbers(values: ArrayLike, name: str, ndim: int = 2) -> NDArray[Any]:
    """Return the values as ``real_array`` does if they have the asked rank and are not empty.

    Args:
        values: as for ``real_array``.
        name: what the error message calls it.
        ndim: number of axes wanted.

    Raises:
        ValueError: as of ``real_array``; another number of axes, or empty.
    """
    array = real_array(values, name)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, but its shape is {array.shape}.")
    if array.size == 0 and len(array):
        raise ValueError(f"{name} is empty: 0 feature(s) (shape={array.shape}) while a minimum of 1 is required.")
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    return array


def finite_array(values: ArrayLike, name: str, ndim: int) -> Doubles:
    """Return the values as a contiguous float64 array of the asked rank.

    Args:
        values: as for ``real_array``.
        name: what the error message calls it.
        ndim: number of axes wanted.

    Returns:
        A C-contiguous float64 array with ``ndim`` axes.

    Raises:
        ValueError: as of ``real_array``; another number of axes, empty, NaN or infinite.
    """
    given = rows_of_numbers(values, name, ndim)
    array = np.require(given, np.float64, ["C", "W"])  # torch warns of what cannot be written
    bad = ~np.isfinite(array)
    if bad.any():
        first = ", ".join(str(index) for index in np.unravel_index(int(bad.argmax()), bad.shape))
        number = int(np.count_nonzero(bad))
        raise ValueError(f"{name} holds {number} NaN or infinite values, the first at [{first}]; drop or fill them.")
    return array


def target_vector(y: ArrayLike, name: str = "y") -> Doubles:
    """Return the target as (n,); a single column (n, 1) is accepted too."""
    if y is None:
        raise ValueError(f"The estimator requires y to be passed, but the target {name} is None.")
    array = real_array(y, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return finite_array(array, name, 1)


def column_names(values: object) -> tuple[str, ...] | None:
    """Return the names of a data frame's columns; None where there are none, or where they are numbers."""
    columns = getattr(values, "columns", None)
    if columns is None or not all(isinstance(column, str) for column in columns):
        return None
    return tuple(columns)


def keep_columns(estimator: Any, values: object, number: int, names: Sequence[str] | None = None) -> None:
    """Remember in scikit-learn's attributes which columns an estimator was fitted on.

    Args:
        estimator: gets ``n_features_in_``, and ``feature_names_in_`` where the columns have names.
        values: features as they were given.
        number: of columns.
        names: of the columns, where they were given apart from the features.
    """
    known = column_names(values) if names is None else tuple(names)
    estimator.n_features_in_ = number
    if known is not None:
        estimator.feature_names_in_ = np.array(known, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):  # of an earlier fit
        del estimator.feature_names_in_


def same_columns(estimator: Any, values: object) -> None:
    """Check that a data frame has the columns of the fit, in their order; what has no names passes.

    Raises:
        ValueError: the names differ.
    """
    names, fitted = column_names(values), getattr(estimator, "feature_names_in_", None)
    if names is None or fitted is None or list(names) == list(fitted):
        return
    if sorted(names) == sorted(fitted):
        raise ValueError("The columns of X are in another order than in the fit; give them in that order.")
    other = next(name for name in (*names, *fitted) if name not in fitted or name not in names)
    raise ValueError(f"The columns of X are not those of the fit: {other!r} is in one of the two only.")


def fitted_columns(estimator: Any, X: ArrayLike) -> NDArray[Any]:
    """Return the features of a prediction as (m, k), the columns those of the fit.

    Raises:
        ValueError: as of ``rows_of_numbers``; other columns, or another number of them.
    """
    same_columns(estimator, X)
    features = rows_of_numbers(X, "X")
    number, expected = features.shape[1], estimator.n_features_in_
    if number != expected:
        kind = type(estimator).__name__
        raise ValueError(f"X has {number} features, but {kind} is expecting {expected} features as input.")
    return features


def fitted_features(estimator: Any, X: ArrayLike) -> Doubles:
    """Return the same as a contiguous float64 array.

    Raises:
        ValueError: as of ``fitted_columns``; NaN or infinite.
    """
    return finite_array(fitted_columns(estimator, X), "X", 2)


def _masked_values(values: object) -> int:
    """Return how many values are masked, also in arrays within lists."""
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        return int(np.count_nonzero(mask)) if mask.dtype == np.bool_ else 0  # records are refused by their kind
    if isinstance(values, list | tuple):
        return sum(_masked_values(item) for item in values if isinstance(item, list | tuple | np.ma.MaskedArray))
    return 0


def _unboxed(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array of Python objects as float64, or as int64 if all are whole, if all are real numbers."""
    for item in array.flat:
        if not isinstance(item, numbers.Real | np.bool_):
            kind = "nothing" if item is None else f"a value of type {type(item).__name__}"
            raise ValueError(f"{name} must be numbers, but holds {kind}.")
    whole = all(isinstance(item, int | np.integer) and abs(int(item)) < 2**63 for item in array.flat)
    return array.astype(np.int64 if whole else np.float64)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def coordinate_array(coords: ArrayLike, great_circle: bool, name: str = "coords") -> Doubles:
    """Return coordinates as (n, 2): planar x, y or, for great-circle distance, lon, lat in degrees.

    Raises:
        ValueError: not two columns, NaN, or outside lon -180..360 and lat -90..90.
    """
    array = finite_array(coords, name, 2)
    if array.shape[1] != 2:
        raise ValueError(f"{name} must have two columns, but its shape is {array.shape}.")
    if great_circle:
        lon, lat = array[:, 0], array[:, 1]
        if np.abs(lat).max() > 90 or lon.min() < -180 or lon.max() > 360:
            raise ValueError(f"{name} must be (lon, lat) in degrees: lon in -180..360, lat in -90..90.")
    return array


def same_length(**arrays: Doubles) -> None:
    """Check that all arrays have the same number of rows.

    Raises:
        ValueError: the lengths differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"The numbers of samples differ: {listed}.")
