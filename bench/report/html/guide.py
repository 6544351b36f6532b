"""The section 'How to read this': what the numbers mean, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.html.elements import Html, code, definitions, element, join
from bench.report.table import MARKS
from bench.store.names import STATISTICS


@dataclass(frozen=True)
class Shown:
    """What a page is about, as far as its explanations depend on it.

    Attributes:
        of_paper: data of the paper's kind, beside whose tables ours stand.
        of_carbon: the target is a flux of carbon.
        has_seasons: whether the data have steps of the year.
        few_shot: whether the few-shot suite is on the page.
        folds: whether something was tested in folds.
        explained: whether explanations are scored.
    """

    of_paper: bool = True
    of_carbon: bool = True
    has_seasons: bool = True
    few_shot: bool = True
    folds: bool = True
    explained: bool = True


GLOSSARY = (
    (
        "Dual-branch (paper)",
        "The paper's network, built from its text: one branch learns what all places share, the "
        "other what a place adds. The paper calls it Ours.",
    ),
    (
        "Dual-branch plus",
        "This project's variant of that network, with other inputs and an ensemble. It is another "
        "model: where it comes to a number of the paper, the number is reached by our variant, not reproduced.",
    ),
    ("Baseline", "Any row that is neither a reference rule nor of the proposed family."),
    (
        "Point, located, window",
        "Feature views, what a tabular model is given for a sample: point is the climate of the "
        "step and the fixed properties of the place; located adds coordinates and the time of the year; window adds "
        "the climate of the steps before. `bench info` of a view lists its columns.",
    ),
    (
        "Profile",
        "How large a run is. smoke tests the program on few places with tiny models and is not judged; laptop "
        "uses all places, with the deep models trained for a shorter time; paper uses the paper's settings.",
    ),
    (
        "Suite",
        "Which comparison: full trains on all places (Table 1), few-shot on a sample of them (Tables 2 and 3), "
        "ablation changes one part of the proposed model at a time, flux predicts carbon fluxes at measured towers.",
    ),
    (
        "Baseline, KGML, DERE, shares",
        "Rows of suite flux. Baseline: a sequence network trained on towers alone. KGML: the same, trained on a "
        "process model first. DERE: one branch per type of vegetation and a network for what their sum lacks. Shares: "
        "how much of the ground each type covers, as inputs; DERE has them. Same inputs: the baseline with the inputs "
        "of a row.",
    ),
    (
        "RECO, NEE, CRPS, coverage",
        "Ecosystem respiration; net ecosystem exchange, RECO − GPP. CRPS: the error of a whole distribution, which for "
        "a single value is the absolute error. Coverage: how often the truth lies in an interval.",
    ),
    (
        "PML_V2",
        "Penman–Monteith–Leuning, version 2: a published model of evaporation and GPP. The GPP of the North "
        "China data is recomputed with its equations; the row of that name runs them with last year's leaf area.",
    ),
    (
        "Climatology, training mean",
        "Reference rules: the mean of the training years for the place and step of the year, "
        "and the mean of all training values.",
    ),
    (
        "GPP, LAI",
        "Gross primary production: carbon that plants take up, in gC m⁻² d⁻¹. Leaf area index: leaf area above "
        "a unit of ground.",
    ),
    (
        "GWR, GTWR, GNNWR, GTNNWR, MGWR",
        "Geographically weighted regressions: coefficients that vary with the place (T: and with "
        "time; NN: by a neural network; M: at several scales).",
    ),
    ("Validated", "A row whose settings were chosen on a part of the training data instead of taken from the paper."),
    (
        "Seen, unseen",
        "Places that are, or are not, among those that train in the few-shot suite; both are tested on a "
        "year that does not train.",
    ),
    (
        "Gap; as published",
        "Test minus training error on the same kind of samples; as published, the training error is "
        "taken on what a model was fitted on, which for spatial models are means over the years.",
    ),
    ("Told apart", "The 95 % interval of the paired ratio of two errors does not hold 1."),
    (
        "p, Holm",
        "How likely a ratio so far from 1 is if there were none; Holm: corrected for the number of rows that "
        "are compared.",
    ),
    (
        "Block",
        "A square of the map. Errors within one go together, so intervals are made of blocks and not of samples.",
    ),
    (
        "Sensitivity, contribution, importance weight",
        "What a model says of a feature: the change of the prediction with "
        "the feature, the part of the prediction that is due to it, or the network's own weight of it.",
    ),
    (
        "Sign, rank, dominant driver",
        "Scores of explanations where the truth is known: the share of samples with the "
        "right sign, the rank correlation, and the share whose largest weight is of the largest true sensitivity.",
    ),
    ("Fold", "A part of the data that is tested once while the others train; all folds together make one run."),
    ("†", "Cannot be told from the best of its column."),
    *((mark, meaning.text) for mark, meaning in MARKS.items()),
    (
        "ᵃ, ᵇ, …",
        "Footnotes of single numbers, below their table: such as an extrapolation of few samples that makes "
        "most of the squared error.",
    ),
)
"""Terms of the tables that are not explained above."""
_ONLY_WHERE = {
    "PML_V2": "of_paper",
    "GPP, LAI": "of_carbon",
    "Seen, unseen": "few_shot",
    "Gap; as published": "few_shot",
    "Sign, rank, dominant driver": "explained",
    "Fold": "folds",
    "Week, seen, unseen": "few_shot",
}
"""Term → what must be on the page for it to be explained."""


def _of_suites(shown: Shown) -> list[tuple[str, str]]:
    """The glossary; numbers of the paper's tables only where these stand beside ours."""
    if shown.of_paper:
        return list(GLOSSARY)
    return [
        (term, text.replace(" (Table 1)", "").replace(" (Tables 2 and 3)", "") if term == "Suite" else text)
        for term, text in GLOSSARY
    ]


