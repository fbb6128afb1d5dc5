"""Corrects how hls4ml narrows a quantizer that saturates.

The bit-exact pass of hls4ml 1.3.0 gives a quantizer no more bits right of the point than its input has. Where the value
saturates, its largest number has all of its own bits: 2 - 2**-8 became 2 - 2**-6 behind an input in steps of 2**-6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hls4ml.model.optimizer.passes.bit_exact import FixedPointQuantizer, _produce_kif, get_input_layers, produce_kif
from numpy.typing import NDArray

Bits = NDArray[np.int16]

#: hls4ml's own rule.
library_kif = _produce_kif.dispatch(FixedPointQuantizer)


def register_saturation() -> None:
    """Put the corrected rule in place of hls4ml's own."""
    _produce_kif.register(FixedPointQuantizer)(saturating_kif)


def saturating_kif(layer: Any) -> tuple[Bits, Bits, Bits]:
    """Return sign, and bits left and right of the point, of every value behind a quantizer of hls4ml.

    They are those of hls4ml, but an element whose input reaches beyond it keeps the type that it was given.

    Parameters
    ----------
    layer : FixedPointQuantizer
        Its types are set, as hls4ml's rule does.
    """
    given = layer.mask_kbi
    keep, whole, fraction = library_kif(layer)
    if layer.SAT != "WRAP":
        own_keep, own_bits, own_left = (np.broadcast_to(bits[0], keep.shape) for bits in given)
        own_whole, own_fraction = own_left - own_keep, own_bits - own_left
        source_keep, source_whole, source_fraction = produce_kif(get_input_layers(layer)[0])
        kept = (own_bits > 0) & (_largest(own_whole, own_fraction) < _largest(source_whole, source_fraction))
        keep = np.where(kept, np.minimum(own_keep, source_keep), keep)
        whole, fraction = np.where(kept, own_whole, whole), np.where(kept, own_fraction, fraction)
    layer.mask_kbi = _shared(keep, whole, fraction, given[0][0].shape)
    return keep, whole, fraction


def _largest(whole: Bits, fraction: Bits) -> NDArray[np.float64]:
    """Return the largest number with so many bits left and right of the point."""
    return np.asarray(np.exp2(whole.astype(float)) - np.exp2(-fraction.astype(float)), dtype=np.float64)


def _shared(keep: Bits, whole: Bits, fraction: Bits, shape: tuple[int, ...]) -> tuple[Bits, Bits, Bits]:
    """Return sign, all bits, and bits left of the point with the sign, as a quantizer of hls4ml holds its types.

    Along an axis of size 1 in `shape` all elements share one type. Each part is the largest of theirs: hls4ml takes the
    largest of all bits, which are too few when one element has the most on the left and another on the right.
    """
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1) if shape else tuple(range(keep.ndim))
    keep, whole, fraction = (bits.max(axis=axes, keepdims=True)[None] for bits in (keep, whole, fraction))
    return keep, keep + whole + fraction, keep + whole
