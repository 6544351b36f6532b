"""The manifests of a store: one file per run, read once each."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from bench.store.index import Stamp, stamp_of_file
from bench.store.place import STORED_STAYS
from bench.store.reading import CorruptRecord, read_manifest
from bench.store.records import Manifest
from bench.system.disk import disk_errors, write_atomically


class Manifests:
    """The folder ``manifests/`` of a store.

    Args:
        root: of the store.

    Attributes:
        damaged: path → what is wrong with it, of those that `all` left out when it was last called.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "manifests"
        self._known: dict[Path, tuple[Stamp, Manifest]] = {}
        self.damaged: dict[Path, str] = {}

    def all(self) -> list[Manifest]:
        """All that can be read, oldest first; one that is unchanged is read once."""
        found = []
        self.damaged = {}
        for path in sorted(self._folder.glob("*.json")):
            stamp = stamp_of_file(path)
            known = self._known.get(path)
            if known is None or stamp is None or known[0] != stamp:
                try:
                    known = self._known[path] = stamp or (), read_manifest(path)
                except CorruptRecord as error:
                    self.damaged[path] = str(error)
                    continue
            found.append(known[1])
        return found

    def set_damaged_aside(self) -> list[Path]:
        """Moves unreadable ones into quarantine, so that they block no table; returns where they lay."""
        moved = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                read_manifest(path)
            except CorruptRecord:
                with disk_errors(f"Store {self._root}", STORED_STAYS):
                    os.replace(path, self._root / "quarantine" / f"{path.stem}-{time.time_ns()}.json")
                moved.append(path)
        return moved

    def add(self, manifest: Manifest) -> Path:
        """Stores a manifest under its time of creation."""
        stamp = re.sub(r"[^0-9TZ]", "", manifest.created)
        path = self._folder / f"{stamp}-{manifest.suite}-{os.getpid()}.json"
        with disk_errors(f"Store {self._root}", STORED_STAYS):
            write_atomically(path, manifest.model_dump_json(indent=1).encode())
        return path
