"""Runners that misbehave in one way each, and quick deterministic ones; loaded through BENCH_PLUGINS."""

from __future__ import annotations

import atexit
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.base import Runner
from bench.runners.entry import RunnerEntry

GATES = "BENCH_TEST_GATES"
"""Variable of the environment: a folder."""


class Noise(Runner):
    """Predicts seeded noise around the training mean, after a moment."""

    def fit(self) -> None:
        time.sleep(float(self.task.parameters.get("seconds", 0)))
        self._mean = float(self.task.train_target.mean())

    def predict(self, part: Part) -> FloatArray:
        generator = np.random.default_rng([self.task.seed, len(part)])
        return (self._mean + generator.normal(size=(len(part.cells), len(part.times)))).astype(np.float32)


class Gated(Noise):
    """Says in the folder `GATES` names that it began, and ends when a file ``open`` is there."""

    def fit(self) -> None:
        gates = Path(os.environ[GATES])
        (gates / str(os.getpid())).touch()
        while not (gates / "open").exists():
            time.sleep(0.02)
        super().fit()


class Unfinished(Noise):
    """Says that its training was short of budget."""

    def training_ended(self) -> str:
        return "budget"


class Endless(Noise):
    """Never returns."""

    def fit(self) -> None:
        while True:
            time.sleep(0.05)


class Greedy(Noise):
    """Allocates without bound, touching every page."""

    def fit(self) -> None:
        hoard = []
        while True:
            hoard.append(np.ones(20_000_000))  # 160 MB
            time.sleep(0.02)


class GreedyAtOnce(Noise):
    """Asks for far more than any cap in one allocation."""

    def fit(self) -> None:
        self._hoard = np.ones(10**13)


class Raising(Noise):
    """Fails with an exception."""

    def fit(self) -> None:
        raise RuntimeError("the model does not converge")


class Dying(Noise):
    """Ends the process without a word."""

    def fit(self) -> None:
        os._exit(7)


class CrashingAtExit(Noise):
    """Leaves a whole result and then dies, as libraries do that crash while they are unloaded."""

    def fit(self) -> None:
        super().fit()
        atexit.register(lambda: os.kill(os.getpid(), signal.SIGSEGV))


class NotANumber(Noise):
    """Predicts NaN."""

    def predict(self, part: Part) -> FloatArray:
        return np.full((len(part.cells), len(part.times)), np.nan, np.float32)


class TooFew(Noise):
    """Predicts one cell too few."""

    def predict(self, part: Part) -> FloatArray:
        return super().predict(part)[1:]


class Peeking(Runner):
    """Scales by the mean climate of everything, the test part included: a leak."""

    def fit(self) -> None:
        self._mean = float(np.asarray(self.task.cube.climate).mean())

    def predict(self, part: Part) -> FloatArray:
        return np.full((len(part.cells), len(part.times)), self._mean, np.float32)


class Parting(Noise):
    """Trained by two processes of which the second dies, while the first waits for it."""

    def fit(self) -> None:
        if os.environ["RANK"] == "0":
            time.sleep(60)
        os._exit(9)


class Seeing(Noise):
    """Prints the GPUs and the group that its process sees, and when it ran."""

    def fit(self) -> None:
        begin = time.time()
        super().fit()
        seen = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "RANK")}
        print("seeing", json.dumps(seen | {"begin": begin, "end": time.time()}))


class Looking(Noise):
    """Prints which GPUs its process may see."""

    def fit(self) -> None:
        super().fit()
        print("GPUs:", os.environ.get("CUDA_VISIBLE_DEVICES"))


class Littering(Noise):
    """Writes a file into its scratch folder and one into its working directory."""

    def fit(self) -> None:
        super().fit()
        (self.task.scratch / "model.bin").write_bytes(b"fitted")
        with open("left-behind.txt", "w") as stream:
            stream.write("x")


def _entry(name: str, target: str, **more: object) -> RunnerEntry:
    return RunnerEntry(
        name,
        name,
        "Tabular Machine Learning",
        f"tests.support.runners:{target}",
        "for tests",
        uses_view=False,
        **more,  # type: ignore[arg-type]
    )


QUICK = [_entry(f"noise_{letter}", "Noise", parameters={"seconds": 0.1 * index}) for index, letter in enumerate("abcd")]
BAD = [
    _entry("endless", "Endless"),
    _entry("greedy", "Greedy"),
    _entry("greedy_at_once", "GreedyAtOnce"),
    _entry("raising", "Raising"),
    _entry("dying", "Dying"),
    _entry("not_a_number", "NotANumber"),
    _entry("too_few", "TooFew"),
]
UNFINISHED = _entry("unfinished", "Unfinished")
CRASHING_AT_EXIT = _entry("crashing_at_exit", "CrashingAtExit")
PEEKING = _entry("peeking", "Peeking")
LOOKING = _entry("looking", "Looking", uses_gpu=True)
LITTERING = _entry("littering", "Littering")
GATED = [_entry(f"gated_{letter}", "Gated") for letter in "abc"]
UNAVAILABLE = _entry("unavailable", "Noise", requires=("a-package-that-does-not-exist",))
PARTING = _entry("parting", "Parting", several_processes=True)
SEEING = [
    _entry("seeing_a", "Seeing", uses_gpu=True, parameters={"seconds": 1}),
    _entry("seeing_b", "Seeing", uses_gpu=True, parameters={"seconds": 1}),
    _entry("seeing_together", "Seeing", uses_gpu=True, several_processes=True),
    _entry("seeing_nothing", "Seeing"),
]
