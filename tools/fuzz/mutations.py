"""One change to one file: of its bytes, of the JSON in it, or of what lies in its place."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEPTH = 50_000
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63,
    2**70,
    -(2**70),
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "0",
    "x",
    "float32",
    "object",
    "O",
    "float16",
    "<U8",
    "datetime64[D]",
    "full",
    "done",
    "\ud800",
    "\x1b[2J\x07",
    "a\nb",
    "\x00",
    "../../outside/written",
    "/outside/written",
    "a" * 100_000,
    "f" * 64,
    "9" * 5000,
    [],
    {},
    [[]],
    {"": ""},
    [1, 2, 3],
    ["a"] * 2000,
)
"""What takes the place of a value in a JSON file."""


_PLACES = ("pipe", "folder", "link", "link to a device", "link to itself", "socket", "gone", "sparse", "parent")


def mutate(path: Path, outside: Path, generator: random.Random) -> str:
    """Changes a file and says how.

    Args:
        path: the file.
        outside: a folder with a file ``precious`` that links may lead to.
        generator: of all choices.
    """
    kinds: list[Callable[[Path, Path, random.Random], str]] = [_bytes, _bytes, _place]
    if path.suffix == ".json":
        kinds += [_json] * 6
    return generator.choice(kinds)(path, outside, generator)


def _bytes(path: Path, outside: Path, generator: random.Random) -> str:
    content = bytearray(path.read_bytes())
    place = generator.randrange(len(content)) if content else 0
    kind = generator.choice(("flip", "set", "cut", "drop", "insert", "repeat", "empty", "noise"))
    if kind == "flip" and content:
        content[place] ^= 1 << generator.randrange(8)
    elif kind == "set":
        content[place : place + 8] = generator.choice(
            (b"\xff" * 8, b"\0" * 8, b"\x7f\xf0" * 4, b"{" * 8, b"\xed\xa0\x80")
        )
    elif kind == "cut":
        del content[place:]
    elif kind == "drop":
        del content[place : place + generator.randrange(1, 64)]
    elif kind == "insert":
        content[place:place] = generator.randbytes(generator.randrange(1, 64))
    elif kind == "repeat":
        content += content[: 1 << 20]
    elif kind == "empty":
        content.clear()
    else:
        content[:] = generator.randbytes(len(content))
    path.write_bytes(content)
    return f"{kind} at {place}"


def _json(path: Path, outside: Path, generator: random.Random) -> str:
    tree = json.loads(path.read_bytes())
    places = list(_places(tree))
    parent, key = generator.choice(places)
    kind = generator.choice(("replace", "replace", "replace", "replace", "delete", "rename", "deep", "graft"))
    before = parent[key]
    if kind == "delete":
        del parent[key]
    elif kind == "rename" and isinstance(parent, dict):
        parent[generator.choice([value for value in VALUES if isinstance(value, str)])] = parent.pop(key)
    elif kind == "deep":
        parent[key] = "DEEP"
    elif kind == "graft":
        other, name = generator.choice(places)
        parent[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else None))
    elif isinstance(before, list) and generator.random() < 0.5:
        parent[key] = before[:-1] if generator.random() < 0.5 else [*before, *before]
    elif isinstance(before, str) and generator.random() < 0.3:
        parent[key] = before + generator.choice([value for value in VALUES if isinstance(value, str)])
    else:
        parent[key] = generator.choice(VALUES)
    opening, closing = generator.choice((("[", "]"), ('{"a":', "}")))
    deep = opening * DEPTH + "1" + closing * DEPTH
    path.write_text(
        json.dumps(tree).replace('"DEEP"', deep).replace("Infinity", generator.choice(("Infinity", "1e999")))
    )
    return f"{kind} {key!r}"


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


def _place(path: Path, outside: Path, generator: random.Random) -> str:
    # That a store as a whole lies behind a link is the user's own wish.
    kind = generator.choice(_PLACES[:-1] if path.name == "store.json" else _PLACES)
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (outside / "copy").write_bytes(content)
        path.symlink_to(outside / "copy")
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "socket":
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as place:
            place.bind(path.name)
        os.chdir(before)
    elif kind == "sparse":
        with path.open("wb") as stream:
            stream.truncate(1 << 30)
    elif kind == "parent":
        copy = outside / "folder"
        copy.mkdir()
        path.write_bytes(content)
        for item in path.parent.iterdir():
            if item.is_file():
                (copy / item.name).write_bytes(item.read_bytes())
        moved = path.parent.with_name(path.parent.name + "-moved")
        shutil.rmtree(moved, ignore_errors=True)  # of an earlier mutation
        path.parent.rename(moved)
        path.parent.symlink_to(copy)
    return kind
