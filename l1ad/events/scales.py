"""Hardware scales of the 57 inputs: least significant bit, width and rounding of each quantity.

The steps stand in `l1ad.units`. The widths are those of the CMS global trigger's objects: 12 bits for
missing transverse energy, 11 for jet energy, 9 for electron and muon pT, 8 for calorimeter eta (signed),
9 for muon eta (signed). Azimuth is kept signed here, in [-72, 71] (calorimeter) and [-288, 287] (muon),
which is the hardware's number modulo one turn.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from l1ad.events.layout import QUANTITIES
from l1ad.units import ETA_CALO_LSB, ETA_MUON_LSB, PHI_CALO_LSB, PHI_MUON_LSB, PT_LSB_GEV


@dataclass(frozen=True)
class Scale:
    """How a quantity becomes a hardware integer.

    Attributes
    ----------
    lsb : float
        Size of one unit, in `unit`.
    unit : str
        ``GeV``, ``rad`` or empty.
    rounding : str
        ``floor`` or ``nearest`` (halves go up).
    signed : bool
        Two's complement when true.
    width : int
        Bits, sign included; larger values saturate.
    turn : int
        Units in a full turn; the value wraps into [-turn/2, turn/2), or [0, turn) when it is unsigned. 0 when it does
        not wrap.
    """

    lsb: float
    unit: str
    rounding: str
    signed: bool
    width: int
    turn: int = 0


_PT_WIDTHS = {"met": 12, "electron": 9, "muon": 9, "jet": 11}


#: Hardware integers as l1ad takes them: pT in 0.5 GeV, azimuth signed.
L1AD_FORM = "l1ad"
#: As CMSSW's AXOL1TLCondition hands them to the network: hwPt / 2 in whole numbers, azimuth from 0 to one turn.
AXOL1TL_FORM = "axol1tl"
FORMS = (L1AD_FORM, AXOL1TL_FORM)


def scale_of(block: str, quantity: str, form: str = L1AD_FORM) -> Scale:
    """Return the scale of `quantity` for the rows of `block`.

    Parameters
    ----------
    block : str
        ``met``, ``electron``, ``muon`` or ``jet``.
    quantity : str
        ``pt``, ``eta`` or ``phi``.
    form : str, optional
        One of `FORMS`.

    Examples
    --------
    >>> scale_of("jet", "pt").lsb, scale_of("muon", "phi").turn
    (0.5, 576)
    >>> scale_of("jet", "pt", "axol1tl").lsb, scale_of("muon", "phi", "axol1tl").signed
    (1.0, False)
    """
    scale = _l1ad_scale(block, quantity)
    if form == L1AD_FORM:
        return scale
    if quantity == QUANTITIES[0]:
        # hwPt / 2 in integers is the pT in whole GeV. That of a muon is 2 pT + 1, so that (hwPt / 2) rounds.
        rounding = "nearest" if block == "muon" else "floor"
        return dataclasses.replace(scale, lsb=2 * scale.lsb, rounding=rounding, width=scale.width - 1)
    return dataclasses.replace(scale, signed=False) if scale.turn else scale


def _l1ad_scale(block: str, quantity: str) -> Scale:
    """Return the scale in the form of l1ad."""
    muon = block == "muon"
    if quantity == QUANTITIES[0]:
        return Scale(PT_LSB_GEV, "GeV", "floor", False, _PT_WIDTHS[block])
    if quantity == QUANTITIES[1]:
        return Scale(ETA_MUON_LSB, "", "nearest", True, 9) if muon else Scale(ETA_CALO_LSB, "", "nearest", True, 8)
    if muon:
        return Scale(PHI_MUON_LSB, "rad", "nearest", True, 10, 576)
    return Scale(PHI_CALO_LSB, "rad", "nearest", True, 8, 144)
