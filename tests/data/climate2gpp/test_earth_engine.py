"""The request graphs, built and checked offline against the list of algorithms that the library ships for its tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli.data_build import command
from bench.data.climate2gpp import calendar, earth_engine_tasks
from bench.data.climate2gpp.aggregate import Regridders, year_of_steps
from bench.data.climate2gpp.earth_engine import NO_DATA, Collections, ExportRequest, image, requests
from bench.data.climate2gpp.earth_engine_tasks import Destination, Submission, connect, submit, task
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.layers import date_in
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.settle import Choices, settled
from bench.data.climate2gpp.source import source_of
from bench.data.era5_land import ERA5_LAND, by_file_name
from bench.errors import BenchError
from tests.conftest import Bench
from tests.data.climate2gpp.earth_engine_numpy import Server
from tools.make_archive import ArchiveLayout, write_era5

ee = pytest.importorskip("ee", reason="the extra 'build' is not installed")
apitestcase = pytest.importorskip("ee.apitestcase", reason="the extra 'build' is not installed")
YEARS = (2019, 2020)
PRECIPITATION = "total_precipitation_sum"
ERA5_BY_NAME = {variable.name: variable for variable in ERA5_LAND}


@pytest.fixture
def offline() -> Iterator[None]:
    """The library initialised with its recorded algorithms; a call to a server would fail."""

    class Case(apitestcase.ApiTestCase):  # type: ignore[misc,name-defined]
        def runTest(self) -> None:
            """Nothing: only its set-up is wanted."""

    case = Case()
    case.setUp()
    yield
    case.tearDown()


def graph(request: ExportRequest) -> dict[str, Any]:
    return expand(image(request))


def expand(node: Any) -> dict[str, Any]:
    """A graph written out, nothing shared, so that each part stands once for every use."""
    encoded: dict[str, Any] = ee.serializer.encode(node, is_compound=False, for_cloud_api=True)
    return encoded


def find(node: Any, key: str) -> Iterator[Any]:
    """All values of a key anywhere in a graph."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from find(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from find(value, key)


def constants(encoded: dict[str, Any]) -> list[Any]:
    """All numbers and words in a graph, those in lists among them."""
    found = []
    for value in find(encoded, "constantValue"):
        found += value if isinstance(value, list) else [value]
    return found


def by_name(name: str) -> ExportRequest:
    return next(request for request in requests(YEARS, 0.5, Collections()) if request.name == name)


def test_every_variable_of_every_year_is_asked_for_once() -> None:
    wanted = requests(YEARS, 0.5, Collections())
    for year in YEARS:
        asked = [band for item in wanted if item.kind == "era5" and item.year == year for band in item.bands]
        assert sorted(asked) == sorted(variable.name for variable in ERA5_LAND)
        for item in wanted:
            if item.kind == "era5":
                rules = {variable.aggregation for variable in ERA5_LAND if variable.name in item.bands}
                assert rules == {item.aggregation}
    assert [item.year for item in wanted if item.kind == "land_cover"] == [2019]
    assert [item.year for item in wanted if item.kind == "gpp"] == [2019, 2020]
    assert len({item.name for item in wanted}) == len(wanted)
    assert {item.size for item in wanted} == {(720, 360)}


@pytest.mark.parametrize("request_", requests((2020,), 0.5, Collections()), ids=lambda item: item.name)
def test_graphs_use_known_algorithms_and_name_the_collection(offline: None, request_: ExportRequest) -> None:
    encoded = graph(request_)
    used = set(find(encoded, "functionName"))
    assert used <= set(apitestcase.GetAlgorithms())
    assert {"ImageCollection.load", "Image.reduceResolution", "Image.updateMask", "Image.unmask"} <= used
    assert request_.collection in constants(encoded)
    if request_.kind != "land_cover":
        assert ("reduce.sum" in used) == (request_.aggregation == "sum")
        assert ("reduce.mean" in used) == (request_.aggregation == "mean")


CONGO = ArchiveLayout(bounds=(20.0, -1.0, 22.0, 1.0), degrees=0.25, packed=False)
"""Land all over, on the equator, where areas go with degrees: 2 x 2 cells of 1 degree with 16 pixels each."""


