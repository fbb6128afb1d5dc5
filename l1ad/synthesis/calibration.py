"""What the counts of open tools mean for a design after placement and routing, each with a band of 95 %.

The rules rest on the 20 routed designs of `l1ad.synthesis.published`; `docs/synthesis.md` explains them.

LUT
    1.05 times what is mapped: the mean of LUT over cost of the designs. The band is the prediction interval of a new
    design for a straight line through ln LUT against ln cost (Student's t, 18 degrees of freedom). It widens with
    the distance from the designs, by itself; beyond their smallest and largest cost it is called extrapolated. Yosys
    and alkaid's cost agree on adders within 3 %, and differ by up to a factor of two on multipliers, for which no
    routed design is known: the band spans both.
FF
    The registers of the RTL. The band also spans what the ratio of FF to LUT of the designs gives.
Clock
    The delay of the slowest pipeline stage as alkaid calculates it, times a factor that grows with the size of the
    design: the achieved periods of the designs against two levels of adders. The upper edge is at least 1.3 times
    the delay: what `conversion.derating` reserves by default.
DSP, block RAM
    What is mapped. Vivado may put multipliers that are LUTs here into DSP slices, so the band ends at their number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from l1ad.records import Estimate, Measurement
from l1ad.synthesis.published import DESIGNS

#: 97.5 % quantile of Student's t for 18 degrees of freedom: 20 designs, two parameters of a line.
_T_18 = 2.101

#: Delay of two 12-bit adders in a row as alkaid 0.8.2 calculates it (HWConfig(1, 1, -1)), in ns; with 4 and 20 bits
#: it is 15 % less and more, and the widths in the published designs are not known.
_TWO_ADDERS_NS, _WIDTH_SPREAD = 2.746, 0.15

#: Routed over calculated delay that the conversion reserves by default (`l1ad.config.ConversionConfig.derating`).
_DERATING = 1.3

_DESIGNS = "calibrated on 20 routed designs of arXiv:2508.15468"


@dataclass(frozen=True)
class Counts:
    """What open tools say of a design.

    Attributes
    ----------
    lut, ff, dsp, bram : float
        Mapped by Yosys, as `l1ad.synthesis.cells` counts.
    multipliers : float
        Products of two variables in the RTL.
    cost : float or None
        LUT cost that alkaid calculates; None when it did not make the design.
    stage_ns : float or None
        Delay of the slowest pipeline stage that alkaid calculates.
    source : str
        Tools and versions.
    """

    lut: float
    ff: float
    dsp: float
    bram: float
    multipliers: float
    cost: float | None
    stage_ns: float | None
    source: str


@dataclass(frozen=True)
class _Line:
    """A straight line through logarithms: mean and spread of x, residual, and the range of x."""

    ratio: float
    mean: float
    squares: float
    residual: float
    low: float
    high: float

    def relative_band(self, size: float) -> float:
        """Return the half width of the 95 % prediction interval at `size`, as a difference of logarithms."""
        n, distance = len(DESIGNS), math.log(size) - self.mean
        return _T_18 * self.residual * math.sqrt(1 + 1 / n + distance**2 / self.squares)

    def extrapolates(self, size: float) -> bool:
        return not self.low <= size <= self.high


def estimates(counts: Counts) -> tuple[Estimate, ...]:
    """Return LUT, FF, DSP, block RAM and, when the delay is known, the achievable clock of a design.

    Examples
    --------
    >>> found = estimates(Counts(50_000.0, 24_000.0, 0.0, 0.0, 0.0, 50_000.0, 2.5, "Yosys 0.70"))
    >>> print(found[0])
    estimate 52,600, band 47,900 to 57,700
    """
    lut = lut_estimate(counts)
    found = [lut, ff_estimate(counts, lut), _count("dsp", "", counts.dsp, counts.multipliers, counts.source)]
    found.append(_count("bram", "RAMB36", counts.bram, 0.0, counts.source))
    if counts.stage_ns is not None and counts.stage_ns > 0:
        found.append(clock_estimate(counts.stage_ns, lut, counts.source))
    return tuple(found)


def lut_estimate(counts: Counts) -> Estimate:
    """Return the LUTs after routing, from those that Yosys mapped and from alkaid's cost."""
    line = _lut_line()
    sizes = [size for size in (counts.lut, counts.cost) if size is not None and size > 0]
    source = f"{counts.source}, {_DESIGNS}"
    if counts.lut <= 0:
        return Estimate("lut", 0.0, "", "estimate", source, 0.0, 0.0, True)
    edges = [line.ratio * size * math.exp(sign * line.relative_band(size)) for size in sizes for sign in (-1, 1)]
    outside = any(line.extrapolates(size) for size in sizes)
    return Estimate("lut", line.ratio * counts.lut, "", "estimate", source, min(edges), max(edges), outside)


