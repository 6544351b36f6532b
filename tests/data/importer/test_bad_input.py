"""Every kind of bad input: one sentence that names the offending place, and nothing left behind."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cli.data_import import command
from bench.errors import BenchError
from tests.conftest import ROOT, Bench

TOWERS = ("--place", "site", "--time", "date", "--target", "gpp:gC m-2 d-1", "--features", "temp:degC,rain:mm:sum")
TOWERS += ("--static", "height:m", "--category", "igbp")
HOUSES = ("--x", "x", "--y", "y", "--crs", "EPSG:27700", "--target", "price:GBP", "--features", "area:m2,age:year")


def towers() -> pd.DataFrame:
    dates = pd.date_range("2001-01-01", periods=24, freq="MS").strftime("%Y-%m-%d")
    generator = np.random.default_rng(0)
    parts = []
    for index, site in enumerate(("AA", "BB", "CC")):
        parts.append(
            pd.DataFrame(
                {
                    "site": site,
                    "lon": 10.0 + index,
                    "lat": 50.0 + index,
                    "date": dates,
                    "gpp": generator.normal(size=24),
                    "temp": generator.normal(size=24),
                    "rain": generator.uniform(size=24),
                    "height": 3.0 + index,
                    "igbp": "ENF" if index else "GRA",
                    "part": ["train"] * 12 + ["test"] * 12,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def houses() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(generator.uniform(1, 9, size=(40, 5)), columns=["x", "y", "price", "area", "age"])
    return frame.assign(x=400_000 + 1_000 * frame.x, y=200_000 + 1_000 * frame.y)


def changed(column: str, row: int, value: object) -> Callable[[Path], Path]:
    """A file of towers with one other field; rows from 1."""

    def write(folder: Path) -> Path:
        frame = towers().astype({column: object})
        frame.loc[row - 1, column] = value
        frame.to_csv(folder / "towers.csv", index=False)
        return folder / "towers.csv"

    return write


def text(content: str | bytes, name: str = "towers.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    return write


def good(folder: Path) -> Path:
    towers().to_csv(folder / "towers.csv", index=False)
    return folder / "towers.csv"


def good_houses(folder: Path) -> Path:
    houses().to_csv(folder / "houses.csv", index=False)
    return folder / "houses.csv"


def nothing(folder: Path) -> Path:
    return folder / "nothing.csv"


def with_row(**fields: object) -> Callable[[Path], Path]:
    """A file of towers with one more row: the first one with other fields."""

    def write(folder: Path) -> Path:
        frame = towers()
        pd.concat([frame, frame.head(1).assign(**fields)]).to_csv(folder / "towers.csv", index=False)
        return folder / "towers.csv"

    return write


def column(name: str, value: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        towers().assign(**{name: value}).to_csv(folder / "towers.csv", index=False)
        return folder / "towers.csv"

    return write


def unchanged(folder: Path) -> Path:
    towers().to_csv(folder / "towers.csv", index=False)
    return folder / "towers.csv"


def cut_gzip(folder: Path) -> Path:
    whole = gzip.compress(towers().to_csv(index=False).encode())
    (folder / "towers.csv.gz").write_bytes(whole[: len(whole) // 2])
    return folder / "towers.csv.gz"


def cut_parquet(folder: Path) -> Path:
    towers().to_parquet(folder / "whole.parquet")
    whole = (folder / "whole.parquet").read_bytes()
    (folder / "whole.parquet").unlink()
    (folder / "towers.parquet").write_bytes(whole[: len(whole) // 2])
    return folder / "towers.parquet"


def parquet(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        change(towers()).to_parquet(folder / "towers.parquet")
        return folder / "towers.parquet"

    return write


def duplicated_names(folder: Path) -> Path:
    body = towers().to_csv(index=False).replace("temp,rain", "temp,temp", 1)
    return text(body)(folder)


HEADER = ",".join(towers().columns) + "\n"

TABLES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], str]] = {
    "no file": (nothing, TOWERS, r"nothing\.csv does not exist"),
    "empty file": (text(""), TOWERS, "is empty"),
    "names only": (text(HEADER), TOWERS, "has no rows below its column names"),
    "blank first line": (text("\n" + HEADER), TOWERS, "first line of .* is empty"),
    "no names": (text("1,2,3\n4,5,6\n"), TOWERS, "holds numbers .* must name the columns"),
    "wrong delimiter": (text(HEADER.replace(",", " ")), TOWERS, "one column only"),
    "other ending": (text("a,b\n", "towers.xlsx"), TOWERS, r"ends in '\.xlsx'"),
    "utf-16": (text(HEADER.encode("utf-16")), TOWERS, "not text in UTF-8"),
    "latin-1 name": (text((HEADER + "Z\xfcrich,1,2,2001-01-01,1,1,1,1,x,\n").encode("latin-1")), TOWERS, "UTF-8"),
    "row with a field too many": (text(HEADER + "AA,1,2,2001-01-01,1,1,1,1,x,,7\n"), TOWERS, "Expected 10 columns"),
    "cut gzip": (cut_gzip, TOWERS, "cannot be read"),
    "cut parquet": (cut_parquet, TOWERS, "cannot be read"),
    "no gzip": (text(HEADER, "towers.csv.gz"), TOWERS, "cannot be read"),
    "no parquet": (text(HEADER, "towers.parquet"), TOWERS, "cannot be read"),
    "two columns of a name": (duplicated_names, TOWERS, "two columns 'temp'"),
    "unknown column": (good, (*TOWERS, "--features", "tmp:degC"), "Unknown column .* 'tmp': did you mean 'temp'"),
    "unknown category": (good, (*TOWERS, "--category", "IGPB"), "Unknown column .* 'IGPB': did you mean 'igbp'"),
    "unknown split": (good, (*TOWERS, "--split", "split"), "Unknown column"),
    "text in a number column": (changed("temp", 5, "warm"), TOWERS, "Row 5 of towers.csv: 'temp' is 'warm'"),
    "decimal comma": (changed("gpp", 7, "1,5"), TOWERS, "Row 7 .* '1,5', not a number; write a decimal point"),
    "unit behind a number": (changed("rain", 9, "3 mm"), TOWERS, "Row 9 .* '3 mm', not a number"),
    "underscored number": (changed("rain", 9, "1_000"), TOWERS, "Row 9 .* '1_000', not a number"),
    "control character in a level": (changed("igbp", 4, "EN\x1bF"), TOWERS, "Row 4 .* 'igbp' is .* control characters"),
    "direction in a level": (changed("igbp", 4, "EN\u202eF"), TOWERS, "Row 4 .* 'igbp' is .* control characters"),
    "two lines in a level": (changed("igbp", 4, "EN\nF"), TOWERS, "Row 4 .* 'igbp' is .* control characters"),
    "long level": (changed("igbp", 4, "E" * 196), TOWERS, "Row 4 .* 'igbp' is .* longer than 195 characters"),
    "control character in a place": (changed("site", 6, "A\x00A"), TOWERS, "Row 6 .* 'site' is .* control characters"),
    "long place": (changed("site", 6, "A" * 201), TOWERS, "Row 6 .* 'site' is .* longer than 200 characters"),
    "field of megabytes": (
        changed("temp", 5, "warm " * 800_000),
        TOWERS,
        "Row 5 .* 'temp' is 'warm .*…', not a number",
    ),
    "place of megabytes": (changed("site", 6, "AB" * 2_000_000), TOWERS, "Row 6 .* 'site' is 'AB.*…'"),
    "date of megabytes": (changed("date", 6, "20" * 2_000_000), TOWERS, "Row 6 .* 'date' is '20.*…'"),
    "long name": (unchanged, (*TOWERS, "--name", "n" * 101), "longer than 100 characters; choose a shorter --name"),
    "control character in the name": (unchanged, (*TOWERS, "--name", "a\x1bb"), "name .* holds control characters"),
    "form of no date": (unchanged, (*TOWERS, "--time-format", "%Q"), "--time-format '%Q' is no form of a date"),
    "infinite target": (changed("gpp", 3, "inf"), TOWERS, "Row 3 .* 'gpp' is infinite"),
    "overflowing target": (changed("gpp", 3, "1e999"), TOWERS, "Row 3 .* 'gpp' is infinite"),
    "target too large": (changed("gpp", 3, "1e39"), TOWERS, "Row 3 .* 'gpp' is 1e\\+39, too large"),
    "infinite feature": (changed("temp", 3, "-Infinity"), TOWERS, "Row 3 .* 'temp' is infinite"),
    "no target at all": (column("gpp", ""), TOWERS, "'gpp' of towers.csv is measured nowhere"),
    "feature without values": (column("temp", ""), TOWERS, "Feature 'temp' .* has no value"),
    "static without values": (column("height", ""), TOWERS, "Static column 'height' .* has no value"),
    "date that does not parse": (changed("date", 11, "soon"), TOWERS, "Row 11 .* 'date' is 'soon', no date"),
    "day that no month has": (changed("date", 11, "2001-02-30"), TOWERS, "Row 11 .* '2001-02-30'"),
    "month that no year has": (changed("date", 11, "200113"), TOWERS, "Row 11 .* '200113'"),
    "day first": (changed("date", 2, "01/02/2001"), TOWERS, "Row 2 .* --time-format"),
    "not in the form": (good, (*TOWERS, "--time-format", "%d/%m/%Y"), "Row 1 .*, not written as '%d/%m/%Y'"),
    "empty date": (changed("date", 4, ""), TOWERS, "Row 4 .* 'date' is empty"),
    "two rows of a place and time": (with_row(gpp=5), TOWERS, "Rows 1 and 73 .* place AA and time 2001-01-01"),
    "place at two positions": (changed("lon", 6, 12.5), TOWERS, "Row 6 .* 'lon' is 12.5, but 10 in an earlier row"),
    "empty place": (changed("site", 6, ""), TOWERS, "Row 6 .* the place 'site' is empty"),
    "empty coordinate": (changed("lat", 6, ""), TOWERS, "Row 6 .* the coordinate 'lat' is empty"),
    "latitude beyond the pole": (changed("lat", 6, 95), TOWERS, "Row 6 .* latitude 95 are no degrees"),
    "planar without crs": (good_houses, ("--lon", "x", "--lat", "y", *HOUSES[6:]), "Row 1 .* --x, --y and --crs"),
    "static that varies": (changed("height", 8, 99), TOWERS, "Static column 'height' differs in a place: row 8"),
    "category that varies": (changed("igbp", 8, "CRO"), TOWERS, "Category 'igbp' differs in a place: see row 8"),
    "no test samples": (column("part", "train"), (*TOWERS, "--split", "part"), "no measured sample to test on"),
    "no training samples": (column("part", "test"), (*TOWERS, "--split", "part"), "no value in any training row"),
    "other word in the split": (changed("part", 20, "val"), (*TOWERS, "--split", "part"), "Row 20 .* 'val'; a split"),
    "rhythm without time": (good, (*TOWERS[:2], *TOWERS[4:], "--rhythm", "month"), "--rhythm month needs dates"),
    "unknown rhythm": (good, (*TOWERS, "--rhythm", "monthly"), "Unknown rhythm 'monthly': did you mean 'month'"),
    "no rhythm in the dates": (
        lambda folder: text(HEADER + "".join(f"AA,1,2,2001-01-{1 + 3 * k:02d},{k},{k},1,1,x,\n" for k in range(9)))(
            folder
        ),
        TOWERS,
        "usually 3 days apart, no rhythm",
    ),
    "target is a feature": (good, (*TOWERS, "--features", "gpp:1"), "'gpp' is named with two meanings"),
    "feature twice": (good, (*TOWERS, "--features", "temp:K"), "--features names 'temp' twice"),
    "target without unit": (good, (*TOWERS[:4], "--target", "gpp", *TOWERS[6:]), "target 'gpp' has no unit"),
    "target with a colon only": (good, (*TOWERS, "--target", "reco:"), "not of the form NAME:UNIT"),
    "unknown aggregation": (good, (*TOWERS, "--features", "part:1:average"), "Unknown aggregation 'average'"),
    "four parts": (good, (*TOWERS, "--features", "a:b:mean:d"), "not of the form NAME:UNIT:AGGREGATION"),
    "unit that is none": (good, (*TOWERS, "--target", "reco:?"), "'\\?' of 'reco' is no unit"),
    "least days": (good, (*TOWERS, "--least-days", "0"), "--least-days is 0"),
    "x without crs": (good_houses, HOUSES[:4] + HOUSES[6:], "--x needs --crs"),
    "degrees and planar": (good_houses, (*HOUSES, "--lon", "x"), "name one kind"),
    "crs of heights": (good_houses, (*HOUSES[:5], "EPSG:5773", *HOUSES[6:]), "no system of planar coordinates"),
    "crs of three axes": (good_houses, (*HOUSES[:5], "EPSG:4978", *HOUSES[6:]), "no system of planar coordinates"),
    "crs that is none": (good_houses, (*HOUSES[:5], "EPSG:1", *HOUSES[6:]), "'EPSG:1' is no coordinate system"),
    "crs of degrees": (good_houses, (*HOUSES[:5], "EPSG:4326", *HOUSES[6:]), "EPSG:4326 has degrees"),
    "two rows of a place without time": (good, (*TOWERS[:2], *TOWERS[4:8]), "Rows 1 and 2 .* place AA"),
    "name without letters": (good, (*TOWERS, "--name", "***"), "no name of a data set"),
    "thousands": (changed("rain", 3, "1,234.5"), TOWERS, "Row 3 .* '1,234.5', not a number"),
    "hexadecimal": (changed("rain", 3, "0x10"), TOWERS, "Row 3 .* '0x10', not a number"),
    "complex": (changed("gpp", 3, "1+2j"), TOWERS, "Row 3 .* '1\\+2j', not a number"),
    "serial day": (changed("date", 3, "36951"), TOWERS, "Row 3 .* '36951', no date"),
    "year of two digits": (changed("date", 3, "01-03-01"), TOWERS, "Row 3 .* '01-03-01', no date"),
    "row too short": (text(HEADER + "AA,1,2\n"), TOWERS, "Expected 10 columns, got 3"),
    "open quote": (text(HEADER + 'AA,1,2,2001-01-01,1,1,1,1,"ENF,\n'), TOWERS, "cannot be read"),
    "web page": (text("<!DOCTYPE html>\n<html></html>\n"), TOWERS, "one column only"),
    "archive called csv": (text(b"PK\x03\x04" + b"0" * 50), TOWERS, "one column only"),
    "infinite longitude": (column("lon", "inf"), TOWERS, "Row 1 .* 'lon' is infinite"),
    "turns beyond a circle": (column("lon", 540), TOWERS, "Row 1 .* longitude 540"),
    "no features": (good, (*TOWERS[:6], "--features", "", *TOWERS[8:]), "No feature is named"),
    "target without a name": (good, (*TOWERS, "--target", ":x"), "not of the form NAME:UNIT"),
    "static that is a feature": (good, (*TOWERS, "--static", "temp:degC"), "'temp' is named with two meanings"),
    "time that is the place": (good, ("--place", "site", "--time", "site", *TOWERS[4:]), "Row 1 .* 'AA', no date"),
    "split that is the date": (good, (*TOWERS, "--split", "date"), "Row 1 .* a split column holds train"),
    "all missing": (column("gpp", -9999), (*TOWERS, "--missing", "-9999"), "'gpp' of towers.csv is measured nowhere"),
    "rhythm none with time": (good, (*TOWERS, "--rhythm", "none"), "--rhythm none is for data without time"),
    "unit of signs": (good, (*TOWERS[:4], "--target", "gpp:<b>", *TOWERS[6:]), "'<b>' of 'gpp' is no unit"),
    "lists": (parquet(lambda frame: frame.assign(temp=[{"a": 1}] * len(frame))), TOWERS, "type struct.*, not a number"),
    "durations": (parquet(lambda frame: frame.assign(temp=pd.Timedelta(days=1))), TOWERS, "holds dates, not numbers"),
    "parquet without rows": (parquet(lambda frame: frame.head(0)), TOWERS, "has no rows below its column names"),
    "time that is missing": (
        parquet(lambda frame: frame.assign(date=pd.to_datetime(frame.date).where(frame.index != 3))),
        TOWERS,
        "Row 4 .* 'date' is empty",
    ),
    "places without names": (parquet(lambda frame: frame.assign(site=np.nan)), TOWERS, "Row 1 .* 'site' is empty"),
}


def call(*arguments: str) -> None:
    command.main(list(arguments), standalone_mode=False)


@pytest.mark.parametrize("case", TABLES)
def test_one_sentence_and_nothing_left(case: str, tmp_path: Path) -> None:
    write, options, message = TABLES[case]
    (tmp_path / "in").mkdir()
    file = write(tmp_path / "in")
    with pytest.raises(BenchError, match=message) as caught:
        call(str(file), "--out", str(tmp_path / "out" / "cube"), *options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 500
    assert not re.search(r"<.*object at|Traceback", sentence)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_page_says_how_many_kinds_are_tried() -> None:
    from tests.data.importer.test_gridded import BAD_GRIDS

    page = (ROOT / "docs" / "own-data.md").read_text()
    assert f"{len(TABLES)} kinds of bad table and {len(BAD_GRIDS)} of bad grid" in " ".join(page.split())


def test_the_command_line_says_it_in_a_sentence_and_exits_with_2(bench: Bench, tmp_path: Path) -> None:
    file = changed("temp", 5, "warm")(tmp_path)
    result = bench("data", "import", str(file), "--out", str(tmp_path / "cube"), *TOWERS)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert "Row 5 of towers.csv: 'temp' is 'warm', not a number" in result.stderr


def test_swapped_degrees_are_recognised(tmp_path: Path) -> None:
    towers().assign(lon=lambda frame: frame.lon + 90).to_csv(tmp_path / "towers.csv", index=False)
    with pytest.raises(BenchError, match="swap --lon and --lat"):
        call(str(tmp_path / "towers.csv"), "--out", str(tmp_path / "out"), "--lon", "lat", "--lat", "lon", *TOWERS)


def test_an_existing_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("all of it")
    with pytest.raises(BenchError, match="holds other things"):
        call(str(good(tmp_path)), "--out", str(tmp_path / "thesis"), *TOWERS)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "all of it"


def test_out_below_a_file(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="towers.csv is a file"):
        call(str(good(tmp_path)), "--out", str(tmp_path / "towers.csv" / "cube"), *TOWERS)


def test_columns_of_lists_are_no_numbers_and_no_names(tmp_path: Path) -> None:
    frame = towers()
    frame["temp"] = [[1.0, 2.0]] * len(frame)
    frame.to_parquet(tmp_path / "t.parquet")
    for options, message in ((TOWERS, "'temp' .* not a number"), ((*TOWERS, "--category", "temp"), "two meanings")):
        with pytest.raises(BenchError, match=message):
            call(str(tmp_path / "t.parquet"), "--out", str(tmp_path / "cube"), *options)
    names = ("--place", "temp", *TOWERS[2:7], "rain:mm")
    with pytest.raises(BenchError, match="'temp' is of type list.*, neither names nor numbers"):
        call(str(tmp_path / "t.parquet"), "--out", str(tmp_path / "cube"), *names)


def test_a_failed_import_keeps_the_cube_that_was_there(tmp_path: Path) -> None:
    call(str(good(tmp_path)), "--out", str(tmp_path / "cube"), *TOWERS)
    before = (tmp_path / "cube" / "zarr.json").read_bytes()
    with pytest.raises(BenchError, match="'warm'"):
        call(str(changed("temp", 70, "warm")(tmp_path)), "--out", str(tmp_path / "cube"), *TOWERS)
    assert (tmp_path / "cube" / "zarr.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cube", "towers.csv"]


def test_a_rectangle_that_fits_on_no_disk_is_refused_before_it_is_written(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    many = tuple(f"f{index}" for index in range(20))
    frame = pd.DataFrame(dict.fromkeys(("lon", "lat", "gpp", *many), 1.0), index=np.arange(30_000))
    days = pd.to_timedelta(generator.integers(0, 90_000, len(frame)), "D")
    frame = frame.assign(site=frame.index, date=pd.Timestamp("1700-01-01") + days)
    frame.to_parquet(tmp_path / "sparse.parquet")
    with pytest.raises(BenchError, match=r"30,000 places × .* GB where .* GB are free"):
        options = ("--target", "gpp:1", "--features", ",".join(many), "--rhythm", "day")
        call(
            str(tmp_path / "sparse.parquet"),
            "--out",
            str(tmp_path / "o"),
            "--place",
            "site",
            "--time",
            "date",
            *options,
        )
    assert not (tmp_path / "o").exists()
