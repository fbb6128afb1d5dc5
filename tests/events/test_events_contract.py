"""The input contract against a slow reference in Python integers and fractions."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.contract import InputContract
from l1ad.events.derivation import derive_contract, rms_loss
from l1ad.events.layout import input_names
from l1ad.events.losses import SaturationCounter, quantization_loss
from l1ad.events.sample import open_sample
from l1ad.records import FixedType

FIXED = FixedType(True, 10, 4)


def slow_hardware(spec, value):
    """Return the hardware integer of one float, exactly, from the quotient in float64."""
    if spec.name == "met_eta":
        return 0
    quotient = Fraction(float(value) / spec.lsb)
    if spec.rounding == "nearest":
        quotient = Fraction(float(quotient) + 0.5)
    whole = quotient.numerator // quotient.denominator
    if spec.turn:
        return (whole + spec.turn // 2) % spec.turn - spec.turn // 2
    low, high = (-(1 << (spec.width - 1)), (1 << (spec.width - 1)) - 1) if spec.signed else (0, (1 << spec.width) - 1)
    return min(max(whole, low), high)


def slow_raw(spec, hardware, kind):
    """Return the raw input of one hardware integer with Python integers of any size."""
    value = (int(hardware) - spec.offset) * (1 << kind.fraction)
    value = value * (1 << -spec.shift) if spec.shift < 0 else value // (1 << spec.shift)
    low = -(1 << (kind.width - 1)) if kind.signed else 0
    high = (1 << (kind.width - 1)) - 1 if kind.signed else (1 << kind.width) - 1
    return min(max(value, low), high)


@pytest.fixture(scope="module")
def background():
    with EventFile(open_sample().background.paths[0]) as file:
        return file[0:20_000]


@pytest.fixture(scope="module")
def contract(background):
    return derive_contract([background], FIXED, "test")


def replace_input(contract, index, **changes):
    inputs = list(contract.inputs)
    inputs[index] = dataclasses.replace(inputs[index], **changes)
    return dataclasses.replace(contract, inputs=tuple(inputs))


def test_real_events_equal_the_slow_reference(contract, background):
    events = background[:300]
    hardware = contract.to_hardware(events)
    raw = contract.apply(hardware)
    flat = events[:, :, :3].reshape(len(events), 57)
    for event in range(len(events)):
        for index, spec in enumerate(contract.inputs):
            expected = slow_hardware(spec, flat[event, index])
            assert hardware[event, index] == expected, spec.name
            assert raw[event, index] == slow_raw(spec, expected, FIXED), spec.name


@pytest.mark.parametrize(
    "kind", [FixedType(True, 10, 4), FixedType(True, 4, 4), FixedType(False, 8, 3), FixedType(True, 18, 1)]
)
def test_random_offsets_shifts_and_types_equal_the_slow_reference(contract, kind):
    generator = np.random.default_rng(7)
    inputs = tuple(
        dataclasses.replace(spec, offset=int(generator.integers(-500, 500)), shift=int(generator.integers(-6, 14)))
        for spec in contract.inputs
    )
    changed = InputContract(1, kind, "", 1, inputs)
    low, high = [s.minimum for s in inputs], [s.maximum for s in inputs]
    hardware = generator.integers(low, np.array(high) + 1, size=(200, 57), dtype=np.int32)
    expected = [[slow_raw(s, value, kind) for s, value in zip(inputs, row, strict=True)] for row in hardware]
    np.testing.assert_array_equal(changed.apply(hardware), expected)


def test_right_shift_rounds_towards_minus_infinity(contract):
    changed = replace_input(contract, 0, offset=1, shift=10)
    hardware = np.zeros((1, 57), dtype=np.int32)
    assert changed.apply(hardware)[0, 0] == -1  # (-1 << 6) >> 10


def test_integer_bits_hold_every_hardware_integer_and_no_bit_less_would(contract):
    for place, (spec, bits) in enumerate(zip(contract.inputs, contract.integer_bits, strict=True)):
        every = np.zeros((spec.maximum - spec.minimum + 1, len(contract.inputs)), dtype=np.int64)
        every[:, place] = np.arange(spec.minimum, spec.maximum + 1)
        raw = contract.apply(every)[:, place].astype(np.int64)
        limit = 1 << (bits + contract.type.fraction)
        assert raw.min() >= -limit, spec.name
        assert raw.max() < limit, spec.name
        assert raw.min() < -limit // 2 or raw.max() >= limit // 2, spec.name
    # Angles do not reach the end of the type, the hardest objects do.
    assert min(contract.integer_bits) < max(contract.integer_bits) == contract.type.integer - 1


def test_flipped_offset_is_seen(contract, background):
    other = replace_input(contract, 0, offset=contract.inputs[0].offset + 1)
    changed = contract.encode(background) != other.encode(background)
    assert changed[:, 0].mean() > 0.99
    assert not changed[:, 1:].any()
    assert other.digest != contract.digest


def test_padding_is_hardware_zero(contract, background):
    hardware = contract.to_hardware(background).reshape(-1, 19, 3)
    padded = background[:, :, 0] == 0
    assert padded.any()
    assert (hardware[padded] == 0).all()
    assert (hardware[~padded] != 0).any()


def test_azimuth_wraps_and_pt_saturates(contract):
    event = np.zeros((1, 19, 4))
    event[0, 9] = (1e9, 4.0, np.pi, 4)
    hardware = dict(zip(input_names(), contract.to_hardware(event)[0], strict=True))
    assert hardware["jet1_pt"] == 2047
    assert hardware["jet1_phi"] == -72
    event[0, 9, 2] = -np.pi
    assert contract.to_hardware(event)[0, input_names().index("jet1_phi")] == -72


def test_eta_of_missing_energy_is_constant(contract):
    event = np.zeros((1, 19, 4))
    event[0, 0] = (50.0, 2.5, 0.0, 1)
    assert contract.to_hardware(event)[0, :2].tolist() == [100, 0]


def test_decode_is_within_half_a_unit_where_nothing_saturates(contract, background):
    losses = {loss.name: loss for loss in quantization_loss(contract, [background])}
    by_name = {spec.name: spec for spec in contract.inputs}
    assert losses["jet1_eta"].largest <= by_name["jet1_eta"].lsb / 2 + 1e-9
    assert losses["electron1_phi"].largest <= by_name["electron1_phi"].lsb / 2 + 1e-6
    _, saturated = contract.saturated(background)
    difference = np.abs(contract.decode(contract.encode(background))[:, 0, 0] - background[:, 0, 0])
    assert difference[~saturated[:, 0]].max() <= by_name["met_pt"].lsb / 2
    assert difference[saturated[:, 0]].min() > by_name["met_pt"].lsb / 2
    assert losses["met_pt"].largest == pytest.approx(difference.max())
    assert losses["met_eta"].rms == 0


def test_saturations_are_counted(contract, background):
    quiet = SaturationCounter(contract)
    quiet.add(background)
    loud = SaturationCounter(replace_input(contract, 0, shift=0))
    loud.add(background)
    centred = np.floor(background[:, 0, 0] / 0.5) - contract.inputs[0].offset
    expected = int(((centred < -8) | (centred > 7)).sum())
    assert loud.counts()[0].raw == expected
    assert quiet.counts()[0].raw < expected / 100
    assert [c.raw for c in loud.counts()[1:]] == [c.raw for c in quiet.counts()[1:]]


def test_derivation_does_not_depend_on_chunks(contract, background):
    pieces = np.array_split(background, 7)
    assert derive_contract(pieces, FIXED, "test") == contract
    assert derive_contract(pieces[:6], FIXED, "test") != contract


def test_derived_spread_is_about_one(contract, background):
    spread = {loss.name: loss.spread for loss in quantization_loss(contract, [background])}
    for name in ("met_pt", "electron1_pt", "jet1_pt", "jet1_eta", "jet1_phi", "muon1_eta", "muon1_phi", "met_phi"):
        assert 0.3 < spread[name] < 1.5, name


def test_rare_rows_take_the_scale_of_their_object(contract):
    by_name = {spec.name: spec for spec in contract.inputs}
    assert by_name["electron4_pt"].offset > 0
    assert by_name["jet10_pt"] == dataclasses.replace(by_name["jet9_pt"], name="jet10_pt")
    assert (by_name["met_eta"].offset, by_name["met_eta"].shift) == (0, 0)


def test_chosen_shift_loses_least(contract, background):
    pt = background[:, 9, 0]
    hardware = np.floor(pt[pt > 0] / 0.5).astype(np.int64)
    spec = contract.inputs[input_names().index("jet1_pt")]
    counts = np.ones_like(hardware)
    chosen = rms_loss(hardware - spec.offset, counts, spec.shift, FIXED)
    assert chosen <= rms_loss(hardware - spec.offset, counts, spec.shift - 1, FIXED)


def test_file_round_trip(contract, tmp_path):
    path = tmp_path / "inputs.json"
    contract.write(path)
    read = InputContract.read(path)
    assert read == contract
    assert read.digest == contract.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(version=2), "version 2"),
        (lambda v: v.pop("version"), "version None"),
        (lambda v: v.update(extra=1), "unknown field 'extra'"),
        (lambda v: v["inputs"][3].update(color="red"), "unknown field 'color'"),
        (lambda v: v["inputs"].pop(), "56 inputs"),
        (lambda v: v["inputs"].reverse(), "jet10_phi: name"),
        (lambda v: v["inputs"][5].update(shift=99), "electron1_phi: shift 99"),
        (lambda v: v["inputs"][5].update(shift=1.5), "shift 1.5"),
        (lambda v: v["inputs"][0].update(offset=True), "offset True"),
        (lambda v: v["inputs"][0].update(rounding="up"), "rounding 'up'"),
        (lambda v: v["inputs"][0].update(lsb=0.0), "lsb 0.0"),
        (lambda v: v["inputs"][0].update(lsb=float("nan")), "lsb nan"),
        (lambda v: v["type"].update(width=40), "type fixed<40,4>"),
        (lambda v: v.pop("type"), "type"),
        (lambda v: v.update(inputs=5), "inputs"),
        (lambda v: v["inputs"].__setitem__(0, "met_pt"), "inputs"),
    ],
)
def test_bad_contract_is_refused(contract, tmp_path, change, message):
    values = json.loads(json.dumps(contract.to_dict()))
    change(values)
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=message) as caught:
        InputContract.read(path)
    assert str(path) in str(caught.value)


def test_bad_events_are_refused(contract):
    with pytest.raises(DataError, match="expected shape"):
        contract.encode(np.zeros((3, 18, 4)))
    bad = np.zeros((3, 19, 4))
    bad[1, 4, 2] = np.nan
    with pytest.raises(DataError, match="event 1, row 4, phi is nan"):
        contract.encode(bad)
    with pytest.raises(DataError, match="expected integers"):
        contract.apply(np.zeros((3, 57)))
    with pytest.raises(DataError, match="no event"):
        derive_contract([], FIXED)
