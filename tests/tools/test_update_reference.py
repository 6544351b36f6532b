"""The README and the findings have the places that the tool writes the answers and the table into."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.store.records import Manifest
from tests.conftest import ROOT
from tools.update_reference import ANSWER_BEGIN, ANSWER_END, BEGIN, END, _between, answers, further_targets, replace


def test_what_stands_between_two_markers_is_replaced_and_nothing_else() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert _between(text, BEGIN, END, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    for broken in ("nothing", f"only {BEGIN}"):
        with pytest.raises(ValueError, match="missing"):
            _between(broken, BEGIN, END, "new")


def test_readme_and_findings_repeat_the_answers_of_the_committed_results() -> None:
    for name, expected in zip(("README.md", "docs/findings.md"), answers(), strict=True):
        text = (ROOT / name).read_text()
        assert expected.startswith("The paper claims") and text == _between(text, ANSWER_BEGIN, ANSWER_END, expected)
        assert text.index(ANSWER_BEGIN) < text.index(ANSWER_END)
    readme, findings = answers()
    assert findings.startswith(readme) and "towers" in findings and "towers" not in readme


def test_targets_beside_the_first_have_tables_of_their_own() -> None:
    one = Manifest.model_construct(several_targets={})
    several = Manifest.model_construct(several_targets={"GPP": "gC m-2 d-1", "RECO": "gC m-2 d-1", "NEE": "gC m-2 d-1"})
    assert further_targets([one]) == []
    assert further_targets([several, several]) == ["RECO", "NEE"]


def test_a_reference_that_cannot_be_made_leaves_the_old_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "world-laptop"
    folder.mkdir()
    (folder / "table1.md").write_text("old")

    def fails(made: Path) -> None:
        (made / "table1.md").write_text("half")
        raise ValueError("the sums are too large")

    with pytest.raises(ValueError, match="too large"):
        replace(folder, fails)
    assert [path.name for path in tmp_path.rglob("*.md")] == ["table1.md"]
    assert (folder / "table1.md").read_text() == "old"
    replace(folder, lambda made: (made / "table2.md").touch())
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")] == ["world-laptop/table2.md"]
