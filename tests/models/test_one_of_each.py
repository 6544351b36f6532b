"""In `models/` a name has one definition."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

MODELS = Path(__file__).parents[2] / "models"
TREES = {path.relative_to(MODELS).as_posix(): ast.parse(path.read_text()) for path in sorted(MODELS.rglob("*.py"))}


def test_types_of_arrays_are_named_in_one_module() -> None:
    aliases = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.Assign) and "NDArray[" in ast.unparse(node.value) and name != "arrays.py"
    ]
    assert not aliases


def test_no_class_and_no_public_function_or_constant_is_defined_twice() -> None:
    names = Counter[str]()
    for tree in TREES.values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names[node.name] += 1
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] += 1
    twice = {name for name, number in names.items() if number > 1 and not name.startswith("_")}
    assert not twice
