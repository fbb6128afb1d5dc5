"""Designs whose size after routing was published beside the cost that alkaid's predecessor calculated.

Source: the result files of JEDI-linear (arXiv:2508.15468; github.com/calad0i/JEDI-linear, commit 4803280,
``official_result_reports``): jet taggers of 8 to 128 particles with 3 or 16 features, weights as adders (da4ml), one
event a clock, no DSP and no block RAM, xcvu13p-flga2577-2-e. A pipeline stage holds two levels of adders. The target
period was 2 ns, which none reached: the achieved period is what the tool could do.
"""

from __future__ import annotations

from typing import NamedTuple


class PublishedDesign(NamedTuple):
    """One design.

    Attributes
    ----------
    name : str
        Particles and features; ``p`` for weights that do not depend on the order of particles.
    cost : float
        LUT cost that the generator calculated.
    lut, ff : int
        Used after routing.
    period_ns : float
        Target period less the worst slack after routing.
    """

    name: str
    cost: float
    lut: int
    ff: int
    period_ns: float


#: The 20 designs, in the order of their names.
DESIGNS = (
    PublishedDesign("8x16p", 69071.0, 71930, 39918, 3.212),
    PublishedDesign("8x16", 47642.0, 51670, 27626, 2.781),
    PublishedDesign("8x3p", 129316.0, 136497, 73345, 3.303),
    PublishedDesign("8x3", 34161.5, 35684, 20016, 2.594),
    PublishedDesign("16x16p", 91407.5, 98760, 49831, 3.257),
    PublishedDesign("16x16", 34736.5, 37675, 20106, 2.620),
    PublishedDesign("16x3p", 127752.5, 136440, 70797, 3.271),
    PublishedDesign("16x3", 42015.5, 43809, 22438, 2.822),
    PublishedDesign("32x16p", 132781.0, 146655, 71289, 3.282),
    PublishedDesign("32x16", 58026.0, 61904, 33131, 2.876),
    PublishedDesign("32x3p", 126214.0, 135939, 78715, 3.340),
    PublishedDesign("32x3", 45471.5, 45299, 25668, 3.325),
    PublishedDesign("64x16p", 169650.5, 192063, 91667, 3.730),
    PublishedDesign("64x16", 82985.5, 84326, 46736, 3.051),
    PublishedDesign("64x3p", 158211.5, 163904, 92662, 3.257),
    PublishedDesign("64x3", 69233.0, 70704, 38305, 3.045),
    PublishedDesign("128x16p", 218614.5, 242979, 110726, 4.212),
    PublishedDesign("128x16", 91132.0, 92580, 46023, 3.500),
    PublishedDesign("128x3p", 301646.0, 295715, 163087, 4.923),
    PublishedDesign("128x3", 100961.0, 97822, 48231, 3.882),
)
