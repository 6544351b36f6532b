"""How data are cut for validation trials: parts that train and parts held out, none of a test year in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Mask
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.cube import Cube

BLOCK_DEGREES, BLOCK_STEPS = 1.5, 3
UNSEEN_SHARE, SEEN_SHARE, FEWSHOT_UNSEEN_SHARE, NEW_YEAR_UNSEEN_SHARE = 0.18, 0.10, 0.20, 0.25
CUT_SEED = 2019
VALIDATION_SEEDS = 10
"""Simulated worlds of this seed and above are for validation; tables report those below."""


@dataclass(frozen=True)
class Cut:
    """Samples of a validation, as (cell, time) masks over a whole cube.

    Attributes:
        fit: train.
        seen: held out, of cells that train.
        unseen: held out, of cells that do not.
    """

    fit: Mask
    seen: Mask
    unseen: Mask


def cut_blocks(
    lon: npt.NDArray[np.floating], lat: npt.NDArray[np.floating], n_times: int, *, single_cells: bool = False
) -> Cut:
    """Samples that train, held-out steps of seen cells, and unseen cells.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        n_times: steps of the training year.
        single_cells: leave out single cells instead of whole blocks.
    """
    generator = np.random.default_rng(CUT_SEED)
    squares = np.stack([np.floor(lon / BLOCK_DEGREES), np.floor(lat / BLOCK_DEGREES)], axis=1)
    _, block = np.unique(squares, axis=0, return_inverse=True)
    n_blocks = int(block.max()) + 1
    if single_cells:
        unseen_cell = generator.random(len(lon)) < FEWSHOT_UNSEEN_SHARE
    else:
        unseen_cell = (generator.random(n_blocks) < UNSEEN_SHARE)[block]
    held_out = generator.random((n_blocks, -(-n_times // BLOCK_STEPS))) < SEEN_SHARE
    seen = held_out[block][:, np.arange(n_times) // BLOCK_STEPS] & ~unseen_cell[:, None]
    unseen = np.repeat(unseen_cell[:, None], n_times, axis=1)
    return Cut(~seen & ~unseen, seen, unseen)


def cut_new_year(
    years: npt.NDArray[np.integer[Any]], n_cells: int, sampled: npt.NDArray[np.int64] | None = None
) -> Cut:
    """The last year is held out, at all cells; a part of the cells is never trained on.

    Args:
        years: (time,) year of each step that may be looked at.
        n_cells: cells.
        sampled: the only cells that train; None for all but a seeded part.

    Raises:
        BenchError: there is one year only.
    """
    last = years == years.max()
    if last.all():
        raise BenchError(
            "There is one training year only, so that no new year can be held out; use --split blocks, or a "
            f"simulated world of seed {VALIDATION_SEEDS} or above."
        )
    if sampled is None:
        unseen_cell = np.random.default_rng(CUT_SEED).random(n_cells) < NEW_YEAR_UNSEEN_SHARE
    else:
        unseen_cell = ~np.isin(np.arange(n_cells), sampled)
    return Cut(
        np.outer(~unseen_cell, ~last),
        np.outer(~unseen_cell, last),
        np.outer(unseen_cell, last),
    )


def cut_cube(cube: Cube, dataset: str, split: str, train_cells: int | None) -> Cut:
    """Cuts a cube; the test year of a data set that tables report is in no part.

    Args:
        cube: the data.
        dataset: what it is, as in ``bench run --dataset``.
        split: ``blocks`` or ``new_year``.
        train_cells: size of the few-shot sample, or None for all cells.

    Raises:
        BenchError: the data cannot be cut in this way, or there would be no sample in one of the parts.
    """
    from bench.data.splits import fewshot_parameters, full_parameters, make_split

    if cube.several_targets:
        raise BenchError(f"{cube.name!r} has several targets; a trial is of data with one.")
    if split == "new_year" and _is_for_validation(dataset):
        sampled = None
        if train_cells is not None:
            sampled = make_split(cube, fewshot_parameters(cube, (1,), train_cells, 0)).train.cells
        return _without_gaps(cut_new_year(cube.year, cube.n_cells, sampled), cube)
    parameters = full_parameters(cube) if train_cells is None else fewshot_parameters(cube, (1,), train_cells, 0)
    train = make_split(cube, parameters).train
    if split == "new_year":
        part = cut_new_year(cube.year[train.times], len(train.cells))
    else:
        part = cut_blocks(
            cube.lon[train.cells], cube.lat[train.cells], len(train.times), single_cells=train_cells is not None
        )

    def over_cube(mask: Mask) -> Mask:
        whole = np.zeros((cube.n_cells, cube.n_times), bool)
        whole[np.ix_(train.cells, train.times)] = mask if train.mask is None else mask & train.mask
        return whole

    return _without_gaps(Cut(over_cube(part.fit), over_cube(part.seen), over_cube(part.unseen)), cube)


def _without_gaps(part: Cut, cube: Cube) -> Cut:
    """The samples of a cut that were measured; each of its parts must have some."""
    measured = np.isfinite(cube.target)
    kept = Cut(part.fit & measured, part.seen & measured, part.unseen & measured)
    for name in ("fit", "seen", "unseen"):
        if not getattr(kept, name).any():
            raise BenchError(f"No sample of {cube.name!r} is in the part {name!r}; take more cells or another --split.")
    return kept


def _is_for_validation(dataset: str) -> bool:
    name, _, options = dataset.partition(":")
    seeds = [int(value) for key, _, value in (item.partition("=") for item in options.split(",")) if key == "seed"]
    return name == "simulated" and bool(seeds) and seeds[-1] >= VALIDATION_SEEDS
