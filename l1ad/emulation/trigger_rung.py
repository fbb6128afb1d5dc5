"""The rung `trigger`: every clock of the top level against its bit-exact model, with three negative controls."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l1ad.emulation.project import OpenProject
from l1ad.emulation.trigger import TriggerSimulation, build_trigger
from l1ad.emulation.vectors import Integers
from l1ad.errors import DataError
from l1ad.hardware.trigger import PRESCALE_ADDRESS, THRESHOLD_ADDRESS, TriggerSpec
from l1ad.hardware.trigger_model import COLUMNS, Stream, make_stream, run_model
from l1ad.records import Difference, FixedType, NegativeControl, RungReport

_log = logging.getLogger(__name__)

#: Backend -> name of the rung.
RUNGS = {"verilog": "trigger", "vitis": "trigger_csim", "vivado": "trigger_csim"}


@dataclass(frozen=True)
class TriggerEvents:
    """Events of the rung.

    Attributes
    ----------
    words : array of int64, shape (N, inputs)
        Hardware integers.
    scores : array of int64, shape (N,)
        Raw score that the reference gives for them.
    """

    words: Integers
    scores: Integers


def trigger_words(spec: TriggerSpec, raw: Integers, *, extremes: int, seed: int = 0) -> Integers:
    """Return hardware integers of events, and of `extremes` events more over the whole range of every word.

    Parameters
    ----------
    spec : TriggerSpec
    raw : array of int64, shape (N, inputs)
        Raw inputs of real events.
    extremes : int
        Events whose words are uniform, or the smallest or largest of the width.
    seed : int
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    low = np.array([item.type.minimum for item in spec.inputs])
    high = np.array([item.type.maximum for item in spec.inputs])
    uniform = rng.integers(low, high, (extremes, len(low)), endpoint=True)
    ends = np.where(rng.random(uniform.shape) < 0.5, low, high)
    chosen = rng.random((extremes, 1)) < 0.25
    return np.concatenate([spec.words(raw), np.where(chosen, ends, uniform)]).astype(np.int64)


def run_trigger(
    project: OpenProject, events: TriggerEvents, build_folder: Path, progress: Callable[[str], None]
) -> RungReport:
    """Simulate the top level of a project on a stream of events, gaps, resets and register writes.

    Parameters
    ----------
    project : OpenProject
        A project with ``trigger/trigger.json``.
    events : TriggerEvents
    build_folder : Path
        Where the program is kept.
    progress : callable
        Called with one line when a step begins.

    Raises
    ------
    DataError
        When events and scores do not fit together, or no event is accepted.
    ToolMissingError, ToolError
        When a simulator is missing or fails.
    """
    if len(events.words) != len(events.scores):
        raise DataError(f"trigger: {len(events.words)} events with {len(events.scores)} scores.")
    progress(f"trigger ({project.record.backend}): compile")
    simulation = build_trigger(project, build_folder)
    progress(f"trigger ({project.record.backend}): run and negative controls")
    stream = make_stream(simulation.spec, events.scores)
    expected = run_model(simulation.spec, events.scores, stream)
    found, rate = simulation.run(events.words, stream)
    control = control_trigger(simulation, events, stream, expected)
    equal = (found == expected).all(axis=1)
    sent = int(expected[:, 0].sum())
    report = RungReport(
        rung=RUNGS[project.record.backend],
        engine=f"{simulation.engine}; {len(stream):,} clocks",
        events=sent,
        # A wrong clock without an event counts as one wrong event: all clocks have to agree.
        equal_events=sent - min(sent, int((~equal).sum())),
        events_per_second=rate * sent / len(stream),
        first_difference=None if equal.all() else _difference(expected, found, simulation.spec),
        control=control,
    )
    if report.first_difference is not None:
        _log.warning("%s differs: %s", report.rung, report.first_difference)
    return report


def control_trigger(
    simulation: TriggerSimulation, events: TriggerEvents, stream: Stream, expected: Integers
) -> NegativeControl:
    """Break the top level in three ways; the model of the whole one has to see each of them.

    One threshold is written one too high, events arrive with a valid flag that is one clock late, and one prescale is
    written as off. The number of events changed is that of the way that changed fewest.
    """
    score_maximum = simulation.spec.score_type.maximum
    address, data = stream.address, stream.data
    raised = stream.write & (address == THRESHOLD_ADDRESS + 1) & (data < score_maximum)
    switched = stream.write & (address == PRESCALE_ADDRESS + 1) & (data > 0)
    broken = {
        "threshold 1 one too high": dataclasses.replace(stream, data=data + raised),
        "valid flag one clock late": dataclasses.replace(stream, valid=np.roll(stream.valid, 1)),
        "prescale 1 off": dataclasses.replace(stream, data=np.where(switched, 0, data)),
    }
    changed = {
        name: int((simulation.run(events.words, other)[0] != expected).any(axis=1).sum())
        for name, other in broken.items()
    }
    what = "; ".join(f"{name}: {count} clocks" for name, count in changed.items())
    return NegativeControl(what, len(stream), min(changed.values()))


def _difference(expected: Integers, found: Integers, spec: TriggerSpec) -> Difference:
    """Return the first clock and column that differ; the clock stands where other rungs name the event."""
    clock, column = (int(axis) for axis in np.argwhere(expected != found)[0])
    bits = spec.score_type if COLUMNS[column] == "score" else FixedType(False, 5, 5)
    return Difference(
        event=clock,
        layer=f"clock of the trigger, {COLUMNS[column]}",
        channel=0,
        expected=int(expected[clock, column]),
        found=int(found[clock, column]),
        expected_type=bits,
        found_type=bits,
    )
