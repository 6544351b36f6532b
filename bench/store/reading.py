"""Records and manifests read as a stranger's files: bounded, typed, and damaged where they make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import BenchError, what_is_wrong
from bench.store.records import SCHEMA_VERSION, Manifest, Record
from bench.system.text import one_line
from bench.system.untrusted import read_regular

ModelT = TypeVar("ModelT", bound=BaseModel)
MOST_BYTES = 200_000_000
"""Of a record or manifest; the largest manifest of this project's suites has less than a thousandth."""


_MOST_REASON = 200  # characters


class CorruptRecord(BenchError):
    """A stored job that cannot be read; a re-issued `bench run` sets it aside and repeats the job."""


def read_record(path: Path, job_id: str) -> Record:
    """The record of a job in a file.

    Raises:
        CorruptRecord: it is damaged, or that of another job.
        BenchError: it was written by a newer version.
        OSError: it is no regular file, or may not be read.
    """
    return parsed_record(read_regular(path, MOST_BYTES), path, job_id)


def parsed_record(content: bytes, path: Path, job_id: str) -> Record:
    """The record of a job in the content of its file; raises as `read_record` does."""
    record = _parse(Record, content, path)
    if record.job_id != job_id or record.job.id != job_id:
        raise CorruptRecord(
            f"Record {path} describes another job ({record.job.id}); `bench run` sets it aside and repeats it."
        )
    return record


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        CorruptRecord: it is damaged.
        BenchError: it may not be read, or was written by a newer version.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except OSError as error:
        raise CorruptRecord(f"{path} is damaged ({error.strerror}); `bench run` sets it aside.") from error
    return _parse(Manifest, content, path)


def require_known_schema(content: bytes, path: Path) -> None:
    """Refuses a file that a newer version wrote.

    Raises:
        BenchError: it was.
        ValueError, KeyError, RecursionError: it is no JSON object with the number of its schema.
    """
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("it holds no object of JSON")
    version = found["schema_version"]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BenchError(
            f"{path} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}); update "
            "climate2gpp-bench."
        )


def _parse(model: type[ModelT], content: bytes, path: Path) -> ModelT:
    try:
        require_known_schema(content, path)
        return model.model_validate_json(content)
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        aside = "it aside" if model is Manifest else "a damaged job aside and repeats it"
        why = one_line(what_is_wrong(error), _MOST_REASON)
        raise CorruptRecord(f"{path} is damaged ({why}); `bench run` sets {aside}.") from error