@pytest.fixture(scope="module")
def holes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of daily values in which days are missing here and there."""
    netCDF4 = pytest.importorskip("netCDF4", reason="the extra 'build' is not installed")
    path = write_era5(tmp_path_factory.mktemp("daily"), ERA5_BY_NAME[PRECIPITATION], 2019, CONGO)
    with netCDF4.Dataset(path, "a") as file:
        values = file["tp"]
        values[10, 0:4, 0:4] = np.nan  # 11 January, step 1: all but a 16th of the north-western cell is missing
        values[10, 3, 3] = 1e-3
        values[20, 0:4, 4:8] = np.nan  # step 2: all but two 16ths of the north-eastern cell
        values[20, 0, 4:6] = 1e-3
        values[360:, 4:8, 0:8] = np.nan  # the last step: nothing in the south
        values[200, 5, 5] = np.nan  # step 25: one pixel of one day
    return path


def exported(daily: Path, aggregation: Any, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """What Earth Engine makes of a file of daily values: a request's bands, some days not being there."""
    (layer,) = open_layers(daily)
    frames = layer.read(np.arange(len(layer.times)), slice(None))
    images = [(str(time)[:10], {PRECIPITATION: frame}) for time, frame in zip(layer.times, frames, strict=True)]
    server = Server({"daily": [item for item in images if item[0] not in without]}, pixels=4)
    request = ExportRequest("water", "era5", "daily", (PRECIPITATION,), 2019, aggregation, 1.0)
    bands: dict[str, np.ndarray] = server(graph(request))
    return bands


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
@pytest.mark.usefixtures("offline", "extra")
def test_what_is_missing_is_missing_by_the_rules_of_the_build_from_daily_files(holes: Path, aggregation: Any) -> None:
    bands = exported(holes, aggregation)
    variable = dataclasses.replace(ERA5_BY_NAME[PRECIPITATION], aggregation=aggregation)
    source = settled(source_of(variable, list(open_layers(holes))), (2019,), Choices()).source
    cells = np.array([[89], [90]]) * 360 + np.array([200, 201])
    wanted = year_of_steps(source, 2019, Regridders(target_grid(1.0)), cells.ravel())
    wanted = wanted.reshape(46, 2, 2)
    found = np.stack(list(bands.values()))
    assert list(bands)[1] == "total_precipitation_sum_20190109" and found.shape == wanted.shape
    assert np.isnan(wanted).sum() == 3 and np.isnan(wanted[1, 0, 0]) and np.isnan(wanted[45, 1]).all()
    np.testing.assert_array_equal(found == NO_DATA, np.isnan(wanted))
    np.testing.assert_allclose(found[found != NO_DATA], wanted[np.isfinite(wanted)], rtol=1e-5)


@pytest.mark.usefixtures("offline", "extra")
def test_a_step_that_lacks_the_image_of_a_day_has_no_values(holes: Path) -> None:
    whole, short = exported(holes, "sum"), exported(holes, "sum", without=("2019-02-03", "2019-12-31"))
    lacking = [name for name in whole if (short[name] == NO_DATA).all()]
    assert lacking == ["total_precipitation_sum_20190202", "total_precipitation_sum_20191227"]
    assert all((short[name] == whole[name]).all() for name in whole if name not in lacking)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("classified", "known"), [(7, False), (8, True)])
def test_land_cover_needs_half_of_a_cell(classified: int, known: bool) -> None:
    request = by_name("MCD12C1_2019")
    percent = np.full(16, np.nan)
    percent[:classified] = 40.0
    image = dict.fromkeys(request.bands, percent.reshape(4, 4))
    bands = Server({request.collection: [("2019-01-01", image)]}, pixels=4)(graph(request))
    assert {float(band[0, 0]) for band in bands.values()} == {40.0 if known else NO_DATA}


@pytest.mark.usefixtures("offline")
def test_a_step_of_gpp_is_one_image() -> None:
    request = by_name("PML_V2_GPP_2020")
    images = [
        (str(start), {"GPP": np.full((2, 2), float(step))}) for step, start in enumerate(calendar.step_starts(2020))
    ]
    bands = Server({request.collection: images}, pixels=2)(graph(request))
    assert [float(band[0, 0]) for band in bands.values()] == list(range(46))
    twice = Server({request.collection: [*images, images[7]]}, pixels=2)(graph(request))
    assert [name for name in twice if twice[name][0, 0] == NO_DATA] == ["GPP_20200226"]


def test_the_steps_of_a_year_meet_and_the_last_ends_with_it(offline: None) -> None:
    encoded = graph(by_name("era5_land_radiation_2020"))
    seen = constants(encoded)
    starts = [str(start) for start in calendar.step_starts(2020)]
    assert all(start in seen for start in [*starts, "2021-01-01"])
    assert "2020-12-31" not in seen


