"""QKeras's quantizer syntax read as fixed-point types, without evaluating text as code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from l1ad.errors import ConfigurationError
from l1ad.records import FixedType

#: Fields of the network that hold a quantizer.
QUANTIZER_FIELDS = (
    *("kernel", "bias", "latent_kernel", "activation"),
    *("mean", "log_variance", "reconstruction", "feature", "output"),
)

_POSITIONAL = {
    "quantized_bits": ("bits", "integer", "symmetric", "keep_negative", "alpha", "use_stochastic_rounding"),
    "quantized_relu": ("bits", "integer", "use_sigmoid", "negative_slope", "use_stochastic_rounding"),
}


@dataclass(frozen=True)
class QuantizerSpec:
    """A quantizer as written, and the fixed-point type that it rounds to (nearest even, saturating).

    Attributes
    ----------
    name : str
        ``quantized_bits`` or ``quantized_relu``.
    fixed_type : FixedType
        ``quantized_bits(b, i)`` is fixed<b, i+1>; ``quantized_relu(b, i)`` is ufixed<b, i>
        (measured against QKeras 1.2.1 for Keras 3).
    """

    name: str
    fixed_type: FixedType


def parse_quantizer(text: str, field: str) -> QuantizerSpec:
    """Read a quantizer such as ``quantized_bits(6,0,alpha=1)``.

    Parameters
    ----------
    text : str
        QKeras's syntax: ``quantized_bits`` or ``quantized_relu`` with literal arguments.
    field : str
        Name of the configuration field, for the error.

    Raises
    ------
    ConfigurationError
        When the text is not such a quantizer, or firmware cannot reproduce it
        (a scale other than 1, symmetric range, stochastic rounding, a slope).

    Examples
    --------
    >>> str(parse_quantizer("quantized_bits(6,0,alpha=1)", "network.kernel").fixed_type)
    'fixed<6,1>'
    >>> str(parse_quantizer("quantized_relu(8,3)", "network.activation").fixed_type)
    'ufixed<8,3>'
    """
    name, arguments = quantizer_call(text, field, _POSITIONAL)
    bits, integer = arguments.pop("bits", 8), arguments.pop("integer", 0)
    if type(bits) is not int or type(integer) is not int or not (1 <= bits <= 24 and abs(integer) <= 24):
        raise ConfigurationError(
            f"{field}: {text!r}: expected whole numbers, bits from 1 to 24, integer from -24 to 24."
        )
    if name == "quantized_bits":
        if arguments.pop("alpha", None) not in (1, 1.0, "1"):
            raise ConfigurationError(f"{field}: {text!r}: write alpha=1; firmware has no other scale.")
        signed = bool(arguments.pop("keep_negative", True))
        if signed and bits == 1:
            raise ConfigurationError(f"{field}: {text!r}: one signed bit is the sign function in QKeras; give 2 bits.")
        fixed = FixedType(signed=signed, width=bits, integer=integer + int(signed))
    else:
        if integer < 0:
            raise ConfigurationError(f"{field}: {text!r}: QKeras's quantized_relu has no negative integer bits.")
        fixed = FixedType(signed=False, width=bits, integer=integer)
    for key, value in arguments.items():
        if value not in (0, 0.0, False):
            raise ConfigurationError(f"{field}: {text!r}: firmware cannot do {key}={value}; leave it out.")
    return QuantizerSpec(name=name, fixed_type=fixed)


def quantizer_call(text: str, field: str, positional: Mapping[str, tuple[str, ...]]) -> tuple[str, dict[str, object]]:
    """Return the name and the arguments of a quantizer written as a call, without evaluating it.

    Parameters
    ----------
    text : str
        Such as ``quantized_bits(6,0,alpha=1)``.
    field : str
        Where it stands, for errors.
    positional : mapping of str to tuple of str
        Known quantizers, each with the names of its arguments in their order.

    Raises
    ------
    ConfigurationError
        When it is not such a call.
    """
    expected = "expected quantized_bits(bits,integer,alpha=1) or quantized_relu(bits,integer)"
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigurationError(f"{field}: {text!r} is not a quantizer; {expected}.") from error
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in positional:
        raise ConfigurationError(f"{field}: {text!r} is not a known quantizer; {expected}.")
    names = positional[node.func.id]
    if len(node.args) > len(names):
        raise ConfigurationError(f"{field}: {text!r} has {len(node.args)} arguments; {expected}.")
    try:
        arguments = {name: ast.literal_eval(value) for name, value in zip(names, node.args, strict=False)}
        named = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigurationError(f"{field}: {text!r}: arguments must be numbers; {expected}.") from error
    if len(arguments | named) < len(node.args) + len(node.keywords):
        raise ConfigurationError(f"{field}: {text!r}: an argument is given twice; {expected}.")
    unknown = sorted(set(named) - set(names))
    if unknown:
        raise ConfigurationError(f"{field}: {text!r}: unknown argument {unknown[0]!r}; known: {', '.join(names)}.")
    return node.func.id, arguments | named
