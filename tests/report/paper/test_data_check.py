"""`report --check` reads features, too: a data set that changed since is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.report.paper.data_check import changed_data
from bench.store.records import Manifest
from bench.store.store import Store
from tests.store.test_store import make_job


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "1 as planned, 0 changed, 0 not at hand"),
        ("feature", "0 as planned, 1 changed, 0 not at hand"),
        ("another cube", "0 as planned, 1 changed, 0 not at hand"),
        ("gone", "0 as planned, 0 changed, 1 not at hand"),
    ],
)
def test_what_became_of_the_data(cube: Cube, tmp_path: Path, change: str | None, says: str) -> None:
    data = tmp_path / "toy.zarr"
    written = write_cube(data, cube)
    store = Store(tmp_path / "runs", create=True)
    job = make_job(dataset_fingerprint=written.fingerprint)
    facts = {"dataset_reason": "", "dataset_title": "", "target_name": "GPP", "target_units": "", "options": {}}
    manifest = {"created": "2026-01-01", "suite": "full", "dataset_spec": str(data), "jobs": [job], **facts}
    store.add_manifest(Manifest.model_validate(manifest))
    if change == "feature":
        values = np.memmap(data / "climate" / "c" / "0" / "0" / "0", "<f4", "r+")
        values[7] += 1
        values.flush()
    elif change == "another cube":
        cube.climate[0, 0, 0] += 1
        cube.__dict__.pop("fingerprint", None)
        write_cube(data, cube)
    elif change == "gone":
        data.rename(tmp_path / "moved")
    differing, [summary] = changed_data(store, [written.fingerprint])
    assert summary.endswith(f"{says}.")
    assert len(differing) == int("1 changed" in says)
