"""What the input contract costs: saturations and the error of quantization, per input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.events.contract import InputContract
from l1ad.events.layout import N_INPUTS, N_QUANTITIES, PT
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
        self._values, self._hardware, self._raw = (np.zeros(N_INPUTS, dtype=np.int64) for _ in range(3))

    def add(self, particles: NDArray[np.floating]) -> None:
        """Count one chunk, shape (N, 19, 3) or (N, 19, 4)."""
        filled = _filled(particles)
        hardware, raw = self._contract.saturated(particles)
        self._values += filled.sum(axis=0)
        self._hardware += (hardware & filled).sum(axis=0)
        self._raw += (raw & filled).sum(axis=0)

    def counts(self) -> tuple[SaturationCount, ...]:
        """Return the counts of the 57 inputs, in order."""
        rows = zip(self._contract.inputs, self._values, self._hardware, self._raw, strict=True)
        return tuple(SaturationCount(spec.name, int(n), int(hw), int(raw)) for spec, n, hw, raw in rows)


def quantization_loss(contract: InputContract, chunks: Iterable[NDArray[np.floating]]) -> tuple[QuantizationLoss, ...]:
    """Return what quantization costs for each of the 57 inputs, in order.

    Parameters
    ----------
    contract : InputContract
        Contract to measure.
    chunks : iterable of ndarray, shape (N, 19, 3) or (N, 19, 4)
        Events to measure it on.
    """
    count, square, largest, total, total_square = (np.zeros(N_INPUTS) for _ in range(5))
    unit = 2.0**-contract.type.fraction
    turns = np.array([spec.turn * spec.lsb for spec in contract.inputs])
    wraps = turns > 0
    for chunk in chunks:
        filled, raw = _filled(chunk), contract.encode(chunk)
        difference = (contract.decode(raw) - chunk[:, :, :N_QUANTITIES]).reshape(-1, N_INPUTS)
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


def _filled(particles: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which of the 57 inputs belong to a filled row, shape (N, 57)."""
    filled: NDArray[np.bool_] = np.repeat(particles[:, :, PT] > 0, N_QUANTITIES, axis=1)
    return filled
