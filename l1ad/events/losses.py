"""What the input contract costs: saturations and the error of quantization, per input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.events.contract import InputContract
from l1ad.events.input_kinds import OBJECTS
from l1ad.events.layout import N_QUANTITIES
from l1ad.records import Record


@dataclass(frozen=True)
class SaturationCount(Record):
    """How often one input saturates, over the filled entries of a sample.

    Attributes
    ----------
    name : str
        Input.
    values : int
        Filled entries.
    hardware : int
        Of these, beyond the range of the hardware integer.
    raw : int
        Of these, beyond the range of the network's input type.
    """

    name: str
    values: int
    hardware: int
    raw: int


@dataclass(frozen=True)
class QuantizationLoss(Record):
    """How far the value that the network sees is from the physical one, over the filled entries.

    Attributes
    ----------
    name, unit : str
        Input, and the unit of `rms` and `largest`.
    values : int
        Filled entries.
    rms, largest : float
        Root-mean-square and largest absolute difference; 0 without entries.
    spread : float
        Standard deviation of what the network sees, in network units.
    """

    name: str
    unit: str
    values: int
    rms: float
    largest: float
    spread: float


class SaturationCounter:
    """Adds up saturations over chunks."""

    def __init__(self, contract: InputContract) -> None:
        self._contract = contract
        self._values, self._hardware, self._raw = (np.zeros(len(contract.inputs), dtype=np.int64) for _ in range(3))

    def add(self, particles: NDArray[np.floating]) -> None:
        """Count one chunk, shape (N, 19, 3), (N, 19, 4) or (N, 18, 14)."""
        filled = self._contract.kind.filled(particles)
        hardware, raw = self._contract.saturated(particles)
        self._values += filled.sum(axis=0)
        self._hardware += (hardware & filled).sum(axis=0)
        self._raw += (raw & filled).sum(axis=0)

    def counts(self) -> tuple[SaturationCount, ...]:
        """Return the counts of the inputs, in order."""
        rows = zip(self._contract.inputs, self._values, self._hardware, self._raw, strict=True)
        return tuple(SaturationCount(spec.name, int(n), int(hw), int(raw)) for spec, n, hw, raw in rows)


def quantization_loss(contract: InputContract, chunks: Iterable[NDArray[np.floating]]) -> tuple[QuantizationLoss, ...]:
    """Return what quantization costs for each of the inputs, in order.

    Parameters
    ----------
    contract : InputContract
        Contract to measure.
    chunks : iterable of ndarray, shape (N, 19, 3), (N, 19, 4) or (N, 18, 14)
        Events to measure it on.
    """
    size, objects = len(contract.inputs), contract.kind.name == OBJECTS
    count, square, largest, total, total_square = (np.zeros(size) for _ in range(5))
    unit = 2.0**-contract.type.fraction
    turns = np.array([spec.turn * spec.lsb for spec in contract.inputs])
    wraps = turns > 0
    for chunk in chunks:
        filled, raw = contract.kind.filled(chunk), contract.encode(chunk)
        physical = chunk[:, :, :N_QUANTITIES] if objects else chunk
        difference = (contract.decode(raw) - physical).reshape(-1, size)
        difference[:, wraps] -= turns[wraps] * np.rint(difference[:, wraps] / turns[wraps])
        difference = np.where(filled, np.abs(difference), 0.0)
        network = np.where(filled, raw * unit, 0.0)
        count += filled.sum(axis=0)
        square += (difference**2).sum(axis=0)
        largest = np.maximum(largest, difference.max(axis=0, initial=0.0))
        total += network.sum(axis=0)
        total_square += (network**2).sum(axis=0)
    entries = np.maximum(count, 1)
    rms = np.sqrt(square / entries)
    spread = np.sqrt(np.maximum(total_square / entries - (total / entries) ** 2, 0.0))
    return tuple(
        QuantizationLoss(spec.name, spec.unit, int(count[i]), float(rms[i]), float(largest[i]), float(spread[i]))
        for i, spec in enumerate(contract.inputs)
    )
