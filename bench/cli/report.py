"""`bench report`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.options import existing_store, json_option, store_option
from bench.errors import BenchError


@click.command(
    epilog="""\b
Examples:
  bench report                                  # every table that the store has runs for
  bench report --suite full --out tables/out
  bench report --weighting area --dataset northchina --profile laptop
  bench report --check                          # against the paper; exit code 1 when an expectation is broken
  bench report --html                           # also report.html: everything on one page, offline
  bench report --pdf                            # also tables.pdf; needs TeX"""
)
@store_option
@click.option("--suite", default=None, help="Only this suite: full (Table 1), fewshot (Tables 2 and 3) or ablation.")
@click.option("--dataset", default=None, help="Name of the data set  [default: that of the newest run].")
@click.option("--profile", default=None, help="Name of the profile  [default: that of the newest run].")
@click.option(
    "--weighting", default="plain", show_default=True, help="plain: every sample counts the same; area: by cos(lat)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for the files  [default: STORE/report]."
)
@click.option("--check", is_flag=True, help="Compare with the paper and with committed expectations.")
@click.option(
    "--expectations",
    type=click.Path(path_type=Path),
    default=None,
    help="Expectations file for --check  [default: the committed one of this data set and profile].",
)
@click.option("--pdf", is_flag=True, help="Compile all tables into tables.pdf with pdflatex.")
@click.option(
    "--figures/--no-figures", "with_figures", default=True, help="Draw the figures (PDF and PNG)  [default: on]."
)
@click.option("--html", "as_html", is_flag=True, help="Also write report.html: one self-contained page of everything.")
@json_option
def command(
    store_path: Path | None,
    suite: str | None,
    dataset: str | None,
    profile: str | None,
    weighting: str,
    out: Path | None,
    check: bool,
    expectations: Path | None,
    pdf: bool,
    with_figures: bool,
    as_html: bool,
    as_json: bool,
) -> int:
    """Render tables and figures from stored results: LaTeX, CSV and Markdown files, PDF and PNG, and the terminal.

    Beside each table stands metrics_<suite>.csv: every metric of every cell, train and test, per season, land cover
    and week, plain and area-weighted, with the job's id. tables.tex is a document of all tables, numbers.tex has
    every number as a LaTeX macro.

    With --check: exit code 1 when a committed expectation is broken, or when rows of one table were scored on different
    values; expectations that the store has no run of are reported, and no failure.
    """
    from bench.errors import unknown
    from bench.report import contents
    from bench.report.html.page import SuiteResult, render_page
    from bench.report.paper import checking
    from bench.report.results.others import remarks
    from bench.report.results.selection import StatisticsReader, runs, select
    from bench.report.results.subject import subject
    from bench.report.table import Table
    from bench.report.tables import latex_document, macros, render
    from bench.report.tables.metrics_file import all_metrics
    from bench.report.tables.numbered import gap_week
    from bench.scoring.metrics import WEIGHTINGS
    from bench.suites.suites import SUITES
    from bench.system.disk import disk_errors, write_atomically

    if suite is not None and suite not in SUITES:
        raise unknown("suite", suite, list(SUITES), "see `bench report --help`")
    if weighting not in WEIGHTINGS:
        raise unknown("weighting", weighting, WEIGHTINGS, "see `bench report --help`")
    if check and weighting != "plain":
        raise BenchError("--check compares plain numbers, as published; leave --weighting out.")
    if expectations is not None and not check:
        raise BenchError("--expectations is read by --check only; add it.")
    store = existing_store(store_path)
    present = [name for name in SUITES if any(manifest.suite == name for manifest in store.manifests())]
    if not present:
        raise BenchError(f"Store {store.root} holds no run; run `bench run --suite full` first.")
    asked = [name for name in present if runs(store, name, dataset, profile)]
    wanted = [suite] if suite else asked or present[:1]  # of the latter, `select` says what it has no run of
    folder = out or store.root / "report"
    if folder.exists() and not folder.is_dir():
        raise BenchError(f"--out {folder} is a file, not a folder; name another place.")
    reader = StatisticsReader(store)
    selections = {name: select(store, name, dataset, profile) for name in wanted}
    about = subject(store, selections, needs_results=check)
    notes = [remark for selection in selections.values() for remark in remarks(store, selection)]
    tables: dict[str, Table] = {}
    on_page: list[SuiteResult] = []
    figures: list[contents.Drawn] = []
    written: list[str] = []

    def write(name: str, content: str) -> None:
        write_atomically(folder / name, content.encode())
        written.append(str(folder / name))

    def write_table(table: Table) -> Table:
        tables[table.name] = table
        for extension, content in render.files(table).items():
            write(f"{table.name}.{extension}", content)
        if not as_json:
            render.print_table(table)
            click.echo()
        return table

    result = None
    complaints: list[str] = []
    no_pdf: BenchError | None = None
    with disk_errors(f"Report {folder}", "stored results are untouched"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, selection in selections.items():
            made = tuple(write_table(table) for table in contents.tables_of(name, selection, reader, weighting))
            on_page.append(SuiteResult(selection, made))
            write(f"metrics_{name}.csv", all_metrics(selection, reader))
            if with_figures:
                figures.append(contents.draw(name, selection, reader, weighting, folder / "figures"))
                written += figures[-1].paths
        if check:
            result = checking.run(about, selections, reader, tables, expectations)
            for table in result.tables:
                write_table(table)
            on_page[0] = SuiteResult(on_page[0].selection, (*on_page[0].tables, *result.tables))
        week = gap_week(selections["fewshot"]) if "fewshot" in selections else None
        facts = {"dataset": about.dataset, "dataset_title": about.title, "profile": about.profile}
        write(latex_document.NUMBERS, macros.numbers(contents.numbered(list(tables.values()), week), facts))
        write(f"{latex_document.NAME}.tex", latex_document.document(list(tables)))
        if as_html:
            shown = [figure for drawn in figures for figure in drawn.figures]
            not_drawn = [sentence for drawn in figures for sentence in drawn.left_out]
            write("report.html", render_page(store, on_page, shown, not_drawn, weighting).decode())
        if pdf:
            try:
                path, complaints = latex_document.compile_pdf(folder)
                written.append(str(path))
            except BenchError as error:
                no_pdf = error  # said last: the tables and the check do not need it
    notes += [f"No figure: {sentence}" for drawn in figures for sentence in drawn.left_out]
    if as_json:
        answer: dict[str, object] = {"files": written, "notes": notes}
        if result is not None:
            answer["check"] = {"summary": result.summary, "broken": result.broken}
        click.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join([*notes, f"Written: {', '.join(written)}"]))
        for sentence in result.summary if result is not None else ():
            click.echo(sentence)
    for sentence in (*complaints, *(f"Broken: {text}" for text in (result.broken if result is not None else ()))):
        click.echo(sentence, err=True)
    if no_pdf is not None:
        raise no_pdf
    return 1 if result is not None and result.broken else 0
