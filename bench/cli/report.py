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
  bench report --weighting area --dataset northchina --profile laptop"""
)
@store_option
@click.option("--suite", default=None, help="Only this suite: full (Table 1) or fewshot (Tables 2 and 3).")
@click.option("--dataset", default=None, help="Name of the data set  [default: that of the newest run].")
@click.option("--profile", default=None, help="Name of the profile  [default: that of the newest run].")
@click.option(
    "--weighting", default="plain", show_default=True, help="plain: every sample counts the same; area: by cos(lat)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for the files  [default: STORE/report]."
)
@json_option
def command(
    store_path: Path | None,
    suite: str | None,
    dataset: str | None,
    profile: str | None,
    weighting: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Render the tables from stored results: LaTeX, CSV and Markdown files, and the terminal.

    Beside each table stands metrics_<suite>.csv: every metric of every cell, train and test, per season, land cover
    and week, plain and area-weighted, with the cell's id.
    """
    from bench.disk import disk_errors, write_atomically
    from bench.metrics import WEIGHTINGS
    from bench.report import render
    from bench.report.comparison import differences
    from bench.report.metrics_file import all_metrics
    from bench.report.selection import StatisticsReader, select
    from bench.report.tables import costs, table1, table2, table3
    from bench.suggest import unknown
    from bench.suites.suites import SUITES

    if suite is not None and suite not in SUITES:
        raise unknown("suite", suite, list(SUITES), "see `bench report --help`")
    if weighting not in WEIGHTINGS:
        raise unknown("weighting", weighting, WEIGHTINGS, "see `bench report --help`")
    store = existing_store(store_path)
    present = [name for name in SUITES if any(manifest.suite == name for manifest in store.manifests())]
    wanted = [suite] if suite else present
    if not wanted:
        raise BenchError(f"Store {store.root} holds no run; run `bench run --suite full` first.")
    folder = out or store.root / "report"
    if folder.exists() and not folder.is_dir():
        raise BenchError(f"--out {folder} is a file, not a folder; name another place.")
    reader = StatisticsReader(store)
    makers = {"full": (table1, differences, costs), "fewshot": (table2, table3, differences, costs)}
    written: list[str] = []
    with disk_errors(f"Report {folder}", "stored results are untouched"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            selection = select(store, name, dataset, profile)
            for make in makers[name]:
                table = make(selection, reader, weighting)
                if make is differences and not table.rows:
                    continue  # nothing to compare: a run without the proposed model, or of it alone
                files = {"tex": render.latex(table), "csv": render.as_csv(table), "md": render.markdown(table)}
                for extension, content in files.items():
                    path = folder / f"{table.name}.{extension}"
                    write_atomically(path, content.encode())
                    written.append(str(path))
                if not as_json:
                    render.print_table(table)
                    click.echo()
            path = folder / f"metrics_{name}.csv"
            write_atomically(path, all_metrics(selection, reader).encode())
            written.append(str(path))
    click.echo(json.dumps({"files": written}, indent=1) if as_json else f"Written: {', '.join(written)}")
    return 0
