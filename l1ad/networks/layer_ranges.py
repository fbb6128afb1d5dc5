"""What the quantizers of a network do to data: range seen, bits, saturations and noise of every tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.hardware.fixed_point import to_float
from l1ad.networks.quantized import input_type, integer_weights, library, output_type, quantizes_output
from l1ad.records import FixedType, Record

Floats = NDArray[np.float64]

#: Events at a time.
_BATCH = 8192


@dataclass(frozen=True)
class TensorRange(Record):
    """A quantized tensor on data.

    Attributes
    ----------
    layer, tensor : str
        Layer, and ``kernel``, ``bias``, ``inputs`` or ``output``.
    type : FixedType
        Its type; with widths learned for each element, the narrowest that holds them all.
    bits : float
        Bits of an element, averaged over the elements.
    values : int
        Values looked at.
    minimum, maximum : float
        Range before the quantizer.
    range_bits : int
        Bits that this range needs with the fraction of the type, sign included.
    saturated : int
        Values that the quantizer moved to the end of its range, by more than rounding. Negative values in front of a
        rectifier do not count.
    zeros : float
        Share of values that are zero behind the quantizer.
    noise : float
        Root mean square of what the quantizer changed.
    signal_to_noise_db : float or None
        20 log10 of the root mean square of the values over `noise`; None without noise.
    """

    layer: str
    tensor: str
    type: FixedType
    bits: float
    values: int
    minimum: float
    maximum: float
    range_bits: int
    saturated: int
    zeros: float
    noise: float
    signal_to_noise_db: float | None


@dataclass(frozen=True)
class LayerRanges(Record):
    """Every quantized tensor of a network, in its order.

    Attributes
    ----------
    part : str
        Part of the events, such as ``validation``.
    events : int
    tensors : tuple of TensorRange
    """

    part: str
    events: int
    tensors: tuple[TensorRange, ...]


@dataclass
class _Sums:
    """Sums over batches of values before and behind a quantizer."""

    minimum: float = math.inf
    maximum: float = -math.inf
    values: int = 0
    saturated: int = 0
    zeros: int = 0
    squares: float = 0.0
    errors: float = 0.0

    def add(self, before: Floats, behind: Floats, step: Floats, rectifies: bool) -> None:
        """Add a batch; `step` is one unit of each element, or two where values are cut instead of rounded."""
        self.minimum, self.maximum = min(self.minimum, float(before.min())), max(self.maximum, float(before.max()))
        wanted = np.maximum(before, 0.0) if rectifies else before
        error = behind - wanted
        self.values += before.size
        self.zeros += int((behind == 0).sum())
        # Rounding moves a value by half a unit at most; the rest is float32.
        self.saturated += int((np.abs(error) > 0.5 * step * (1.0 + 1e-6)).sum())
        self.squares += float(np.square(wanted).sum())
        self.errors += float(np.square(error).sum())

    def range_of(self, layer: str, tensor: str, fixed: FixedType, bits: float) -> TensorRange:
        """Return the result."""
        noise = math.sqrt(self.errors / self.values)
        ratio = None if noise == 0 or self.squares == 0 else 10 * math.log10(self.squares / self.errors)
        lowest = 0.0 if not fixed.signed else self.minimum
        return TensorRange(
            layer=layer,
            tensor=tensor,
            type=fixed,
            bits=bits,
            values=self.values,
            minimum=self.minimum,
            maximum=self.maximum,
            range_bits=needed_bits(lowest, self.maximum, fixed.fraction),
            saturated=self.saturated,
            zeros=self.zeros / self.values,
            noise=noise,
            signal_to_noise_db=ratio,
        )


def needed_bits(minimum: float, maximum: float, fraction: int) -> int:
    """Return the bits of the narrowest type with `fraction` that holds a range, the sign included when it is needed.

    Examples
    --------
    >>> needed_bits(0.0, 7.9, 2), needed_bits(-8.0, 7.9, 2), needed_bits(0.0, 0.0, 2)
    (5, 6, 0)
    """
    low, high = math.floor(minimum * 2.0**fraction), math.floor(maximum * 2.0**fraction)
    magnitude = max(high, -low - 1, 0)
    return magnitude.bit_length() + int(low < 0)


def layer_ranges(
    encoder: Any, inputs: NDArray[np.integer], raw_type: FixedType, *, part: str = "validation"
) -> LayerRanges:
    """Look at every quantized tensor of an encoder on events.

    Parameters
    ----------
    encoder : keras.Model
        Quantized network of QKeras or HGQ2, with the weights as they were trained.
    inputs : integer ndarray, shape (N, values)
        Raw inputs.
    raw_type : FixedType
        Type of the inputs.
    part : str, optional
        Which events these are.

    Raises
    ------
    DataError
        When there are no events.
    """
    import keras

    if len(inputs) == 0:
        raise DataError("layer table: no events. Give more events or a larger validation_fraction.")
    places = [layer for layer in encoder.layers if quantizes_output(layer) or input_type(layer) is not None]
    probe = keras.Model(encoder.inputs[0], [layer.input for layer in places])
    sums = [_Sums() for _ in places]
    shape = tuple(encoder.inputs[0].shape[1:])
    for begin in range(0, len(inputs), _BATCH):
        raw = np.asarray(inputs[begin : begin + _BATCH], dtype=np.int64)
        batch = to_float(raw, raw_type).astype(np.float32).reshape(-1, *shape)
        found = probe(batch, training=False)
        for layer, total, before in zip(places, sums, found if isinstance(found, list) else [found], strict=True):
            quantizer = _quantizer(layer)
            behind = np.asarray(quantizer(before), dtype=np.float64)
            total.add(np.asarray(before, dtype=np.float64), behind, *_step(layer, behind.shape))
    seen = {layer.name: total for layer, total in zip(places, sums, strict=True)}
    return LayerRanges(part, len(inputs), tuple(_rows(encoder, seen)))


def _rows(encoder: Any, seen: dict[str, _Sums]) -> Iterator[TensorRange]:
    """Yield the rows of the table in network order: inputs, then weights, then output of each layer."""
    for layer in encoder.layers:
        fixed = input_type(layer)
        if fixed is not None:
            yield seen[layer.name].range_of(layer.name, "inputs", fixed, _mean_bits(layer.iq, fixed))
        for name, (raw, weight_type) in integer_weights(layer).items():
            total = _Sums()
            behind = np.asarray(raw * 2.0**-weight_type.fraction, dtype=np.float64)
            step, bits = np.asarray(2.0**-weight_type.fraction), float(weight_type.width)
            if library(layer) == "hgq":
                quantizer = layer.kq if name == "kernel" else layer.bq
                step, bits = _element_steps(quantizer, (1, *raw.shape))[0], _mean_bits(quantizer, weight_type)
            total.add(np.asarray(getattr(layer, name), dtype=np.float64), behind, step, False)
            yield total.range_of(layer.name, name, weight_type, bits)
        if quantizes_output(layer):
            fixed = output_type(layer)
            yield seen[layer.name].range_of(layer.name, "output", fixed, float(fixed.width))


def _quantizer(layer: Any) -> Any:
    """Return what quantizes in `layer`: the layer itself, or what HGQ2 puts in front of its inputs."""
    return layer if quantizes_output(layer) else layer.iq


def _step(layer: Any, shape: tuple[int, ...]) -> tuple[Floats, bool]:
    """Return the unit of each element behind the quantizer of a layer, as `_Sums.add` takes it, and if it rectifies."""
    if quantizes_output(layer):
        fixed = output_type(layer)
        return np.asarray(2.0 ** (int(_cuts(layer)) - fixed.fraction)), not fixed.signed
    front = input_type(layer)
    return _element_steps(layer.iq, shape), front is not None and not front.signed


def _cuts(quantizer: Any) -> bool:
    """Return whether a quantizer of HGQ2 drops bits, which moves a value by up to a unit, where rounding moves half."""
    return getattr(getattr(quantizer, "quantizer", None), "round_mode", "") == "TRN"


def _element_steps(quantizer: Any, shape: tuple[int, ...]) -> Floats:
    """Return the units of a quantizer of HGQ2, twice those where it cuts.

    They are infinite where it has no bits left, so that all is rounding.
    """
    import keras

    keep, integer, fraction = (
        np.asarray(keras.ops.convert_to_numpy(b), dtype=np.float64) for b in quantizer.quantizer.kif
    )
    keep, integer, fraction = np.broadcast_arrays(keep, integer, fraction)
    steps = np.where(keep + integer + fraction > 0, 2.0 ** (int(_cuts(quantizer)) - fraction), np.inf)
    return np.broadcast_to(steps, shape) if steps.ndim == len(shape) else np.broadcast_to(steps, shape[1:])[None]


def _mean_bits(quantizer: Any, fixed: FixedType) -> float:
    """Return the bits of an element of a quantizer of HGQ2, averaged, none more than its type has."""
    import keras

    keep, integer, fraction = (np.asarray(keras.ops.convert_to_numpy(b)).astype(int) for b in quantizer.quantizer.kif)
    return float(np.clip(keep + integer + fraction, 0, fixed.width).mean())
