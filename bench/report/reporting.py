"""A whole report: which runs it is about, its tables and figures, and the files that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown
from bench.report import contents
from bench.report import folder as folders
from bench.report.answer import Answer, answer
from bench.report.html.page import SuiteResult, render_page
from bench.report.paper import checking, expectations
from bench.report.paper.check import by_published_table
from bench.report.results.across import Side
from bench.report.results.beside import beside
from bench.report.results.marks import marked
from bench.report.results.others import incomplete, remarks
from bench.report.results.selection import Selection, runs, select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.results.subject import Subject, subject
from bench.report.table import Table
from bench.report.tables import latex_document, macros, render
from bench.report.tables.metrics_file import all_metrics
from bench.report.tables.numbered import gap_week
from bench.scoring.metrics import WEIGHTINGS
from bench.store.reference import Reference, committed_references, open_reference
from bench.store.reference import name_of as reference_name
from bench.store.results import Results
from bench.store.store import Store, existing_store
from bench.suites.flux import SUITE as FLUX
from bench.suites.suites import SUITES
from bench.system.arguments import path, require, require_texts
from bench.system.disk import disk_errors, write_atomically
from bench.system.text import plain
from bench.version import __version__

AUTO = "auto"
"""In place of a reference's name: that of the data set and profile."""
_TEXTS = ("suite", "dataset", "profile", "target", "weighting", "subject", "with_reference")


@dataclass(frozen=True)
class ReportOptions:
    """Everything that a report may be told; `bench report --help` says the same in words.

    Attributes:
        suite: only this suite; None for all that the store has runs of.
        dataset: name of the data set; None for that of the newest run.
        profile: name of the profile; None for that of the newest run.
        target: of data with several; None for the first.
        weighting: plain (every sample counts the same) or area (by the cosine of the latitude).
        out: folder for the files; None for ``report`` (of a named target ``report-TARGET``) in the store.
        check: compare with the paper and with committed expectations.
        expectations: file of them; None for the committed one of this data set and profile.
        pdf: compile all tables with pdflatex.
        figures: draw the figures.
        html: also write the page.
        subject: runner whose rows are compared with all others; None for the proposed model.
        with_reference: set the rows beside those of this committed reference, by name or folder; ``auto`` for that of
            the data set and profile; None for none.
    """

    suite: str | None = None
    dataset: str | None = None
    profile: str | None = None
    target: str | None = None
    weighting: str = "plain"
    out: Path | None = None
    check: bool = False
    expectations: Path | None = None
    pdf: bool = False
    figures: bool = True
    html: bool = False
    subject: str | None = None
    with_reference: str | None = None

    def __post_init__(self) -> None:
        require_texts(**{name: getattr(self, name) for name in _TEXTS})
        for name in ("check", "pdf", "figures", "html"):
            require(getattr(self, name), bool, name, "True or False")
        for name in ("out", "expectations"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else path(given, name))
        if self.suite is not None and self.suite not in SUITES:
            raise unknown("suite", self.suite, list(SUITES), "see `bench report --help`")
        if self.weighting not in WEIGHTINGS:
            raise unknown("weighting", self.weighting, WEIGHTINGS, "see `bench report --help`")
        if self.check and self.weighting != "plain":
            raise BenchError("--check compares plain numbers, as published; leave --weighting out.")
        if self.expectations is not None and not self.check:
            raise BenchError("--expectations is read by --check only; add it.")


@dataclass
class Report:
    """What a report consists of.

    Attributes:
        about: data set and profile.
        folder: where its files are.
        answer: to the question of the benchmark, in words.
        tables: name → table, in the order of the report.
        files: every file that was written.
        notes: sentences about what is missing from it.
        left_out: those of them that name damaged jobs and runs.
        incomplete: one sentence for each suite that has jobs which are not done.
        hashes: SHA-256 of the files that are text, by name.
        check: what the check found, where one was asked for.
        complaints: of the LaTeX compiler.
        no_pdf: why there is no PDF, where one was asked for; said last, since the rest does not need it.
    """

    about: Subject
    folder: Path
    answer: Answer = Answer(())
    tables: dict[str, Table] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: tuple[str, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict)
    check: checking.CheckResult | None = None
    left_out: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    no_pdf: BenchError | None = None

    @property
    def broken(self) -> tuple[str, ...]:
        """One sentence for each expectation that does not hold."""
        return self.check.broken if self.check is not None else ()

    def write(self, name: str, content: str | Iterable[str]) -> None:
        """Writes a file of the report as a whole, in pieces or not; nothing in it is obeyed by a terminal."""
        pieces = (plain(piece).encode() for piece in ([content] if isinstance(content, str) else content))
        write_atomically(self.folder / name, folders.hashed(pieces, self.hashes, name))
        self.files.append(self.folder / name)

    def add(self, table: Table) -> Table:
        """Writes a table in all its forms, and returns it."""
        self.tables[table.name] = table
        for extension, content in render.files(table).items():
            self.write(f"{table.name}.{extension}", content)
        return table


