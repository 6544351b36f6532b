"""Whether a record's metrics are those of the tables beside it.

The three are written together. One that another job left, or that somebody changed with its hash, would put a number
into lists that is not the one of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from bench.store.records import Record

Totals = Mapping[str, float]
"""Name of a sum → its value over all samples of a part, unweighted."""
_NAMES = ("rmse", "mae", "bias")
"""R² is left out: where a target hardly varies it is what rounding makes it."""
_RELATIVE, _ABSOLUTE = 1e-5, 1e-9
"""Sums that are added in another order differ by some 1e-15, errors of float32 differences by 1e-7; a bias, whose terms
cancel, is held to this share of the mean absolute error."""


def require_metrics(record: Record, totals: Callable[[str, str], Totals | None], what: str) -> None:
    """Holds the metrics of a record against a table.

    Args:
        record: of the job.
        totals: from a part and a group, ``all`` or the name of a target, to what the table sums to; None where the
            table says nothing of them, which is no disagreement.
        what: the table, as the sentence names it.

    Raises:
        ValueError: they disagree.
    """
    from bench.scoring.metrics import METRICS

    groups = {f"{name}_": name for name in record.job.targets} or {"": "all"}
    for part, said in record.metrics.items():
        for prefix, group in groups.items():
            claims = {name: said.get(prefix + name) for name in _NAMES}
            found = totals(part, group) if any(value is not None for value in claims.values()) else None
            if found is None:
                continue
            sums = {name: np.asarray(value, np.float64) for name, value in found.items()}
            with np.errstate(divide="ignore", invalid="ignore"):
                values = {name: float(METRICS[name].of(sums)) for name in _NAMES}
            for name, claim in claims.items():
                value = values[name]
                room = _RELATIVE * values["mae"] if name == "bias" else _ABSOLUTE
                if claim is not None and not math.isclose(
                    claim, value, rel_tol=_RELATIVE, abs_tol=max(room, _ABSOLUTE)
                ):
                    raise ValueError(f"the record says {part} {prefix}{name} {claim:.6g}, {what} {value:.6g}")


def require_sums_of(record: Record, totals: Callable[[str, str], Totals | None]) -> None:
    """Holds number of test samples and metrics of a record against its sums; raises as `require_metrics` does."""
    if not record.job.targets and record.n_test is not None:
        tested = (totals("test", "all") or {"n": 0})["n"]
        if tested != record.n_test:
            raise ValueError(f"the record says {record.n_test} test samples, its sums are over {tested:.0f}")
    require_metrics(record, totals, "its sums")


def totals_of(target: npt.NDArray[np.floating], prediction: npt.NDArray[np.floating]) -> Totals | None:
    """The sums of samples that the metrics are made of; None of no samples.

    Args:
        target: (n,) in its units.
        prediction: (n,) likewise.
    """
    error = prediction.astype(np.float64) - target.astype(np.float64)
    if not len(error):
        return None
    sums = {"error": error.sum(), "absolute_error": np.abs(error).sum(), "squared_error": (error**2).sum()}
    return {"weight": float(len(error))} | {name: float(value) for name, value in sums.items()}
