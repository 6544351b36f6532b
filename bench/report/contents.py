"""What a report consists of: the tables and figures of every suite, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.report.drawn import DrawnFigure
from bench.report.results import differences as of_differences
from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Table
from bench.report.tables.ablation import ablation_table
from bench.report.tables.flux.every import flux_tables
from bench.report.tables.interpretability import interpretability
from bench.report.tables.numbered import costs, table1, table2, table3
from bench.store.reading import CorruptRecord
from bench.suites.ablation import SUITE as ABLATION
from bench.suites.flux import SUITE as FLUX

NUMBERED = ("table1", "table2", "table3")
"""Tables whose numbers become LaTeX macros."""


@dataclass(frozen=True)
class Drawn:
    """Figures as they were written.

    Attributes:
        paths: of the files.
        figures: for the page.
        left_out: one sentence for each figure that could not be drawn.
    """

    paths: tuple[str, ...]
    figures: tuple[DrawnFigure, ...]
    left_out: tuple[str, ...]


def require_subject(suite: str, selection: Selection, subject: str) -> None:
    """Raises where the tables of a suite could not be of a runner.

    Raises:
        BenchError: the suite has no result of it.
    """
    if suite not in (ABLATION, FLUX):  # these have no table of differences
        of_differences.require_subject(selection, subject)


def tables_of(
    suite: str, selection: Selection, reader: StatisticsReader, weighting: str, subject: str | None = None
) -> Iterator[Table]:
    """The tables of a suite, made one by one; those that would have no row are left out.

    Args:
        suite: name of the suite.
        selection: its jobs.
        reader: of the same store.
        weighting: plain or area.
        subject: runner that the table of differences is of; None for the proposed model.

    Raises:
        BenchError: a stored file is damaged, or the suite has no result of the subject.
    """
    if suite == ABLATION:
        yield ablation_table(selection, reader, weighting)
        return
    if suite == FLUX:
        yield from flux_tables(selection, towers_of(reader))
        return
    for make in (table1,) if suite == "full" else (table2, table3):
        yield make(selection, reader, weighting)
    compared = of_differences.differences(selection, reader, weighting, subject)
    if compared.rows:  # none: a run without the proposed model, or of it alone
        yield compared
    explained = interpretability(reader.store, selection)
    if explained is not None:
        yield explained
    yield costs(selection, reader, weighting)


def draw(suite: str, selection: Selection, reader: StatisticsReader, weighting: str, folder: Path) -> Drawn:
    """Draws the figures of a suite into a folder; a damaged file costs the figures, not the tables.

    Raises:
        BenchError: the data set's record was written by a newer version.
    """
    from bench.report.figures import ablation as ablation_figure
    from bench.report.figures import figures, save
    from bench.store.dataset_record import read_dataset_record

    folder.mkdir(exist_ok=True)
    if suite == ABLATION:
        paths = ablation_figure.write_figure(selection, reader, weighting, folder)
        pictures = [Path(path) for path in paths if path.endswith(".png")]
        jobs = tuple(record.job_id for record in selection.done)
        title, caption = "Ablations", "Paired differences to the base, and error against time for the number of nodes."
        shown = tuple(DrawnFigure(path.stem, title, caption, path.read_bytes(), jobs, suite) for path in pictures)
        return Drawn(tuple(paths), shown, ())
    described = read_dataset_record(reader.store, selection.jobs[0].dataset_fingerprint)
    try:
        drawings = figures(selection, reader, described)
    except CorruptRecord as error:
        return Drawn((), (), (f"All figures of suite {suite}: {error}",))
    left_out = list(drawings.left_out)
    written: list[Path] = []
    on_page: list[DrawnFigure] = []
    for figure in drawings.figures:
        try:
            files = save(figure, folder)
        except CorruptRecord as error:  # most files are read only when a figure is drawn
            left_out.append(f"{figure.title}: {error}")
            continue
        written += files
        picture = next(path for path in files if path.suffix == ".png").read_bytes()
        on_page.append(DrawnFigure(figure.name, figure.title, figure.caption, picture, figure.job_ids, suite))
    return Drawn(tuple(map(str, written)), tuple(on_page), tuple(left_out))


def numbered(tables: Sequence[Table], gap_week: int | None) -> list[tuple[Table, int | None]]:
    """The tables whose numbers become macros, each with the one week that all of it is about, if any."""
    found = []
    for table in tables:
        if table.name in NUMBERED:
            if table.name == "table2":  # its numbers of runs are Table 3's, under the same names
                table = replace(table, columns=tuple(column for column in table.columns if column.key != "runs"))
            found.append((table, gap_week if table.name == "table3" else None))
    return found