def test_bands_carry_names_and_dates_that_the_readers_understand(offline: None) -> None:
    for name, variables in (("era5_land_water_2019", 3), ("PML_V2_GPP_2019", 1)):
        request = by_name(name)
        words = [word for word in constants(graph(request)) if isinstance(word, str)]
        named = [word for word in words if date_in(word) is not None and word[0].isalpha()]
        bands = list(dict.fromkeys(named))  # a graph written out has the values and, for the mask, again
        assert len(bands) == request.n_bands == 46 * variables
        names = {band.rsplit("_", 1)[0] for band in bands}
        assert names == ({"GPP"} if name.startswith("PML") else set(request.bands))
        assert name.startswith("PML") or all(by_file_name(band) is not None for band in names)


def test_other_collections_and_bands_can_be_named(offline: None) -> None:
    mine = Collections(gpp="projects/mine/gpp", gpp_band="Gpp", era5="projects/mine/era5")
    wanted = requests((2020,), 0.5, mine)
    assert {item.collection for item in wanted} == {"projects/mine/gpp", "projects/mine/era5", "MODIS/061/MCD12C1"}
    gpp = next(item for item in wanted if item.kind == "gpp")
    assert {"projects/mine/gpp", "Gpp", "GPP_20200101"} <= set(constants(graph(gpp)))


def test_finer_grids_make_more_and_smaller_requests_until_it_is_too_much() -> None:
    fine = requests((2020,), 0.1, Collections())
    assert len(fine) > len(requests((2020,), 0.5, Collections()))
    assert max(item.bytes for item in fine) <= 1_500_000_000
    with pytest.raises(BenchError, match="A grid of 0.05 degrees makes files of .* GB"):
        requests((2020,), 0.05, Collections())


@pytest.mark.parametrize("kind", ["drive", "cloud"])
def test_tasks_fix_grid_place_and_missing_value(offline: None, kind: Any) -> None:
    made = task(by_name("era5_land_wind_2019"), Destination(kind, "mine"))
    options = made.config["fileExportOptions"]
    place = options["driveDestination" if kind == "drive" else "cloudStorageDestination"]
    assert place == {"folder" if kind == "drive" else "bucket": "mine", "filenamePrefix": "era5_land_wind_2019"}
    assert options["geoTiffOptions"]["noData"]["floatValue"] == -9999
    seen = constants(expand(made.config["expression"]))
    assert {"EPSG:4326", 0.5, -180, -0.5, 90, 720, 360} <= {item for item in seen if not isinstance(item, dict)}


