"""Units and physical constants, with their sources."""

from __future__ import annotations

import math

#: LHC bunch-crossing rate in kHz, 40 MHz nominal (CMS Phase-1 L1 trigger, arXiv:2006.10165, section 1).
BUNCH_CROSSING_RATE_KHZ = 40_000.0

#: Bunch-crossing period in ns at 40 MHz.
BUNCH_CROSSING_NS = 25.0

#: Rate that the CMS L1 trigger may accept, in kHz (arXiv:2006.10165, section 1).
L1_ACCEPT_RATE_KHZ = 100.0

#: pT of one hardware unit in GeV (CMS global trigger scales).
PT_LSB_GEV = 0.5
#: Azimuth of one calorimeter unit (electrons, jets, missing energy) in rad: 144 units a turn.
PHI_CALO_LSB = 2 * math.pi / 144
#: Azimuth of one muon unit in rad: 576 units a turn.
PHI_MUON_LSB = 2 * math.pi / 576
#: Pseudorapidity of one calorimeter unit: half a trigger tower.
ETA_CALO_LSB = 0.087 / 2
#: Pseudorapidity of one muon unit.
ETA_MUON_LSB = 0.010875


def clocks_to_ns(clocks: int, clock_ns: float) -> float:
    """Return the time that `clocks` periods of `clock_ns` take, in ns."""
    return clocks * clock_ns


def clock_mhz(clock_ns: float) -> float:
    """Return the frequency in MHz of a clock of `clock_ns`.

    Examples
    --------
    >>> clock_mhz(5.0)
    200.0
    """
    return 1000.0 / clock_ns


def rounded(value: float) -> str:
    """Return `value` with three significant digits and separators of thousands.

    Examples
    --------
    >>> rounded(26231.0), rounded(3.7891), rounded(0.0)
    ('26,200', '3.79', '0')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    scale = 10 ** (2 - math.floor(math.log10(abs(value))))
    text = f"{round(value * scale) / scale:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def estimate_text(value: float, low: float, high: float, unit: str = "", *, extrapolated: bool = False) -> str:
    """Return an estimate as it is shown everywhere: with the word and its band.

    Examples
    --------
    >>> estimate_text(3.71, 2.88, 4.82, "ns")
    'estimate 3.71 ns, band 2.88 to 4.82 ns'
    """
    suffix = f" {unit}" if unit else ""
    note = ", extrapolated" if extrapolated else ""
    return f"estimate {rounded(value)}{suffix}, band {rounded(low)} to {rounded(high)}{suffix}{note}"
