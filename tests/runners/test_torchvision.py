"""RealMLP's packages load where the installed torchvision was built for another torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from bench.runners.torchvision import import_pytabkit, torchvision_loads
assert not torchvision_loads()
import_pytabkit()
import pytabkit
from torchmetrics.utilities.imports import _TORCHVISION_AVAILABLE
assert not _TORCHVISION_AVAILABLE
assert sys.modules.get("torchvision", "not there") is not None, "it stays hidden"
print("loaded")
"""


@pytest.mark.parametrize(
    "raised",
    [
        'RuntimeError("operator torchvision::nms does not exist")',
        "AttributeError(\"partially initialized module 'torchvision' has no attribute 'extension'\")",
    ],
)
def test_packages_of_realmlp_load_beside_a_torchvision_that_does_not(tmp_path: Path, raised: str) -> None:
    if importlib.util.find_spec("torchmetrics") is None:
        pytest.skip("torchmetrics is not installed")
    broken = tmp_path / "torchvision"
    broken.mkdir()
    (broken / "__init__.py").write_text(f"raise {raised}\n")
    (tmp_path / "pytabkit.py").write_text("import torchmetrics\n")
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "loaded"
