"""The page about fluxes repeats the committed tables, and its section is made of them alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.report.reporting import ReportOptions, selections, write_report
from tests.conftest import ROOT
from tests.support.flux_store import DERE, LIGHTGBM, SHARES, make_flux_store
from tools.flux_results import F1, flux_results, short_table
from tools.update_reference import FLUX_BEGIN, FLUX_END, MOST_BYTES, _between, write_numbers


def test_the_page_repeats_what_is_committed() -> None:
    folders = sorted(path.parent for path in (ROOT / "tables" / "reference").glob(f"*/{F1}.csv"))
    text = (ROOT / "docs" / "flux.md").read_text()
    assert text.index(FLUX_BEGIN) < text.index(FLUX_END)
    assert _between(text, FLUX_BEGIN, FLUX_END, "\n\n".join(map(flux_results, folders))) == text or not folders


def test_the_section_of_a_reference(tmp_path: Path) -> None:
    rows = (("flux_transformer", SHARES, 1.0), ("flux_transformer", DERE, 0.8), ("flux_lightgbm", LIGHTGBM, 1.0))
    store, _ = make_flux_store(tmp_path, rows, repetitions=1, sizes=(10,))
    folder = tmp_path / "towers-laptop"
    report = write_report(store, ReportOptions(figures=False, out=folder))
    write_numbers(store, [selections(store, ReportOptions())], folder)
    section = flux_results(folder)
    title = report.tables[F1].title
    assert f"**{title}.** Of [flux_f1](../tables/reference/towers-laptop/flux_f1.md)" in section
    [row] = [row for row in report.tables[F1].rows if row.label == "DERE"]
    value = row.values["ratio_nee"]
    assert f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]" in section
    assert "| Transformer: DERE |" in section and "CSDI's CRPS" in section and "--suite flux" in section
    kept = pd.read_parquet(folder / "sums_flux.parquet")
    assert set(kept["group"]) == {"GPP", "RECO", "NEE"} and set(kept["part"]) == {"test"}
    assert (folder / "sums_flux.parquet").stat().st_size < MOST_BYTES
    metrics = pd.read_csv(folder / "metrics_flux.csv")
    assert set(metrics["group"]) == {"all"} and not metrics.duplicated(["cell", "target", "part", "weighting"]).any()


def test_columns_without_a_number_are_left_out() -> None:
    lines = pd.DataFrame(
        [
            ("Reference", "Training mean", "rmse_gpp", "3.5", "", "", "fold 1 only"),
            ("Reference", "LightGBM", "rmse_gpp", "2", "1", "3", ""),
        ],
        columns=["family", "method", "column", "value", "low", "high", "note"],
    )
    assert short_table(lines).splitlines() == [
        "| Method | GPP RMSE |",
        "| --- | ---: |",
        "| Reference: Training mean (fold 1 only) | 3.50 |",
        "| Reference: LightGBM | 2.00 [1.00, 3.00] |",
    ]
