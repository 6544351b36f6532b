"""A cube that changed in place is noticed before anything is planned; a cube of a stranger is what the format says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import cube_seal
from bench.data.cube import Cube
from bench.data.cube_zarr import open_cube, write_cube
from bench.data.datasets import open_dataset
from bench.errors import BenchError
from tests.support.cubes import make_houses, make_months, make_towers


@pytest.fixture
def stored(cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    write_cube(tmp_path / "c.zarr", cube)
    open_dataset(str(tmp_path / "c.zarr"))
    return tmp_path / "c.zarr"


@pytest.mark.parametrize("name", ["climate", "static", "target", "lon", "lat", "time", "withheld/LAI"])
@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_value_that_changed_in_place_is_noticed(stored: Path, name: str, keeps_time: bool) -> None:
    [chunk] = [path for path in (stored / name / "c").rglob("*") if path.is_file()]
    before = chunk.stat()
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2 + 3] ^= 1
    chunk.write_bytes(content)
    if keeps_time:
        os.utime(chunk, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(
        BenchError, match="is not what was built|NaN or infinite|must lie in|does not increase|calendar"
    ):
        open_dataset(str(stored))


def test_an_unchanged_cube_is_not_read_again(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cube, "examined", lambda self: pytest.fail("read whole"))
    open_dataset(str(stored))
    for seal in (stored.parent / "cache" / "seals").iterdir():
        seal.write_text("[" * 50_000)  # damaged: as if there were none
    with pytest.raises(pytest.fail.Exception):
        open_dataset(str(stored))


def test_without_a_cache_to_write_to_it_is_read_every_time(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stored.parent / "no-folder").touch()
    monkeypatch.setenv("BENCH_CACHE_DIR", str(stored.parent / "no-folder"))
    cube = open_cube(stored)
    cube_seal.require_unchanged(stored, cube)
    cube_seal.require_unchanged(stored, cube)


def _attributes(**changes: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        content = json.loads((root / "zarr.json").read_text())
        content["attributes"] |= changes
        (root / "zarr.json").write_text(json.dumps(content))

    return change


def _schema(**changes: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        content = json.loads((root / "zarr.json").read_text())
        content["attributes"]["schema"] |= changes
        (root / "zarr.json").write_text(json.dumps(content))

    return change


def _array(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name / "zarr.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _pipe(root: Path) -> None:
    (root / "lat" / "c" / "0").unlink()
    os.mkfifo(root / "lat" / "c" / "0")


def _link_out(root: Path) -> None:
    (root / "lat" / "c").rename(root.parent / "elsewhere")
    (root / "lat" / "c").symlink_to(root.parent / "elsewhere")


def _deep(root: Path) -> None:
    (root / "zarr.json").write_text("[" * 100_000)


def _infinite_time(root: Path) -> None:
    np.full(92, 2**62, "<i8").tofile(root / "time" / "c" / "0")


STRANGE = {
    **{f"type {kind}": _array("lat", data_type=kind) for kind in ("object", "O", "float32", "<f8", "string", 7, None)},
    **{
        f"shape {shape}": _array("lat", shape=shape)
        for shape in ([], [-1], [0], [2**62], [30.0], "30", [[30]], [30, 1])
    },
    **{
        f"fingerprint {text}": _attributes(fingerprint=text) for text in ("/any/path", "../../x", "F" * 64, "f" * 63, 7)
    },
    "chunks": _array("lat", chunk_grid={"name": "regular", "configuration": {"chunk_shape": [15]}}),
    "codec": _array("lat", codecs=[{"name": "gzip", "configuration": {"level": 1}}]),
    "two codecs": _array("lat", codecs=[{"name": "bytes", "configuration": {"endian": "little"}}] * 2),
    "endian": _array("lat", codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]),
    "names": _schema(feature_names="Tavg"),
    "names of numbers": _schema(feature_names=[1, 2, 3]),
    "land cover": _schema(n_land_cover="4"),
    "title": _schema(name="../x"),
    "escape": _schema(name="\x1b[2J"),
    "surrogate": _schema(target_units="\ud800"),
    "withheld path": _attributes(withheld={"../../climate": ""}),
    "provenance": _attributes(provenance=["title"]),
    "no schema": _attributes(schema=None),
    "pipe": _pipe,
    "link out": _link_out,
    "deep": _deep,
    "infinite time": _infinite_time,
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_cube_that_is_not_of_the_format_is_refused_in_a_sentence(stored: Path, name: str) -> None:
    STRANGE[name](stored)
    with pytest.raises(BenchError):
        open_dataset(str(stored))


@pytest.mark.parametrize(
    "kind",
    [make_houses(), make_houses(planar=False), make_towers(several=True), make_months()],
    ids=["planar", "no static feature", "several targets", "months"],
)
def test_every_kind_of_cube_is_opened_and_a_change_noticed(
    kind: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    write_cube(tmp_path / "c.zarr", kind)
    assert open_dataset(str(tmp_path / "c.zarr")).cube.fingerprint == kind.fingerprint
    monkeypatch.setattr(Cube, "examined", lambda self: pytest.fail("read whole"))
    open_dataset(str(tmp_path / "c.zarr"))
    [chunk] = [path for path in (tmp_path / "c.zarr" / kind.coordinate_names[0] / "c").rglob("*") if path.is_file()]
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    with pytest.raises(pytest.fail.Exception):
        open_dataset(str(tmp_path / "c.zarr"))