def _told(terms: Sequence[tuple[str, str]], shown: Shown) -> list[tuple[str, str]]:
    return [(term, text) for term, text in terms if term not in _ONLY_WHERE or getattr(shown, _ONLY_WHERE[term])]


def _terms(weighting: str, shown: Shown) -> list[tuple[str, str]]:
    """What the columns and rows of every table are."""
    weights = (
        "Every sample counts the same."
        if weighting == "plain"
        else "Samples count in proportion to the area of their grid cell, cos(latitude)."
    )
    ratio = "The error divided by that of one baseline in the same table"
    other_data = "On other data than the paper's only such ratios can be compared, not the errors."
    years = "With one test year an interval says nothing about other years. " if shown.has_seasons else ""
    return [
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
            f"Below ten spatial blocks (of towers: ten places) there is no interval. {years}"
            "Two intervals that overlap may still belong to "
            "models that differ, since all models share the "
            "same places: the tables of paired differences say which do.",
        ),
        (
            "Train RMSE and gap",
            "The same error on samples that the model learned from, and test minus train. A large gap "
            "means that the model remembers more than it understands; a small one with a large test "
            "error is no merit.",
        ),
        ("÷ and the paper's ratio", f"{ratio}, beside the same quotient from the published table. {other_data}")
        if shown.of_paper
        else ("÷", f"{ratio}."),
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


def guide(weighting: str, shown: Shown) -> Html:
    """The section; it explains what the tables of this page hold.

    Args:
        weighting: of the samples in the tables.
        shown: what the page is about.
    """
    groups = f"all, {'a season, a step of the year, ' if shown.has_seasons else ''}a land cover or other category"
    copied = "The paper's numbers are copied from its Tables 1 to 3 (arXiv:2502.06170). " if shown.of_paper else ""
    return join(
        [
            definitions(_told(_terms(weighting, shown), shown)),
            element("h3", "Glossary", id="glossary"),
            definitions(_told(_of_suites(shown), shown)),
            element("h3", "Where a number comes from", id="trace"),
            element(
                "p",
                "The last column of every row links to its jobs. Each job stores sums of its errors in ",
                code(STATISTICS),
                f", by part (train, test, fitted), group ({groups}) and block; a number of a table is computed from "
                "the sums of exactly the jobs that its row names, and nothing else. A ratio also uses the jobs of the "
                f"row that it divides by, named below its table. {copied}",
                code("metrics_<suite>.csv"),
                " beside this page has every metric of every job; ",
                code("bench info JOB"),
                " prints a record, ",
                code("bench why JOB"),
                " what would change it.",
            ),
        ]
    )
