"""Copies the tables and raw numbers of a finished store into ``tables/reference/`` and into the README.

    python tools/update_reference.py runs
    python tools/update_reference.py runs --name towers-places-laptop
    python -m tools.update_reference runs --add

With ``--add`` the reference keeps its jobs and gets those that only the store has, for which no older store is needed
(`tools/reference_store.py`).

Everything that the README's results table says comes from the files written here: the rendered tables, the metrics over
all samples of every job, the sums from which all others follow, the newest manifest of each suite, each job's record,
the commands that made them, and a few figures. Predictions stay in the store (a megabyte a job). Of data with several
targets, the tables of the first stand in the folder and those of each other target in a folder of its name.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.errors import BenchError
from bench.report.reporting import ReportOptions, selections
from bench.report.results.selection import Selection
from bench.store.jobs import Job
from bench.store.records import Manifest
from bench.store.reference import COMMANDS, SUMS, Reference, sums_file
from bench.store.reference import name_of as reference_name
from bench.store.store import Store
from bench.suites.again import command_of_run
from bench.suites.flux import SUITE as FLUX
from tools.flux_results import F1, flux_results
from tools.reference_store import joined, keep
from tools.trial_inputs import one_sentence

ROOT = Path(__file__).parent.parent
FIGURES = (
    "full_figure4_dual_branch.png",
    "full_figure5_dual_branch.png",
    "full_figure4_dual_branch_plus.png",
    "full_figure5_dual_branch_plus.png",
    "ablation.png",
    "flux_courses.png",
    "flux_few_towers.png",
    "flux_towers.png",
    "flux_reliability.png",
)
"""The figures that are committed; `bench report` draws all of them from a store."""
IN_README = "northchina-laptop"
"""The reference whose Table 1 the README shows."""
MOST_BYTES = 9_000_000
"""Of a file of sums in the repository."""
ANSWER_BEGIN, ANSWER_END = "<!-- answer:begin -->", "<!-- answer:end -->"
WITHOUT_IT = "has no result of that network"
"""Said by the answer of a reference in which the paper's network was not run."""
FLUX_BEGIN, FLUX_END = "<!-- flux:begin -->", "<!-- flux:end -->"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def main() -> None:
    """Renders the store's tables and replaces the reference folder of its data set and profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="a store whose last runs are complete")
    parser.add_argument("--name", help="of the reference, where data set and profile have one already")
    parser.add_argument("--add", action="store_true", help="keep the reference's jobs, and add the store's others")
    given = parser.parse_args()
    with one_sentence():
        store = Store(given.store)
        newest = _newest(store)
        if not newest:
            raise BenchError(f"Store {given.store} holds no run; nothing can be made of it.")
        first = next(iter(newest.values())).jobs[0]
        folder = ROOT / "tables" / "reference" / (given.name or reference_name(first.dataset, first.profile))
        if given.add:
            extend(folder, store, first)
        else:
            replace(folder, lambda made: make_reference(given.store, store, first, newest, made))
    if folder.name == IN_README:
        _update_readme(folder)
    _update_answers()
    _update_flux_page()


def _newest(store: Store) -> dict[str, Manifest]:
    """Suite → its last run that has jobs."""
    return {manifest.suite: manifest for manifest in store.manifests() if manifest.jobs}


def extend(folder: Path, store: Store, first: Job) -> None:
    """Adds to a reference the jobs that it lacks and a store has.

    Args:
        folder: of the reference.
        store: of the same data and profile.
        first: any job of the store.

    Raises:
        BenchError: the store does not fit the reference, which stays as it was.
    """

    def of_both(made: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            both = joined(Reference(folder), store, Path(place) / "store")
            make_reference(both.root, both, first, _newest(both), made)
        keep(folder, made)

    replace(folder, of_both)


def replace(folder: Path, make: Callable[[Path], None]) -> None:
    """Replaces a folder by a new one; where that cannot be made, the old one stays whole.

    Args:
        folder: to be replaced, or made.
        make: fills an empty folder of the same name.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as building:
        made = Path(building) / folder.name
        made.mkdir()
        make(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def make_reference(root: Path, store: Store, first: Job, newest: Mapping[str, Manifest], folder: Path) -> None:
    """Fills the empty folder of a reference.

    Args:
        root: where the store is.
        store: the same, opened.
        first: any job of it, for its data set and profile.
        newest: suite → its last run.
        folder: to be filled.
    """
    report = [sys.executable, "-m", "bench", "report", "--check", "--store", str(root)]
    subprocess.run([*report, "--out", str(folder)], check=True)
    chosen = [selections(store, ReportOptions(dataset=first.dataset, profile=first.profile))]
    # Jobs of fluxes predict all targets at once, so that one report has them all.
    for target in further_targets(manifest for suite, manifest in newest.items() if suite != FLUX):
        subprocess.run([*report, "--no-figures", "--target", target, "--out", str(folder / target)], check=True)
        (folder / target / "answer.md").unlink()  # the README repeats one answer of each reference
        chosen.append(selections(store, ReportOptions(dataset=first.dataset, profile=first.profile, target=target)))
    for path in (folder / "figures").glob("*"):
        if path.name not in FIGURES:
            path.unlink()
    write_numbers(store, chosen, folder)


def further_targets(manifests: Iterable[Manifest]) -> list[str]:
    """Returns the targets of some runs beside the first, in order."""
    named = [name for manifest in manifests for name in manifest.several_targets]
    return list(dict.fromkeys(named))[1:]


def write_numbers(store: Store, chosen: Sequence[Mapping[str, Selection]], folder: Path) -> None:
    """Writes what `bench.store.reference` reads of a store, and shortens the files of metrics to the group ``all``.

    Args:
        store: where the results are.
        chosen: of each target, suite → the jobs of its tables.
        folder: of the reference.

    Raises:
        ValueError: the file of a suite's sums is larger than a repository should hold.
    """
    for name in ("records", "manifests"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    commands: list[str] = []
    for suite in dict.fromkeys(suite for of_target in chosen for suite in of_target):
        parts = [of_target[suite] for of_target in chosen if suite in of_target]
        done = [record for selection in parts for record in selection.done]
        content = sums_file({record.job_id: _kept_sums(suite, store.statistics(record)) for record in done})
        if len(content) > MOST_BYTES:
            raise ValueError(
                f"the sums of suite {suite} take {len(content) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:g}"
            )
        (folder / SUMS.format(suite=suite)).write_bytes(content)
        for record in done:
            name = f"{record.job_id}.json"
            shutil.copyfile(store.jobs_dir / record.job_id / "record.json", folder / "records" / name)
        for manifest in _needed(store, suite, {record.job_id for record in done}):
            # Why a data set was chosen may name a folder of this machine.
            told = manifest.model_copy(update={"dataset_reason": _without_paths(manifest.dataset_reason)})
            stamp = re.sub(r"[^0-9TZ]", "", manifest.created)
            (folder / "manifests" / f"{stamp}-{suite}.json").write_text(told.model_dump_json(indent=1) + "\n")
            commands.append(command_of_run(manifest))
        for metrics in folder.rglob(f"metrics_{suite}.csv"):
            lines = pd.read_csv(metrics, dtype=str, keep_default_na=False)
            lines[lines["group"] == "all"].to_csv(metrics, index=False, lineterminator="\n")
    (folder / COMMANDS).write_text("".join(f"{command}\n" for command in commands))


def _kept_sums(suite: str, sums: pd.DataFrame) -> pd.DataFrame:
    """The sums of a job that a repository holds: of fluxes those over all test months, which comparisons are made of.

    Tables of fluxes by class and climate are made of predictions, which stay in the store.
    """
    if suite != FLUX:
        return sums
    return sums[(sums["part"] == "test") & ~sums["group"].astype(str).str.contains("/")]


def _needed(store: Store, suite: str, jobs: set[str]) -> list[Manifest]:
    """The newest manifest of a suite, and as few older ones as it takes to have some jobs; oldest first."""
    missing, chosen = set(jobs), []
    for manifest in reversed([known for known in store.manifests() if known.suite == suite]):
        own = {job.id for job in manifest.jobs} & missing
        if own:
            chosen.append(manifest)
            missing -= own
    return chosen[::-1]


def _without_paths(reason: str) -> str:
    return re.sub(r" \(/[^)]*\)", "", reason)


def _update_readme(folder: Path) -> None:
    readme = ROOT / "README.md"
    table = (folder / "table1.md").read_text().strip()
    readme.write_text(_between(readme.read_text(), BEGIN, END, table))


def answers() -> tuple[str, str]:
    """Returns what the committed references answer, for the README and for the findings.

    The README has those that the paper's numbers stand beside and in which the paper's network ran; the findings have
    all of them, those first.
    """
    folders = sorted(path.parent for path in (ROOT / "tables" / "reference").glob("*/answer.md"))
    of_paper = [
        folder
        for folder in folders
        if (folder / "check.md").is_file() and WITHOUT_IT not in (folder / "answer.md").read_text()
    ]
    others = [folder for folder in folders if folder not in of_paper]
    return _joined(of_paper), _joined([*of_paper, *others])


def _joined(folders: Sequence[Path]) -> str:
    """The answers, a paragraph each; what the paper claims is said once."""
    texts = [(folder / "answer.md").read_text().strip() for folder in folders]
    claim = f"{texts[0].partition('. ')[0]}. " if texts else ""
    return "\n\n".join([*texts[:1], *(text.removeprefix(claim) for text in texts[1:])])


def _update_answers() -> None:
    for page, text in zip((ROOT / "README.md", ROOT / "docs" / "findings.md"), answers(), strict=True):
        page.write_text(_between(page.read_text(), ANSWER_BEGIN, ANSWER_END, text))


def _update_flux_page() -> None:
    """Repeats what the committed tables of fluxes say in the page about them."""
    folders = sorted(path.parent for path in (ROOT / "tables" / "reference").glob(f"*/{F1}.csv"))
    page = ROOT / "docs" / "flux.md"
    text = "\n\n".join(flux_results(folder) for folder in folders)
    page.write_text(_between(page.read_text(), FLUX_BEGIN, FLUX_END, text))


def _between(text: str, begin: str, end: str, new: str) -> str:
    """A text with what stands between two markers replaced.

    Raises:
        ValueError: it has not both markers.
    """
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the markers {begin} and {end} are missing")
    return f"{before}{begin}\n{new}\n{end}{after}"


if __name__ == "__main__":
    main()
