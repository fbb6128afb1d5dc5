"""Exact fixed-point arithmetic on raw 64-bit integers, as the types of HLS and RTL do it.

A value is a raw integer times ``2**-fraction`` of its `FixedType`. Rounding comes first, overflow second. Names and
rules of the modes are those of ``ap_fixed`` (AMD UG1399, "Arbitrary Precision Fixed-Point Data Types"):

========== ==========================================================
RND_CONV   to nearest, ties to even
RND        to nearest, ties towards plus infinity
TRN        towards minus infinity
SAT        values out of range become the nearest limit
WRAP       the bits above the width are dropped
========== ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.records import FixedType

#: Widest type whose sums with a rounding bit fit an int64.
MAX_WIDTH = 62

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class OverflowCount:
    """How many values leave the range of a type after rounding.

    Attributes
    ----------
    values : int
        Values looked at.
    below, above : int
        Of these, values below the smallest and above the largest. ``SAT`` clips them, ``WRAP`` wraps them.
    """

    values: int
    below: int
    above: int

    @property
    def total(self) -> int:
        """Values out of range on either side."""
        return self.below + self.above


def quantize(
    values: npt.ArrayLike, fixed_type: FixedType, *, rounding: str = "RND_CONV", overflow: str = "SAT"
) -> Integers:
    """Return the raw integers nearest to float `values`.

    Parameters
    ----------
    values : array_like of float, any shape
        Finite numbers.
    fixed_type : FixedType
        Type of the result, at most 62 bits.
    rounding : {"RND_CONV", "RND", "TRN"}
    overflow : {"SAT", "WRAP"}

    Returns
    -------
    ndarray of int64, shape of `values`

    Raises
    ------
    DataError
        When a value is NaN or infinite; the message names its index.
    ConfigurationError
        When a mode is unknown or the type is too wide.

    Examples
    --------
    >>> quantize([0.5, 1.5, -0.25, 9.0], FixedType(True, 4, 4))
    array([0, 2, 0, 7])
    >>> quantize([9.0], FixedType(True, 4, 4), overflow="WRAP")
    array([-7])
    """
    _check_type(fixed_type)
    _check_mode(overflow, _OVERFLOWS, "overflow mode")
    rounded = _rounded(values, fixed_type, rounding)
    below, above = _outside(rounded, fixed_type)
    if overflow == "SAT":
        inside = np.where(below | above, 0.0, rounded).astype(np.int64)
        return _saturated(inside, below, above, fixed_type)
    # A double beyond 2**1024 is a multiple of 2**width, so its low bits are zero; fmod is exact below.
    finite = np.where(np.isinf(rounded), 0.0, rounded)
    return _wrapped(np.fmod(finite, 2.0**fixed_type.width).astype(np.int64), fixed_type)


def count_overflow(values: npt.ArrayLike, fixed_type: FixedType, *, rounding: str = "RND_CONV") -> OverflowCount:
    """Count the float `values` that `quantize` would saturate or wrap.

    Examples
    --------
    >>> count_overflow([-20.0, 1.0, 7.6, 7.4], FixedType(True, 4, 4))
    OverflowCount(values=4, below=1, above=1)
    """
    _check_type(fixed_type)
    return _count(*_outside(_rounded(values, fixed_type, rounding), fixed_type))


def to_float(raw: npt.ArrayLike, fixed_type: FixedType) -> Floats:
    """Return the values of `raw` integers as float64, exactly.

    Raises
    ------
    DataError
        When an integer is outside the type, or needs more than the 53 bits of a float64.

    Examples
    --------
    >>> to_float([3, -8], FixedType(True, 4, 2))
    array([ 0.75, -2.  ])
    """
    integers = check_raw(raw, fixed_type)
    floats = integers.astype(np.float64)
    inexact = floats.astype(np.int64) != integers
    if inexact.any():
        index, value = _first(integers, inexact)
        raise DataError(f"raw integer {value} at index {index} of {fixed_type} has no exact float64 value.")
    return np.ldexp(floats, -fixed_type.fraction)


def cast(
    raw: npt.ArrayLike, source: FixedType, target: FixedType, *, rounding: str = "RND_CONV", overflow: str = "SAT"
) -> Integers:
    """Return `raw` integers of type `source` as raw integers of type `target`.

    Raises
    ------
    DataError
        When an integer is outside `source`; the message names its index.
    ConfigurationError
        When a mode is unknown or a type is too wide.

    Examples
    --------
    >>> cast([5, 6, 7], FixedType(False, 4, 2), FixedType(False, 3, 2))  # 1.25, 1.5, 1.75 in halves
    array([2, 3, 4])
    >>> cast([5], FixedType(False, 4, 4), FixedType(False, 2, 2), overflow="WRAP")
    array([1])
    """
    _check_type(target)
    _check_mode(overflow, _OVERFLOWS, "overflow mode")
    integers, left = _aligned(check_raw(raw, source), source, target, rounding)
    if overflow == "WRAP":
        return _wrapped(integers << np.int64(left), target)
    below, above = _outside_shifted(integers, left, target)
    inside = np.where(below | above, 0, integers) << np.int64(left)
    return _saturated(inside, below, above, target)


def count_cast_overflow(
    raw: npt.ArrayLike, source: FixedType, target: FixedType, *, rounding: str = "RND_CONV"
) -> OverflowCount:
    """Count the `raw` integers that `cast` would saturate or wrap."""
    _check_type(target)
    integers, left = _aligned(check_raw(raw, source), source, target, rounding)
    return _count(*_outside_shifted(integers, left, target))


def is_representable(values: npt.ArrayLike, fixed_type: FixedType) -> Booleans:
    """Tell for each float value whether `fixed_type` holds it exactly.

    Examples
    --------
    >>> is_representable([0.25, 0.3, 4.0], FixedType(False, 4, 2))
    array([ True, False, False])
    """
    _check_type(fixed_type)
    scaled = _scaled(values, fixed_type)
    below, above = _outside(scaled, fixed_type)
    exact: Booleans = (scaled == np.floor(scaled)) & ~below & ~above
    return exact


def to_raw_exact(values: npt.ArrayLike, fixed_type: FixedType) -> Integers:
    """Return the raw integers of float `values` that are exact in `fixed_type`.

    Raises
    ------
    DataError
        When a value is not exactly representable; the message names its index.

    Examples
    --------
    >>> to_raw_exact([0.25, 1.5], FixedType(False, 4, 2))
    array([1, 6])
    """
    wrong = ~is_representable(values, fixed_type)
    if wrong.any():
        index, value = _first(np.asarray(values, dtype=np.float64), wrong)
        raise DataError(
            f"value {value!r} at index {index} is not exact in {fixed_type}: expected a multiple of "
            f"2**{-fixed_type.fraction} with a raw integer from {fixed_type.minimum} to {fixed_type.maximum}."
        )
    return quantize(values, fixed_type)


def check_raw(raw: npt.ArrayLike, fixed_type: FixedType) -> Integers:
    """Return `raw` as int64 after checking that each integer fits `fixed_type`.

    Raises
    ------
    DataError
        When the array does not hold integers or one of them is out of range.
    """
    _check_type(fixed_type)
    array = np.asarray(raw)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"raw integers of {fixed_type}: expected an integer array, received {array.dtype}.")
    wrong = (array < fixed_type.minimum) | (array > fixed_type.maximum)
    if wrong.any():
        index, value = _first(array, wrong)
        raise DataError(
            f"raw integer {value} at index {index} is outside {fixed_type}: "
            f"expected {fixed_type.minimum} to {fixed_type.maximum}."
        )
    return array.astype(np.int64)


def _round_half_up(scaled: Floats) -> Floats:
    """Round ties towards plus infinity; adding 0.5 instead would round 0.49999999999999994 up."""
    floor = np.floor(scaled)
    with np.errstate(invalid="ignore"):  # infinity minus infinity: the overflow mode decides
        return floor + (scaled - floor >= 0.5)


_ROUNDINGS: dict[str, Callable[[Floats], Floats]] = {"RND_CONV": np.rint, "RND": _round_half_up, "TRN": np.floor}
_OVERFLOWS = ("SAT", "WRAP")


def _check_type(fixed_type: FixedType) -> None:
    if not 1 <= fixed_type.width <= MAX_WIDTH:
        raise ConfigurationError(f"{fixed_type}: expected a width of 1 to {MAX_WIDTH} bits.")


def _check_mode(mode: str, known: tuple[str, ...], what: str) -> None:
    if mode not in known:
        raise ConfigurationError(f"{what} {mode!r} is unknown. {nearest(mode, known)}")


def _first(array: npt.NDArray[np.generic], wrong: Booleans) -> tuple[str, object]:
    """Return the index, as text, and the value of the first element that is wrong."""
    place = tuple(int(axis) for axis in np.argwhere(wrong)[0]) if wrong.ndim else ()
    return "[" + ", ".join(map(str, place)) + "]", array[place].item()


def _scaled(values: npt.ArrayLike, fixed_type: FixedType) -> Floats:
    """Return `values` in raw units, not yet rounded; a power of two changes no bit of the mantissa."""
    floats = np.asarray(values, dtype=np.float64)
    wrong = ~np.isfinite(floats)
    if wrong.any():
        index, value = _first(floats, wrong)
        raise DataError(f"value {value} at index {index}: expected finite numbers to quantize to {fixed_type}.")
    with np.errstate(over="ignore"):
        scaled: Floats = np.ldexp(floats, fixed_type.fraction)
    # A value that underflows to zero keeps its sign: towards minus infinity it is still below zero.
    vanished = (scaled == 0) & (floats != 0)
    return np.where(vanished, np.copysign(np.nextafter(0.0, 1.0), floats), scaled)


def _rounded(values: npt.ArrayLike, fixed_type: FixedType, rounding: str) -> Floats:
    _check_mode(rounding, tuple(_ROUNDINGS), "rounding mode")
    return _ROUNDINGS[rounding](_scaled(values, fixed_type))


def _outside(rounded: Floats, fixed_type: FixedType) -> tuple[Booleans, Booleans]:
    """Return where values lie below and above the range; both limits compared are exact in float64."""
    return rounded < float(fixed_type.minimum), rounded >= float(fixed_type.maximum + 1)


def _aligned(integers: Integers, source: FixedType, target: FixedType, rounding: str) -> tuple[Integers, int]:
    """Return integers rounded to the target's unit, and how many bits they still have to move left."""
    _check_mode(rounding, tuple(_ROUNDINGS), "rounding mode")
    right = source.fraction - target.fraction
    if right <= 0:
        # 63 places leave no bit within any width up to 62: more places change nothing.
        return integers, min(-right, 63)
    # Below 62 bits, 63 places already leave less than a half: more places change nothing.
    right = min(right, 63)
    floor = integers >> np.int64(right)
    if rounding == "TRN":
        return floor, 0
    rest, half = integers & np.int64((1 << right) - 1), np.int64(1 << (right - 1))
    up = rest >= half if rounding == "RND" else (rest > half) | ((rest == half) & (floor & np.int64(1) == 1))
    return floor + up, 0


def _outside_shifted(integers: Integers, left: int, target: FixedType) -> tuple[Booleans, Booleans]:
    """Return where ``integers << left`` lies below and above the target, without computing the shift."""
    return integers < -((-target.minimum) >> left), integers > (target.maximum >> left)


def _saturated(inside: Integers, below: Booleans, above: Booleans, fixed_type: FixedType) -> Integers:
    result: Integers = np.where(below, np.int64(fixed_type.minimum), np.where(above, fixed_type.maximum, inside))
    return result


def _wrapped(integers: Integers, fixed_type: FixedType) -> Integers:
    """Keep the low bits and read them with the sign of the type."""
    low = integers & np.int64((1 << fixed_type.width) - 1)
    if not fixed_type.signed:
        return low
    sign = np.int64(1 << (fixed_type.width - 1))
    return (low ^ sign) - sign


def _count(below: Booleans, above: Booleans) -> OverflowCount:
    return OverflowCount(int(below.size), int(below.sum()), int(above.sum()))
