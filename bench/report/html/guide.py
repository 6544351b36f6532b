"""The section 'How to read this': what the numbers mean, in plain words."""

from __future__ import annotations

from bench.report.html.elements import Html, code, definitions, element, join
from bench.store.names import STATISTICS


def guide(weighting: str) -> Html:
    """The section; it explains what the tables of this page hold.

    Args:
        weighting: of the samples in the tables.
    """
    weights = (
        "Every sample counts the same."
        if weighting == "plain"
        else "Samples count in proportion to the area of their grid cell, cos(latitude)."
    )
    return join(
        [
            definitions(
                [
                    (
                        "Job",
                        "One run of one model: one split of the data, one seed. Its id is a hash of all that can "
                        "change its numbers, so one id always means the same numbers. (A land cell is a square of "
                        "the grid.)",
                    ),
                    (
                        "RMSE, MAE, bias",
                        "Root mean square error, mean absolute error and mean error of the predictions, in the "
                        f"target's unit; smaller is better, and a bias of 0 is best. {weights}",
                    ),
                    (
                        "R²",
                        "The share of the target's variance that the predictions explain: 1 is perfect, 0 is no "
                        "better than the mean of the test values, negative is worse than that.",
                    ),
                    (
                        "[low, high]",
                        "How far the number could move with other places of the same kind and, where a row has "
                        "several runs, with other seeds: how far errors of neighbouring places go together "
                        "is estimated for each number, and few runs are counted as few. Each table says the level. "
                        "Below ten spatial blocks there is no interval. With one test year "
                        "an interval says nothing about other years. Two"
                        " intervals that overlap may still belong to models that differ, since all models share the "
                        "same places: the tables of paired differences say which do.",
                    ),
                    (
                        "Train RMSE and gap",
                        "The same error on samples that the model learned from, and test minus train. A large gap "
                        "means that the model remembers more than it understands; a small one with a large test "
                        "error is no merit.",
                    ),
                    (
                        "÷ and the paper's ratio",
                        "The error divided by that of one baseline in the same table, beside the same quotient from "
                        "the published table. On other data than the paper's only such ratios can be compared, not "
                        "the errors.",
                    ),
                    (
                        "Reference rows",
                        "Rules that need no model, such as last year's value. A model that is not clearly better "
                        "than they are has learned little. They are never marked as best.",
                    ),
                    (
                        "Runs",
                        "Repetitions with different seeds. Several are averaged; the interval is that of the average. "
                        "That of a single run holds for this trained model only.",
                    ),
                    (
                        "Week, seen, unseen",
                        "A week is a step of the year: of 8-day data 1 to 46, of monthly data the month. In the "
                        "few-shot suite a sample of places trains: these are seen, the others unseen.",
                    ),
                    (
                        "Best of its column",
                        "Set in bold type and shaded; each table says on what terms.",
                    ),
                ]
            ),
            element("h3", "Where a number comes from", id="trace"),
            element(
                "p",
                "The last column of every row links to its jobs. Each job stores sums of its errors in ",
                code(STATISTICS),
                ", by part (train, test, fitted), group (all, a season, a land cover or other "
                "category, a step of the year) and block; a number of"
                " a table is computed from the sums of exactly the jobs that its row names, and nothing else. A "
                "ratio also uses the jobs of the row that it divides by, named below its table. The paper's numbers"
                " are copied from its Tables 1 to 3 (arXiv:2502.06170). ",
                code("metrics_<suite>.csv"),
                " beside this page has every metric of every job; ",
                code("bench info JOB"),
                " prints a record, ",
                code("bench why JOB"),
                " what would change it.",
            ),
        ]
    )
