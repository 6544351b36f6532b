"""Importing packages that would import torchvision although it does not fit the installed torch.

AutoGluon's fastai brings torchvision, whose wheel on the package index is built for torch with CUDA. Beside a CPU build
of torch its import ends in a RuntimeError. torchmetrics, which RealMLP's package pytabkit loads, looks at what is
installed and not at what loads, so that RealMLP would fail for images that nobody asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from importlib import metadata
from unittest import mock

_TORCHVISION = "torchvision"


def torchvision_loads() -> bool:
    """Whether torchvision can be imported; what is not installed cannot."""
    try:
        importlib.import_module(_TORCHVISION)
    except Exception:  # noqa: BLE001 - RuntimeError, AttributeError, OSError: what it raises depends on both versions
        return False
    return True


def import_pytabkit() -> None:
    """Imports pytabkit, with torchvision hidden from it if that does not load.

    Raises:
        ImportError: pytabkit or one of the packages that it needs is missing.
    """
    with contextlib.nullcontext() if torchvision_loads() else _hidden():
        importlib.import_module("pytabkit")


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    """Torchvision is neither installed nor importable for packages that ask Lightning's utilities for it."""

    def version(package: str) -> str:
        if package == _TORCHVISION:
            raise metadata.PackageNotFoundError(package)
        return metadata.version(package)

    sys.modules[_TORCHVISION] = None  # type: ignore[assignment]
    try:
        with mock.patch("lightning_utilities.core.imports._version", version):
            yield
    finally:
        del sys.modules[_TORCHVISION]
