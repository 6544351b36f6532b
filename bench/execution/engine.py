"""Where cells run: what the scheduler asks of an engine, and the engine of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bench.data.datasets import OpenedDataset
from bench.errors import BenchError, unknown
from bench.execution.planning import Estimate
from bench.execution.process import CellProcess, Limits, Outcome
from bench.runners import registry
from bench.store.jobs import Cell
from bench.system.clock import Stopwatch
from bench.system.host import visible_gpus

ENGINES = ("local", "ray")
OnLost = Callable[[str, str], None]


class RunningCell(Protocol):
    """A cell that was handed to an engine.

    Attributes:
        cell: what runs.
        work: folder that holds its result once `poll` returned an outcome.
        limits: what it may use.
        watch: time since it was handed over.
    """

    cell: Cell
    work: Path
    limits: Limits
    watch: Stopwatch

    def poll(self) -> Outcome | None:
        """The outcome if the cell has ended, else None."""

    def kill(self) -> None:
        """Ends the cell."""


class Engine(Protocol):
    """A place for cells to run."""

    def limits(self, here: Limits, capped: bool) -> Limits:
        """What one cell may use there.

        Args:
            here: limits of a cell on this machine.
            capped: whether the user named the memory cap.
        """

    def room(self) -> int:
        """How many cells may be in its hands at once."""

    def takes(self, cell: Cell, limits: Limits) -> bool:
        """Whether it takes this cell now; of those that it does not take, another may have to end first.

        Args:
            cell: what would run.
            limits: of the cells of this run.
        """

    def start(
        self, cell: Cell, expected: Estimate, work: Path, checkpoint: Path, limits: Limits, on_lost: OnLost
    ) -> RunningCell:
        """Takes a cell.

        Args:
            cell: what to run.
            expected: what it will probably need.
            work: empty folder for its result.
            checkpoint: folder that outlives the run, for an unfinished training.
            limits: what it may use.
            on_lost: is told the label of a cell that lost its worker and starts again, and why.
        """

    def close(self) -> None:
        """Gives back whatever the engine holds."""


class LocalEngine:
    """One process per cell on this machine, and one cell per GPU.

    Several trainings at once on one GPU would run out of its memory, which no limit of a process bounds.

    Args:
        cube: folder of the cube.
        jobs: cells at once.
        gpus: names of the GPUs. Runners that use a GPU get one for each of their processes, the others see none;
            without any GPU nobody's environment is touched.
    """

    def __init__(self, cube: Path, jobs: int, gpus: Sequence[str] = ()) -> None:
        self._cube, self._jobs, self._gpus = cube, jobs, tuple(gpus)
        self._holding: list[CellProcess] = []

    def limits(self, here: Limits, capped: bool) -> Limits:
        """See `Engine`."""
        return here

    def room(self) -> int:
        """See `Engine`."""
        return self._jobs

    def takes(self, cell: Cell, limits: Limits) -> bool:
        """See `Engine`: a cell waits for its GPUs."""
        return len(self._free_gpus()) >= self._wanted_gpus(cell, limits)

    def start(
        self, cell: Cell, expected: Estimate, work: Path, checkpoint: Path, limits: Limits, on_lost: OnLost
    ) -> CellProcess:
        """See `Engine`."""
        gpus = self._free_gpus()[: self._wanted_gpus(cell, limits)] if self._gpus else None
        process = CellProcess(cell, self._cube, work, checkpoint, limits, gpus)
        self._holding = [process, *(other for other in self._holding if other.running)]
        return process

    def _wanted_gpus(self, cell: Cell, limits: Limits) -> int:
        entry = registry.get(cell.runner)
        wanted = limits.processes if entry.several_processes else 1
        return min(wanted, len(self._gpus)) if entry.uses_gpu else 0

    def _free_gpus(self) -> list[str]:
        taken = {gpu for process in self._holding if process.running for gpu in process.gpus or ()}
        return [gpu for gpu in self._gpus if gpu not in taken]

    def close(self) -> None:
        """Nothing is held."""


def open_engine(
    name: str,
    address: str | None,
    dataset: OpenedDataset,
    jobs: int,
    asked_jobs: int | None,
    gpus: int,
    keep_artefacts: bool,
) -> Engine:
    """The engine that the user named.

    Args:
        name: one of `ENGINES`.
        address: of a cluster, or None.
        dataset: what all cells read.
        jobs: cells at once on this machine.
        asked_jobs: what the user asked for, or None.
        gpus: that a cell asks a cluster for, if its runner can use them.
        keep_artefacts: whether what runners wrote is wanted back.

    Raises:
        BenchError: no such engine, or it cannot be used here.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES, "see `bench run --help`")
    if name == "local":
        if address is not None:
            raise BenchError("--address names a Ray cluster; add --engine ray.")
        return LocalEngine(dataset.path, jobs, visible_gpus())
    from bench.execution.ray_engine import RayEngine

    return RayEngine(dataset, address=address, jobs=asked_jobs, gpus=gpus, keep_artefacts=keep_artefacts)
