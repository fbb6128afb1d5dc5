"""Puts objects of any number into the 19 rows of the layout: leading pT first, what does not fit is counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.layout import BLOCKS, CLASS, ETA, N_COLUMNS, N_QUANTITIES, N_ROWS, PHI, PT, QUANTITIES, ObjectBlock
from l1ad.events.scales import scale_of
from l1ad.units import PT_LSB_GEV

#: Dataset of an event file with the integers of the trigger as the source has them: hwPt, hwEta, hwPhi of 19 rows.
HARDWARE_DATASET = "Hardware"

#: hwPt of a muon is 1 at 0 GeV, so that 0 means that there is none
#: (CMSSW, EventFilter/L1TRawToDigi, MuonRawDigiTranslator: pT = (hwPt - 1) x 0.5 GeV).
MUON_PT_OFFSET = 1

#: No object of CMS lies beyond: the forward calorimeter ends at 5.2.
_LARGEST_ETA = 10.0
#: Share of entries whose physical and hardware pT may differ: overflow is flagged in the integer only.
_UNIT_TOLERANCE = 0.01


@dataclass(frozen=True)
class ObjectColumns:
    """Objects of one kind of a batch, zero padded.

    Attributes
    ----------
    pt, eta, phi : ndarray, shape (N, m)
        In GeV, 1 and rad; pT 0 where there is no object.
    hardware : ndarray of int, shape (N, m, 3), or None
        hwPt, hwEta, hwPhi, where the source has them.
    names : tuple of str
        What the source calls pT, eta and phi, for messages.
    """

    pt: NDArray[np.floating]
    eta: NDArray[np.floating]
    phi: NDArray[np.floating]
    hardware: NDArray[np.integer] | None = None
    names: tuple[str, str, str] = QUANTITIES


class Assembly:
    """Fills one batch of events after another and counts what was left out.

    Parameters
    ----------
    where : str
        File, for messages.
    hardware : bool
        Whether the integers of the trigger are kept.
    """

    def __init__(self, where: str, hardware: bool) -> None:
        self._where, self._hardware = where, hardware
        self.dropped = {block.name: 0 for block in BLOCKS[1:]}
        self.done = 0

    def events(
        self, objects: dict[str, ObjectColumns], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Return a batch of events in the layout, and their integers when they are kept.

        Parameters
        ----------
        objects : dict of str to ObjectColumns
            ``met``, ``electron``, ``muon``, ``jet``; one that is absent leaves its rows empty.
        count : int
            Events of the batch.

        Raises
        ------
        DataError
            On a value that is NaN, infinite, or cannot be in the unit it should be in.
        """
        particles = np.zeros((count, N_ROWS, N_COLUMNS), dtype=np.float32)
        integers = np.zeros((count, N_ROWS, N_QUANTITIES), dtype=np.int32) if self._hardware else None
        for block in BLOCKS:
            if block.name in objects and objects[block.name].pt.shape[1]:
                self._fill(block, objects[block.name], particles, integers)
        self.done += count
        return particles, integers

    def _fill(
        self,
        block: ObjectBlock,
        columns: ObjectColumns,
        particles: NDArray[np.float32],
        integers: NDArray[np.int32] | None,
    ) -> None:
        """Write one kind of object into its rows."""
        self._check(columns)
        pt = columns.pt.astype(np.float32)
        present = pt > 0
        order = np.argsort(-pt, axis=1, kind="stable")[:, : block.count]
        kept = np.take_along_axis(present, order, axis=1)
        rows = slice(block.first, block.first + order.shape[1])
        for column, values in ((PT, pt), (ETA, columns.eta), (PHI, wrapped(columns.phi))):
            particles[:, rows, column] = np.where(kept, np.take_along_axis(values, order, axis=1), 0)
        particles[:, rows, CLASS] = np.where(kept, block.class_number, 0)
        if integers is not None and columns.hardware is not None:
            chosen = np.take_along_axis(columns.hardware, order[:, :, None], axis=1)
            integers[:, rows] = np.where(kept[:, :, None], chosen, 0)
        if block.name in self.dropped:
            self.dropped[block.name] += int(present.sum() - kept.sum())

    def _check(self, columns: ObjectColumns) -> None:
        """Refuse values that are not finite, negative, or in another unit."""
        pt_name, eta_name, phi_name = columns.names
        self._refuse(~np.isfinite(columns.pt), columns.pt, pt_name, "a finite number")
        self._refuse(columns.pt < 0, columns.pt, pt_name, "0 or more")
        present = columns.pt > 0
        for values, name in ((columns.eta, eta_name), (columns.phi, phi_name)):
            self._refuse(present & ~np.isfinite(values), values, name, "a finite number")
        self._refuse(present & (np.abs(columns.eta) > _LARGEST_ETA), columns.eta, eta_name, "a pseudorapidity")
        self._refuse(present & (np.abs(columns.phi) > 2 * math.pi + 1e-3), columns.phi, phi_name,
                     "an azimuth in rad: is it in degrees or in hardware units?")  # fmt: skip

    def _refuse(self, bad: NDArray[np.bool_], values: NDArray[np.floating], name: str, expected: str) -> None:
        """Raise a DataError that names the first bad value."""
        if bad.any():
            event, index = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(
                f"{self._where}: event {self.done + event}, {name}[{index}] is {values[event, index]}; "
                f"expected {expected}."
            )


