"""What a job's process says of itself in ``result.json``: read like a file that a stranger wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import what_is_wrong
from bench.store.names import PREDICTIONS, STATISTICS
from bench.store.records import Bytes, Samples, Seconds
from bench.system.text import one_line
from bench.system.untrusted import NotRegular, is_regular, read_regular

RESULT_FILE = "result.json"
MOST_RESULT_BYTES = 1_000_000
MOST_REASON = 500
"""Characters of a reason in a record; the log has the rest."""
Ended = Literal["done", "failed", "oom"]
"""What a process can say of itself; the other statuses are its parent's word."""


class Result(BaseModel):
    """The content of ``result.json``.

    Attributes:
        status: how the job ended by its own word.
        reason: one sentence, unless done.
        metrics: as in the record.
        n_train: training samples.
        n_test: test samples.
        times: seconds of ``fit`` and ``predict``.
        device: as in the record.
        precision: as in the record.
        training_ended: as in the record.
        max_rss_bytes: largest resident memory by the system's account.
        data_gone: the data were not there, or were not those of the plan: no fault of the job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    status: Ended
    reason: str | None = None
    metrics: dict[Literal["train", "test", "fitted"], dict[str, float | None]] = {}
    n_train: Samples | None = None
    n_test: Samples | None = None
    times: dict[Literal["fit", "predict"], Seconds] = {}
    device: Annotated[str, Field(max_length=200)] | None = None
    precision: Annotated[str, Field(max_length=200)] | None = None
    training_ended: Annotated[str, Field(max_length=200)] | None = None
    max_rss_bytes: Bytes = 0
    data_gone: bool = False


def read_result(work: Path, name: str = RESULT_FILE) -> Result | None:
    """The result that a job left, or None where it left none; one that makes no sense is a failure that says so.

    Args:
        work: folder of the job.
        name: of the file.
    """
    try:
        return Result.model_validate_json(read_regular(work / name, MOST_RESULT_BYTES))
    except NotRegular as error:
        return _senseless(error.strerror)
    except OSError:
        return None
    except ValidationError as error:
        return _senseless(what_is_wrong(error))


def failure(error: BaseException, status: Ended = "failed", **more: Any) -> Result:
    """The result of a job that an exception ended; an exception whose text cannot be had is named by its type."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - the text is made by code of the job
        said = ""
    name = type(error).__name__
    return Result(status=status, reason=one_line(f"{name}: {said.strip() or 'no message'}", MOST_REASON), **more)


def what_is_missing(result: Result, work: Path) -> str | None:
    """What a job that says it is done has not left, as a sentence, or None."""
    missing = [f"no {part} metrics" for part in ("train", "test") if part not in result.metrics]
    missing += [f"no file {name}" for name in (STATISTICS, PREDICTIONS) if not is_regular(work / name)]
    return f"it says it is done but left {missing[0]}; see the job's log" if missing else None


def _senseless(why: str | None) -> Result:
    return Result(status="failed", reason=one_line(f"its {RESULT_FILE} makes no sense ({why}); see the job's log"))
