"""Numbers as text, with as many digits as their errors carry."""

from __future__ import annotations

import math

#: Multiplication sign of powers of ten and of port counts.
TIMES = "\N{MULTIPLICATION SIGN}"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """Return a whole number in full and any other with four significant digits.

    Examples
    --------
    >>> number(12069), number(1182240.0), number(0.83214), number(74.98765), number(3e-7)
    ('12,069', '1,182,240', '0.8321', '74.99', '3×10⁻⁷')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) < 1e-3:
        return power(value)
    if abs(value) >= 1e4:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def power(value: float) -> str:
    """Return a number as mantissa times a power of ten, three significant digits.

    Examples
    --------
    >>> power(1e-5), power(3.25e-4), power(0.0)
    ('10⁻⁵', '3.25×10⁻⁴', '0')
    """
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    ten = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    mantissa = mantissa.rstrip("0").rstrip(".")
    return ten if mantissa == "1" else f"{mantissa}{TIMES}{ten}"


def with_error(value: float, error: float) -> tuple[str, str]:
    """Return a value and its error, the error with two significant digits.

    Examples
    --------
    >>> with_error(0.782362, 0.001672)
    ('0.7824', '0.0017')
    >>> with_error(12.0, 3.4641)
    ('12.0', '3.5')
    """
    decimals = error_decimals(error)
    return f"{value:,.{decimals}f}", f"{error:,.{decimals}f}"


def error_decimals(error: float) -> int:
    """Return how many decimals show two significant digits of `error`; 4 for an error of 0.

    Examples
    --------
    >>> error_decimals(0.00167), error_decimals(250.0), error_decimals(0.0)
    (4, 0, 4)
    """
    if error <= 0:
        return 4
    return min(max(1 - math.floor(math.log10(error)), 0), 12)


def percent(fraction: float) -> str:
    """Return a fraction in percent with three significant digits.

    Examples
    --------
    >>> percent(0.0190461), percent(0.0), percent(1.0), percent(0.9999999)
    ('1.90 %', '0 %', '100 %', '99.99999 %')
    """
    if fraction in (0, 1):
        return f"{fraction * 100:.0f} %"
    scaled = fraction * 100
    if 99.9 < scaled < 100:
        # A percentage next to 100 must not be rounded to it.
        return f"{scaled:.5f} %"
    decimals = max(2 - math.floor(math.log10(abs(scaled))), 0)
    return f"{scaled:.{min(decimals, 8)}f} %"


def short_digest(digest: str) -> str:
    """Return the first 12 characters of a SHA-256."""
    return digest[:12]
