"""What each tower of a split is for, where models of fluxes need more than a training and a test part.

Some of the labelled towers decide when a training ends (they *validate*); of others only the weather may be used (they
are *simulated*), since the split pretends that nobody measured there. Roles are positions in one seeded order of the
training towers, so that they are nested: a tower that learns among 10 learns among 80, and one that validates never
learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.arrays import Mask
from bench.data.parts import IndexArray, Part
from bench.errors import BenchError
from bench.seeds import HIDDEN_MONTHS_SEED, TOWER_ORDER_SEED

VALIDATION_SHARE, LABELLED, LABELLED_SEED = "validation_share", "labelled", "labelled_seed"
HIDDEN_SHARE, HIDDEN_SEED = "hidden_share", "hidden_seed"
"""Parameters of splits that give towers roles."""
_SECOND_VALIDATOR = 5
"""Position of the second validating tower, so that a sample of 10 has two; fewer than 6 labelled towers are refused."""


@dataclass(frozen=True)
class Roles:
    """Rows of the cube, each ascending.

    Attributes:
        learning: their fluxes are learned from.
        validation: their fluxes decide when a training ends.
        simulated: their weather may be learned from, such as by running a process model; holds `learning`.
        pretraining_validation: their weather may decide when such a training ends; holds `validation`.
        known: some of their months are known and others are to be filled; they are none of the above.
    """

    learning: IndexArray
    validation: IndexArray
    simulated: IndexArray
    pretraining_validation: IndexArray
    known: IndexArray

    @property
    def labelled(self) -> IndexArray:
        """The towers of which fluxes train or validate."""
        return np.sort(np.concatenate([self.learning, self.validation]))


def roles_of(towers: IndexArray, known: IndexArray, parameters: Mapping[str, Any]) -> Roles:
    """The roles of training towers.

    Args:
        towers: with a measured month in the training part.
        known: with months that are to be filled.
        parameters: of the split.

    Raises:
        BenchError: there are too few towers.
    """
    order = np.random.default_rng([TOWER_ORDER_SEED, parameters.get(LABELLED_SEED, 0)]).permutation(towers)
    position = np.arange(len(order))
    every = round(1 / parameters[VALIDATION_SHARE])
    validates = np.isin(position, (0, _SECOND_VALIDATOR)) | ((position % every == 0) & (position >= 2 * every))
    labelled = parameters.get(LABELLED) or len(order)
    if labelled > len(order):
        raise BenchError(
            f"{labelled} labelled towers are asked for and {len(order)} can train; name fewer, or fewer folds."
        )
    if labelled <= _SECOND_VALIDATOR:
        raise BenchError(
            f"The split leaves {labelled} training towers with fluxes; a flux model needs at least "
            f"{_SECOND_VALIDATOR + 1}, two of them to validate: add towers or use another split."
        )
    counts = position < labelled
    return Roles(
        learning=np.sort(order[counts & ~validates]),
        validation=np.sort(order[counts & validates]),
        simulated=np.sort(order[~validates]),
        pretraining_validation=np.sort(order[validates]),
        known=np.sort(known),
    )


def with_roles(train: Part, test: Part, parameters: Mapping[str, Any]) -> tuple[Part, Part, Roles]:
    """Training and test part as the roles leave them.

    Args:
        train: measured samples that may train.
        test: measured samples that test.
        parameters: of the split.

    Raises:
        BenchError: there are too few towers, or no tower has a month to hide.
    """
    known = np.zeros(0, np.int64)
    towers = train.cells
    if HIDDEN_SHARE in parameters:
        hidden, left = hidden_months(test, parameters[HIDDEN_SHARE], parameters[HIDDEN_SEED])
        train, test, known = joined(train, left), hidden, left.cells
    roles = roles_of(towers, known, parameters)
    kept = np.isin(train.cells, np.concatenate([roles.labelled, roles.known]))
    mask = np.ones(train.shape, bool) if train.mask is None else train.mask
    return trimmed(train.cells, train.times, mask & kept[:, None]), test, roles


def hidden_months(part: Part, share: float, seed: int) -> tuple[Part, Part]:
    """Parts the measured months of each tower into those that are hidden and those that stay known.

    Every second tower hides months here and there, the others hide one run, since real gaps are of both kinds. A tower
    with a single month is left out.

    Args:
        part: the measured months.
        share: of each tower's months that are hidden; at least one is hidden and one known.
        seed: of the choice.

    Returns:
        The hidden and the known months.

    Raises:
        BenchError: no tower has two months.
    """
    measured = np.ones(part.shape, bool) if part.mask is None else part.mask
    hidden, known = np.zeros(part.shape, bool), np.zeros(part.shape, bool)
    for row, cell in enumerate(part.cells.tolist()):
        months = np.flatnonzero(measured[row])
        if len(months) < 2:
            continue
        generator = np.random.default_rng([HIDDEN_MONTHS_SEED, seed, cell])
        count = min(max(1, round(share * len(months))), len(months) - 1)
        if row % 2:
            first = int(generator.integers(len(months) - count + 1))
            chosen = months[first : first + count]
        else:
            chosen = generator.choice(months, count, replace=False)
        hidden[row, chosen] = True
        known[row] = measured[row] & ~hidden[row]
    if not hidden.any():
        raise BenchError("No tower of the test part has two measured months, so that one could be hidden.")
    return trimmed(part.cells, part.times, hidden), trimmed(part.cells, part.times, known)


def joined(first: Part, second: Part) -> Part:
    """The samples of two parts without a common one."""
    cells, times = np.union1d(first.cells, second.cells), np.union1d(first.times, second.times)
    mask = np.zeros((len(cells), len(times)), bool)
    for part in (first, second):
        inside = np.ix_(np.searchsorted(cells, part.cells), np.searchsorted(times, part.times))
        mask[inside] |= True if part.mask is None else part.mask
    return trimmed(cells, times, mask)


def trimmed(cells: IndexArray, times: IndexArray, mask: Mask) -> Part:
    """A part without the cells and times that have no sample."""
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))
    inner = mask[np.ix_(rows, columns)]
    return Part(cells[rows], times[columns], None if inner.all() else inner)
