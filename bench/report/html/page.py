"""The page: every table, figure, audit and record of a report in one file that asks for nothing from anywhere.

The file holds its style and its script; a Content-Security-Policy allows these two by their hashes, pictures as data
URIs, and nothing else. Without the script everything is there, only unsorted. The same store always gives the same
bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from bench.data.coordinate_units import CoordinateUnits
from bench.report.answer import Answer
from bench.report.drawn import DrawnFigure
from bench.report.html import commands, overview
from bench.report.html.audit_section import audit_section
from bench.report.html.elements import Child, Html, anchor, bullets, code, element, join, link, prose
from bench.report.html.figure import figure_section
from bench.report.html.guide import Shown, guide
from bench.report.html.jobs import JobContext, provenance, runner_anchor, state_of, uses_of
from bench.report.html.results import result_table
from bench.report.results import marks
from bench.report.results.data_words import in_units, spoken, units, words_of
from bench.report.results.others import remarks
from bench.report.results.selection import Selection
from bench.report.results.split_audit import SplitAuditor
from bench.report.table import Table
from bench.report.tables.numbered import TABLE1_DENOMINATOR, TABLE2_DENOMINATOR
from bench.store.store import Store
from bench.suites import again
from bench.suites.profiles import SMOKE

_DENOMINATORS = {"table1": TABLE1_DENOMINATOR, "table2": TABLE2_DENOMINATOR}
_CHAPTERS = (
    ("beside", "Beside the committed reference", r"reference_.*"),
    ("results", "Tables 1 to 3", r"table\d"),
    ("fluxes", "Carbon fluxes at towers", r"flux_.*"),
    ("check", "Published against reproduced", r"check_.*"),
    ("explanations", "Explanations", r"interpretability_.*"),
    ("time", "Time and memory", r"costs_.*"),
    ("more", "More tables", r".*"),
)
"""Anchor and title of a chapter of tables, and the names of the tables in it; figures stand before explanations."""
MAX_BYTES = 5_000_000
"""Pictures are left out, the last ones first, where the page would become larger than this."""


@dataclass(frozen=True)
class SuiteResult:
    """A suite on the page.

    Attributes:
        selection: the jobs of its tables.
        tables: in the order of the page.
    """

    selection: Selection
    tables: tuple[Table, ...]

    @property
    def suite(self) -> str:
        """Its name."""
        return self.selection.jobs[0].suite


@dataclass(frozen=True)
class _Listed:
    anchor: str
    title: str
    suite: str
    """Said in the list of contents where two entries have one title."""


@dataclass(frozen=True)
class _Section:
    anchor: str
    title: str
    body: Html
    entries: tuple[_Listed, ...] = ()
    """What is in it, for the list of contents."""
    folded: bool = False
    """Whether it is shown only when asked for."""


def render_page(
    store: Store,
    suites: Sequence[SuiteResult],
    figures: Sequence[DrawnFigure] = (),
    not_drawn: Sequence[str] = (),
    weighting: str = "plain",
    answer: Answer | None = None,
) -> bytes:
    """The whole page as UTF-8.

    Args:
        store: where the results are.
        suites: at least one.
        figures: rendered figures, in the order of the page.
        not_drawn: one sentence for each figure that there is none of, and why.
        weighting: of the samples in the tables.
        answer: to the question of the benchmark, which heads the page.
    """
    contexts = _contexts(store, suites, figures)
    shown = _shown(store, suites)
    sections = _of_tables(suites, shown)
    behind_figures = [at for at, item in enumerate(sections) if item.folded or item.anchor == "explanations"]
    place = min(behind_figures, default=len(sections))
    sections += [
        _Section("reading", "How to read this", guide(weighting, shown), folded=True),
        _coverage(store, suites, contexts),
        _audit(store, suites, contexts),
        _provenance(store, suites, contexts),
    ]
    known = frozenset(contexts)
    budget = MAX_BYTES - len(_document(store, suites, sections, answer))
    drawn = []
    for figure in figures:
        written = figure_section(figure, True, known)
        if len(written.encode()) > budget:
            written = figure_section(figure, False, known)
        budget -= len(written.encode())
        drawn.append(written)
    if figures or not_drawn:
        entries = tuple(_Listed(f"figure-{anchor(figure.name)}", figure.title, figure.suite) for figure in figures)
        missing = bullets([prose(f"No figure: {sentence}") for sentence in not_drawn], class_="notes")
        section = _Section("figures", "Figures", join([*drawn, missing]), entries)
        sections.insert(place, section)
    return _document(store, suites, sections, answer)


def _document(
    store: Store, suites: Sequence[SuiteResult], sections: Sequence[_Section], answer: Answer | None
) -> bytes:
    assets = resources.files("bench.report.html")
    style, script = (Html(assets.joinpath(name).read_text("utf-8")) for name in ("style.css", "sort.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    selections = [result.selection for result in suites]
    names = (spoken(item.jobs[0].dataset, item.manifest.dataset_title) for item in selections)
    targets = (in_units(item.manifest.target_name, units(item.manifest.target_units)) for item in selections)
    title = f"Benchmark report: {', '.join(dict.fromkeys(names))}; {', '.join(dict.fromkeys(targets))}"
    smoke = any(selection.jobs[0].profile == SMOKE for selection in selections)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=Html(policy.replace('"', "&quot;"))),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", style),
    )
    glance = overview.at_a_glance(selections, _units_of(store, suites))
    told = [sentence for selection in selections for sentence in remarks(store, selection)]
    body = element(
        "body",
        link("main", "Skip to the results", class_="skip"),
        element(
            "header",
            element("p", "climate2gpp-bench", class_="running"),
            element("h1", title),
            element("p", marks.BANNER, class_="banner", role="note") if smoke else None,
            overview.answer(answer) if answer is not None else None,
            overview.warnings(selections, told),
            element("details", element("summary", "What this page shows"), glance),
        ),
        _contents(sections),
        element(
            "main",
            *(element("section", *_chapter(item), id=item.anchor, class_="chapter") for item in sections),
            id="main",
        ),
        element(
            "footer",
            element(
                "p",
                "Made by ",
                code("bench report --html"),
                " from the store alone; the same store gives the same page.",
            ),
        ),
        element("p", id="status", role="status", class_="unseen"),
        element("script", script),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n".encode()


def _chapter(section: _Section) -> list[Html]:
    heading = element("h2", section.title)
    return (
        [element("details", element("summary", heading), section.body)] if section.folded else [heading, section.body]
    )


def _contents(sections: Sequence[_Section]) -> Html:
    items = []
    titles = Counter(entry.title for section in sections for entry in section.entries)
    for section in sections:
        inner = []
        for entry in section.entries:
            suite = f" ({overview.suite_heading(entry.suite)})" if titles[entry.title] > 1 else ""
            inner.append(element("li", link(entry.anchor, f"{entry.title}{suite}")))
        items.append(element("li", link(section.anchor, section.title), element("ol", *inner) if inner else None))
    heading = element("summary", element("h2", "Contents"))
    return element("nav", element("details", heading, element("ol", *items)), aria_label="Contents")


def _shown(store: Store, suites: Sequence[SuiteResult]) -> Shown:
    """What the page is about."""
    selections = [result.selection for result in suites]
    words = [words_of(store, selection) for selection in selections]
    splits = [job.split for selection in selections for job in selection.jobs]
    return Shown(
        of_paper=any(one.of_paper for one in words),
        of_carbon=any(selection.manifest.target_units.startswith("gC") for selection in selections),
        has_seasons=any(one.rhythm.has_seasons for one in words),
        few_shot=any("sample_seed" in split for split in splits),
        folds=any("fold" in split for split in splits),
        explained=any(table.name.startswith("interpretability_") for result in suites for table in result.tables),
    )


def _of_tables(suites: Sequence[SuiteResult], about: Shown) -> list[_Section]:
    """The tables in the order of their worth: the paper's, the comparison with it, explanations; the rest is folded."""
    sorting = "A click on a heading sorts by it; a third click restores the order."  # shown by the script that sorts
    hints: list[Child] = [
        element("p", link("reading", "How to read this"), class_="hint"),
        element("p", sorting, id="sorting", class_="hint", hidden=True),
    ]
    tables = [(result, table) for result in suites for table in result.tables]
    sources = {job: place for result in suites for job, place in _sources(result).items()}
    sections: list[_Section] = []
    for place, title, pattern in _CHAPTERS:
        chosen = [item for item in tables if re.fullmatch(pattern, item[1].name)]
        tables = [item for item in tables if item not in chosen]
        shown = [result_table(table, sources, _ratio_note(table)) for _, table in chosen]
        entries = tuple(_Listed(table.name, table.title, result.suite) for result, table in chosen)
        folded = place in ("more", "time")
        title = title if place != "results" or about.of_paper else "Results"
        if chosen:
            sections.append(_Section(place, title, join([*(() if sections else hints), *shown]), entries, folded))
    return sections


