"""Checks events against the ADC2021 layout; every error names file, dataset and row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.layout import BLOCKS, CLASS, COLUMN_NAMES, N_COLUMNS, N_QUANTITIES, PT, row_classes, row_names


def check_events(particles: NDArray[np.floating], where: str, first_row: int = 0) -> int:
    """Check the values of events.

    Parameters
    ----------
    particles : ndarray, shape (N, 19, 4)
        pT in GeV, eta, phi in rad, class.
    where : str
        File and dataset, for the message.
    first_row : int, optional
        Row of the file at which `particles` begins.

    Returns
    -------
    int
        Events whose objects of one kind are not ordered by falling pT. They are usable; the caller warns.

    Raises
    ------
    DataError
        On NaN or infinity, a negative pT, a class that does not fit the row or the pT, or a padded entry that is
        not zero.
    """
    _refuse(~np.isfinite(particles), particles, where, first_row, "a finite number")
    pt = particles[:, :, PT]
    _refuse((pt < 0)[:, :, None] & _column(PT), particles, where, first_row, "pT of 0 or more")
    filled = pt > 0
    expected = np.where(filled, row_classes(), 0)
    # The published files mark missing energy with its class whatever its size.
    expected[:, 0] = np.where(particles[:, 0, CLASS] == 0, expected[:, 0], BLOCKS[0].class_number)
    wrong = particles[:, :, CLASS] != expected
    _refuse(wrong[:, :, None] & _column(CLASS), particles, where, first_row, "the class of its row, 0 where pT is 0")
    angles = (particles != 0) & ~filled[:, :, None]
    angles[:, 0] = False
    _refuse(angles[:, :, :N_QUANTITIES], particles, where, first_row, "0 in a padded entry")
    return int(_unordered(pt).sum())


def _unordered(pt: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which events hold, inside one block, an object with more pT than the one before."""
    rising = [(np.diff(pt[:, block.rows], axis=1) > 0).any(axis=1) for block in BLOCKS]
    result: NDArray[np.bool_] = np.any(rising, axis=0)
    return result


def _column(index: int) -> NDArray[np.bool_]:
    """Return a mask over the four columns that selects one."""
    mask: NDArray[np.bool_] = np.arange(N_COLUMNS) == index
    return mask


def _refuse(bad: NDArray[np.bool_], particles: NDArray[np.floating], where: str, first_row: int, expected: str) -> None:
    """Raise a DataError that names the first entry that is bad."""
    if not bad.any():
        return
    event, row, column = (int(index) for index in np.argwhere(bad)[0])
    name = COLUMN_NAMES[column].decode()
    raise DataError(
        f"{where}: row {first_row + event}, {row_names()[row]} {name} is {particles[event, row, column]}; "
        f"expected {expected}. Events affected in this part of the file: {int(bad.any(axis=(1, 2)).sum())}."
    )
