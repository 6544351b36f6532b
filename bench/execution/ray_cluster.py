"""Reaching a Ray cluster: the one that is named, the one that runs here, or one of our own that nobody else can use.

Whoever reaches a cluster's ports can run programs as its owner. A cluster that is started here therefore listens on the
loopback interface alone, and takes commands only from who knows a token that is drawn for it. How others are made safe
is for those who start them (`docs/clusters.md`).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError

CONNECT_S = 10.0
"""How long the cluster's address may take to answer."""
_LOOPBACK = "127.0.0.1"
_AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Variables of Ray since 2.52; older versions do not read them and have the loopback interface alone."""


def connect(address: str | None) -> Any:
    """The package ray, connected.

    Args:
        address: of the cluster; None for ``RAY_ADDRESS``, a cluster that runs on this machine, or a new one.

    Raises:
        BenchError: Ray is not installed, or no cluster answers.
    """
    where = address or os.environ.get("RAY_ADDRESS")
    own = where in (None, "", "local") and not _runs_here()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # this and the others are read when Ray is imported
    if own and not any(os.environ.get(name) for name in _AUTHENTICATION):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise BenchError(
            "--executor ray needs the package ray: pip install 'climate2gpp-bench[ray]' --constraint constraints.txt."
        ) from error
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if own:
            with _on_loopback():
                ray.init(address="local", _node_ip_address=_LOOPBACK, **quiet)
            return ray
        if where:
            _require_answer(where)
        ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise BenchError(
            f"No Ray cluster answers at {where or 'this machine'} ({last_line(error)}); start one with "
            "`ray start --head` or correct --address."
        ) from error
    return ray


def last_line(error: Exception) -> str:
    """The end of an exception's text, where Ray says what is the matter."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else type(error).__name__


def _runs_here() -> bool:
    """Whether Ray knows of a cluster on this machine: the file that it looks for itself."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - Ray's own default
    return (Path(folder) / "ray" / "ray_current_cluster").exists()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Has Ray take the loopback address for this node's.

    Ray listens on that interface alone where it is the node's address, but turns a loopback address that it is given
    into one that other nodes can reach. It has no setting for a node that none shall reach.
    """
    from ray._private import services

    found = services.get_node_ip_address
    services.get_node_ip_address = lambda *arguments, **keywords: _LOOPBACK
    try:
        yield
    finally:
        services.get_node_ip_address = found


def _require_answer(address: str) -> None:
    """Raises where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
