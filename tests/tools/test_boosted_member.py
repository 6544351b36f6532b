"""What is scored of a network and trees together, with a network that is told its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("lightgbm")
from bench.data.cube import Cube
from bench.data.datasets import open_dataset
from tools import boosted_member
from tools.validation_parts import Cut, cut_cube

WORLD = "simulated:cells=64,years=3,seed=11"


def test_shares_mix_both_predictions_at_the_held_out_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    cube = open_dataset(WORLD).cube
    part = cut_cube(cube, WORLD, "new_year", None)
    assert not (part.fit & (part.seen | part.unseen)).any()

    def off_by_two(cube: Cube, part: Cut, *_: Any) -> dict[str, npt.NDArray[np.float32]]:
        found = {name: cube.target[getattr(part, name)] for name in ("seen", "unseen")}
        return {name: target + np.resize([2, -2], len(target)).astype(np.float32) for name, target in found.items()}

    monkeypatch.setattr(boosted_member, "network_predictions", off_by_two)
    monkeypatch.setattr(boosted_member, "TREES", {"few": {"n_estimators": 3}})
    found = boosted_member.lines(cube, part, seed=0, threads=1)
    assert len(found) == 2 * 2 * len(boosted_member.SHARES)
    assert {line["rmse"] for line in found if line["share"] == 0} == {2.0}
    of_trees = {(line["view"], line["part"]): line["rmse"] for line in found if line["share"] == 1}
    assert min(of_trees.values()) > 0
    for line in found:  # no mixture errs more than its parts, each as often as it is in it
        share, trees = line["share"], of_trees[line["view"], line["part"]]
        assert line["rmse"] <= (1 - share) * 2 + share * trees + 1e-3
