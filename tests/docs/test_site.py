"""The documentation site builds without a warning, and the files of a release agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.version import __version__
from tests.conftest import ROOT


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="findings/"' in page and 'href="docs/' not in page
    reference = (tmp_path / "site" / "reference" / "bench" / "index.html").read_text(encoding="utf-8")
    assert "RunnerEntry" in reference and "predictions" in reference
    assert "scikit-learn" in (tmp_path / "site" / "quickstart" / "index.html").read_text(encoding="utf-8")


def test_every_page_is_reached_from_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in navigation


def test_one_version() -> None:
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == __version__
