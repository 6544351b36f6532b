"""`bench info`."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from bench.cli.options import json_option, store_option
from bench.data.cube import Cube
from bench.data.own_split import TESTS, TRAINS
from bench.errors import BenchError, unknown
from bench.store.store import existing_store
from bench.system.text import plain


@click.command(
    epilog="""\b
Examples:
  bench info lightgbm_large
  bench info sklearn:sklearn.svm.SVR   # as in bench run --only
  bench info northchina                # or a folder with a cube
  bench info 3f2a9c0d1e4b5a67        # a stored job, by id (`bench ls jobs`)"""
)
@click.argument("name")
@store_option
@json_option
def command(name: str, store_path: Path | None, as_json: bool) -> int:
    """Show everything known of a runner, a data set or a stored job."""
    from bench.data import datasets
    from bench.runners import registry

    found: dict[str, Any]
    name = registry.named(name)
    if name in registry.entries():
        entry = registry.entries()[name]
        found = dataclasses.asdict(entry) | {"installed": entry.package_versions(), "unavailable": entry.unavailable()}
    elif name.partition(":")[0] in datasets.entries() or Path(name).is_dir():
        found = _dataset(name)
    elif re.fullmatch(r"[0-9a-f]{16}", name):
        store = existing_store(store_path)
        record = store.record(name)
        if record is None:
            raise BenchError(f"There is no job {name} in {store.root}; `bench ls jobs` lists what is stored.")
        found = record.model_dump(mode="json") | {"folder": str(store.jobs_dir / name)}
    else:
        raise unknown("name", name, [*registry.entries(), *datasets.entries()], "give a runner, a data set or a job id")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo(plain("\n".join(_lines(found))))
    return 0


def _dataset(spec: str) -> dict[str, Any]:
    from bench.data.datasets import open_dataset

    opened = open_dataset(spec, lambda text: click.echo(text, err=True))
    cube = opened.cube
    first, second = ("x", "y") if cube.is_planar else ("longitude", "latitude")
    extent = {first: cube.lon, second: cube.lat}
    return {
        "name": cube.name,
        "fingerprint": cube.fingerprint,
        "folder": str(opened.path),
        "cells": cube.n_cells,
        "steps": cube.n_times,
        "rhythm": cube.rhythm.name,
        "first_step": str(cube.time[0]),
        "last_step": str(cube.time[-1]),
        **{name: [float(values.min()), float(values.max())] for name, values in extent.items()},
        "crs": cube.crs,
        "climate": dict(zip(cube.feature_names, cube.feature_units, strict=True)),
        "static": dict(zip(cube.static_names, cube.static_units, strict=True)),
        "target" if not cube.several_targets else "targets": _targets(cube),
        "split": None if cube.split is None else _own_split(cube.split),
        "groupings": list(cube.groupings) or None,
        "withheld": sorted(cube.withheld),
        "provenance": dict(cube.provenance),
    }


def _targets(cube: Cube) -> dict[str, Any]:
    """Unit, mean and variance of the target, and where it has gaps the share that was measured; of several, each."""
    found: dict[str, Any] = {}
    for name in cube.target_names:
        one = cube.for_target(name)
        values = np.asarray(one.target, dtype=np.float64)
        measured = values[~np.isnan(values)]
        own: dict[str, Any] = {"mean": float(measured.mean()), "variance": float(measured.var())}
        if one.has_gaps:
            own["measured_share"] = measured.size / values.size
        if not cube.several_targets:
            return {name: one.target_units} | own
        found[name] = {"units": one.target_units} | own
    return found


def _own_split(split: npt.NDArray[np.int8]) -> dict[str, int]:
    return {name: int(np.count_nonzero(split == code)) for name, code in (("train", TRAINS), ("test", TESTS))}


def _lines(value: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{key}:", *_lines(item, indent + "  ")]
        elif item not in (None, {}, ()):
            lines.append(f"{indent}{key}: {', '.join(map(str, item)) if isinstance(item, list | tuple) else item}")
    return lines
