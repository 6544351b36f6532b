"""The page in a real browser, without a network: no error, headings sort, links open their job."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.store.store import Store
from tests.report.html.conftest import PageReader, page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000"),
)
SCRIPT = """
const table = document.querySelector("#table1 table");
const heading = (text) => [...table.tHead.rows[0].cells].find((cell) => cell.textContent === text);
const column = (text) => {
  const index = heading(text).cellIndex;
  return [...table.rows].slice(1).map((row) => [row.cells[0].firstChild.textContent, row.cells[index]?.dataset.value]);
};
const sorts = () => [...table.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort")).filter(Boolean);
const found = { families: table.querySelectorAll(".family").length, printed: column("RMSE") };
const press = (text) => {
  const button = heading(text).querySelector("button");
  button.focus();
  button.click();
  return { rows: column(text), sorts: sorts(), focused: document.activeElement === button,
           said: document.getElementById("status").textContent };
};
found.up = press("RMSE");
found.down = press("RMSE");
found.back = press("RMSE");
found.best = press("R²");
found.names = press("Method");
found.restored = [press("Method"), press("Method")][1];
location.hash = document.querySelector("details[id^='cell-'], details[id^='job-']").id;
setTimeout(() => {
  found.opened = document.querySelector("details[id^='cell-'], details[id^='job-']").open;
  const answer = document.createElement("pre");
  answer.id = "answer";
  answer.textContent = JSON.stringify(found);
  document.body.append(answer);
}, 100);
"""


def browse(path: Path, folder: Path) -> tuple[str, list[str]]:
    """The document as the browser has it in the end, and what it wrote to its console."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def test_under_its_own_policy_the_page_works_without_a_word_on_the_console(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(page_of(filled))
    document, console = browse(path, tmp_path)
    assert console == []
    read = PageReader(document.encode())
    assert [tag for tag, _ in read.tags].count("button") >= 20  # the script ran: headings have become buttons
    assert not any("hidden" in found for _, found in read.tags)  # and it has said so


def test_the_policy_stops_any_other_script(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    foreign = b"<script>document.body.append('foreign')</script><img src='https://example.org/x.png'></body>"
    path.write_bytes(page_of(filled).replace(b"</body>", foreign))
    document, console = browse(path, tmp_path)
    assert "foreign</body>" not in document
    assert sum("violates the following Content Security Policy" in line for line in console) == 2


def test_headings_sort_up_down_and_back_and_links_open_their_job(filled: Store, tmp_path: Path) -> None:
    page = re.sub(rb"<meta http-equiv[^>]*>", b"", page_of(filled))
    path = tmp_path / "report.html"
    path.write_bytes(page.replace(b"</body>", f"<script>{SCRIPT}</script></body>".encode()))
    document, console = browse(path, tmp_path)
    assert console == []
    answer = re.search(r'<pre id="answer">(.*?)</pre>', document, re.DOTALL)
    assert answer is not None
    found = json.loads(PageReader(f"<pre>{answer[1]}</pre>".encode()).text)
    printed = [row for row in found["printed"] if len(row) == 2]
    numbers = sorted(float(value) for _, value in printed if value is not None)
    assert len(numbers) == 4 and found["families"] == 4
    missing = len(found["up"]["rows"]) - len(numbers)
    for state, order in (("up", numbers), ("down", numbers[::-1])):
        values = [row[1] if len(row) == 2 else None for row in found[state]["rows"]]
        assert [float(value) for value in values[: len(numbers)]] == order
        assert values[len(numbers) :] == [None] * missing  # what is missing stays at the end
        assert found[state]["focused"]
    assert found["up"]["sorts"] == ["ascending"] and found["down"]["sorts"] == ["descending"]
    assert found["up"]["said"] == "Sorted by RMSE, ascending"
    assert found["back"]["rows"] == found["printed"]
    assert found["back"]["sorts"] == [] == found["restored"]["sorts"]
    best = [float(row[1]) for row in found["best"]["rows"] if len(row) == 2 and row[1] is not None]
    assert best == sorted(best, reverse=True)  # where large is good, the first click puts the largest first
    names = [row[0] for row in found["names"]["rows"]]
    assert names == sorted(names, key=str.casefold)
    assert found["opened"] is True
