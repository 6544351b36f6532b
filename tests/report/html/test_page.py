"""The page holds everything, escapes everything, asks for nothing, and is the same for the same store."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from bench.report.answer import Answer
from bench.report.drawn import DrawnFigure
from bench.report.html.page import MAX_BYTES, render_page
from bench.report.table import best_values, is_best
from bench.report.tables.render import markdown, shown_columns
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.html.conftest import PageReader, describe_dataset, page_of, publish, suites_of
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job
from tests.support.nasty import NASTY

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(scope="module")
def page(filled: Store) -> bytes:
    return page_of(filled, DrawnFigure("map", "A map & more", "What <it> shows.", PNG, ("0" * 16,), "full"))


def test_tags_match_ids_are_unique_and_every_link_leads_somewhere(page: bytes) -> None:
    read = PageReader(page)
    ids = read.attributes("id")
    assert len(set(ids)) == len(ids) > 40
    links = read.attributes("href")
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)
    assert not [name for _, found in read.tags for name in found if name.startswith("on") or name == "style"]


def test_nothing_is_asked_for_from_anywhere(page: bytes) -> None:
    read = PageReader(page)
    assert all(source.startswith("data:image/png;base64,") for source in read.attributes("src"))
    assert not {tag for tag, _ in read.tags} & {"link", "iframe", "object", "form", "base", "video", "svg"}
    assert not re.search(rb"@import|url\(|https?:|//[a-z]+\.", page.replace(b"// ", b""))
    [policy] = [found["content"] for tag, found in read.tags if found.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content).digest()).decode() in policy


def test_tables_have_captions_and_scoped_headings_and_headings_do_not_skip_a_level(page: bytes) -> None:
    read = PageReader(page)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    assert all(found.get("scope") in ("col", "row", "rowgroup") for tag, found in read.tags if tag == "th")
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(found.get("alt") for tag, found in read.tags if tag == "img")
    assert dict(read.tags[0][1]) == {"lang": "en"}


def test_titles_reasons_and_captions_are_escaped_and_forbidden_characters_replaced(page: bytes) -> None:
    read = PageReader(page)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert NASTY.title in read.text and NASTY.summary in read.text
    assert 'it said </details><script>alert("x")</script> &' in read.text and "\x1b" not in read.text
    assert "What <it> shows." in read.text
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", page)


def test_every_number_stands_at_full_precision_with_its_interval_and_the_best_marked(
    filled: Store, page: bytes
) -> None:
    read = PageReader(page)
    cells = [found for tag, found in read.tags if tag == "td" and "data-value" in found]
    values = [found["data-value"] for found in cells if found["class"] == "number"]
    expected, marked = [], 0
    tables = [table for result in suites_of(filled) for table in result.tables]
    for table in sorted(tables, key=lambda table: page.index(f'<section id="{table.name}"'.encode())):
        best = best_values(table)
        for row in table.rows:
            for column in shown_columns(table):
                if column.key in row.values and row.values[column.key].text is None:
                    expected.append(repr(float(row.values[column.key].value)))
                    marked += is_best(row, column, best)
    assert values == expected and len(values) > 50
    assert [tag for tag, _ in read.tags].count("strong") == marked > 5
    assert re.search(r"\[[−\d.]+, [−\d.]+\]", read.text)


def test_every_table_of_the_page_says_what_its_markdown_says(filled: Store, page: bytes) -> None:
    tables = {table.name: table for result in suites_of(filled) for table in result.tables}
    assert {"table1", "check_table2", "audit"} <= set(tables)
    in_words = 0
    for name, table in tables.items():
        [section] = re.findall(rf'<section id="{name}" class="table">.*?</section>', page.decode(), re.DOTALL)
        rows = re.findall(rf'<tr id="{name}-row-\d+">(.*?)</tr>', section, re.DOTALL)
        shown = [re.findall(r"<td class=\"(?:number|word)\".*?</td>", row) for row in rows]
        lines = [line for line in markdown(table).splitlines()[2:] if line.startswith("| ")]
        written = [line.strip("| ").split(" | ")[1:] for line in lines if not line.startswith("| *")]
        assert len(shown) == len(written) == len(table.rows)
        for ours, theirs in zip(shown, written, strict=True):
            texts = [PageReader(cell.encode()).text.replace(" (best)", "").replace("−", "-") for cell in ours]
            assert texts == [text.replace("*", "").replace("−", "-") for text in theirs], name
            in_words += sum(not re.search(r"\d", text) and text != "–" for text in texts)
    assert in_words > 20


def test_a_number_leads_to_the_whole_record_of_its_jobs(filled: Store, page: bytes) -> None:
    text = page.decode()
    [row] = re.findall(r'<tr id="table1-row-\d+"><th[^>]*><a href="(#[^"]+)">LightGBM</a>.*?</tr>', text)
    assert f'id="{row[1:]}"' in text
    for record in (item for item in filled.records() if item.job.runner == "lightgbm"):
        assert f'href="#cell-{record.job_id}"' in text
        [shown] = re.findall(rf'<details id="cell-{record.job_id}".*?</details>', text, re.DOTALL)
        told = PageReader(shown.encode()).text
        test = record.metrics["test"]
        for part in (
            *record.files.values(),
            f"Repetition {record.job.repetition} Seed {record.job.seed}",
            record.job.dataset_fingerprint,
            '{"a": {"b": 1}}',
            "1 min 01 s",
            "1.00 GB",
            f"test {test['rmse']:.6f} 0.500000 – {test['bias']:.6f}".replace("-", "−"),
            "--only lightgbm ",
            f"--view located --first-repeat {record.job.repetition}",
            "Table 1 of the paper): RMSE, MAE and bias",
        ):
            assert part in told, part


def test_the_answer_comes_first_and_what_is_not_asked_for_is_folded(filled: Store) -> None:
    said = Answer(("The paper claims <much>.", "*A model* reaches it."))
    figures = [DrawnFigure(f"{suite}_map", "A map", "", PNG, (), suite) for suite in ("full", "fewshot")]
    page = render_page(filled, suites_of(filled), figures, answer=said).decode()
    assert "<p>The paper claims &lt;much&gt;.</p><p><em>A model</em> reaches it.</p>" in page
    places = [
        "answer",
        "table1",
        "table2",
        "table3",
        "check_table1",
        "check_table2",
        "figures",
        "time",
        "more",
        "reading",
    ]
    order = [page.index(f' id="{place}"') for place in places]
    assert order == sorted(order)
    read = PageReader(page.encode())
    headings = [element for element in re.findall(r"<details><summary>(.*?)</summary>", page) if "<h2>" in element]
    assert len(headings) == 7 and not any("Tables 1 to 3" in element or "Figures" in element for element in headings)
    [contents] = re.findall(r"<nav.*?</nav>", page, re.DOTALL)
    entries = re.findall(r">([^<>]+)</a>", contents)
    assert len(entries) == len(set(entries)) > 10 and "A map (Few-shot suite)" in entries
    assert "not judged (smoke)" in read.text and read.text.index("Not judged (smoke)") < read.text.index("Contents")


def test_what_is_not_done_is_named_with_its_reason(page: bytes) -> None:
    told = PageReader(page).text
    assert "catboost [located] #0: timeout: no result within 6 s; see bench info" in told
    assert "knn_unif [located] #0: missing: planned, never ended" in told
    assert "xgboost [located] #0: stale: made by an older version" in told
    assert "0123456789abcdef-1: found damaged and set aside" in told
    assert "Full suite: 4 of 9 planned jobs are not done." in told
    assert "5 of 9 planned" in told


def test_the_same_store_gives_the_same_bytes(filled: Store) -> None:
    assert page_of(filled) == page_of(Store(filled.root))


def test_figures_are_embedded_as_long_as_the_page_stays_small(filled: Store) -> None:
    generator = np.random.default_rng(0)
    done = next(record.job_id for record in filled.records() if record.status == "done")
    figures = [
        DrawnFigure(name, f"Figure {name}", "", generator.bytes(size), (done,), "full")
        for name, size in (("small", 1000), ("huge", 4_000_000), ("last", 2000))
    ]
    page = page_of(filled, *figures)
    assert len(page) < MAX_BYTES
    for figure in figures:
        assert (base64.b64encode(figure.png) in page) is (figure.name != "huge")
    read = PageReader(page)
    assert "No figure: weights: nothing <explains> itself" in read.text
    assert "the report folder has it as figures/huge.png" in read.text
    assert read.attributes("href").count("#figure-small") == 2  # the contents and the job that it shows


def test_the_description_of_the_data_set_and_the_rebuilt_split_are_shown(changeable: Store) -> None:
    assert "no sample, by the rule of the split" in PageReader(page_of(changeable)).text
    describe_dataset(changeable, make_cube(), "f" * 64)
    told = PageReader(page_of(changeable)).text
    assert "Licence none <needed>" in told
    assert "0 samples, rebuilt and counted" in told and "18 of 30" in told  # 12 of 30 cells train
    assert "PROBLEM" not in told and "What does not agree" not in told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page: bytes, scheme: str) -> None:
    """WCAG 2.1, level AA: 4.5 to 1 for text."""
    blocks = re.findall(r":root \{(.*?)\}", page.decode(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[1]))
    for text in ("ink", "muted", "accent", "good", "bad"):
        for ground in ("paper", "shade", "best", "notice"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_the_note_on_ratios_names_only_rows_that_they_divide_by(tmp_path: Path) -> None:
    store, cube, own = Store(tmp_path / "runs", create=True), make_cube(), {"leaves": 1}
    large = {"runner": "lightgbm_large", "view": "located"}
    registered, changed = make_job(**large), make_job(**large, parameters=own, override=own)
    jobs = [registered, changed, make_job(runner="catboost", view="located")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise in zip(jobs, (1.0, 2.0, 0.5), strict=True):
        publish(store, job, cube, noise)
    assert f"Ratios divide by LightGBM Large, jobs {registered.id[:6]}." in PageReader(page_of(store)).text
