"""The machine that this process runs on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

_ANSWER_S = 20.0
"""How long the driver may take to list its GPUs."""


class Host(BaseModel):
    """The machine that ran a job; recorded for readers, never part of an id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str
    platform: str
    processor: str
    logical_cores: int
    memory_bytes: int


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> tuple[str, ...]:
    """The NVIDIA GPUs that torch would see here, as ``CUDA_VISIBLE_DEVICES`` names them, without importing torch."""
    try:
        if importlib.metadata.version("torch").endswith("+cpu"):
            return ()
    except importlib.metadata.PackageNotFoundError:
        return ()
    found = _installed_gpus()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or not found:
        return tuple(str(number) for number in range(found))
    visible: list[str] = []
    for name in map(str.strip, named.split(",")):
        if not name or name.startswith("-") or name == "NoDevFiles" or (name.isdigit() and int(name) >= found):
            break  # CUDA sees none of what follows a device that does not exist
        visible.append(name)
    return tuple(visible)


def _installed_gpus() -> int:
    driver = Path("/proc/driver/nvidia/gpus")
    if driver.is_dir():
        return len(list(driver.iterdir()))
    program = shutil.which("nvidia-smi")  # the driver of WSL shows nothing in /proc
    if program is None:
        return 0
    try:
        listing = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_ANSWER_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listing.splitlines())


def this_host() -> Host:
    """What records say of the machine."""
    return Host(
        python=platform.python_version(),
        platform=platform.system() + " " + platform.machine(),
        processor=_processor(),
        logical_cores=available_cores(),
        memory_bytes=psutil.virtual_memory().total,
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or "unknown"
    return platform.processor() or "unknown"
