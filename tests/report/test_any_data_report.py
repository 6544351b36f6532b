"""Reports of folds, months, cross-sections and several targets: numbers pool, and nothing false is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.split_names import parse_split, split_parameters
from bench.data.splits import fewshot_parameters, make_split
from bench.errors import BenchError
from bench.report.figures import figures
from bench.report.figures.geography import Grid, Points, map_of
from bench.report.paper import checking
from bench.report.reporting import ReportOptions, write_report
from bench.report.results.data_words import units, words_of
from bench.report.results.rows import rows
from bench.report.results.selection import select
from bench.report.results.split_audit import SplitAuditor
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.results.subject import subject
from bench.report.table import OWN
from bench.report.tables.numbered import table1
from bench.scoring.metrics import statistics_of
from bench.store.dataset_record import read_dataset_record, write_dataset_record
from bench.store.jobs import Job
from bench.store.records import Manifest
from bench.store.store import Store
from bench.system.disk import sha256
from tests.store.test_store import make_job, make_record
from tests.support.cubes import make_houses, make_months, make_towers
from tools.update_reference import write_numbers


def put(store: Store, cube: Cube, job: Job, errors: np.ndarray) -> None:
    """Publishes a done job as a child process does; ``errors`` (cell, time) are those of its predictions."""
    cube = cube.for_target(job.target)
    work, split = store.new_work_folder(job.id), make_split(cube, job.split)
    predicted = {
        name: part.of(cube.target + errors) for name, part in (("train", split.scored_train), ("test", split.test))
    }
    statistics_of(cube, split, predicted).to_parquet(work / "statistics.parquet", index=False)
    cell, time = split.test.samples()
    samples = {"cell": cell.astype(np.int32), "time": time.astype(np.int32), "target": cube.target[cell, time]}
    frame = pd.DataFrame(samples | {"prediction": split.test.select(predicted["test"])})
    frame.to_parquet(work / "predictions.parquet", index=False)
    files = {name: sha256(work / name) for name in ("statistics.parquet", "predictions.parquet")}
    store.publish(work, make_record(job, files=files, n_train=len(split.train), n_test=len(split.test)))


def filled(
    folder: Path,
    cube: Cube,
    suite: str,
    splits: list[dict],  # type: ignore[type-arg]
    runners: dict[str, int],
    skip: int = 0,
    created: str = "2026-01-01T00:00:00Z",
) -> Store:
    """A store of a suite: runner → repetitions on every split; the last ``skip`` jobs are planned and never ended."""
    store = Store(folder, create=True)
    jobs = [
        make_job(suite=suite, dataset=cube.name, dataset_fingerprint=cube.fingerprint, split=split, runner=runner,
                  repetition=repetition)
        for runner, repetitions in runners.items()
        for repetition in range(repetitions)
        for split in splits
    ]  # fmt: skip
    store.add_manifest(
        Manifest(
            created=created,
            suite=suite,
            dataset_spec=cube.name,
            dataset_reason="for tests",
            dataset_title=cube.provenance["title"],
            target_name=cube.target_name,
            target_units=cube.target_units,
            several_targets=dict(cube.several_targets),
            options={},
            jobs=jobs,
        )
    )
    write_dataset_record(store, cube)
    for job in jobs[: len(jobs) - skip]:
        put(store, cube, job, errors_of(cube, job))
    return store


def errors_of(cube: Cube, job: Job) -> np.ndarray:
    generator = np.random.default_rng([job.repetition, len(job.runner)])
    scale = 0.5 if job.runner == "gwr" else 1.0
    return (scale * generator.normal(size=(cube.n_cells, cube.n_times))).astype(np.float32)


def folds_of(cube: Cube, name: str) -> list[dict]:  # type: ignore[type-arg]
    return split_parameters(cube, parse_split(name))


def test_folds_of_a_repetition_make_one_number_over_every_sample(tmp_path: Path) -> None:
    cube = make_towers(40)
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "places:4"), {"climatology": 1, "gwr": 2})
    selection, reader = select(store, "full"), StatisticsReader(store)
    table = {row.label: row for row in table1(selection, reader).rows}
    found = {row.key.runner: row for row in rows(selection)}
    assert (found["climatology"].runs, found["gwr"].runs, len(found["gwr"].records)) == (1, 2, 8)
    job = found["climatology"].records[0].job
    squares = errors_of(cube, job)[~np.isnan(cube.target)].astype(np.float64) ** 2
    assert table["Cell × step climatology"].values["rmse"].value == pytest.approx(np.sqrt(squares.mean()), rel=1e-5)
    assert table["Cell × step climatology"].values["runs"].value == 1 and table["GWR"].values["runs"].value == 2
    singles = [
        np.sqrt((errors_of(cube, record.job)[~np.isnan(cube.target)].astype(np.float64) ** 2).mean())
        for record in found["gwr"].records[::4]
    ]
    assert table["GWR"].values["rmse"].value == pytest.approx(np.mean(singles), rel=1e-5)


def test_a_repetition_that_lacks_a_fold_is_left_out_and_named(tmp_path: Path) -> None:
    cube = make_towers(40)
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "places:4"), {"climatology": 1, "gwr": 2}, skip=1)
    gwr = next(row for row in rows(select(store, "full")) if row.key.runner == "gwr")
    assert (gwr.runs, len(gwr.records), gwr.planned) == (1, 4, 8)
    assert any("repetition 1 of gwr: folds 4 are not done" in problem for problem in gwr.problems)


def test_a_row_that_ran_fewer_folds_than_others_is_left_out_and_named(tmp_path: Path) -> None:
    cube = make_towers(40)
    every, store = folds_of(cube, "places:4"), tmp_path / "runs"
    filled(store, cube, "full", every[1:2], {"gwr": 1})
    fewer = select(Store(store), "full")
    assert [row.runs for row in rows(fewer)] == [1]  # where all rows are of one fold, they are of the same samples
    assert "in 4 folds, of which only fold 2 was run" in words_of(Store(store), fewer).split
    both = filled(store, cube, "full", every, {"climatology": 1}, created="2026-01-02T00:00:00Z")
    selection = select(both, "full")
    found = {row.key.runner: row for row in rows(selection)}
    assert found["climatology"].runs == 1 and not found["gwr"].records
    assert found["gwr"].problems == ("repetition 0 of gwr: folds 1, 3, 4 are not done, so that it is left out",)
    assert words_of(both, selection).split.endswith("in 4 folds")


def test_beside_a_reference_rows_are_compared_on_the_folds_that_both_have(tmp_path: Path) -> None:
    cube = make_towers(40)
    every = folds_of(cube, "places:4")
    committed = filled(tmp_path / "committed", cube, "full", every, {"climatology": 1})
    write_numbers(committed, [{"full": select(committed, "full")}], tmp_path / "reference")
    tables = {}
    for name, splits in (("own", every[1:2]), ("same", every)):
        own = filled(tmp_path / name, cube, "full", splits, {"gwr": 1})
        options = ReportOptions(figures=False, with_reference=str(tmp_path / "reference"), out=tmp_path / f"{name}-out")
        tables[name] = write_report(own, options).tables["reference_full"].rows
    mine, theirs = sorted(tables["own"], key=lambda row: OWN not in row.marks)
    record = next(item for item in committed.records() if item.job.split["fold"] == 2)
    assert len(mine.jobs) == 1 and record.job_id in theirs.jobs and len(theirs.jobs) == 2
    assert theirs.values["value"].value == pytest.approx(rmse_of(committed, record.job_id), rel=1e-6)
    difference = rmse_of(Store(tmp_path / "own"), mine.jobs[0]) - rmse_of(committed, record.job_id)
    assert theirs.values["rmse"].value == pytest.approx(difference, rel=1e-5)
    assert sorted(len(row.jobs) for row in tables["same"]) == [4, 8]


def rmse_of(store: Store, job_id: str) -> float:
    frame = pd.read_parquet(store.jobs_dir / job_id / "predictions.parquet")
    return float(np.sqrt(((frame["prediction"] - frame["target"]).astype(np.float64) ** 2).mean()))


def test_a_check_compares_jobs_of_one_fold_and_nothing_with_a_paper_that_has_other_data(tmp_path: Path) -> None:
    cube = make_towers(40)
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "places:4"), {"climatology": 1, "gwr": 2})
    selections = {"full": select(store, "full")}
    checked = checking.run(subject(store, selections), selections, StatisticsReader(store), {})
    assert checked.broken == ()
    [audit] = checked.tables
    assert [row.label for row in audit.rows] == [
        f"{part}, fold {fold} of 4, 3 stored results" for part in ("test", "train") for fold in (1, 2, 3, 4)
    ]
    assert "8 groups, 24 comparisons, 0 differ" in " ".join(checked.summary)
    assert not any("paper" in text for text in (*checked.summary, audit.caption))


def test_the_split_audit_rebuilds_folds_from_the_store_alone(tmp_path: Path) -> None:
    cube = make_towers(40)
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "places:4"), {"climatology": 1})
    selection = select(store, "full")
    auditor = SplitAuditor(store, selection)
    for record in selection.done:
        audit = auditor.audit(record)
        assert audit.problem is None and audit.geometry is not None
        assert audit.geometry.shared_cells == 0 and audit.geometry.distance[0] > 111


def test_each_target_has_its_own_report(tmp_path: Path) -> None:
    cube = make_towers(40, several=True)
    splits = [
        split | {"target": name} for name in cube.target_names for split in folds_of(cube, "last-year-of-each-place")
    ]
    store = filled(tmp_path / "runs", cube, "full", splits, {"climatology": 1})
    first, second = select(store, "full"), select(store, "full", target="RECO")
    assert (first.manifest.target_name, second.manifest.target_name) == ("GPP", "RECO")
    assert {job.target for job in first.jobs} == {"GPP"} and {job.target for job in second.jobs} == {"RECO"}
    report = write_report(store, ReportOptions(figures=False))
    assert any("target RECO; `bench report --suite full" in note and "--target RECO" in note for note in report.notes)
    with pytest.raises(BenchError, match="Unknown target 'NPP'"):
        select(store, "full", target="NPP")


@pytest.mark.parametrize(
    ("cube", "suite", "name"),
    [
        (make_towers(40), "full", "places:4"),
        (make_towers(40), "full", "last-year-of-each-place"),
        (make_months(40), "full", "last-year"),
        (make_months(40), "fewshot", ""),
        (make_houses(), "full", "places:3,0"),
    ],
    ids=["towers by place", "towers in time", "months", "fewshot on months", "houses"],
)
def test_a_report_of_any_data_says_nothing_of_the_paper_s(cube: Cube, suite: str, name: str, tmp_path: Path) -> None:
    splits = folds_of(cube, name) if name else [fewshot_parameters(cube, (1, 5), 20, 0)]
    store = filled(tmp_path / "runs", cube, suite, splits, {"climatology": 1, "gwr": 1})
    drawing = name.startswith("places")  # drawing is slow, and the others differ in words only
    report = write_report(store, ReportOptions(html=True, figures=drawing))
    captions = " ".join(f"{table.title} {table.caption}" for table in report.tables.values())
    keys = {column.key for table in report.tables.values() for column in table.columns}
    assert "of the paper)" not in captions and not any(key.startswith("paper") for key in keys)
    assert "8-day" not in captions
    assert f"{cube.target_name} in {units(cube.target_units)}" in captions
    assert ("month 5" in captions) == (suite == "fewshot")
    assert not (cube.is_planar and "°" in captions)
    page = (report.folder / "report.html").read_text()
    assert "What does not agree" not in page
    if drawing:
        drawn = {path.stem for path in report.files if path.suffix == ".png"}
        assert {"full_residual_maps", "full_observed_predicted"} <= drawn
        assert ("full_error_groups" in drawn) == (cube.name != "houses_toy")


def test_sizes_have_the_unit_of_the_coordinates_everywhere(tmp_path: Path) -> None:
    cube = make_houses()
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "blocks:10000,3"), {"climatology": 1, "gwr": 1})
    report = write_report(store, ReportOptions(html=True, figures=False))
    said = "blocks of 10000 m, in 3 folds"
    page = (report.folder / "report.html").read_text()
    assert said in report.tables["table1"].caption and said in words_of(store, select(store, "full")).split
    assert page.count(said) > 3 + 2 * 3  # tables, what the page shows, the splits and every job
    assert "Nearest training place, m:" in page and "unit of the coordinates" not in page


def test_groups_are_those_of_the_data(tmp_path: Path) -> None:
    cube = make_towers(40)
    store = filled(tmp_path / "runs", cube, "full", folds_of(cube, "places:4"), {"climatology": 1})
    selection, reader = select(store, "full"), StatisticsReader(store)
    dataset = read_dataset_record(store, cube.fingerprint)
    assert dataset is not None and dataset.cells["place"].tolist() == list(cube.place_names or ())
    titles = {figure.title for figure in figures(selection, reader, dataset).figures}
    assert "Error by season and IGBP" in titles
    words = words_of(store, selection)
    assert (words.week, words.short_step(3), words.of_paper) == ("month", "Month 3", False)


def test_towers_are_points_and_grids_are_cells() -> None:
    towers, houses = make_towers(40), make_houses()
    assert isinstance(map_of(towers.lon, towers.lat), Points)
    planar = map_of(houses.lon, houses.lat, is_planar=True)
    assert isinstance(planar, Points) and planar.stretch == 1.0 and planar.extent[1] > 560_000
    column, row = np.meshgrid(np.arange(6), np.arange(6))
    assert isinstance(map_of(113.125 + 0.25 * column.ravel(), 34.125 + 0.25 * row.ravel()), Grid)
