"""The stored result of a job: a documented, versioned type. `docs/results-format.md` describes the files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.store.jobs import Job
from bench.system.host import Host
from bench.system.text import one_line

SCHEMA_VERSION = 1
Status = Literal["done", "failed", "timeout", "oom", "skipped"]
INTERRUPTED = "interrupted"
"""How a job ended that was killed from outside, not by a limit: the next run repeats it unasked."""
Line = Annotated[str, AfterValidator(one_line)]
"""Text for people: whoever wrote it, no output has to clean it again."""
Seconds = Annotated[float, Field(ge=0, le=1e10)]
Bytes = Annotated[int, Field(ge=0, lt=1 << 63)]
Samples = Annotated[int, Field(ge=0, lt=1 << 63)]


class Record(BaseModel):
    """What is known of a job after it ran (or was refused).

    Attributes:
        schema_version: version of this type.
        job_id: the job's id; stored as ``cell_id``, its name when the format was made, as are the next two.
        job: what was run.
        status: only `done` counts as done.
        reason: for every other status, one sentence.
        interrupted: the process was killed from outside (not by a limit); the next run repeats the job unasked.
        metrics: part (train, test) → metric → value over all samples, plain weighting.
        n_train: training samples.
        n_test: test samples.
        fit_seconds: wall-clock time of fitting.
        predict_seconds: wall-clock time of predicting the test part.
        wall_seconds: the whole process, imports included.
        peak_memory_bytes: largest resident memory of the process and its children.
        threads: numeric threads it was given, each of its processes.
        processes: that trained it together.
        device: that trained it: ``cpu`` or the name of a GPU; None for runners without the choice.
        precision: of that training: ``float32`` or ``bfloat16``.
        training_ended: why it ended: ``converged``, ``budget`` or ``schedule``, as `Runner.training_ended` says; None
            where the runner does not say, and in older records.
        started: UTC, ISO 8601.
        finished: UTC, ISO 8601.
        files: name → SHA-256 of the files beside the record.
        host: the machine.
        bench_version: version of this package.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )

    schema_version: int = SCHEMA_VERSION
    job_id: str = Field(validation_alias="cell_id", serialization_alias="cell_id")
    job: Job = Field(validation_alias="cell", serialization_alias="cell")
    status: Status
    reason: Line | None = None
    interrupted: bool = False
    metrics: dict[str, dict[str, float | None]] = {}
    n_train: Samples | None = None
    n_test: Samples | None = None
    fit_seconds: Seconds | None = None
    predict_seconds: Seconds | None = None
    wall_seconds: Seconds | None = None
    peak_memory_bytes: Bytes | None = None
    threads: int | None = None
    processes: int | None = None
    device: Line | None = None
    precision: Line | None = None
    training_ended: Line | None = None
    started: str
    finished: str
    files: dict[str, str] = {}
    host: Host
    bench_version: Line

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, str]) -> dict[str, str]:
        if any(not re.fullmatch(r"[a-z]\w*\.parquet", name, re.ASCII) for name in files):
            raise ValueError("a file beside a record has another name than name.parquet")
        return files

    @property
    def ended(self) -> str:
        """The status, or `INTERRUPTED`, whose status is ``failed``."""
        return INTERRUPTED if self.interrupted else self.status


class RowTitle(BaseModel):
    """How a runner's row is printed, for reports by a process that does not know the runner.

    Attributes:
        title: first column.
        family: heading that it stands under.
        step_means: whether it is fitted on means over the training years.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[Line, Field(max_length=200)]
    family: Annotated[Line, Field(max_length=100)]
    step_means: bool = False


class Manifest(BaseModel):
    """What one `bench run` set out to do; written before anything starts.

    Attributes:
        schema_version: version of this type.
        created: UTC, ISO 8601.
        suite: name of the suite.
        dataset_spec: text that opens the same data.
        dataset_reason: why this data set.
        dataset_title: its title.
        target_name: for example GPP; of several targets, the first.
        target_units: for example gC m-2 d-1.
        several_targets: name → units of every target, where the data have several.
        options: what the command line chose.
        rows: runner → how its row is printed; empty in manifests of version 0.1.
        jobs: all jobs, whether done before or not.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    schema_version: int = SCHEMA_VERSION
    created: str
    suite: str
    dataset_spec: str
    dataset_reason: Line
    dataset_title: Line
    target_name: Line
    target_units: Line
    several_targets: dict[Line, Line] = {}
    options: dict[str, Any]
    rows: dict[str, RowTitle] = {}
    jobs: list[Job] = Field(validation_alias="cells", serialization_alias="cells")

    @model_validator(mode="after")
    def _jobs_of_its_suite(self) -> Self:
        foreign = next((job for job in self.jobs if job.suite != self.suite), None)
        if foreign is not None:
            raise ValueError(f"a run of suite {self.suite} has a job of suite {foreign.suite}")
        return self
