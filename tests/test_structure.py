"""The rooms of the project: imports lead downwards only, without circles, and a name has one meaning."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bench.store import names
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


EVERYWHERE = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for package in ("bench", "models", "tools")
    for path in sorted((ROOT / package).rglob("*.py"))
}
MODULES = {name: tree for name, tree in EVERYWHERE.items() if name.startswith("bench/")}


def several(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Names that stand for more than one thing, with where."""
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_two_modules_define_a_class_of_the_same_name() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in EVERYWHERE.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].add(f"{module}:{node.lineno}")
    assert "Runner" in found and not several(found)


def test_a_type_of_arrays_has_one_definition() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and "NDArray[" in ast.unparse(node.value):
                found[ast.unparse(node.targets[0])].add(module)
    assert "FloatArray" in found and not several(found)


def test_names_of_arrays_that_the_two_packages_share_mean_the_same() -> None:
    from bench import arrays
    from models import arrays as of_models

    shared = set(arrays.__all__) & set(vars(of_models))
    assert shared and all(getattr(arrays, name) is getattr(of_models, name) for name in shared)


def test_every_seed_stands_in_seeds() -> None:
    literal = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng")
        for part in (node.args[0].elts if isinstance(node.args[0], ast.List) else node.args)
        if isinstance(part, ast.Constant)
    ]
    assert not literal


def test_the_sphere_is_defined_once() -> None:
    radii = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and 6350 < node.value < 6400
    ]
    functions = [
        module
        for module, tree in MODULES.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "unit_sphere"
    ]
    assert not functions and [place.partition(":")[0] for place in radii] == ["bench/data/folds.py"]


def test_the_files_of_a_store_are_named_in_one_module() -> None:
    files = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    named = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in files and module != "bench/store/names.py"
    ]
    assert "history.parquet" in files and not named
