"""`bench doctor`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench.cli.options import json_option, store_option
from bench.errors import BenchError
from bench.system.text import counted


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at.
        ok: whether it will work.
        detail: what was found.
        remedy: what to do, where it will not work.
    """

    subject: str
    ok: bool
    detail: str
    remedy: str | None = None


@click.command(epilog="Examples:  bench doctor     bench doctor --json")
@store_option
@json_option
def command(store_path: Path | None, as_json: bool) -> int:
    """Say what of this machine and its packages will not work, and what to do.

    Exit code 0 if everything works, 1 if something will not.
    """
    findings = [*_machine(), *_packages(), *_runners(), *_data(), *_folders(store_path)]
    if as_json:
        click.echo(json.dumps([asdict(item) for item in findings], indent=1))
    else:
        for item in findings:
            click.echo(
                f"{'ok ' if item.ok else 'NO '} {item.subject}: {item.detail}"
                + (f" → {item.remedy}" if item.remedy else "")
            )
    return 0 if all(item.ok for item in findings) else 1


def _machine() -> list[Diagnosis]:
    import psutil

    from bench.system.host import available_cores

    memory = psutil.virtual_memory().total / 1e9
    version = sys.version_info
    return [
        Diagnosis(
            "Python",
            (3, 11) <= version[:2] < (3, 14),
            ".".join(map(str, version[:3])),
            None if (3, 11) <= version[:2] < (3, 14) else "use Python 3.11, 3.12 or 3.13",
        ),
        Diagnosis("processor", True, counted(available_cores(), "core")),
        Diagnosis(
            "memory",
            memory >= 4,
            f"{memory:.0f} GB",
            None if memory >= 4 else "use --jobs 1 --profile smoke, or a machine with at least 4 GB",
        ),
        Diagnosis(
            "memory cap",
            sys.platform.startswith("linux"),
            "watched per job" + (", with RLIMIT_DATA behind it" if sys.platform.startswith("linux") else ""),
            None
            if sys.platform.startswith("linux")
            else "RLIMIT_DATA is not enforced here: the watch alone guards memory",
        ),
    ]


def _packages() -> list[Diagnosis]:
    findings = []
    pins = {"torch": "2.13.0", "autogluon.tabular": "1.6.3"}
    for name, wanted in pins.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # its runners are named below, with the remedy
        ok = version.split("+")[0] == wanted
        remedy = f"results compare with {wanted}: pip install '{name}=={wanted}' --constraint constraints.txt"
        findings.append(Diagnosis(name, ok, version, None if ok else remedy))
    return findings


def _runners() -> list[Diagnosis]:
    from bench.runners import registry

    broken = [Diagnosis("plug-in", False, "skipped", problem) for problem in registry.problems()]
    return broken + [
        Diagnosis(f"runner {entry.name}", reason is None, "available" if reason is None else "unavailable", reason)
        for entry in registry.entries().values()
        for reason in [entry.unavailable()]
    ]


def _data() -> list[Diagnosis]:
    from bench.data import datasets

    findings = []
    for entry in datasets.entries().values():
        try:
            location = datasets.at_hand(entry)
        except BenchError as error:
            findings.append(Diagnosis(f"data set {entry.name}", False, "unusable", str(error)))
            continue
        # What only a command of its own builds is no defect of the machine.
        found = location.folder is not None or entry.command is not None
        fetch = (
            f"pip install {entry.package}" if entry.package else f"bench data fetch {entry.name}, or set BENCH_DATA_DIR"
        )
        remedy = None if found else fetch
        findings.append(Diagnosis(f"data set {entry.name}", found, location.reason, remedy))
    return findings


def _folders(store_path: Path | None) -> list[Diagnosis]:
    from bench.system import paths

    findings = []
    for subject, folder in (("result store", store_path or paths.default_store()), ("cache", paths.cache_dir())):
        existing = folder.absolute()
        while not existing.exists():
            existing = existing.parent
        writable = os.access(existing, os.W_OK)
        free = shutil.disk_usage(existing).free / 1e9
        ok = writable and free > 1
        remedy = None if ok else ("free at least 1 GB" if writable else "grant write permission or name another folder")
        findings.append(Diagnosis(subject, ok, f"{folder}, {free:.0f} GB free", remedy))
    return findings
