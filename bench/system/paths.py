"""The one place that knows where things lie: cache, user-supplied data, result store.

Environment variables: ``BENCH_CACHE_DIR`` (downloads and built cubes), ``BENCH_DATA_DIR`` (a read-only folder that
already holds source files, such as ``northchina/``), ``BENCH_STORE`` (results).
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from bench.errors import BenchError


def cache_dir() -> Path:
    """Folder for downloads and built cubes; created by whoever writes to it."""
    configured = os.environ.get("BENCH_CACHE_DIR")
    return Path(configured) if configured else Path(platformdirs.user_cache_dir("climate2gpp-bench"))


def data_dir() -> Path | None:
    """The folder named by ``BENCH_DATA_DIR``, or None.

    Raises:
        BenchError: the variable names something that is no readable folder.
    """
    configured = os.environ.get("BENCH_DATA_DIR")
    if not configured:
        return None
    folder = Path(configured)
    if not folder.is_dir():
        raise BenchError(f"BENCH_DATA_DIR is {configured!r}, which is no folder; correct it or unset it.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BenchError(
            f"BENCH_DATA_DIR is {configured!r}, which may not be read; grant read permission on it or unset it."
        )
    return folder


def default_store() -> Path:
    """Result store used when the command line names none."""
    return Path(os.environ.get("BENCH_STORE") or "runs")


def tables_dir() -> Path:
    """Folder of the published tables and LaTeX templates: the source checkout's, or the installed copy."""
    import sys

    for folder in (
        Path(__file__).parents[2] / "tables",
        Path(sys.prefix) / "share" / "climate2gpp-bench" / "tables",
    ):
        if (folder / "published").is_dir():
            return folder
    raise BenchError("The folder tables/ of this project is not installed; reinstall climate2gpp-bench.")
