"""The machine that this process runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from bench.records import Host


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
