"""Starting the exports on Earth Engine's servers; started once each, however often the command is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.data.climate2gpp.earth_engine import NO_DATA, Request, image
from bench.data.climate2gpp.readers import need
from bench.disk import disk_errors, write_atomically
from bench.errors import BenchError


@dataclass(frozen=True)
class Destination:
    """Where Earth Engine writes the files.

    Attributes:
        kind: Google Drive, or Google Cloud Storage.
        place: folder of the Drive, or bucket.
    """

    kind: Literal["drive", "cloud"]
    place: str


def connect(project: str | None) -> None:
    """Initialises Earth Engine's client with the stored credentials of this machine's user.

    Raises:
        BenchError: the package, the credentials or the project are missing, or the server does not answer.
    """
    ee = need("ee", "earthengine-api")
    try:
        ee.Initialize(project=project)
    # Beside its own exception the client lets those of its authentication and transport libraries through.
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise BenchError(
            f"Earth Engine cannot be reached ({reason}); run `earthengine authenticate` once and name a Cloud project "
            "that is registered for Earth Engine with --project."
        ) from error


def task(request: Request, destination: Destination) -> Any:
    """Returns the export task of a request, not yet started.

    The target grid is fixed by its transform and size: cells start at 180 W and 90 N.
    """
    ee = need("ee", "earthengine-api")
    options = {
        "image": image(request),
        "description": request.name,
        "fileNamePrefix": request.name,
        "crs": "EPSG:4326",
        "crsTransform": [request.degrees, 0, -180, 0, -request.degrees, 90],
        "dimensions": f"{request.size[0]}x{request.size[1]}",
        "maxPixels": 10**10,
        "fileFormat": "GeoTIFF",
        "formatOptions": {"noData": NO_DATA},
    }
    if destination.kind == "drive":
        return ee.batch.Export.image.toDrive(folder=destination.place, **options)
    return ee.batch.Export.image.toCloudStorage(bucket=destination.place, **options)


def submit(
    requested: list[Request], destination: Destination, work: Path, say: Callable[[str], None]
) -> tuple[int, int]:
    """Starts every export that an earlier call has not started yet.

    Args:
        requested: all exports of the build.
        destination: where the files go.
        work: folder that remembers what was started.
        say: is told of every export.

    Returns:
        how many were started now, and how many before.

    Raises:
        BenchError: the server refuses one; those before it stay started and are remembered.
    """
    ledger = work / "earth_engine.json"
    started: dict[str, str] = json.loads(ledger.read_text()) if ledger.exists() else {}
    with disk_errors(f"The work folder {work}", "exports that were started go on"):
        work.mkdir(parents=True, exist_ok=True)
    now = 0
    for request in requested:
        # The same name with other bands or another grid is another request.
        bands, place = ",".join(request.bands), f"{destination.kind}:{destination.place}"
        key = f"{request.name} {request.degrees:g} {request.collection} {bands} {place}"
        if key in started:
            continue
        export = task(request, destination)
        try:
            export.start()
        # As above: exceptions of several libraries.
        except Exception as error:
            raise BenchError(
                f"Earth Engine refuses the export {request.name} ({' '.join(str(error).split())[:160]}); correct that "
                "and run the same command again: it starts the rest."
            ) from error
        started[key] = str(export.id)
        now += 1
        with disk_errors(f"The work folder {work}", "exports that were started go on"):
            write_atomically(ledger, json.dumps(started, indent=1).encode())
        say(f"started {request.name} (task {export.id}, {request.n_bands} bands, {request.bytes / 1e6:.0f} MB)")
    return now, len(requested) - now
