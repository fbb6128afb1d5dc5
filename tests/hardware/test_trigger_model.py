"""The record of the trigger's top level and its model, against arithmetic by hand and against the input contract."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.events.contract import InputContract
from l1ad.events.layout import N_INPUTS
from l1ad.hardware.trigger import N_THRESHOLDS, THRESHOLD_ADDRESS, TriggerInput, TriggerSpec
from l1ad.hardware.trigger_model import Stream, make_stream, register_writes, run_model
from l1ad.records import FixedType

RAW, SCORE = FixedType(True, 10, 4), FixedType(False, 8, 8)
INPUTS = (
    TriggerInput("pt", False, 12, 72, 6),
    TriggerInput("eta", True, 8, -3, 2),
    TriggerInput("phi", True, 8, 0, -2),
)


def spec(**changes: object) -> TriggerSpec:
    values = {
        "network": "net",
        "inputs": INPUTS,
        "input_type": RAW,
        "score_type": SCORE,
        "thresholds": (10, 20, 30, 255, 255),
        "prescales": (1, 2, 3, 0, 0),
        "network_latency": 3,
        "contract": "",
    }
    return TriggerSpec(**(values | changes))  # type: ignore[arg-type]


def stream(events: list[int], **columns: list[int]) -> Stream:
    """Return a stream with the columns given; the valid flag is set where the event is not negative."""
    clocks = len(events)
    rows = {name: np.array(columns.get(name, [0] * clocks)) for name in ("reset", "write", "address", "data")}
    index = np.array(events)
    return Stream(
        np.maximum(index, 0),
        index >= 0,
        rows["reset"].astype(bool),
        rows["write"].astype(bool),
        rows["address"],
        rows["data"],
    )


def test_scaling_is_that_of_the_input_contract() -> None:
    from l1ad.events.contract import CONTRACT_VERSION, blank_inputs

    rng = np.random.default_rng(1)
    inputs = tuple(
        dataclasses.replace(item, offset=int(rng.integers(-90, 90)), shift=int(rng.integers(-3, 8)))
        for item in blank_inputs()
    )
    contract = InputContract(CONTRACT_VERSION, RAW, "test", 1, inputs)
    trigger = spec(inputs=tuple(TriggerInput(i.name, i.signed, i.width, i.offset, i.shift) for i in inputs))
    low = [item.type.minimum for item in trigger.inputs]
    high = [item.type.maximum for item in trigger.inputs]
    words = rng.integers(low, high, (4000, N_INPUTS), endpoint=True)
    raw = contract.apply(words)
    assert {raw.min(), raw.max()} == {RAW.minimum, RAW.maximum}
    assert np.array_equal(trigger.scale(words), raw)
    # The words found for raw inputs give these raw inputs again, though they are other words.
    found = trigger.words(raw)
    assert np.array_equal(contract.apply(found), raw)
    assert not np.array_equal(found, words)
    # One offset wrong by one shows.
    wrong = dataclasses.replace(trigger.inputs[0], offset=trigger.inputs[0].offset + 1)
    assert not np.array_equal(spec(inputs=(wrong, *trigger.inputs[1:])).scale(words), raw)


def test_a_raw_input_without_a_word_is_refused() -> None:
    # phi moves two bits to the left besides the fraction of six bits: 1 is no multiple of 256.
    with pytest.raises(DataError, match=r"input phi: no hardware integer gives the raw input 1 of event 0"):
        spec().words([[0, 0, 1]])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([[4096, 0, 0]], r"input pt: hardware integer 4096 does not fit 12 bits"),
        ([[0, -129, 0]], r"input eta: hardware integer -129"),
        ([[0, 0]], r"expected integers of shape \(events, 3\)"),
        ([[0.5, 0.0, 0.0]], r"words of float64"),
    ],
)
def test_words_that_do_not_fit_are_refused(words: list[list[float]], text: str) -> None:
    with pytest.raises(DataError, match=text):
        spec().scale(np.array(words))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"thresholds": (256, 0, 0, 0, 0)}, r"threshold 256 is outside the score's range: ufixed<8,8> .* 0 to 255"),
        ({"thresholds": (-1, 0, 0, 0, 0)}, r"threshold -1"),
        ({"thresholds": (1, 2)}, r"2 thresholds and 5 prescales"),
        ({"prescales": (1 << 24, 0, 0, 0, 0)}, r"prescale 16777216"),
        ({"score_type": FixedType(True, 8, 8)}, r"expected an unsigned type"),
    ],
)  # fmt: skip
def test_registers_out_of_range_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        spec(**changes)


def test_too_many_thresholds_are_refused() -> None:
    with pytest.raises(DataError, match="6 thresholds; the top level holds 5"):
        register_writes(range(6), (), spec())


def test_the_record_survives_json(tmp_path) -> None:
    from l1ad.provenance import write_json

    write_json(tmp_path / "trigger.json", spec().to_dict())
    assert TriggerSpec.read(tmp_path / "trigger.json") == spec()
    write_json(tmp_path / "trigger.json", {**spec().to_dict(), "thresholds": [1.5] * N_THRESHOLDS})
    with pytest.raises(DataError, match="not all integers"):
        TriggerSpec.read(tmp_path / "trigger.json")


def test_decisions_by_hand() -> None:
    scores = [9, 10, 20, 30, 255]
    rows = run_model(spec(), scores, stream([0, 1, -1, 2, 3, 4, -1, -1, -1]))
    # The network takes three clocks, so the decision of the event of clock 0 stands after clock 3.
    assert rows[:, 0].tolist() == [0, 0, 0, 1, 1, 0, 1, 1, 1]
    assert rows[:, 1].tolist() == [0, 0, 0, 9, 10, 0, 20, 30, 255]
    assert rows[:, 2].tolist() == [0, 0, 0, 0, 0b1, 0, 0b11, 0b111, 0b11111]
    # Threshold 1 fires at its second accepted event, threshold 2 would at its third; a prescale of 0 never does.
    assert rows[:, 3].tolist() == [0, 0, 0, 0, 0b1, 0, 0b1, 0b11, 0b1]


def test_a_write_counts_from_the_next_event_and_restarts_the_prescale() -> None:
    scores = [30]
    events = [0] * 8
    write, address, data = [0] * 8, [0] * 8, [0] * 8
    # The prescale of threshold 2 becomes 2 with the edge at which its second event is compared.
    write[4], address[4], data[4] = 1, 10, 2
    # Threshold 0 becomes 31 with the edge after.
    write[5], address[5], data[5] = 1, 0, 31
    rows = run_model(spec(), scores, stream(events, write=write, address=address, data=data))
    assert (rows[3:, 2] & 1).tolist() == [1, 1, 1, 0, 0]
    assert (rows[3:, 3] >> 2 & 1).tolist() == [0, 0, 0, 1, 0]
    assert rows[:, 4].sum() == 0


@pytest.mark.parametrize(("address", "data"), [(0, 256), (5, 1), (7, 0), (8, 1 << 24), (13, 1), (15, 0)])
def test_refused_writes_change_nothing(address: int, data: int) -> None:
    columns = {"write": [1, 0, 0, 0, 0], "address": [address] * 5, "data": [data] * 5}
    rows = run_model(spec(), [30], stream([0] * 5, **columns))
    assert rows[:, 4].tolist() == [1, 0, 0, 0, 0]
    assert np.array_equal(rows[:, :4], run_model(spec(), [30], stream([0] * 5))[:, :4])


def test_a_reset_takes_events_in_flight_and_restores_the_registers() -> None:
    columns = {"reset": [0, 0, 1, 0, 0, 0, 0, 0], "write": [1] + [0] * 7, "address": [0] * 8, "data": [200] * 8}
    rows = run_model(spec(), [30], stream([0, 0, 0, 0, -1, -1, -1, -1], **columns))
    assert rows[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    assert rows[6, 2] & 1 == 1


def test_the_stream_holds_what_it_promises() -> None:
    scores = np.random.default_rng(2).integers(0, 256, 500)
    sent = make_stream(spec(), scores)
    rows = run_model(spec(), scores, sent)
    assert sent.reset.sum() > 3
    assert (rows[:, 4] > 0).sum() > 3
    assert set(np.unique(sent.event[sent.valid])) == set(range(500))
    assert (~sent.valid).sum() > 200
    for number in range(N_THRESHOLDS):
        accepted, fired = ((rows[:, column] >> number & 1).sum() for column in (2, 3))
        assert 0 < fired < accepted
    # A threshold one too high, a latency of one clock more, and no prescale are all seen.
    raised = dataclasses.replace(sent, data=sent.data + (sent.write & (sent.address < 5) & (sent.data < 255)))
    assert not np.array_equal(run_model(spec(), scores, raised), rows)
    assert not np.array_equal(run_model(spec(network_latency=4), scores, sent), rows)
    ones = np.where(sent.address >= 8, 1, sent.data)
    assert not np.array_equal(run_model(spec(), scores, dataclasses.replace(sent, data=ones)), rows)


def test_a_threshold_one_too_high_shows_where_no_two_events_have_one_score():
    """Of quantiles alone next to none is the score of an event that comes while the threshold holds."""
    fine = spec(score_type=FixedType(signed=False, width=20, integer=20))
    scores = np.random.default_rng(4).permutation(np.arange(1, 2001)) * 500
    stream = make_stream(fine, scores)
    raised = stream.write & (stream.address == THRESHOLD_ADDRESS + 1) & (stream.data <= fine.score_type.maximum - 1)
    broken = dataclasses.replace(stream, data=stream.data + raised)
    changed = (run_model(fine, scores, stream) != run_model(fine, scores, broken)).any(axis=1)
    assert changed.sum() >= 3
