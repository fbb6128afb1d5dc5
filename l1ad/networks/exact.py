"""Floats that are integers times a power of two, as those integers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l1ad.errors import ConfigurationError
from l1ad.records import FixedType

#: Most bits of a weight: what a float32 holds exactly, sign left out.
_BITS = 24


def exact_integers(values: ArrayLike, where: str, bits: int = _BITS) -> tuple[NDArray[np.int64], FixedType]:
    """Return `values` as raw integers with the narrowest signed type that holds every one of them.

    Parameters
    ----------
    values : array_like of float
        Weights after their quantizer.
    where : str
        Names layer and weight in the error.
    bits : int, optional
        Most bits of a value, sign left out.

    Raises
    ------
    ConfigurationError
        When a value is not finite, or the values need more than `bits`, so they are not fixed point.

    Examples
    --------
    >>> raw, fixed = exact_integers([0.75, -2.0, 0.0], "dense_1, kernel")
    >>> raw.tolist(), str(fixed)
    ([3, -8, 0], 'fixed<4,2>')
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ConfigurationError(f"layer {where}: holds a value that is not finite.")
    if not array.any():
        return np.zeros(array.shape, dtype=np.int64), FixedType(signed=True, width=2, integer=2)
    # frexp: x = m * 2**e with 0.5 <= m < 1; m * 2**53 is an integer whose trailing zeros say how fine x is.
    mantissa, exponent = np.frexp(array[array != 0])
    digits = np.abs(mantissa * 2.0**53).astype(np.int64)
    trailing = np.log2((digits & -digits).astype(np.float64)).astype(int)
    fraction = int((53 - trailing - exponent).max())
    if int(exponent.max()) + fraction > bits:
        raise ConfigurationError(
            f"layer {where}: its values need {int(exponent.max()) + fraction + 1} bits; expected a quantizer in "
            f"fixed point of at most {bits + 1} bits."
        )
    raw = np.rint(array * 2.0**fraction).astype(np.int64)
    magnitude = max(int(raw.max()), -int(raw.min()) - 1, 1)
    width = 1 + math.floor(math.log2(magnitude)) + 1
    return raw, FixedType(signed=True, width=width, integer=width - fraction)
