"""Checkpoints: tensors and plain containers only, published by one rename, read without unpickling code."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import torch

CHECKPOINT_FORMAT = 3
"""Version of the layout; a checkpoint of another version is refused."""


def save_atomically(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Args:
        path: file to create or replace; its folder is created.
        content: tensors, numbers, strings, lists and dicts of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())  # machines that share a file system repeat process ids
    partial = path.with_name(f"{path.name}.{host}-{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())  # the rename must not reach the disk before the bytes
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class UnusableCheckpoint(ValueError):
    """A checkpoint that a training cannot go on from: of another training, damaged, or of another version."""


def load_plain(path: Path, *, kind: str, version: int) -> dict[str, Any]:
    """Reads a file of ``save_atomically`` on the CPU; nothing in it is executed.

    Args:
        path: the file.
        kind: what its ``kind`` entry must say.
        version: what its ``format`` entry must say.

    Raises:
        ValueError: the file is missing, damaged, of another kind or of another version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    # Damaged bytes end in whatever the reader stumbles over: UnpicklingError, RuntimeError, EOFError, KeyError, ...
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} cannot be read as a {kind}: {reason}") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise ValueError(f"{path} is no {kind} of this project.")
    if content.get("format") != version:
        raise ValueError(f"{path} has format {content.get('format')}, this version reads format {version}.")
    return content


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of the generators that a training on ``device`` draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Puts the generators back to ``state``; a GPU's state is left where the checkpoint came from a CPU."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