def _coverage(store: Store, suites: Sequence[SuiteResult], contexts: dict[str, JobContext]) -> _Section:
    parts: list[Child] = []
    for result in suites:
        parts += [
            element("h3", overview.suite_heading(result.suite)),
            overview.coverage(result.selection, contexts),
            element("h4", "Not done, and why"),
            overview.failures(result.selection, contexts),
        ]
    parts += [element("h3", "Damaged jobs"), overview.damage(store)]
    return _Section("coverage", "Coverage, and what failed", join(parts), folded=True)


def _audit(store: Store, suites: Sequence[SuiteResult], contexts: dict[str, JobContext]) -> _Section:
    parts: list[Child] = [
        element(
            "p",
            "Every model of a table must be scored on the same values, and none of them may train. The test samples "
            "of every job are stored; their digest is over places, times and target values. Where the store also "
            "describes the places and times of its data set, each split is rebuilt from its parameters and compared "
            "with what was scored. Fingerprints of the training values are not stored; the fingerprint of the whole "
            "data set is, and with the parameters of the split it determines them.",
        )
    ]
    specs = _specs(store)
    for result, coordinates in zip(suites, _units_of(store, suites), strict=True):
        jobs = result.selection.jobs
        audits = {job.id: audit for job in jobs if (audit := contexts[job.id].audit) is not None}
        command = commands.audit(jobs[0], specs[jobs[0].id], "NAME")
        parts += [
            element("h3", overview.suite_heading(result.suite)),
            audit_section(result.selection, audits, command, coordinates),
        ]
    return _Section("split-audit", "Split audit", join(parts), folded=True)


