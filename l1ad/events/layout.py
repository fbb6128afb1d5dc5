"""The ADC2021 event layout: 19 objects with pT, eta, phi and class (arXiv:2107.02157)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ObjectBlock:
    """Rows of one kind of object.

    Attributes
    ----------
    name : str
        ``met``, ``electron``, ``muon`` or ``jet``.
    first, count : int
        First row and number of rows.
    class_number : int
        What the Class column holds for a filled row.
    class_name : bytes
        Its entry in ``Particles_Classes``.
    """

    name: str
    first: int
    count: int
    class_number: int
    class_name: bytes

    @property
    def rows(self) -> slice:
        """Rows of this block."""
        return slice(self.first, self.first + self.count)


#: Blocks in row order (arXiv:2107.02157, section 3).
BLOCKS = (
    ObjectBlock("met", 0, 1, 1, b"MET_class_1"),
    ObjectBlock("electron", 1, 4, 2, b"Four_Ele_class_2"),
    ObjectBlock("muon", 5, 4, 3, b"Four_Mu_class_3"),
    ObjectBlock("jet", 9, 10, 4, b"Ten_Jet_class_4"),
)

#: Columns of ``Particles`` as the published files name them.
COLUMN_NAMES = (b"Pt", b"Eta", b"Phi", b"Class")
PT, ETA, PHI, CLASS = range(4)

#: Quantities that enter the network, in column order.
QUANTITIES = ("pt", "eta", "phi")

N_ROWS = sum(block.count for block in BLOCKS)
N_COLUMNS = len(COLUMN_NAMES)
N_QUANTITIES = len(QUANTITIES)
N_INPUTS = N_ROWS * N_QUANTITIES


def row_names() -> tuple[str, ...]:
    """Return the names of the 19 rows: ``met``, ``electron1`` ... ``jet10``.

    Examples
    --------
    >>> row_names()[:3]
    ('met', 'electron1', 'electron2')
    """
    return tuple(
        block.name if block.count == 1 else f"{block.name}{index + 1}"
        for block in BLOCKS
        for index in range(block.count)
    )


def row_blocks() -> tuple[ObjectBlock, ...]:
    """Return the block of each of the 19 rows."""
    return tuple(block for block in BLOCKS for _ in range(block.count))


def input_names() -> tuple[str, ...]:
    """Return the names of the 57 inputs, row by row.

    Examples
    --------
    >>> input_names()[:4], input_names()[-1], len(input_names())
    (('met_pt', 'met_eta', 'met_phi', 'electron1_pt'), 'jet10_phi', 57)
    """
    return tuple(f"{row}_{quantity}" for row in row_names() for quantity in QUANTITIES)


def row_classes() -> NDArray[np.int64]:
    """Return the class number of each row, shape (19,)."""
    return np.array([block.class_number for block in row_blocks()], dtype=np.int64)
