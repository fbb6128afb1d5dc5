"""What a contract does to a sample: quantization loss, saturation, and which events it cannot hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.events.contract import InputContract
from l1ad.events.input_kinds import OBJECTS
from l1ad.events.layout import N_QUANTITIES
from l1ad.events.losses import QuantizationLoss, SaturationCount, SaturationCounter, quantization_loss
from l1ad.records import Record


@dataclass(frozen=True)
class OutsideInput(Record):
    """An input that the contract cannot hold in some events.

    Attributes
    ----------
    name : str
        Input.
    events : int
        Events in which the hardware integer or the raw input saturates.
    first_event : int
        The first of them, counted from 0 over the sample.
    value : float
        What it holds there, in `unit`.
    unit : str
        ``GeV``, ``rad`` or empty.
    """

    name: str
    events: int
    first_event: int
    value: float
    unit: str


@dataclass(frozen=True)
class ContractUse(Record):
    """A contract on a sample.

    Attributes
    ----------
    events, outside : int
        Events, and how many have at least one input that saturates.
    saturation : tuple of SaturationCount
    loss : tuple of QuantizationLoss
        Per input, in order.
    outside_inputs : tuple of OutsideInput
        Those that saturate at all, the most frequent first.
    """

    events: int
    outside: int
    saturation: tuple[SaturationCount, ...]
    loss: tuple[QuantizationLoss, ...]
    outside_inputs: tuple[OutsideInput, ...]

    @property
    def outside_share(self) -> float:
        """Share of events with at least one input that saturates."""
        return self.outside / self.events if self.events else 0.0


class _Outside:
    """Adds up events outside a contract over chunks."""

    def __init__(self, contract: InputContract) -> None:
        self._contract = contract
        self.saturation = SaturationCounter(contract)
        self.events = self.outside = 0
        self._counts = np.zeros(len(contract.inputs), dtype=np.int64)
        self._first: dict[int, tuple[int, float]] = {}

    def watch(self, chunks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.floating]]:
        """Yield the chunks, and count each on the way."""
        for chunk in chunks:
            self._add(chunk)
            yield chunk

    def _add(self, chunk: NDArray[np.floating]) -> None:
        """Count one chunk."""
        self.saturation.add(chunk)
        kind = self._contract.kind
        bad = np.logical_or(*self._contract.saturated(chunk)) & kind.filled(chunk)
        values = (chunk[:, :, :N_QUANTITIES] if kind.name == OBJECTS else chunk).reshape(len(chunk), kind.inputs)
        for index in np.flatnonzero(bad.any(axis=0)).tolist():
            event = int(np.argmax(bad[:, index]))
            self._first.setdefault(index, (self.events + event, float(values[event, index])))
        self._counts += bad.sum(axis=0)
        self.outside += int(bad.any(axis=1).sum())
        self.events += len(chunk)

    def inputs(self) -> tuple[OutsideInput, ...]:
        """Return the inputs that saturate, the most frequent first."""
        found = [
            OutsideInput(self._contract.inputs[i].name, int(self._counts[i]), *place, self._contract.inputs[i].unit)
            for i, place in self._first.items()
        ]
        return tuple(sorted(found, key=lambda item: (-item.events, item.name)))


def measure_contract(contract: InputContract, chunks: Iterable[NDArray[np.floating]]) -> ContractUse:
    """Return what `contract` does to the events of a sample, read once.

    Parameters
    ----------
    contract : InputContract
        Contract to measure.
    chunks : iterable of ndarray, shape (N, 19, 3) or (N, 19, 4)
        Events.
    """
    outside = _Outside(contract)
    loss = quantization_loss(contract, outside.watch(chunks))
    return ContractUse(outside.events, outside.outside, outside.saturation.counts(), loss, outside.inputs())
