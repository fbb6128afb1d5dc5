"""Fixed-point arithmetic against a slow reference in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.hardware import fixed_point as fx
from l1ad.records import FixedType

ROUNDINGS = ("RND_CONV", "RND", "TRN")
OVERFLOWS = ("SAT", "WRAP")


def reference(value: Fraction, to: FixedType, rounding: str, overflow: str) -> int:
    scaled = value * Fraction(2) ** to.fraction
    rounded = {
        "RND_CONV": lambda: round(scaled),
        "RND": lambda: math.floor(scaled + Fraction(1, 2)),
        "TRN": lambda: math.floor(scaled),
    }[rounding]()
    if overflow == "SAT":
        return max(to.minimum, min(to.maximum, rounded))
    low = rounded % (1 << to.width)
    return low - (1 << to.width) if to.signed and low > to.maximum else low


def random_type(rng: np.random.Generator) -> FixedType:
    width = int(rng.integers(1, 63))
    return FixedType(bool(rng.integers(2)), width, int(rng.integers(-20, width + 20)))


def interesting_floats(rng: np.random.Generator, to: FixedType) -> np.ndarray:
    """Return ties, neighbours of ties, limits, and values far outside."""
    unit = 2.0**-to.fraction
    middle = rng.integers(-40, 40, 12) * unit / 2
    limits = np.array([to.minimum, to.maximum, to.minimum - 1, to.maximum + 1], dtype=float) * unit
    wide = rng.normal(size=6) * 2.0 ** rng.integers(-5, 70, 6)
    both = np.concatenate([middle, limits, wide, [0.49999999999999994 * unit, 1e300, -1e300]])
    return np.concatenate([both, np.nextafter(both, np.inf), np.nextafter(both, -np.inf)])


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_quantize_equals_fractions(rounding: str, overflow: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        to = random_type(rng)
        values = interesting_floats(rng, to)
        found = fx.quantize(values, to, rounding=rounding, overflow=overflow)
        expected = [reference(Fraction(float(v)), to, rounding, overflow) for v in values]
        assert found.dtype == np.int64
        assert found.tolist() == expected, to


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_cast_equals_fractions(rounding: str, overflow: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(120):
        source, to = random_type(rng), random_type(rng)
        raw = rng.integers(source.minimum, source.maximum, 20, endpoint=True)
        raw = np.concatenate([raw, [source.minimum, source.maximum, 0]])
        found = fx.cast(raw, source, to, rounding=rounding, overflow=overflow)
        expected = [reference(int(r) * Fraction(2) ** -source.fraction, to, rounding, overflow) for r in raw]
        assert found.tolist() == expected, (source, to)


def test_modes_differ_where_they_should() -> None:
    halves, to = np.array([0.5, 1.5, 2.5, -0.5]), FixedType(True, 8, 8)
    results = {mode: fx.quantize(halves, to, rounding=mode).tolist() for mode in ROUNDINGS}
    assert results == {"RND_CONV": [0, 2, 2, 0], "RND": [1, 2, 3, 0], "TRN": [0, 1, 2, -1]}


def test_counts_equal_the_reference() -> None:
    rng = np.random.default_rng(5)
    to = FixedType(True, 6, 3)
    values = rng.normal(scale=4, size=500)
    rounded = [reference(Fraction(float(v)), FixedType(True, 40, 37), "RND_CONV", "SAT") for v in values]
    count = fx.count_overflow(values, to)
    assert count.below == sum(r < to.minimum for r in rounded) > 0
    assert count.above == sum(r > to.maximum for r in rounded) > 0
    assert count.total < count.values == 500


def test_cast_counts() -> None:
    source, to = FixedType(True, 8, 8), FixedType(True, 4, 4)
    count = fx.count_cast_overflow(np.arange(-128, 128), source, to)
    assert (count.values, count.below, count.above) == (256, 120, 120)
    assert fx.count_cast_overflow(np.arange(-8, 8), source, to).total == 0


def test_cast_counts_after_rounding() -> None:
    source, to = FixedType(False, 4, 2), FixedType(False, 2, 2)
    # 3.5 rounds to 4, which two bits do not hold; truncated it is 3.
    assert fx.count_cast_overflow([14], source, to).above == 1
    assert fx.count_cast_overflow([14], source, to, rounding="TRN").above == 0


def test_float_round_trip() -> None:
    rng = np.random.default_rng(6)
    for _ in range(50):
        kind = random_type(rng)
        kind = FixedType(kind.signed, min(kind.width, 53), kind.integer)
        raw = rng.integers(kind.minimum, kind.maximum, (3, 4), endpoint=True)
        values = fx.to_float(raw, kind)
        assert values.shape == (3, 4)
        assert np.array_equal(fx.to_raw_exact(values, kind), raw)


def test_inexact_value_is_named() -> None:
    kind = FixedType(True, 4, 2)
    with pytest.raises(DataError, match=r"0\.3 at index \[1, 0\]"):
        fx.to_raw_exact([[0.25, 0.5], [0.3, 0.25]], kind)
    with pytest.raises(DataError, match=r"2\.0 at index \[0\]"):
        fx.to_raw_exact([2.0], kind)


def test_float_beyond_53_bits_is_refused() -> None:
    kind = FixedType(True, 60, 60)
    assert fx.to_float([2**58], kind)[0] == 2.0**58
    with pytest.raises(DataError, match="no exact float64"):
        fx.to_float([2**58 + 1], kind)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(bad: float) -> None:
    with pytest.raises(DataError, match=r"index \[2\]"):
        fx.quantize([0.0, 1.0, bad], FixedType(True, 8, 4))


def test_raw_integers_are_checked() -> None:
    kind = FixedType(False, 4, 4)
    with pytest.raises(DataError, match=r"16 at index \[1\]"):
        fx.cast([15, 16], kind, kind)
    with pytest.raises(DataError, match="-1"):
        fx.to_float(-1, kind)
    with pytest.raises(DataError, match="float64"):
        fx.check_raw(np.array([1.0]), kind)
    assert fx.check_raw(np.array([], dtype=float), kind).size == 0


def test_unknown_modes_and_widths() -> None:
    kind = FixedType(True, 8, 4)
    with pytest.raises(ConfigurationError, match="RND_CONV"):
        fx.quantize([1.0], kind, rounding="RND_CON")
    with pytest.raises(ConfigurationError, match="overflow mode 'CLIP'"):
        fx.cast([1], kind, kind, overflow="CLIP")
    with pytest.raises(ConfigurationError, match="1 to 62 bits"):
        fx.quantize([1.0], FixedType(True, 63, 4))