def wrapped(phi: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return azimuths in rad, turned into [-pi, pi]; those that lie there, to float32, are not touched."""
    turned = np.where(np.isfinite(phi), phi, 0.0)
    result: NDArray[np.floating] = np.where(
        np.abs(turned) > math.pi + 1e-6, turned - 2 * math.pi * np.rint(turned / (2 * math.pi)), turned
    )
    return result


def physical(
    block: str, hardware: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Return pT, eta, phi of trigger integers.

    Parameters
    ----------
    block : str
        ``met``, ``electron``, ``muon`` or ``jet``.
    hardware : ndarray of int, shape (..., 3)
        hwPt, hwEta, hwPhi; hwPhi of 0 to one turn, or signed.

    Returns
    -------
    tuple of three ndarray
        In GeV, 1 and rad; azimuth in (-pi, pi]. A muon has (hwPt - 1) x 0.5 GeV.

    Examples
    --------
    >>> pt, eta, phi = physical("muon", np.array([21, -100, 575]))
    >>> float(pt), round(float(eta), 4), round(float(phi), 6)
    (10.0, -1.0875, -0.010908)
    """
    pt_hw, eta_hw, phi_hw = (hardware[..., i].astype(np.int64) for i in range(N_QUANTITIES))
    scales = [scale_of(block, quantity) for quantity in QUANTITIES]
    turn = scales[PHI].turn
    signed = (phi_hw + turn // 2 - 1) % turn - (turn // 2 - 1)
    first = MUON_PT_OFFSET if block == "muon" else 0
    pt = np.maximum(pt_hw - first, 0) * scales[PT].lsb
    eta = np.zeros_like(pt) if block == BLOCKS[0].name else eta_hw * scales[ETA].lsb
    return pt, eta, signed * scales[PHI].lsb


def check_units(where: str, block: str, columns: ObjectColumns) -> None:
    """Check that the physical pT is the hardware pT in its unit.

    Raises
    ------
    DataError
        When they differ for more than one in a hundred objects.
    """
    if columns.hardware is None:
        return
    present = columns.pt > 0
    expected = physical(block, columns.hardware)[0]
    # NanoAOD keeps 12 bits of the mantissa.
    wrong = present & (np.abs(columns.pt - expected) > 0.5 * PT_LSB_GEV + 1e-3 * expected)
    if wrong.sum() > max(_UNIT_TOLERANCE * present.sum(), 1):
        event, index = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{where}: {columns.names[0]} is {columns.pt[event, index]} GeV where the hardware pT is "
            f"{columns.hardware[event, index, 0]}; expected {expected[event, index]} GeV (steps of {PT_LSB_GEV} GeV). "
            f"{int(wrong.sum())} of {int(present.sum())} objects differ: not the scales of the CMS L1 trigger."
        )
