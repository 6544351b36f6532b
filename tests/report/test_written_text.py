"""Texts of strangers (titles, units, reasons) in every file of a report: nothing that a terminal would obey."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from bench.report.reporting import ReportOptions, write_report
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.html.conftest import publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job

RAW = "a\x1b[31m\nb\rc\u202ed\u200be\x00f\u2028g\x9bh"
SHOWN = r"a\x1b[31m b\rc\u202ed\u200be\x00f\u2028g\x9bh"
TEXTS = (".csv", ".md", ".tex", ".html", ".json")


def test_no_file_of_a_report_has_a_raw_character_of_a_title(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    jobs = [make_job(runner="climatology"), make_job(runner="mine", seed=1), make_job(runner="yours", seed=2)]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    publish(store, jobs[0], cube, 0.4)
    publish(store, jobs[1], cube, 0.5)
    publish(store, jobs[2], cube, 0.5, "failed", "it broke")
    [path] = (store.root / "manifests").glob("*.json")
    document = json.loads(path.read_text())
    document |= {"dataset_title": RAW, "dataset_reason": RAW, "target_units": RAW, "options": {"only": [RAW]}}
    document["rows"] = {name: {"title": RAW, "family": "Spatial"} for name in ("mine", "yours")}
    path.write_text(json.dumps(document))
    record = store.root / "cells" / jobs[2].id / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"reason": RAW, "device": RAW}))

    report = write_report(Store(store.root), ReportOptions(html=True))

    written = [file for file in sorted(store.root.joinpath("report").rglob("*")) if file.suffix in TEXTS]
    assert len(written) > 8
    for file in written:
        text = file.read_text(encoding="utf-8")
        raw = {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp")} - {"\n", "\t"}
        assert not raw, (file.name, raw)
    lines = (store.root / "report" / "table1.csv").read_text().splitlines()
    assert [line for line in lines if SHOWN in line]
    assert not [note for note in report.notes if "\x1b" in note]
