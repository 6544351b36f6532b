"""The head of the page, the coverage of each suite, and what failed and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.data.coordinate_units import CoordinateUnits
from bench.data.split_names import describe
from bench.report.answer import Answer
from bench.report.html.elements import (
    Child,
    Html,
    bullets,
    code,
    definitions,
    element,
    join,
    link,
    plain_table,
    prose,
    scrollable,
)
from bench.report.html.jobs import JobContext
from bench.report.results.selection import Selection
from bench.runners import registry
from bench.store.dataset_record import dataset_folder
from bench.store.names import DATASET
from bench.store.store import Store
from bench.system.text import counted

_NOT_SHOWN = ("schema_version", "fingerprint")
_STATES = ("done", "failed", "interrupted", "timeout", "oom", "skipped", "stale", "damaged", "missing")
SUITE_TITLES = {"full": "Full suite", "fewshot": "Few-shot suite", "ablation": "Ablation suite", "flux": "Flux suite"}


def suite_heading(suite: str) -> str:
    """A suite's name as a heading."""
    return SUITE_TITLES.get(suite, f"Suite {suite}")


def answer(found: Answer) -> Html:
    """The answer of the store, one paragraph to a sentence, names of models in italics."""
    sentences = []
    for sentence in found.sentences:
        parts = sentence.split("*")
        sentences.append(element("p", *(element("em", part) if at % 2 else part for at, part in enumerate(parts))))
    return element("section", element("h2", "The answer"), *sentences, id="answer", class_="answer")


def at_a_glance(selections: Sequence[Selection], units: Sequence[CoordinateUnits]) -> Html:
    """What was run on what, and how much of it is there: one column per suite.

    Args:
        selections: of the suites.
        units: of the coordinates of the data of each.
    """
    first = [selection.jobs[0] for selection in selections]
    manifests = [selection.manifest for selection in selections]
    facts: list[tuple[str, list[str]]] = [
        ("Data set", [job.dataset for job in first]),
        ("Title", [manifest.dataset_title for manifest in manifests]),
        ("Why this data set", [manifest.dataset_reason for manifest in manifests]),
        ("Target", [_target(selection) for selection in selections]),
        ("Profile", [job.profile for job in first]),
        ("Tested on", [_tested_on(*item) for item in zip(selections, units, strict=True)]),
        ("Jobs done", [f"{len(selection.done)} of {len(selection.jobs)} planned" for selection in selections]),
        ("Newest run", [manifest.created for manifest in manifests]),
    ]
    heading = element("tr", element("td"), *(element("th", suite_heading(job.suite), scope="col") for job in first))
    body = [element("tr", element("th", name, scope="row"), *_agreeing(values)) for name, values in facts]
    caption = "What this page shows"
    table = element("table", element("caption", caption), element("thead", heading), element("tbody", *body))
    return scrollable(table, caption)


def _target(selection: Selection) -> str:
    names = selection.jobs[0].split.get("targets", [selection.manifest.target_name])
    return f"{', '.join(names)}, {selection.manifest.target_units}"


def _tested_on(selection: Selection, units: CoordinateUnits) -> str:
    """How the jobs are tested; of a suite with several designs, each of them."""
    splits = [job.split for job in selection.jobs]
    said = {
        f"{split['design']}: {describe(split, units)}" if "design" in split else describe(split, units)
        for split in splits
    }
    return "; ".join(text.replace("tested on ", "") for text in sorted(said))


def _agreeing(values: Sequence[str]) -> list[Html]:
    """The values of a row, or one wide cell where all are the same."""
    if len(set(values)) == 1:
        return [element("td", values[0], colspan=len(values) if len(values) > 1 else None)]
    return [element("td", value) for value in values]


def warnings(selections: Sequence[Selection], remarks: Sequence[str]) -> Html:
    """What a reader has to know before the first number."""
    found = list(remarks)
    for selection in selections:
        suite = selection.jobs[0].suite
        if 0 < len(selection.done) < len(selection.jobs):
            missing = len(selection.jobs) - len(selection.done)
            of_all = f"{missing} of {counted(len(selection.jobs), 'planned job')} {'is' if missing == 1 else 'are'}"
            found.append(f"{suite_heading(suite)}: {of_all} not done.")
    shown = {(selection.jobs[0].dataset_fingerprint, selection.jobs[0].profile) for selection in selections}
    if len(shown) > 1:
        found.insert(0, "The suites below were run on different data sets or profiles: do not compare across them.")
    return bullets(map(prose, found), class_="warning")


def coverage(selection: Selection, contexts: Mapping[str, JobContext]) -> Html:
    """How many jobs of every row are done, and the states of the others."""
    states = {job.id: contexts[job.id].state for job in selection.jobs}
    present = [state for state in _STATES if state == "done" or state in states.values()]
    grouped: dict[str, list[str]] = {}
    for job in selection.jobs:
        entry = registry.entries().get(job.runner)
        size = f", {job.split['train_cells']:,} cells" if "train_cells" in job.split else ""
        size += f", {job.split['design']}" if "design" in job.split else ""
        size += f" {job.split['labelled']} towers" if "labelled" in job.split else ""
        name = entry.title if entry else job.runner
        grouped.setdefault(f"{name}{job.detail}{size}", []).append(states[job.id])
    body = [
        [name, str(len(found)), *(str(found.count(state)) if state in found else "" for state in present)]
        for name, found in grouped.items()
    ]
    return plain_table("Planned jobs and their states", ("Row", "Planned", *present), body, "facts counts")


def failures(selection: Selection, contexts: Mapping[str, JobContext]) -> Html:
    """Every planned job that is not done, with the reason."""
    found = [
        join([link(f"cell-{job.id}", job.label), f": {contexts[job.id].state}: ", prose(contexts[job.id].reason)])
        for job in selection.jobs
        if contexts[job.id].state != "done"
    ]
    return bullets(found) or element("p", "Nothing: every planned job is done.")


def damage(store: Store) -> Html:
    """Jobs that cannot be read, and those that were set aside."""
    _, damaged = store.survey()
    aside = sorted(item.name for item in (store.root / "quarantine").glob("*"))
    found: list[Child] = [join([code(job_id), ": ", prose(reason)]) for job_id, reason in damaged.items()]
    found += [
        join([code(name), ": found damaged and set aside; kept under quarantine/ for inspection"]) for name in aside
    ]
    return bullets(found) or element("p", "No job of the store is damaged, and none was set aside.")


def dataset_facts(store: Store, selection: Selection) -> Html:
    """What the store's own record of the data set says, and its fingerprint."""
    job = selection.jobs[0]
    facts: list[tuple[str, Child]] = [("Fingerprint", code(job.dataset_fingerprint))]
    path = dataset_folder(store, job.dataset_fingerprint) / DATASET
    try:
        described: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        described = {}
        facts.append(("Record", prose("this store holds no description of the data set; `bench data info` prints it")))
    if isinstance(described, dict):
        nested = [item for value in described.values() if isinstance(value, dict) for item in value.items()]
        plain = [(key, value) for key, value in described.items() if not isinstance(value, dict)]
        facts += [(_words(key), _text(value)) for key, value in (*plain, *nested) if key not in _NOT_SHOWN]
    return definitions(facts)


def _words(key: str) -> str:
    return key[:1].upper() + key[1:].replace("_", " ")


def _text(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
