"""Bit-exact model of the trigger's top level, clock by clock, and streams of clocks that try it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from l1ad.hardware.trigger import (
    N_THRESHOLDS,
    PRESCALE_ADDRESS,
    PRESCALE_BITS,
    THRESHOLD_ADDRESS,
    Integers,
    TriggerSpec,
    check_prescales,
    check_thresholds,
)

#: Columns of what the model and the simulations return for every clock.
COLUMNS = ("valid", "score", "accept", "fire", "error")

#: How `make_stream` can send events.
WAYS = ("back_to_back", "gaps", "resets")


@dataclass(frozen=True)
class Stream:
    """What is put on the ports of the top level, one row a clock.

    Attributes
    ----------
    event : array of int64, shape (clocks,)
        Index of the event on the input; also where `valid` is not set, since the lines are never without a value.
    valid, reset, write : array of bool, shape (clocks,)
        Valid flag of the event, reset, and whether a register is written.
    address, data : array of int64, shape (clocks,)
        Of the write port.
    """

    event: Integers
    valid: npt.NDArray[np.bool_]
    reset: npt.NDArray[np.bool_]
    write: npt.NDArray[np.bool_]
    address: Integers
    data: Integers

    def __len__(self) -> int:
        return len(self.event)


@dataclass
class _Registers:
    """Registers and counters of the top level."""

    spec: TriggerSpec
    thresholds: list[int] = field(default_factory=list)
    prescales: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def reset(self) -> None:
        """Take the values that stand in the specification."""
        self.thresholds, self.prescales = list(self.spec.thresholds), list(self.spec.prescales)
        self.counts = [0] * N_THRESHOLDS

    def decide(self, score: int) -> tuple[int, int]:
        """Return the bits `accept` and `fire` of an event and count it."""
        accept = fire = 0
        for number in range(N_THRESHOLDS):
            if score < self.thresholds[number]:
                continue
            accept |= 1 << number
            # A prescale of 0 never equals the count of accepted events, which starts at 1.
            if self.counts[number] + 1 == self.prescales[number]:
                fire |= 1 << number
                self.counts[number] = 0
            else:
                self.counts[number] = (self.counts[number] + 1) % (1 << PRESCALE_BITS)
        return accept, fire

    def write(self, address: int, data: int) -> bool:
        """Write a register; False when there is none at `address` or `data` does not fit it."""
        threshold, prescale = address - THRESHOLD_ADDRESS, address - PRESCALE_ADDRESS
        if 0 <= threshold < N_THRESHOLDS and data <= self.spec.score_type.maximum:
            self.thresholds[threshold] = data
            return True
        if 0 <= prescale < N_THRESHOLDS and data < 1 << PRESCALE_BITS:
            self.prescales[prescale], self.counts[prescale] = data, 0
            return True
        return False


def run_model(spec: TriggerSpec, scores: npt.ArrayLike, stream: Stream) -> Integers:
    """Return the outputs of the top level after every clock.

    At each rising edge, in this order: a reset clears everything in flight and restores the registers; the event that
    left the network is compared with the registers as they were; then a register is written.

    Parameters
    ----------
    spec : TriggerSpec
    scores : array_like of int, shape (events,)
        Raw score of each event.
    stream : Stream

    Returns
    -------
    array of int64, shape (clocks, 5)
        `COLUMNS`. Score, accept and fire are 0 without a valid event; bit k of accept and fire is threshold k.
    """
    values = np.asarray(scores, dtype=np.int64)
    registers = _Registers(spec)
    registers.reset()
    delay = spec.network_latency
    flying: dict[int, int] = {}
    rows = np.zeros((len(stream), len(COLUMNS)), dtype=np.int64)
    for clock in range(len(stream)):
        if stream.reset[clock]:
            registers.reset()
            flying.clear()
            continue
        if stream.valid[clock]:
            flying[clock + delay] = int(values[stream.event[clock]])
        if clock in flying:
            score = flying.pop(clock)
            rows[clock, :4] = (1, score, *registers.decide(score))
        if stream.write[clock]:
            rows[clock, 4] = not registers.write(int(stream.address[clock]), int(stream.data[clock]))
    return rows


def make_stream(spec: TriggerSpec, scores: npt.ArrayLike, seed: int = 0, ways: Sequence[str] = WAYS) -> Stream:
    """Return a stream that sends every event once in each of three ways; a reset takes some of them away.

    Back to back; with gaps of random length in which the lines hold other events; back to back with resets while
    events are in flight. In between the registers are written: thresholds that equal scores of the events, so that a
    threshold wrong by one shows, prescales from 0 to 7, and writes that have to be refused.

    Parameters
    ----------
    spec : TriggerSpec
    scores : array_like of int, shape (events,)
        Raw score of each event.
    seed : int
        Of the random numbers.
    ways : sequence of str
        Of `WAYS`.
    """
    values = np.asarray(scores, dtype=np.int64)
    rng = np.random.default_rng(seed)
    events, tail = len(values), spec.latency + 1
    parts = [_PARTS[way](events, spec.latency, rng) for way in ways]
    parts.append((rng.integers(0, events, tail), np.zeros(tail, bool), np.zeros(tail, bool)))
    event, valid, reset = (np.concatenate(column) for column in zip(*parts, strict=True))
    reset[0] = True
    write = rng.random(len(event)) < 0.02
    # The registers are set at once after each reset.
    for start in np.flatnonzero(reset):
        write[start + 1 : start + 1 + 2 * N_THRESHOLDS] = True
    write &= ~reset
    stream = Stream(event.astype(np.int64), valid, reset, write, np.zeros(len(event), int), np.zeros(len(event), int))
    address, data = _writes(spec, values, stream, rng)
    return dataclasses.replace(stream, address=address, data=data)


#: Clocks in which an event comes soon. A threshold holds for some 500 clocks.
_SOON = 60

_Part = tuple[Integers, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _back_to_back(events: int, latency: int, rng: np.random.Generator) -> _Part:
    """Return event, valid flag and reset of one event a clock."""
    del latency, rng
    return np.arange(events), np.ones(events, bool), np.zeros(events, bool)


def _gaps(events: int, latency: int, rng: np.random.Generator) -> _Part:
    """Return the same with up to two clocks without an event before each."""
    del latency
    places = np.cumsum(rng.integers(1, 4, events)) - 1
    event = rng.integers(0, events, places[-1] + 1)
    event[places] = np.arange(events)
    valid = np.zeros(len(event), bool)
    valid[places] = True
    return event, valid, np.zeros(len(event), bool)


def _resets(events: int, latency: int, rng: np.random.Generator) -> _Part:
    """Return one event a clock with resets while events are in flight."""
    event, valid, reset = _back_to_back(events, latency, rng)
    reset[:: max(events // 7, 3 * latency)] = True
    return event, valid, reset


_PARTS = {"back_to_back": _back_to_back, "gaps": _gaps, "resets": _resets}


def _writes(spec: TriggerSpec, scores: Integers, stream: Stream, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Return addresses and data of the write port: after a reset all registers in turn, else one at random."""
    clocks = len(stream)
    address, data = rng.integers(0, 16, clocks), rng.integers(0, 1 << 32, clocks)
    since = _since(stream.reset)
    for clock in np.flatnonzero(stream.write):
        turn = since[clock] - 1
        chosen = int(rng.integers(0, 2 * N_THRESHOLDS + 1)) if turn >= 2 * N_THRESHOLDS else int(turn)
        if chosen < N_THRESHOLDS:
            place, value = THRESHOLD_ADDRESS + chosen, _threshold(scores, stream, int(clock), rng)
        elif chosen < 2 * N_THRESHOLDS:
            place, value = PRESCALE_ADDRESS + chosen - N_THRESHOLDS, int(rng.integers(0, 8))
        else:  # no such register, or a value that does not fit
            place = int(rng.choice([N_THRESHOLDS, 15, THRESHOLD_ADDRESS]))
            value = int(spec.score_type.maximum + 1 + rng.integers(0, 1 << 8))
        address[clock], data[clock] = place, value
    return address.astype(np.int64), data.astype(np.int64)


