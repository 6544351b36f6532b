"""Copies the tables and raw numbers of a finished store into ``tables/reference/`` and into the README.

    python tools/update_reference.py runs

Everything that the README's results table says comes from the files written here: the rendered tables, every metric of
every cell, the manifest, each cell's record, and a few figures. Predictions stay in the store (a megabyte a cell).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIGURES = (
    "full_figure4_dual_branch.png",
    "full_figure5_dual_branch.png",
    "full_figure4_dual_branch_plus.png",
    "full_figure5_dual_branch_plus.png",
    "ablation.png",
)
"""The figures that are committed; `bench report` draws all of them from a store."""
ANSWER_BEGIN, ANSWER_END = "<!-- answer:begin -->", "<!-- answer:end -->"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def main() -> None:
    """Renders the store's tables and replaces the reference folder of its data set and profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="a store whose last runs are complete")
    store = parser.parse_args().store
    manifests = [json.loads(path.read_text()) for path in sorted((store / "manifests").glob("*.json"))]
    newest = {manifest["suite"]: manifest for manifest in manifests}
    first = next(iter(newest.values()))["cells"][0]
    data = re.sub(r"[^a-z0-9]+", "-", first["dataset"])  # simulated:cells=20000 is no name for a folder
    folder = ROOT / "tables" / "reference" / f"{data}-{first['profile']}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "records").mkdir(parents=True)
    report = [sys.executable, "-m", "bench", "report", "--check", "--store", str(store), "--out", str(folder)]
    subprocess.run(report, check=True)
    for path in (folder / "figures").iterdir():
        if path.name not in FIGURES:
            path.unlink()
    (folder / "manifests").mkdir()
    for path in (store / "manifests").glob("*.json"):  # why a data set was chosen may name a folder of this machine
        (folder / "manifests" / path.name).write_text(re.sub(r" \(/[^)\"]*\)", "", path.read_text()))
    for suite in newest:
        for job_id in _cell_ids(folder, suite):
            shutil.copyfile(store / "cells" / job_id / "record.json", folder / "records" / f"{job_id}.json")
    if first["dataset"] == "northchina":
        _update_readme(folder)
    _update_answers()


def _cell_ids(folder: Path, suite: str) -> list[str]:
    lines = (folder / f"metrics_{suite}.csv").read_text().splitlines()[1:]
    return sorted({line.split(",", 1)[0] for line in lines})


def _update_readme(folder: Path) -> None:
    readme = ROOT / "README.md"
    table = (folder / "table1.md").read_text().strip()
    readme.write_text(_between(readme.read_text(), BEGIN, END, table))


def _update_answers() -> None:
    """Repeats the answer of every committed reference in the README and at the head of the findings."""
    folders = sorted(path.parent for path in (ROOT / "tables" / "reference").glob("*/answer.md"))
    paragraphs = "\n\n".join((folder / "answer.md").read_text().strip() for folder in folders)
    for page in (ROOT / "README.md", ROOT / "docs" / "findings.md"):
        page.write_text(_between(page.read_text(), ANSWER_BEGIN, ANSWER_END, paragraphs))


def _between(text: str, begin: str, end: str, new: str) -> str:
    """A text with what stands between two markers replaced.

    Raises:
        ValueError: it has not both markers.
    """
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the markers {begin} and {end} are missing")
    return f"{before}{begin}\n{new}\n{end}{after}"


if __name__ == "__main__":
    main()
