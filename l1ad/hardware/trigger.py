"""The trigger around a network: what its top level computes, as one record for every generator and simulator.

An event is one packed word of hardware integers, first input in the lowest bits. The top level scales each integer
to the network's input type, runs the network, compares the raw score with up to five raw thresholds and lets every
n-th accepted event of a threshold fire. `l1ad.hardware.trigger_model` is the bit-exact model of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from l1ad.errors import DataError
from l1ad.records import FixedType, Record

Integers = npt.NDArray[np.int64]

#: Thresholds of a trigger.
N_THRESHOLDS = 5
#: First address of the thresholds and of the prescales on the write port.
THRESHOLD_ADDRESS, PRESCALE_ADDRESS = 0, 8
#: Bits of an address, of a written word and of a prescale.
ADDRESS_BITS, DATA_BITS, PRESCALE_BITS = 4, 32, 24

#: Folder of a project that holds the top level, and the record in it.
FOLDER, RECORD = "trigger", "trigger/trigger.json"

#: Widest type of HLS without a macro.
_HLS_BITS = 1024


@dataclass(frozen=True)
class TriggerInput(Record):
    """One hardware integer: ``saturate(((word - offset) << fraction) >> shift)`` is the network's raw input."""

    name: str
    signed: bool
    width: int
    offset: int
    shift: int

    @property
    def type(self) -> FixedType:
        """The hardware integer as a type without fraction."""
        return FixedType(self.signed, self.width, self.width)


