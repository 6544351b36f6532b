"""The page of a committed reference, made again from its sums; the documentation site publishes it.

    python -m tools.reference_page tables/reference/northchina-laptop report.html

A reference has no predictions and no explanations, so the page has Tables 1–3, the comparison with the paper, ablation,
differences and costs, but no figures and no scores of explanations: those are committed beside it as files.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from pathlib import Path

from bench.report.reporting import ReportOptions, selections, write_report
from bench.store.names import STATISTICS
from bench.store.records import Record
from bench.store.reference import SUMS, Reference
from bench.store.store import Store
from bench.suites.flux import SUITE as FLUX


def page_of(folder: Path) -> bytes:
    """The page of a reference.

    Args:
        folder: the reference.

    Raises:
        BenchError: it has no sums, or a file of it is damaged.
    """
    reference = Reference(folder)
    with tempfile.TemporaryDirectory() as place:
        store = _as_store(reference, Path(place) / "store")
        first = store.manifests()[-1].jobs[0]
        options = ReportOptions(
            dataset=f"{first.dataset}@{first.dataset_fingerprint}",
            profile=first.profile,
            out=Path(place) / "report",
            figures=False,
            html=True,
            check=True,
        )
        write_report(store, options)
        return (Path(place) / "report" / "report.html").read_bytes()


def makes_page(folder: Path) -> bool:
    """Whether a page can be made of a reference.

    Those of version 0.1 kept no sums, and tables of fluxes are made of predictions, which no reference keeps.
    """
    return any(path.name != SUMS.format(suite=FLUX) for path in folder.glob(SUMS.format(suite="*")))


def _as_store(reference: Reference, root: Path) -> Store:
    """A store of the jobs of a reference, with their sums and without any other file."""
    store = Store(root, create=True)
    for manifest in reference.manifests():
        store.add_manifest(manifest)
    for selection in selections(reference, ReportOptions()).values():
        for record in selection.done:
            _add(store, reference, record)
    return store


def _add(store: Store, reference: Reference, record: Record) -> None:
    stream = io.BytesIO()
    reference.statistics(record).to_parquet(stream, index=False)
    work = store.new_work_folder(record.job_id)
    (work / STATISTICS).write_bytes(stream.getvalue())
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    store.publish(work, record.model_copy(update={"files": {STATISTICS: digest}}))


def main() -> None:
    """Writes the page of one reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    given.output.write_bytes(page_of(given.reference))


if __name__ == "__main__":
    main()
