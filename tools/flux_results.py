"""What the committed tables of fluxes say, as Markdown for the page about them: no figure there is written by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

F1 = "flux_f1"
_WHOLE = ("flux_f2", "flux_f3", "flux_f4")
"""Tables whose Markdown is narrow enough to stand in a page as it is."""
_OTHERS = ("flux_f1_groups", "flux_f1_years", "flux_f1_tropics")
_SHOWN = {"rmse": "RMSE", "ratio": "÷ same inputs", "lightgbm": "÷ LightGBM"}
_PICTURES = {
    "flux_courses": "Seasonal courses at six towers",
    "flux_few_towers": "Error by number of labelled towers",
    "flux_towers": "Towers and their errors",
    "flux_reliability": "Reliability of the imputation",
}


def flux_results(folder: Path) -> str:
    """The results of one reference: its commands, F1 in short, the other tables, links and pictures.

    Args:
        folder: of the reference, with the files that `bench report` wrote.
    """
    place = f"../tables/reference/{folder.name}"
    commands = [line for line in _lines(folder / "commands.txt") if " --suite flux " in f"{line} "]
    parts = ["Made by:", "\n".join(["```bash", *commands, "```"])] if commands else []
    parts.append(f"**{_title(folder / f'{F1}.md')}.** Of [{F1}]({place}/{F1}.md), in gC m⁻² d⁻¹:")
    parts.append(short_table(pd.read_csv(folder / f"{F1}.csv", keep_default_na=False)))
    for name in _WHOLE:
        path = folder / f"{name}.md"
        if path.exists():
            table, _, _ = path.read_text().strip().partition("\n\n")
            parts.append(f"**{_title(path)}.** [{name}]({place}/{name}.md)")
            parts.append(table)
    for name in _OTHERS:
        path = folder / f"{name}.md"
        if path.exists():
            parts.append(f"**{_title(path)}.** [{name}]({place}/{name}.md)")
    for name, title in _PICTURES.items():
        if (folder / "figures" / f"{name}.png").exists():
            parts.append(f"![{title}]({place}/figures/{name}.png)")
    return "\n\n".join(parts)


def short_table(lines: pd.DataFrame) -> str:
    """F1 in Markdown with RMSE and ratios only.

    Args:
        lines: the table's CSV: family, method, column, value, low, high, note.
    """
    targets = [name.removeprefix("rmse_") for name in dict.fromkeys(lines["column"]) if name.startswith("rmse_")]
    columns = [f"{name}_{target}" for name in _SHOWN for target in targets]
    present = [name for name in columns if (lines["column"] == name).any()]
    heading = [f"{name.rpartition('_')[2].upper()} {_SHOWN[name.rpartition('_')[0]]}" for name in present]
    made = [f"| Method | {' | '.join(heading)} |", f"| --- |{' ---: |' * len(present)}"]
    for (family, method), own in lines.groupby(["family", "method"], sort=False):
        texts = {line.column: _text(line.value, line.low, line.high) for line in own.itertuples()}
        [note] = set(own["note"])
        said = f" ({note})" if note else ""
        made.append(f"| {family}: {method}{said} | {' | '.join(texts.get(name, '–') for name in present)} |")
    return "\n".join(made)


def _text(value: object, low: object, high: object) -> str:
    inside = f" [{float(str(low)):.2f}, {float(str(high)):.2f}]" if low != "" else ""
    return f"{float(str(value)):.2f}{inside}"


def _title(path: Path) -> str:
    """The first sentence of a table's caption, which stands behind the table, without its full stop."""
    _, _, below = path.read_text().strip().partition("\n\n")
    return below.partition(". ")[0]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
