"""A minimal document of all written tables, and its PDF where TeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.report.drawn import DrawnFigure
from bench.report.tables.latex_text import escape
from bench.system.disk import write_atomically

NAME = "tables"
NUMBERS = "numbers.tex"
SECONDS = 120
"""Limit of one TeX pass; a report takes about one second."""
PASSES = 2
"""The second one knows the labels."""
PACKAGES = "booktabs,graphicx"


def document(tables: Sequence[str], figures: Sequence[DrawnFigure] = (), before: Sequence[str] = ()) -> str:
    """A document that sets every table and figure on a page of its own; it needs TeX Live's recommended packages.

    Args:
        tables: file names without extension.
        figures: whose PDF files lie in the folder ``figures``.
        before: file names of tables that come first, numbered R1, R2, …, so that `tables` keep the paper's numbers.
    """
    extra = [rf"\input{{{name}}}\clearpage" for name in before]
    if extra:
        own_numbers, papers_numbers = (
            rf"\setcounter{{table}}{{0}}\renewcommand{{\thetable}}{{{letter}\arabic{{table}}}}" for letter in ("R", "")
        )
        extra = [own_numbers, *extra, papers_numbers]
    inputs = "\n".join(
        [
            *extra,
            *(rf"\input{{{name}}}\clearpage" for name in tables),
            *(
                rf"\begin{{figure}}[p]\centering\includegraphics[width=\linewidth,height=0.75\textheight,keepaspectratio]"
                rf"{{figures/{figure.name}.pdf}}\sloppy\caption{{{escape(f'{figure.title}. {figure.caption}')}}}"
                r"\end{figure}\clearpage"
                for figure in figures
            ),
        ]
    )
    return "\n".join(
        (
            r"% Written by `bench report`: compile it with pdflatex in this folder.",
            r"\documentclass[a4paper]{article}",
            r"\usepackage[margin=2cm]{geometry}",
            rf"\usepackage{{{PACKAGES}}}",
            rf"\input{{{Path(NUMBERS).stem}}}",
            r"\begin{document}",
            inputs,
            r"\end{document}",
            "",
        )
    )


def compile_pdf(folder: Path) -> tuple[Path, list[str]]:
    """Compiles the document in a report folder.

    Args:
        folder: holds ``tables.tex`` and what it reads.

    Returns:
        Path of the PDF, and what TeX complained about.

    Raises:
        BenchError: pdflatex is missing, fails or takes too long.
    """
    program = shutil.which("pdflatex")
    if program is None:
        raise BenchError(
            "--pdf needs pdflatex, which is not installed; install TeX Live (Debian: texlive-latex-recommended) or "
            f"leave --pdf out; the tables are written to {folder}."
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
        command += [f"-output-directory={scratch}", f"{NAME}.tex"]
        log = Path(scratch) / f"{NAME}.log"
        for _ in range(PASSES):
            try:
                done = subprocess.run(
                    command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise BenchError(
                    f"pdflatex took more than {SECONDS} s on {folder / f'{NAME}.tex'}; compile it by hand to see why."
                ) from error
            text = log.read_text(errors="replace") if log.exists() else done.stdout.decode(errors="replace")
            if done.returncode != 0:
                first = next((line for line in text.splitlines() if line.startswith("!")), "no message")
                raise BenchError(
                    f"pdflatex cannot compile {folder / f'{NAME}.tex'} ({first.lstrip('! ')}); compile it by hand to "
                    "see where; the tables are written."
                )
        path = folder / f"{NAME}.pdf"
        write_atomically(path, (Path(scratch) / f"{NAME}.pdf").read_bytes())
    return path, complaints(text)


def complaints(log: str) -> list[str]:
    """Warnings and overfull boxes in a TeX log, each by its first line."""
    return re.findall(r"^(?:.*Warning:.*|Overfull \\[hv]box.*)$", log, re.M)
