"""The input contract `inputs.json`: how a physical event becomes the integers that firmware sees.

Two steps, both exact and both in the file:

1. hardware integer: pT is truncated, ``floor(x / lsb)``, as a trigger that drops the lower bits does; eta and phi
   are rounded, ``floor(x / lsb + 1/2)``; phi wraps, the others saturate at the hardware width. The division is done
   in float64.
2. raw input: ``saturate(((hw - offset) << fraction) >> shift)``. A negative shift moves to the left. The right shift
   is arithmetic: it rounds towards minus infinity. The raw input counts units of ``2**-fraction`` of the network's
   input type, so the network sees about ``(hw - offset) / 2**shift``. This is the preprocessing of CMS's AXOL1TL
   trigger, ``(x - offset) >> shift``, with the cast after it.

A padded row is hardware 0 in all its quantities.

A contract is over the 57 numbers of the objects, or over the 252 calorimeter regions; the inputs say which.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.input_kinds import KINDS, OBJECTS, REGION_SUMS, InputKind
from l1ad.events.layout import QUANTITIES, input_names, row_blocks
from l1ad.events.regions import REGION_BITS, REGION_LSB_GEV, region_names
from l1ad.events.scales import L1AD_FORM, scale_of
from l1ad.provenance import value_digest, write_json
from l1ad.records import FixedType, Record

#: Version of the meaning of the file; a reader refuses any other.
CONTRACT_VERSION = 1
_LARGEST_SHIFT = 24
_LARGEST_WIDTH = 18
_ROUNDINGS = ("floor", "nearest")
#: `InputSpec.object` of a calorimeter region.
_REGION = "region"


@dataclass(frozen=True)
class InputSpec(Record):
    """One of the numbers that a network reads.

    Attributes
    ----------
    name : str
        For example ``jet3_pt`` or ``region_17_13``.
    object, quantity : str
        ``met``, ``electron``, ``muon`` or ``jet`` with ``pt``, ``eta`` or ``phi``; ``region`` with ``et``.
    lsb : float
        Size of one hardware unit, in `unit`.
    unit : str
        ``GeV``, ``rad`` or empty.
    rounding : str
        ``floor`` or ``nearest`` (halves go up).
    signed : bool
        Whether the hardware integer has a sign.
    width : int
        Bits of the hardware integer, sign included.
    turn : int
        Hardware units in a full turn; 0 when the quantity does not wrap.
    offset, shift : int
        Of the preprocessing, in hardware units and in bits.
    """

    name: str
    object: str
    quantity: str
    lsb: float
    unit: str
    rounding: str
    signed: bool
    width: int
    turn: int
    offset: int
    shift: int

    @property
    def minimum(self) -> int:
        """Smallest hardware integer."""
        if self.turn:
            return -self.turn // 2 if self.signed else 0
        return FixedType(self.signed, self.width, self.width).minimum

    @property
    def maximum(self) -> int:
        """Largest hardware integer."""
        return self.minimum + self.turn - 1 if self.turn else FixedType(self.signed, self.width, self.width).maximum


@dataclass(frozen=True)
class InputContract(Record):
    """The inputs of a network, in order, and their fixed-point type.

    Attributes
    ----------
    version : int
        `CONTRACT_VERSION`.
    type : FixedType
        Type of every raw input.
    source_tag : str
        Sample from which offsets and shifts were derived.
    events : int
        Training events that were used.
    inputs : tuple of InputSpec
        In the order of `l1ad.events.layout.input_names` or `l1ad.events.regions.region_names`.
    """

    version: int
    type: FixedType
    source_tag: str
    events: int
    inputs: tuple[InputSpec, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the contract from plain values and check it.

        Raises
        ------
        DataError
            When a field is missing, unknown or out of range, or the version differs.
        """
        version = values.get("version")
        if version != CONTRACT_VERSION:
            raise DataError(f"InputContract: version {version!r}; this l1ad reads version {CONTRACT_VERSION}.")
        contract = super().from_dict(values)
        check_contract(contract)
        return contract

    def write(self, path: Path) -> None:
        """Write the contract to `path` as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 of the contract."""
        return value_digest(self.to_dict())

    @property
    def kind(self) -> InputKind:
        """What the inputs are: objects or regions."""
        return KINDS[REGION_SUMS if self.inputs and self.inputs[0].object == _REGION else OBJECTS]

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """NumPy type that `apply` returns: int16, or int32 for more than 16 bits."""
        return np.dtype(np.int16 if self.type.minimum >= -(1 << 15) and self.type.maximum < 1 << 15 else np.int32)

    @property
    def integer_bits(self) -> tuple[int, ...]:
        """Bits left of the point, without the sign, that hold every raw input that hardware integers can give."""
        low, high = (self.apply(self._columns(end)[None])[0] for end in ("minimum", "maximum"))
        largest = np.maximum(high.astype(np.int64), -1 - low.astype(np.int64))
        return tuple(int(value).bit_length() - self.type.fraction for value in largest)

    def to_hardware(self, particles: NDArray[np.floating]) -> NDArray[np.int32]:
        """Return the hardware integers of events.

        Parameters
        ----------
        particles : ndarray, shape (N, 19, 3), (N, 19, 4) or (N, 18, 14)
            pT in GeV, eta, phi in rad, where a Class column is ignored; or the regions in GeV.

        Returns
        -------
        ndarray of int32, shape (N, inputs)

        Raises
        ------
        DataError
            When the shape differs or a value is NaN or infinite.
        """
        hardware = np.rint(self._hardware_unbounded(particles))
        low, high = self._columns("minimum"), self._columns("maximum")
        return np.clip(hardware, low, high).astype(np.int32)

    def apply(self, hardware: NDArray[np.integer]) -> NDArray[np.signedinteger]:
        """Return the raw inputs of hardware integers, exactly as firmware computes them.

        Parameters
        ----------
        hardware : ndarray of int, shape (N, inputs)

        Returns
        -------
        ndarray of `raw_dtype`, shape (N, inputs)
            In units of ``2**-type.fraction``.
        """
        return np.clip(self._raw_unbounded(hardware), self.type.minimum, self.type.maximum).astype(self.raw_dtype)

    def encode(self, particles: NDArray[np.floating]) -> NDArray[np.signedinteger]:
        """Return the raw inputs of physical events: `apply` of `to_hardware`."""
        return self.apply(self.to_hardware(particles))

    def decode(self, raw: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the physical values, shape (N, 19, 3) or (N, 18, 14), that raw inputs stand for.

        A truncated quantity is placed in the middle of its hardware unit, so what is left is half a unit at most
        where nothing saturates and no bit is shifted out. A padded row decodes to the value of hardware 0.
        """
        steps = np.exp2(self._columns("shift") - self.type.fraction)
        middle = np.array([0.5 if spec.rounding == "floor" else 0.0 for spec in self.inputs])
        hardware = raw.astype(np.float64) * steps + self._columns("offset") + middle
        lsb = np.array([spec.lsb for spec in self.inputs])
        values: NDArray[np.float64] = (hardware * lsb).reshape(-1, *self.kind.shape)
        return values

    def saturated(self, particles: NDArray[np.floating]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where the hardware integer and where the raw input saturates, each of shape (N, inputs).

        A region comes as a hardware integer already: one at its maximum has saturated, or nearly so.
        """
        wide, highest = self._hardware_unbounded(particles), self._columns("maximum")
        above = wide >= highest if self.kind.name == REGION_SUMS else wide > highest
        hardware = (wide < self._columns("minimum")) | above
        raw = self._raw_unbounded(self.to_hardware(particles))
        return hardware, (raw < self.type.minimum) | (raw > self.type.maximum)

    def _columns(self, attribute: str) -> NDArray[np.int64]:
        """Return one integer attribute of the inputs."""
        return np.array([getattr(spec, attribute) for spec in self.inputs], dtype=np.int64)

    def _hardware_unbounded(self, particles: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the hardware integers before they saturate, as whole float64 numbers; phi is wrapped."""
        values = self.kind.features(particles)
        lsb = np.array([spec.lsb for spec in self.inputs])
        half = np.array([0.5 if spec.rounding == "nearest" else 0.0 for spec in self.inputs])
        hardware: NDArray[np.float64] = np.floor(values / lsb + half)
        turn = self._columns("turn")
        wraps = turn > 0
        low = self._columns("minimum")[wraps]
        hardware[:, wraps] = (hardware[:, wraps] - low) % turn[wraps] + low
        return hardware

    def _raw_unbounded(self, hardware: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the raw inputs before they saturate."""
        count = len(self.inputs)
        if hardware.ndim != 2 or hardware.shape[1] != count or hardware.dtype.kind not in "iu":
            raise DataError(
                f"hardware inputs: expected integers of shape (N, {count}); came {hardware.dtype} {hardware.shape}."
            )
        shift = self._columns("shift")
        centred = (hardware.astype(np.int64) - self._columns("offset")) << self.type.fraction
        result: NDArray[np.int64] = (centred << np.maximum(-shift, 0)) >> np.maximum(shift, 0)
        return result


def blank_inputs(form: str = L1AD_FORM) -> tuple[InputSpec, ...]:
    """Return the 57 inputs with the hardware scales and offset 0, shift 0.

    Parameters
    ----------
    form : str, optional
        A key of `l1ad.events.scales.FORMS`.
    """
    specs = []
    for name, block in zip(input_names(), (b for b in row_blocks() for _ in QUANTITIES), strict=True):
        quantity = name.rpartition("_")[2]
        scale = scale_of(block.name, quantity, form)
        specs.append(
            InputSpec(
                name, block.name, quantity, scale.lsb, scale.unit, scale.rounding, scale.signed, scale.width,
                scale.turn, 0, 0,
            )
        )  # fmt: skip
    return tuple(specs)


def blank_regions() -> tuple[InputSpec, ...]:
    """Return the 252 regions with their hardware scale and offset 0, shift 0."""
    return tuple(
        InputSpec(name, _REGION, "et", REGION_LSB_GEV, "GeV", "floor", False, REGION_BITS, 0, 0, 0)
        for name in region_names()
    )


def check_contract(contract: InputContract) -> None:
    """Check names, order and ranges of a contract.

    Raises
    ------
    DataError
        Naming the first input and field that is wrong.
    """
    blank = blank_regions() if contract.kind.name == REGION_SUMS else blank_inputs()
    if len(contract.inputs) != len(blank):
        raise DataError(f"InputContract: {len(contract.inputs)} inputs; expected {len(blank)}.")
    kind = contract.type
    if not (
        _is_integer(kind.width) and _is_integer(kind.integer) and 1 <= kind.integer <= kind.width <= _LARGEST_WIDTH
    ):
        raise DataError(f"InputContract: type {kind}; expected 1 <= integer <= width <= {_LARGEST_WIDTH}.")
    for spec, expected in zip(contract.inputs, blank, strict=True):
        _check_input(spec, expected)


def _check_input(spec: InputSpec, expected: InputSpec) -> None:
    """Check one input against its name in the layout and the ranges that the arithmetic holds."""
    for name in ("name", "object", "quantity", "unit"):
        if getattr(spec, name) != getattr(expected, name):
            raise DataError(f"InputContract: {spec.name}: {name} {getattr(spec, name)!r}; expected "
                            f"{getattr(expected, name)!r}.")  # fmt: skip
    limits = {"width": (1, 16), "turn": (0, 1 << 16), "offset": (-(1 << 16), 1 << 16),
              "shift": (-_LARGEST_SHIFT, _LARGEST_SHIFT)}  # fmt: skip
    for name, (low, high) in limits.items():
        value = getattr(spec, name)
        if not _is_integer(value) or not low <= value <= high:
            raise DataError(f"InputContract: {spec.name}: {name} {value!r}; expected an integer in [{low}, {high}].")
    if spec.rounding not in _ROUNDINGS:
        raise DataError(f"InputContract: {spec.name}: rounding {spec.rounding!r}; expected {' or '.join(_ROUNDINGS)}.")
    if not isinstance(spec.lsb, float) or not 0 < spec.lsb < float("inf"):
        raise DataError(f"InputContract: {spec.name}: lsb {spec.lsb!r}; expected a positive number.")
    if not isinstance(spec.signed, bool):
        raise DataError(f"InputContract: {spec.name}: signed {spec.signed!r}; expected true or false.")


def _is_integer(value: object) -> bool:
    """Whether `value` is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)
