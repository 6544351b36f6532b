"""LaTeX that compiles with a stock TeX Live, without a warning, whatever characters it is given."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.table import Column, Row, Table, Value, words
from bench.report.tables import latex_document, macros, render
from bench.report.tables.latex import parts
from bench.report.tables.latex_text import escape

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
STRANGE = (
    "all ASCII: "
    + " ".join(chr(code) for code in range(0x20, 0x7F))
    + " 0.25°, R² ÷ × − ± – — … ≤ ≥ ≈ m⁻² d⁻¹ CO₂ ā ē ī ő ş ů "
    "Zürich Łódź Ærø ß Σ μ ∂GPP/∂T “quoted” ‘so’ 中 ą \u00a0 \t \n -- ''' `` [x] * 100 %"
    + " "
    + "/a/folder" * 30
    + " simulated:cells=20000,years=3,seed=0"
)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("R² ÷ 2 %", r"R$^2$ $\div$ 2 \%"),
        ("a_b\\c^d~e", r"a\_b\textbackslash{}c\textasciicircum{}d\textasciitilde{}e"),
        ("ē ī ü", r"\={e} \={\i} \"{u}"),
        ("2019–2020", "2019--2020"),
        ("--option", "-{}-option"),
        ("a < b > c | d", "a $<$ b $>$ c $|$ d"),
        ('"x"', "''x''"),
        ("[x]*", "{[}x]{*}"),
        ("CO₂ m⁻²", "CO$_2$ m$^{-2}$"),
        ("gC m-2 d-1, W m-2 (s-1)", "gC m$^{-2}$ d$^{-1}$, W m$^{-2}$ (s$^{-1}$)"),
        ("2019-2 item-3 GLDAS-2.1", "2019-2 item-3 GLDAS-2.1"),
        ("Σ μ", r"$\Sigma$ $\mu$"),
        ("中", "[U+4E2D]"),
        ("a\tb\nc", "a b c"),
        (
            "/a/very/long/folder/of/somebody_x",
            r"/\allowbreak{}a/\allowbreak{}very/\allowbreak{}long/\allowbreak{}folder/"
            r"\allowbreak{}of/\allowbreak{}somebody\_\allowbreak{}x",
        ),
    ],
)
def test_characters_print_as_they_stand(text: str, source: str) -> None:
    assert escape(text) == source


def test_every_character_becomes_ascii() -> None:
    assert all(escape(chr(code)).isascii() for code in (*range(0x3000), 0xFFFD, 0x1F30D))


def make_table(name: str, rows: int, columns: int, label: str = "row") -> Table:
    listed = tuple(Column(f"c{index}", f"W{index} RMSE [°]") for index in range(columns))
    values = {column.key: Value(-1234.5678, -1.5, 99999.5) for column in listed} | {"c0": words(STRANGE[:20])}
    made = [
        Row(f"[{label} {index}", f"Family_{index // 5} & co", values, note="0 of 1 done", name=f"m{index}")
        for index in range(rows)
    ]
    return Table(name, "A & b % of _c", STRANGE, "Method % of #1", listed, tuple(made), (STRANGE,))


def write(folder: Path, tables: list[Table]) -> None:
    for table in tables:
        (folder / f"{table.name}.tex").write_text(render.latex(table))
    facts = {"dataset_title": STRANGE}
    (folder / latex_document.NUMBERS).write_text(macros.numbers([(tables[0], None)], facts))
    (folder / "tables.tex").write_text(latex_document.document([table.name for table in tables]))


@needs_tex
@pytest.mark.timeout(200)
def test_small_wide_and_long_tables_compile_without_a_complaint(tmp_path: Path) -> None:
    sizes = {"small_one": (3, 2), "wide": (12, 16), "long": (100, 3), "widelong": (60, 14), "empty": (0, 2)}
    write(tmp_path, [make_table(name, *size) for name, size in sizes.items()])
    path, complaints = latex_document.compile_pdf(tmp_path)
    assert complaints == []
    assert path.read_bytes().startswith(b"%PDF")
    assert sorted(item.suffix for item in tmp_path.iterdir() if item.stem == "tables") == [".pdf", ".tex"]


@needs_tex
@pytest.mark.timeout(200)
def test_a_manuscript_can_cite_the_numbers(tmp_path: Path) -> None:
    write(tmp_path, [make_table("table1", 2, 2)])
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\input{numbers}\begin{document}Of \benchDatasetTitle: \benchCOneMZero\ "
        r"\benchCOneMOneInterval, $x=\benchCOneMZeroLow$.\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


@needs_tex
def test_a_document_that_does_not_compile_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, [make_table("table1", 2, 2)])
    (tmp_path / "table1.tex").write_text(r"\nosuchcommand")
    with pytest.raises(BenchError, match=r"pdflatex cannot compile .*tables.tex \(Undefined control sequence"):
        latex_document.compile_pdf(tmp_path)


def test_missing_tex_is_one_sentence_and_the_tables_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [make_table("table1", 2, 2)])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="--pdf needs pdflatex, which is not installed; install TeX Live"):
        latex_document.compile_pdf(tmp_path)
    assert (tmp_path / "table1.tex").exists()


def test_a_compilation_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pdflatex").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "pdflatex").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(latex_document, "SECONDS", 0.2)
    with pytest.raises(BenchError, match=r"pdflatex took more than 0.2 s"):
        latex_document.compile_pdf(tmp_path)


def test_complaints_are_the_warnings_and_bad_boxes_of_the_log() -> None:
    log = "\n".join(
        (
            "This is pdfTeX",
            "LaTeX Warning: Float too large for page by 3pt on input line 5.",
            "Overfull \\hbox (12.3pt too wide) in paragraph at lines 5--6",
            "Package graphics Info: Driver file: pdftex.def on input line 107.",
        )
    )
    assert [line.split()[0] for line in latex_document.complaints(log)] == ["LaTeX", "Overfull"]


def test_long_tables_are_continued_and_wide_ones_are_set_in_parts_that_are_not_shrunk() -> None:
    assert render.latex(make_table("small", 3, 2)).count(r"\begin{table}") == 1
    long = render.latex(make_table("long", 100, 3))
    assert long.count(r"\begin{table}") == long.count("Continued.") + 1 > 3 and long.count(r"\label{tab:long}") == 1
    wide = make_table("wide", 3, 16)
    assert max(len(part.columns) + 1 for part in parts(wide)) <= 7
    assert [column for part in parts(wide) for column in part.columns] == list(wide.columns)
    for text in (long, render.latex(wide)):
        assert not any(word in text for word in ("resizebox", "sideways", "scriptsize", "tiny"))
        for page in text.split(r"\midrule" + "\n", 1)[1].split(r"\bottomrule"):
            body = [line for line in page.splitlines() if line.endswith((r"\\", r"\\[1pt]"))]
            assert not body or "multicolumn" not in body[-1]  # no heading without a row


@needs_tex
@pytest.mark.timeout(200)
def test_what_the_paper_prints_of_tables_1_to_3_fits_one_column_of_a_journal(tmp_path: Path) -> None:
    names = {
        "table1": ("rmse", "r2", "train_rmse", "gap", "ratio", "paper_ratio", "runs"),
        "table2": tuple(f"{metric}_{week}" for week in (1, 10, 20, 30, 40) for metric in ("rmse", "r2")),
        "table3": ("train_rmse", "train_r2", "test_rmse", "test_r2", "gap", "fitted_rmse", "paper_gap", "runs"),
    }
    for name, keys in names.items():
        columns = tuple(Column(key, f"W{key[-2:]} RMSE" if name == "table2" else "Train RMSE") for key in keys)
        value = Value(42.858, 5.63, 326.17)
        row = Row("RandomForestMSE", "Tabular Machine Learning", {key: value for key in keys}, marks="‡§")
        table = Table(name, "A title", "A caption.", "Method", columns, (row,))
        first = parts(table)[0]
        assert {column.key for part in parts(table) for column in part.columns} == set(keys)
        source = render.latex(table)
        end = source.index(r"\end{table}") + len(r"\end{table}")
        (tmp_path / "paper.tex").write_text(
            r"\documentclass[a4paper,twocolumn]{article}\usepackage[margin=2cm]{geometry}\usepackage{booktabs}"
            rf"\begin{{document}}{source[:end]}\end{{document}}"
        )
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"]
        done = [subprocess.run(command, cwd=tmp_path, capture_output=True) for _ in range(2)][-1]  # labels settle
        assert done.returncode == 0
        assert latex_document.complaints(done.stdout.decode(errors="replace")) == [], (name, first)