class FakeServer:
    """Starts tasks until its queue is full, and tells how they stand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[str] = []
        self.operations: dict[str, dict[str, Any]] = {}
        self.places = 99
        monkeypatch.setattr(earth_engine_tasks, "task", lambda request, destination: FakeTask(self, request.name))
        monkeypatch.setattr(ee.data, "listOperations", lambda: list(self.operations.values()))

    def end(self, export: str, state: str, message: str = "") -> None:
        """The last task of an export comes to an end."""
        operation = self.operations[f"id-{export}-{self.started.count(export)}"]
        operation["metadata"]["state"] = state
        operation |= {"done": True} | ({"error": {"message": message}} if message else {})


class FakeTask:
    def __init__(self, server: FakeServer, export: str) -> None:
        self.server, self.export, self.id = server, export, ""

    def start(self) -> None:
        if len(self.server.started) == self.server.places:
            raise ee.EEException("Too many tasks already in the queue.")
        self.server.started.append(self.export)
        self.id = f"id-{self.export}-{self.server.started.count(self.export)}"
        name = f"projects/mine/operations/{self.id}"
        self.server.operations[self.id] = {"name": name, "metadata": {"state": "PENDING"}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    return FakeServer(monkeypatch)


def test_exports_are_started_once_each_however_often_the_command_is_given(server: FakeServer, tmp_path: Path) -> None:
    server.places = 2
    wanted = requests((2020,), 0.5, Collections())[:4]
    lines: list[str] = []
    with pytest.raises(BenchError, match="refuses the export .*Too many tasks.*it starts the rest"):
        submit(wanted, Destination("drive", "mine"), tmp_path / "work", lines.append)
    assert len(lines) == 2
    server.places = 99
    assert submit(wanted, Destination("drive", "mine"), tmp_path / "work", lines.append) == Submission(2, 0, 2, 0)
    assert server.started == [item.name for item in wanted] == [line.split()[1].rstrip(":") for line in lines]
    assert submit(wanted, Destination("drive", "mine"), tmp_path / "work", lines.append) == Submission(0, 0, 4, 0)


def test_exports_that_came_to_nothing_are_started_again_and_completed_ones_never(
    server: FakeServer, tmp_path: Path
) -> None:
    wanted = requests((2020,), 0.5, Collections())[:5]
    names = [item.name for item in wanted]
    lines: list[str] = []

    def again() -> Submission:
        lines.clear()
        return submit(wanted, Destination("drive", "mine"), tmp_path / "work", lines.append)

    assert again() == Submission(started=5, restarted=0, running=0, completed=0)
    server.end(names[0], "SUCCEEDED")
    server.end(names[1], "FAILED", "User memory limit exceeded.")
    server.end(names[2], "CANCELLED")
    del server.operations[f"id-{names[3]}-1"]
    assert again() == Submission(started=0, restarted=3, running=1, completed=1)
    assert server.started[5:] == names[1:4]
    said = ("failed: User memory limit exceeded.", "was cancelled", "is no longer known")
    for line, name, why in zip(lines, names[1:4], said, strict=True):
        assert line.startswith(f"started {name} again (task id-{name}-1 {why}): task id-{name}-2, ")
    # What was completed long ago is forgotten by the server, but not here.
    server.end(names[1], "SUCCEEDED")
    del server.operations[f"id-{names[0]}-1"]
    assert again() == Submission(started=0, restarted=0, running=3, completed=2)


def test_the_command_says_how_the_exports_stand(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earth_engine_tasks, "connect", lambda project: None)
    words = ["climate2gpp", "--source", "earth-engine", "--years", "2020", "--out", str(tmp_path / "c.zarr")]
    total = len(requests((2020,), 0.5, Collections()))
    first = CliRunner().invoke(command, words)
    assert f"{total} exports: {total} started, 0 started again, 0 running, 0 completed." in first.output
    server.end("MCD12C1_2020", "FAILED")
    server.end("PML_V2_GPP_2020", "SUCCEEDED")
    again = CliRunner().invoke(command, words)
    assert f"{total} exports: 0 started, 1 started again, {total - 2} running, 1 completed." in again.output
    assert (first.exit_code, again.exit_code) == (0, 0)


def test_exports_by_other_rules_are_other_exports(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = requests((2020,), 0.5, Collections())[:2]
    for version in (1, 2):
        monkeypatch.setattr(earth_engine_tasks, "GRAPH_VERSION", version)
        made = submit(wanted, Destination("drive", "mine"), tmp_path, lambda line: None)
        assert made == Submission(started=2, restarted=0, running=0, completed=0)


def test_nothing_is_started_while_the_server_does_not_say_how_tasks_stand(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> list[Any]:
        raise ee.EEException("Permission denied.")

    wanted = requests((2020,), 0.5, Collections())[:2]
    submit(wanted[:1], Destination("drive", "mine"), tmp_path, lambda line: None)
    monkeypatch.setattr(ee.data, "listOperations", silent)
    with pytest.raises(BenchError, match=r"does not say how the exports .*Permission denied.*nothing was started"):
        submit(wanted, Destination("drive", "mine"), tmp_path, lambda line: None)
    assert server.started == [wanted[0].name]


def test_without_credentials_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BenchError, match=r"run `earthengine authenticate` once and name a Cloud project .*--project"):
        connect("my-project")


def test_the_command_without_credentials_ends_with_code_2_and_one_line(bench: Bench, tmp_path: Path) -> None:
    words = ("data", "build", "climate2gpp", "--source", "earth-engine", "--project", "x", "--years", "2019-2020")
    result = bench(*words, "--out", str(tmp_path / "c.zarr"), HOME=str(tmp_path))
    assert result.returncode == 2
    assert "earthengine authenticate" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_a_dry_run_needs_no_credentials_and_lists_every_request(bench: Bench, tmp_path: Path) -> None:
    words = ("data", "build", "climate2gpp", "--source", "earth-engine", "--years", "2019-2020", "--dry-run")
    result = bench(*words, HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == len(requests(YEARS, 0.5, Collections())) + 1
    assert "era5_land_radiation_2019: ECMWF/ERA5_LAND/DAILY_AGGR, 4 bands" in result.stdout
    assert " exports, " in lines[-1]