def ff_estimate(counts: Counts, lut: Estimate) -> Estimate:
    """Return the flip-flops after routing: the registers, and a band that spans the published ratios to LUT."""
    ratios = [design.ff / design.lut for design in DESIGNS]
    low, high = min(counts.ff, min(ratios) * lut.low), max(counts.ff, max(ratios) * lut.high)
    source = f"{counts.source}, {_DESIGNS}"
    if counts.ff <= 0:
        low = high = 0.0
    return Estimate("ff", counts.ff, "", "estimate", source, low, high, lut.extrapolated)


def clock_estimate(stage_ns: float, lut: Estimate, source: str) -> Estimate:
    """Return the clock period that a design should achieve.

    Parameters
    ----------
    stage_ns : float
        Delay of the slowest pipeline stage as alkaid calculates it, in ns.
    lut : Estimate
        Size of the design.
    source : str
        Tools and versions.
    """
    slope, start, line = _period_line()
    size = max(lut.value, 1.0)
    factor = (start + slope * size) / _TWO_ADDERS_NS
    spread = math.hypot(line.relative_band(size), _WIDTH_SPREAD)
    value = stage_ns * factor
    high = max(value * math.exp(spread), stage_ns * _DERATING)
    text = f"{source}, delay model on periods of arXiv:2508.15468"
    return Estimate("clock_ns", value, "ns", "estimate", text, value * math.exp(-spread), high, line.extrapolates(size))


def counts_of(
    mapped: Sequence[Measurement], generator: Sequence[Measurement], source: str, *, multipliers: float
) -> Counts:
    """Return the counts that Yosys's report and the generator of a project hold."""
    found = {m.name: m.value for m in mapped}
    told = {m.name: m.value for m in generator}
    return Counts(
        lut=found.get("lut", 0.0),
        ff=found.get("ff", 0.0),
        dsp=found.get("dsp", 0.0),
        bram=found.get("bram", 0.0),
        multipliers=multipliers,
        cost=told.get("cost"),
        stage_ns=told.get("stage_ns"),
        source=source,
    )


def _count(name: str, unit: str, value: float, most: float, source: str) -> Estimate:
    return Estimate(name, value, unit, "estimate", source, value, max(value, most))


@functools.cache
def _lut_line() -> _Line:
    """Return the mean ratio of LUT to cost, and the spread around a line of free slope."""
    cost = np.array([design.cost for design in DESIGNS])
    lut = np.array([float(design.lut) for design in DESIGNS])
    return _line(cost, float((lut / cost).mean()), _residual(np.log(cost), np.log(lut)))


@functools.cache
def _period_line() -> tuple[float, float, _Line]:
    """Return slope (ns a LUT) and start (ns) of the achieved period against LUT, and the spread around them."""
    lut = np.array([float(design.lut) for design in DESIGNS])
    period = np.array([design.period_ns for design in DESIGNS])
    slope, start = (float(value) for value in np.polyfit(lut, period, 1))
    logarithm = np.log(period / (start + slope * lut))
    residual = math.sqrt(float((logarithm**2).sum()) / (len(DESIGNS) - 2))
    return slope, start, _line(lut, 1.0, residual)


def _line(size: np.ndarray, ratio: float, residual: float) -> _Line:
    x = np.log(size)
    return _Line(
        ratio=ratio,
        mean=float(x.mean()),
        squares=float(((x - x.mean()) ** 2).sum()),
        residual=residual,
        low=float(size.min()),
        high=float(size.max()),
    )


def _residual(x: np.ndarray, y: np.ndarray) -> float:
    """Return the spread of `y` around the straight line through it."""
    rest = y - np.polyval(np.polyfit(x, y, 1), x)
    return math.sqrt(float((rest**2).sum()) / (len(x) - 2))