@dataclass(frozen=True)
class TriggerSpec(Record):
    """The top level of one project.

    Attributes
    ----------
    network : str
        Module or function of the network.
    inputs : tuple of TriggerInput
        In the order of the network's inputs.
    input_type, score_type : FixedType
        Raw types of the network's inputs and of the score; the score is unsigned.
    thresholds, prescales : tuple of int
        Values of the registers after a reset, `N_THRESHOLDS` each. A prescale of 0 never fires.
    network_latency : int
        Clocks of the network, the one that samples the event included; 0 where a call returns the score.
    contract : str
        Digest of the input contract.

    Raises
    ------
    DataError
        When a threshold or prescale is out of range; the number is named.
    """

    network: str
    inputs: tuple[TriggerInput, ...]
    input_type: FixedType
    score_type: FixedType
    thresholds: tuple[int, ...]
    prescales: tuple[int, ...]
    network_latency: int
    contract: str

    def __post_init__(self) -> None:
        if self.score_type.signed:
            raise DataError(f"trigger of {self.network}: the score is {self.score_type}; expected an unsigned type.")
        if len(self.thresholds) != N_THRESHOLDS or len(self.prescales) != N_THRESHOLDS:
            raise DataError(
                f"trigger of {self.network}: {len(self.thresholds)} thresholds and {len(self.prescales)} prescales; "
                f"expected {N_THRESHOLDS} of each."
            )
        check_thresholds(self.thresholds, self.score_type)
        check_prescales(self.prescales)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the record from what `to_dict` returned; lists of integers become tuples."""
        found = super().from_dict(values)
        if not all(isinstance(x, int) for x in (*found.thresholds, *found.prescales, found.network_latency)):
            raise DataError(f"trigger of {found.network}: thresholds, prescales and latency are not all integers.")
        return found

    @property
    def top(self) -> str:
        """Name of the module or function of the top level."""
        return f"{self.network}_trigger"

    @property
    def latency(self) -> int:
        """Rising edges from the one that samples an event to the one after which its decision stands."""
        return self.network_latency + 1

    @property
    def word_bits(self) -> int:
        """Bits of one event."""
        return sum(item.width for item in self.inputs)

    @property
    def hls_word_bits(self) -> int:
        """What ``AP_INT_MAX_W`` of the HLS types has to be for the words of an event; 0: its default is enough.

        Types wider than 1,024 bits need it (AMD UG1399, arbitrary precision types); it counts in steps of 1,024.
        """
        steps = -(-self.word_bits // _HLS_BITS)
        return steps * _HLS_BITS if steps > 1 else 0

    def scale(self, words: npt.ArrayLike) -> Integers:
        """Return the raw inputs of the network, as the hardware scales them.

        Parameters
        ----------
        words : array_like of int, shape (N, inputs)
            Hardware integers.

        Raises
        ------
        DataError
            When the shape is another or an integer does not fit its width; the input is named.

        Examples
        --------
        >>> word = TriggerInput("met_pt", False, 12, 72, 6)
        >>> kinds = FixedType(True, 10, 4), FixedType(False, 20, 14)
        >>> spec = TriggerSpec("net", (word,), *kinds, (0,) * 5, (1,) * 5, 0, "")
        >>> spec.scale([[0], [73], [4095]]).ravel().tolist()
        [-72, 1, 511]
        """
        hardware = self.check_words(words)
        shift = self._column("shift")
        centred = (hardware - self._column("offset")) << self.input_type.fraction
        moved = (centred << np.maximum(-shift, 0)) >> np.maximum(shift, 0)
        return np.asarray(np.clip(moved, self.input_type.minimum, self.input_type.maximum), dtype=np.int64)

    def words(self, raw: npt.ArrayLike) -> Integers:
        """Return hardware integers that `scale` turns into `raw`, the smallest of each.

        Parameters
        ----------
        raw : array_like of int, shape (N, inputs)
            Raw inputs that some event can have.

        Raises
        ------
        DataError
            When an input has no hardware integer that gives it; input and value are named.
        """
        values = np.asarray(raw, dtype=np.int64)
        shift, fraction = self._column("shift"), self.input_type.fraction
        moved = values << np.maximum(shift, 0)
        right = np.maximum(-shift, 0) + fraction
        found = -((-moved) >> right) + self._column("offset")
        low = np.array([item.type.minimum for item in self.inputs])
        high = np.array([item.type.maximum for item in self.inputs])
        found = np.asarray(np.clip(found, low, high), dtype=np.int64)
        wrong = np.argwhere(self.scale(found) != values)
        if len(wrong):
            event, column = (int(axis) for axis in wrong[0])
            raise DataError(
                f"input {self.inputs[column].name}: no hardware integer gives the raw input {values[event, column]} "
                f"of event {event}. The events do not follow this contract."
            )
        return np.asarray(found, dtype=np.int64)

    def check_words(self, words: npt.ArrayLike) -> Integers:
        """Return `words` as int64 after checking shape and widths.

        Raises
        ------
        DataError
            When the shape is another or an integer does not fit its width; the input is named.
        """
        hardware: npt.NDArray[Any] = np.asarray(words)
        if hardware.ndim != 2 or hardware.shape[1] != len(self.inputs) or hardware.dtype.kind not in "iu":
            raise DataError(
                f"trigger of {self.network}: words of {hardware.dtype} {hardware.shape}; expected integers of shape "
                f"(events, {len(self.inputs)})."
            )
        for column, item in enumerate(self.inputs):
            values = hardware[:, column]
            outside = (values < item.type.minimum) | (values > item.type.maximum)
            if outside.any():
                raise DataError(
                    f"input {item.name}: hardware integer {values[outside][0]} does not fit "
                    f"{item.width} bits: expected {item.type.minimum} to {item.type.maximum}."
                )
        return np.asarray(hardware, dtype=np.int64)

    def _column(self, name: str) -> Integers:
        return np.array([getattr(item, name) for item in self.inputs], dtype=np.int64)


def check_thresholds(thresholds: Sequence[int], score_type: FixedType) -> None:
    """Check raw thresholds against the range of the score.

    Raises
    ------
    DataError
        When there are more than `N_THRESHOLDS` or one is outside the score's range; the number is named.
    """
    if len(thresholds) > N_THRESHOLDS:
        raise DataError(f"{len(thresholds)} thresholds; the top level holds {N_THRESHOLDS}.")
    for raw in thresholds:
        if not score_type.minimum <= raw <= score_type.maximum:
            raise DataError(
                f"threshold {raw} is outside the score's range: {score_type} holds raw integers from "
                f"{score_type.minimum} to {score_type.maximum}."
            )


def check_prescales(prescales: Sequence[int]) -> None:
    """Check prescales.

    Raises
    ------
    DataError
        When one does not fit its register; the number is named.
    """
    for prescale in prescales:
        if not 0 <= prescale < 1 << PRESCALE_BITS:
            raise DataError(f"prescale {prescale}: expected 0 to {(1 << PRESCALE_BITS) - 1}; 0 never fires.")
