"""`bench report --check`: whether the data that the jobs were planned with are still at hand and the same.

The comparison of scored values covers targets; here features, static features and coordinates are covered too, wherever
the data set can be opened without building it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.data.cube_zarr import verify_cube
from bench.data.datasets import cube_path, parse_spec
from bench.errors import BenchError
from bench.store.store import Store


def changed_data(store: Store, fingerprints: Iterable[str]) -> tuple[list[str], list[str]]:
    """What became of the data sets of some jobs.

    Args:
        store: its manifests say where the data lay.
        fingerprints: of the jobs' data sets.

    Returns:
        One sentence for each data set whose bytes are others now, and one for the summary.
    """
    places = {
        manifest.jobs[0].dataset_fingerprint: place
        for manifest in store.manifests()
        if manifest.jobs and (place := _place(manifest.dataset_spec)) is not None
    }
    differing, same, absent = [], 0, 0
    for fingerprint in sorted(set(fingerprints)):
        place = places.get(fingerprint)
        if place is None:
            absent += 1
            continue
        try:
            found = verify_cube(place)
        except BenchError as error:
            differing.append(str(error))
            continue
        if found == fingerprint:
            same += 1
        else:
            differing.append(
                f"The data in {place} have fingerprint {found[:12]} now, the jobs were run with {fingerprint[:12]}; "
                "run them again, or name the right data."
            )
    counts = f"{same} as planned, {len(differing)} changed, {absent} not at hand"
    return differing, [f"Features and targets, read again: {counts}."]


def _place(spec: str) -> Path | None:
    """Folder of a data set that can be opened as it is, or None."""
    place = Path(spec)
    if "/" not in spec and not spec.endswith(".zarr"):
        try:
            place = cube_path(*parse_spec(spec))
        except BenchError:
            return None
    return place if (place / "zarr.json").is_file() else None