def selections(store: Results, options: ReportOptions) -> dict[str, Selection]:
    """Suite → the jobs of its tables, of the suites that are asked for.

    Raises:
        BenchError: the store holds no such run.
    """
    present = [name for name in SUITES if any(manifest.suite == name for manifest in store.manifests())]
    if not present:
        damaged = store.damaged_manifests
        unread = "".join(f" that can be read ({reason.rstrip('.')})" for reason in list(damaged.values())[:1])
        raise BenchError(f"Store {store.root} holds no run{unread}; run `bench run --suite full` first.")
    asked = [name for name in present if runs(store, name, options.dataset, options.profile)]
    wanted = [options.suite] if options.suite else asked or present[:1]  # `select` says what the latter has no run of
    return {name: select(store, name, options.dataset, options.profile, options.target) for name in wanted}


def write_report(
    store: Store,
    options: ReportOptions,
    on_table: Callable[[Table], None] = lambda table: None,
    on_answer: Callable[[Answer], None] = lambda found: None,
) -> Report:
    """Writes tables, figures and, where asked for, page, PDF and check.

    Args:
        store: what it is made from, and nothing else.
        options: what was asked for.
        on_table: is given each table once its files are written; those beside a reference come first.
        on_answer: is given the answer, before any table.

    Raises:
        BenchError: the store holds no such run, a stored file is damaged, or a file cannot be written.
    """
    folder = options.out or store.root / ("report" if options.target is None else f"report-{options.target}")
    if folder.exists() and not folder.is_dir():
        raise BenchError(f"--out {folder} is a file, not a folder; name another place.")
    chosen = selections(store, options)
    reader = StatisticsReader(store)
    unfinished = (sentence for selection in chosen.values() for sentence in incomplete(selection))
    report = Report(subject(store, chosen, needs_results=options.check), folder, incomplete=tuple(unfinished))
    damaged = [why for selection in chosen.values() for why in selection.damaged.values()]
    report.left_out = tuple(f"Left out: {reason}" for reason in (*store.damaged_manifests.values(), *damaged))
    report.notes += report.left_out
    report.notes += [remark for selection in chosen.values() for remark in remarks(store, selection)]
    if FLUX in chosen and options.weighting != "plain":
        report.notes.append(f"Tables of suite {FLUX} are not weighted: every month of every tower counts the same.")
    # What can be refused is refused before anything that lies in the folder is replaced or removed.
    committed = _reference(report.about, options.with_reference)
    _require_found(chosen, options)
    with disk_errors(f"Report {folder}", "stored results are untouched"):
        folder.mkdir(parents=True, exist_ok=True)
        before, made_of = folders.listed(folder), _made_of(chosen, options)
        try:
            _write(report, store, options, chosen, reader, committed, on_table, on_answer)
        finally:  # also of a report that came to nothing half-way: what it wrote shall not stand among older tables
            same = before.about == made_of
            gone = [] if same else folders.remove_outdated(folder, before, report.files)
            about = _in_short(report.about, options)
            kept = before.files if same else {}
            now = folders.write_listing(folder, made_of, report.files, report.hashes, kept, about, list(chosen))
    lost = folders.what_became_of(before, now, gone, folder)
    report.notes += [lost] if lost else []
    return report


def _require_found(chosen: Mapping[str, Selection], options: ReportOptions) -> None:
    """Raises where a runner or a file that the options name is not there."""
    if options.subject is not None:
        for name, selection in chosen.items():
            contents.require_subject(name, selection, options.subject)
    if options.expectations is not None:
        expectations.load(options.expectations)


def _in_short(about: Subject, options: ReportOptions) -> str:
    """What tells two reports of the same suites apart, in words."""
    further = [f"target {options.target}"] if options.target else []
    further += [f"weighting {options.weighting}"] if options.weighting != "plain" else []
    return ", ".join([about.dataset, about.profile, *further])


def _made_of(chosen: Mapping[str, Selection], options: ReportOptions) -> str:
    """A hash of what the numbers of a report follow from."""
    jobs = {
        suite: [[job.id for job in selection.jobs], [record.job_id for record in selection.done]]
        for suite, selection in chosen.items()
    }
    return folders.digest_of(__version__, options.weighting, jobs)


