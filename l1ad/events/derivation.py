"""Derives offsets and shifts of the input contract from the training sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.contract import CONTRACT_VERSION, InputContract, InputSpec, blank_inputs, blank_regions
from l1ad.events.input_kinds import OBJECTS, REGION_SUMS, InputKind
from l1ad.events.layout import PT, QUANTITIES
from l1ad.events.scales import L1AD_FORM
from l1ad.records import FixedType

#: Rules for the shift: about unit spread, or the least loss.
SPREAD, LEAST = "spread", "least"
RULES = (SPREAD, LEAST)
_SHIFTS = range(-8, 17)

#: A row with fewer filled entries than this takes the statistics of all rows of its object: below 1,000 entries
#: the standard deviation of a steeply falling spectrum is known to 10 % at best, and rare rows may be empty.
MINIMUM_ENTRIES = 1000


class HardwareHistogram:
    """Counts of every hardware integer of every input, over the filled rows of a sample.

    Whole counts make the result independent of how the sample is cut into chunks.
    """

    def __init__(self, form: str = L1AD_FORM, kind: str = OBJECTS) -> None:
        blank = blank_regions() if kind == REGION_SUMS else blank_inputs(form)
        self._scales = InputContract(CONTRACT_VERSION, FixedType(True, 1, 1), "", 0, blank)
        self._counts = [np.zeros(spec.maximum - spec.minimum + 1, dtype=np.int64) for spec in self._scales.inputs]
        self.events = 0

    def add(self, particles: NDArray[np.floating]) -> None:
        """Count the events of one chunk, shape (N, 19, 3), (N, 19, 4) or (N, 18, 14)."""
        hardware = self._scales.to_hardware(particles)
        filled = self.kind.filled(particles)
        self.events += len(particles)
        for index, (spec, counts) in enumerate(zip(self._scales.inputs, self._counts, strict=True)):
            values = hardware[filled[:, index], index] - spec.minimum
            counts += np.bincount(values, minlength=len(counts))

    @property
    def kind(self) -> InputKind:
        """What is counted."""
        return self._scales.kind

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The inputs with their scales, offset 0 and shift 0."""
        return self._scales.inputs

    def of(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the hardware integers that input `index` can take and how often it took each.

        An input with fewer than `MINIMUM_ENTRIES` entries returns the counts of all rows of its object.
        """
        spec, counts = self._scales.inputs[index], self._counts[index]
        if counts.sum() < MINIMUM_ENTRIES:
            return self.of_object(index)
        return np.arange(spec.minimum, spec.maximum + 1), counts

    def of_object(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the same over all rows of the object, or over all regions."""
        spec = self._scales.inputs[index]
        same = [
            own
            for other, own in zip(self._scales.inputs, self._counts, strict=True)
            if (other.object, other.quantity) == (spec.object, spec.quantity)
        ]
        return np.arange(spec.minimum, spec.maximum + 1), np.sum(same, axis=0)


def derive_contract(
    chunks: Iterable[NDArray[np.floating]],
    fixed_type: FixedType,
    source_tag: str = "",
    *,
    form: str = L1AD_FORM,
    rule: str = SPREAD,
) -> InputContract:
    """Derive offsets and shifts from the training sample.

    The offset of a pT is the rounded mean of its filled entries in hardware units; eta and phi are symmetric and
    take 0. The shift starts at the power of two nearest, on a logarithmic scale, to the standard deviation of the
    filled entries, which gives the network about unit spread. Of this shift and the next larger one, the one with
    the smaller root-mean-square difference between ``hw - offset`` and what the raw input holds is taken; on a tie
    the first. For an angle, which never leaves the range, that is always the first. For a pT the larger shift wins
    when the tail beyond the range costs more than the bit that is shifted out. With ``fixed<10,4>`` a pT of 60 units
    spread loses no bit up to shift 6, and one step more of shift takes ten times fewer events into saturation: an
    anomaly is looked for in this tail, so it is worth half of the spread. An input that is constant keeps 0 and 0.

    With the rule ``least`` the shift is the one with the least loss among all, whatever spread it gives; on a tie the
    one nearest to unit spread. An unsigned azimuth takes the offset of half a turn.

    Parameters
    ----------
    chunks : iterable of ndarray, shape (N, 19, 3) or (N, 19, 4)
        Training events only.
    fixed_type : FixedType
        Type of the network's inputs.
    source_tag : str, optional
        Name of the sample, kept in the contract.
    form : str, optional
        Hardware integers, one of `l1ad.events.scales.FORMS`.
    rule : str, optional
        How the shift is chosen, ``spread`` or ``least``.

    Raises
    ------
    DataError
        When the chunks hold no event.
    """
    histogram = HardwareHistogram(form)
    for chunk in chunks:
        histogram.add(chunk)
    return contract_of(histogram, fixed_type, source_tag, rule)


def contract_of(
    histogram: HardwareHistogram, fixed_type: FixedType, source_tag: str = "", rule: str = SPREAD
) -> InputContract:
    """Return the contract that `derive_contract` derives, from counts that were filled before.

    All regions have one shift, that of their common counts, and offset 0: a convolution has the same weights
    everywhere, and an empty region stays 0.
    """
    if histogram.events == 0:
        raise DataError("input contract: the training sample holds no event; raise train_fraction or give more events.")
    if histogram.kind.name == REGION_SUMS:
        shift = _derive_input(histogram.inputs[0], *histogram.of_object(0), fixed_type, rule).shift
        specs = [dataclasses.replace(spec, shift=shift) for spec in histogram.inputs]
    else:
        specs = [_derive_input(spec, *histogram.of(i), fixed_type, rule) for i, spec in enumerate(histogram.inputs)]
    return InputContract(CONTRACT_VERSION, fixed_type, source_tag, histogram.events, tuple(specs))


def _derive_input(
    spec: InputSpec, values: NDArray[np.int64], counts: NDArray[np.int64], fixed_type: FixedType, rule: str
) -> InputSpec:
    """Return `spec` with offset and shift from the counts of its hardware integers."""
    total = int(counts.sum())
    if total == 0 or np.count_nonzero(counts) == 1:
        return spec
    mean = int((values * counts).sum()) / total
    offset = int(np.floor(mean + 0.5)) if spec.quantity == QUANTITIES[PT] else _centre(spec)
    spread = float(np.sqrt(((values - mean) ** 2 * counts).sum() / total))
    unit = int(np.floor(np.log2(spread) + 0.5))
    tried = (unit, unit + 1) if rule == SPREAD else sorted(_SHIFTS, key=lambda s: abs(s - unit))
    shift = min(tried, key=lambda s: rms_loss(values - offset, counts, s, fixed_type))
    return dataclasses.replace(spec, offset=offset, shift=shift)


def _centre(spec: InputSpec) -> int:
    """Return the hardware integer in the middle of an angle: 0, or half a turn when the azimuth is unsigned."""
    return spec.minimum + spec.turn // 2 if spec.turn else 0


def rms_loss(centred: NDArray[np.int64], counts: NDArray[np.int64], shift: int, fixed_type: FixedType) -> float:
    """Return the root-mean-square difference, in hardware units, between `centred` and its raw input.

    Parameters
    ----------
    centred : ndarray of int
        Values of ``hw - offset``.
    counts : ndarray of int
        How often each occurs.
    shift : int
        Shift to try.
    fixed_type : FixedType
        Type of the raw input.
    """
    raw = ((centred << fixed_type.fraction) << max(-shift, 0)) >> max(shift, 0)
    kept = np.clip(raw, fixed_type.minimum, fixed_type.maximum) * 2.0 ** (shift - fixed_type.fraction)
    return float(np.sqrt(((kept - centred) ** 2 * counts).sum() / counts.sum()))
