"""`bench report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import json_option, store_option
from bench.store.store import existing_store

if TYPE_CHECKING:
    from bench.report.reporting import Report

BRIEF_LINES = 10
"""Of a terminal that is 80 columns wide and no more than a glance long, each sentence of the answer as one line."""


@click.command(
    epilog="""\b
Examples:
  bench report                                  # every table that the store has runs for
  bench report --suite full --out tables/out
  bench report --weighting area --dataset northchina --profile laptop
  bench report --check                          # against the paper; exit code 1 when an expectation is broken
  bench report --with-reference                 # own rows beside the committed ones, with paired differences
  bench report --html                           # also report.html: everything on one page, offline
  bench report --pdf                            # also tables.pdf; needs TeX"""
)
@store_option
@click.option(
    "--suite", default=None, help="Only this suite: full (Table 1), fewshot (Tables 2 and 3), ablation or flux."
)
@click.option(
    "--dataset",
    default=None,
    help="Name of the data set, or NAME@FINGERPRINT where several have it  [default: that of the newest run].",
)
@click.option("--profile", default=None, help="Name of the profile  [default: that of the newest run].")
@click.option("--target", default=None, help="Of data with several targets, which  [default: the first].")
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
@click.option("--figures/--no-figures", default=True, help="Draw the figures (PDF and PNG)  [default: on].")
@click.option(
    "--subject",
    metavar="RUNNER",
    default=None,
    help="Compare this runner with all others  [default: the proposed model].",
)
@click.option(
    "--with-reference",
    is_flag=False,
    flag_value="auto",
    default=None,
    metavar="[NAME]",
    help="Set the rows beside those of a committed reference  [default: that of the data set and profile].",
)
@click.option("--html", is_flag=True, help="Also write report.html: one self-contained page of everything.")
@click.option("--brief", is_flag=True, help="Print ten lines: the answer, Table 1 in short, where the page is.")
@json_option
def command(store_path: Path | None, as_json: bool, brief: bool, **given: Any) -> int:
    """Render tables and figures from stored results: LaTeX, CSV and Markdown files, PDF and PNG, and the terminal.

    Beside each table stands metrics_<suite>.csv: every metric of every job, train and test, per season, land cover
    and week, plain and area-weighted, with the job's id. tables.tex is a document of all tables, numbers.tex has
    every number as a LaTeX macro.

    With --check: exit code 1 when a committed expectation is broken, or when rows of one table were scored on different
    values; expectations that the store has no run of are reported, and no failure. Damaged jobs and runs are left out
    and named on standard error.
    """
    from bench.report.answer import Answer
    from bench.report.reporting import ReportOptions, write_report
    from bench.report.table import Table
    from bench.report.tables.render import print_table

    def show(table: Table) -> None:
        if not as_json and not brief:
            print_table(table)
            click.echo()

    options = ReportOptions(**given)

    def introduce(answer: Answer) -> None:
        if options.with_reference is not None and not as_json and not brief:  # own rows beside others come next
            click.echo("\n".join([*answer.plain, ""]))

    report = write_report(existing_store(store_path), options, show, introduce)
    if as_json:
        answer: dict[str, object] = {"answer": report.answer.plain}
        answer |= {"files": [str(path) for path in report.files], "notes": report.notes}
        if report.check is not None:
            answer["check"] = {"summary": report.check.summary, "broken": report.check.broken}
        click.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    elif brief:
        click.echo("\n".join(in_short(report)))
    else:
        click.echo("\n".join([*report.notes, f"Written: {len(report.files)} files in {report.folder}."]))
        for sentence in report.check.summary if report.check is not None else ():
            click.echo(sentence)
        if (page := _page(report)) is not None:
            click.echo(f"Page: {page}")
        click.echo("\n".join(["", *report.answer.plain]))
    for sentence in (*report.left_out, *report.complaints, *(f"Broken: {text}" for text in report.broken)):
        click.echo(sentence, err=True)
    if report.no_pdf is not None:
        raise report.no_pdf
    return 1 if report.broken else 0


def _page(report: Report) -> Path | None:
    return next((path for path in report.files if path.name == "report.html"), None)


def in_short(report: Report) -> list[str]:
    """The report in `BRIEF_LINES` lines: the answer, what is not done, Table 1 in short, and where the page is."""
    from bench.report.table import Row
    from bench.report.tables.numbered import TABLE1_DENOMINATOR
    from bench.report.tables.shown import plain_value
    from bench.runners.entry import PROPOSED, REFERENCE

    page = _page(report) or report.folder / "table1.md"
    lines, table = [*report.answer.plain, *report.incomplete], report.tables.get("table1")
    if table is not None:
        rmse = next(column for column in table.columns if column.key == "rmse")
        scored = sorted((row for row in table.rows if "rmse" in row.values), key=lambda row: row.values["rmse"].value)

        def first(family: str | None) -> list[Row]:
            named = (PROPOSED, REFERENCE)
            return [row for row in scored if (row.family == family if family else row.family not in named)][:1]

        def divides(row: Row) -> bool:
            return "ratio" in row.values and row.values["ratio"].value == 1

        below = sorted((row for row in scored if row.runner == TABLE1_DENOMINATOR), key=lambda row: not divides(row))
        chosen = [*first(REFERENCE), *first(None), *below[:1], *(row for row in scored if row.family == PROPOSED)]
        chosen += below[1:]  # other views and settings, as far as there is room
        rows = list({row.name: row for row in chosen}.values())[: BRIEF_LINES - len(lines) - 2]
        lines.append(f"Table 1 in short, test RMSE (all {len(scored)} rows: {report.folder / 'table1.md'}):")
        lines += [f"  {row.shown_label:<32} {plain_value(row.values['rmse'], rmse, table)}" for row in rows]
    return [*lines, f"Page: {page}"]
