"""The rooms of the project: imports lead downwards only, and no module imports itself by a detour."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_the_contracts_of_pyproject_hold() -> None:
    pytest.importorskip("importlinter")
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([program, "--no-cache"], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


def test_no_circles() -> None:
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("bench", "models", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # A package's __init__ gathers names of its own modules for readers; that is no dependency of the modules.
    imports = {
        module: {name for name in found if not name.startswith(f"{module}.")} for module, found in imports.items()
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