def _provenance(store: Store, suites: Sequence[SuiteResult], contexts: dict[str, JobContext]) -> _Section:
    parts: list[Child] = []
    entries = []
    for result in suites:
        place = f"provenance-{result.suite}"
        entries.append(_Listed(place, overview.suite_heading(result.suite), result.suite))
        parts.append(
            element(
                "section",
                element("h3", overview.suite_heading(result.suite)),
                overview.dataset_facts(store, result.selection),
                provenance(result.selection, contexts),
                id=place,
            )
        )
    return _Section("provenance", "Provenance of every job", join(parts), tuple(entries), folded=True)


def _contexts(store: Store, suites: Sequence[SuiteResult], figures: Sequence[DrawnFigure]) -> dict[str, JobContext]:
    """What the page knows of every job, by id."""
    specs = _specs(store)
    shown = uses_of([table for result in suites for table in result.tables])
    for figure in figures:
        for job_id in figure.job_ids:
            shown.setdefault(job_id, []).append(link(f"figure-{anchor(figure.name)}", f"Figure: {figure.title}"))
    contexts = {}
    for result, coordinates in zip(suites, _units_of(store, suites), strict=True):
        auditor = SplitAuditor(store, result.selection)
        for job in result.selection.jobs:
            state, reason = state_of(job, result.selection)
            audit = auditor.audit(result.selection.records[job.id]) if state == "done" else None
            command = again.command(job, specs[job.id])
            proof = commands.audit(job, specs[job.id], job.runner)
            contexts[job.id] = JobContext(
                state, reason, audit, tuple(shown.get(job.id, ())), command, proof, coordinates
            )
    return contexts


def _units_of(store: Store, suites: Sequence[SuiteResult]) -> list[CoordinateUnits]:
    return [words_of(store, result.selection).coordinates for result in suites]


def _specs(store: Store) -> dict[str, str]:
    """Job id → text that opens its data, of the newest run that planned it."""
    return {job.id: manifest.dataset_spec for manifest in store.manifests() for job in manifest.jobs}


def _ratio_note(table: Table) -> list[Child]:
    """Which jobs the ratios of a table divide by."""
    runner = _DENOMINATORS.get(table.name)
    if runner is None or not any(key.startswith("ratio") for row in table.rows for key in row.values):
        return []
    # A row that others are divided by has the ratio 1 itself; one changed by --set is divided by that as registered.
    below = [
        row
        for row in table.rows
        if row.runner == runner
        and row.jobs
        and all(value.value == 1 for key, value in row.values.items() if key.startswith("ratio"))
    ]
    named = [
        join([f"{row.label}, jobs ", join([link(f"cell-{job_id}", job_id[:6]) for job_id in row.jobs], ", ")])
        for row in below
    ]
    return [join(["Ratios divide by ", join(named, "; "), "."])]


def _sources(result: SuiteResult) -> dict[str, str]:
    return {job.id: runner_anchor(job) for job in result.selection.jobs}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