def _write(
    report: Report,
    store: Store,
    options: ReportOptions,
    chosen: Mapping[str, Selection],
    reader: StatisticsReader,
    committed: Reference | None,
    on_table: Callable[[Table], None],
    on_answer: Callable[[Answer], None],
) -> None:
    report.answer = answer(chosen, reader)
    report.write("answer.md", f"{report.answer.markdown}\n")
    on_answer(report.answer)
    set_beside: dict[str, list[Table]] = {}
    if committed is not None:
        for name, selection in chosen.items():
            set_beside[name] = _beside(report, Side(selection, reader), committed, options)
            for table in set_beside[name]:
                on_table(table)
    on_page: list[SuiteResult] = []
    figures: list[contents.Drawn] = []
    for name, selection in chosen.items():
        made = list(set_beside.get(name, []))
        for table in contents.tables_of(name, selection, reader, options.weighting, options.subject):
            made.append(report.add(marked(table, [selection])))
            on_table(made[-1])
        on_page.append(SuiteResult(selection, tuple(made)))
        report.write(f"metrics_{name}.csv", all_metrics(selection, reader))
        if options.figures:
            drawn = contents.draw(name, selection, reader, options.weighting, report.folder / "figures")
            figures.append(drawn)
            report.files += map(Path, drawn.paths)
            report.notes += [f"No figure: {sentence}" for sentence in drawn.left_out]
    if options.check:
        report.check = checking.run(report.about, chosen, reader, report.tables, options.expectations)
        checked = tuple(report.add(marked(table, chosen.values())) for table in report.check.tables)
        for table in checked:
            on_table(table)
        split = (
            part for table in checked for part in (by_published_table(table) if table.name == "check" else [table])
        )
        on_page[0] = SuiteResult(on_page[0].selection, (*on_page[0].tables, *split))
    week = gap_week(chosen["fewshot"]) if "fewshot" in chosen else None
    about = report.about
    facts = {"dataset": about.dataset, "dataset_title": about.title, "profile": about.profile}
    report.write(latex_document.NUMBERS, macros.numbers(contents.numbered(list(report.tables.values()), week), facts))
    shown = [figure for drawn in figures for figure in drawn.figures]
    printed = [figure for figure in shown if (report.folder / "figures" / f"{figure.name}.pdf").exists()]
    beside_names = [table.name for tables in set_beside.values() for table in tables]
    others = _in_print(name for name in report.tables if name not in beside_names)
    report.write(f"{latex_document.NAME}.tex", latex_document.document(others, printed, beside_names))
    if options.html:
        not_drawn = [sentence for drawn in figures for sentence in drawn.left_out]
        report.write(
            "report.html", render_page(store, on_page, shown, not_drawn, options.weighting, report.answer).decode()
        )
    if options.pdf:
        try:
            path, complaints = latex_document.compile_pdf(report.folder)
            report.files.append(path)
            report.complaints = tuple(complaints)
        except BenchError as error:
            report.no_pdf = error


def _in_print(names: Iterable[str]) -> list[str]:
    """Names of tables for a document: the paper's first, so that they have the paper's numbers."""
    return sorted(names, key=lambda name: name not in contents.NUMBERED)


def _reference(about: Subject, name: str | None) -> Reference | None:
    if name is None:
        return None
    if name != AUTO:
        return open_reference(name)
    own = reference_name(about.dataset, about.profile)
    known = committed_references()
    if own not in known:
        raise BenchError(
            f"There is no committed reference of data set {about.dataset}, profile {about.profile}; leave "
            f"--with-reference out, or name a folder or one of {', '.join(known)}."
        )
    return open_reference(own)


def _beside(report: Report, own: Side, committed: Reference, options: ReportOptions) -> list[Table]:
    """The table of own and committed rows of a suite, if there can be one; else the notes say why not."""
    suite = own.selection.jobs[0].suite
    if not runs(committed, suite):
        report.notes.append(f"Reference {committed.root.name} has no run of suite {suite}.")
        return []
    theirs = select(committed, suite, target=options.target)
    found = beside(own, Side(theirs, StatisticsReader(committed)), committed, options.weighting)
    report.notes += found.notes
    return [report.add(marked(found.table, [own.selection, theirs]))] if found.table is not None else []


def report(options: ReportOptions | None = None, /, *, store: Path | str | None = None, **chosen: Any) -> Report:
    """Writes tables and figures from stored results, and returns the tables as typed values.

    Args:
        options: all options; None for the defaults.
        store: the result store; None for ``$BENCH_STORE`` or ``./runs``.
        **chosen: fields of `ReportOptions`.

    Raises:
        BenchError: the store holds no such run, a stored file is damaged, or a file cannot be written.
    """
    options = ReportOptions() if options is None else options
    require(options, ReportOptions, "options", "a ReportOptions, or its fields by name")
    known = [item.name for item in fields(ReportOptions)]
    for name in chosen:
        if name not in known:
            raise unknown("option", name, known, "`help(bench.ReportOptions)` explains them")
    return write_report(existing_store(store), replace(options, **chosen))