def _threshold(scores: Integers, stream: Stream, clock: int, rng: np.random.Generator) -> int:
    """Return the score of an event that comes soon after `clock`, or a quantile of all scores.

    Where scores are fine, few events have the same, and only one that comes while the threshold holds can show that
    the threshold is one too high.
    """
    soon = slice(clock + 1, clock + 1 + _SOON)
    coming = stream.event[soon][stream.valid[soon]]
    if len(coming) and rng.random() < 0.5:
        return int(scores[rng.choice(coming)])
    return int(np.quantile(scores, float(rng.choice([0.1, 0.5, 0.9, 0.99])), method="nearest"))


def _since(marks: npt.NDArray[np.bool_]) -> Integers:
    """Return for each clock how many clocks ago the last mark was."""
    index = np.arange(len(marks))
    return index - np.maximum.accumulate(np.where(marks, index, 0))


def register_writes(thresholds: Iterable[int], prescales: Iterable[int], spec: TriggerSpec) -> list[tuple[int, int]]:
    """Return (address, data) of the writes that set the registers.

    Raises
    ------
    DataError
        When a value is out of range; the number is named.

    Examples
    --------
    >>> from l1ad.records import FixedType
    >>> types = FixedType(True, 10, 4), FixedType(False, 8, 8)
    >>> spec = TriggerSpec("net", (), *types, (255,) * 5, (0,) * 5, 0, "")
    >>> register_writes([200, 100], [1, 16], spec)
    [(0, 200), (1, 100), (8, 1), (9, 16)]
    """
    raw, every = list(thresholds), list(prescales)
    check_thresholds(raw, spec.score_type)
    check_prescales(every)
    found = [(THRESHOLD_ADDRESS + number, value) for number, value in enumerate(raw)]
    return found + [(PRESCALE_ADDRESS + number, value) for number, value in enumerate(every)]
