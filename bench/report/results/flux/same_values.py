"""Whether all jobs of one split of the flux suite were scored on the same values."""

from __future__ import annotations

import json
from collections import Counter

from bench.report.results.selection import Selection
from bench.report.results.split_audit import read_samples
from bench.store.names import PREDICTIONS
from bench.store.store import Store


def differing_values(store: Store, selection: Selection) -> tuple[int, tuple[str, ...]]:
    """Number of splits with finished jobs, and a sentence for each job whose test values are not those of the others.

    Args:
        store: where the predictions are.
        selection: the jobs.

    Raises:
        CorruptRecord: a file is damaged.
    """
    by_split: dict[str, dict[str, str]] = {}
    labels: dict[str, str] = {}
    for record in selection.done:
        split = json.dumps(record.job.split, sort_keys=True)
        digest = read_samples(store.file(record, PREDICTIONS)).digest
        by_split.setdefault(split, {})[record.job_id] = digest
        labels[record.job_id] = record.job.label
    sentences = []
    for digests in by_split.values():
        usual, _ = Counter(digests.values()).most_common(1)[0]
        sentences += [
            f"Job {job_id} ({labels[job_id]}) was scored on other values than the other jobs of its split."
            for job_id, digest in digests.items()
            if digest != usual
        ]
    return len(by_split), tuple(sentences)
