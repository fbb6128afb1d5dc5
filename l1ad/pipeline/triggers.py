"""The trigger's top level of the projects of a run: events for it, its rungs, and its cocotb bench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.emulation.project import open_project
from l1ad.emulation.trigger import has_trigger, read_trigger
from l1ad.emulation.trigger_rung import TriggerEvents, run_trigger, trigger_words
from l1ad.errors import DataError
from l1ad.events.contract import InputContract
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.projects import projects
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, EMULATE
from l1ad.records import RungReport

#: Raw inputs -> raw scores of the reference, shape (N, 1).
Reference = Callable[[NDArray[np.int64]], Any]


def trigger_rungs(
    run: RunFolder, contract: InputContract, reference: Reference, inputs: NDArray[np.int64], observer: Observer
) -> tuple[RungReport, ...]:
    """Run the top level of every project that has one: on events, and on words over their whole range.

    Parameters
    ----------
    run : RunFolder
    contract : InputContract
        Of the events.
    reference : callable
        Raw inputs -> raw scores.
    inputs : array of int64, shape (N, inputs)
        Raw inputs of events.
    observer : Observer
        Receives the progress.

    Raises
    ------
    DataError
        When a top level is of another contract.
    """
    opened = [open_project(run.stage(CONVERT) / backend) for backend in projects(run)]
    found = [project for project in opened if has_trigger(project)]
    if not found:
        return ()
    spec = read_trigger(found[0])
    if spec.contract != contract.digest:
        raise DataError(f"{found[0].folder}: its top level is of another input contract. Convert again.")
    words = trigger_words(spec, inputs, extremes=max(len(inputs) // 4, 1))
    observer.step("Keras reference of the trigger")
    events = TriggerEvents(words, reference(spec.scale(words))[:, 0])
    return tuple(run_trigger(project, events, run.build / EMULATE, observer.step) for project in found)


def cocotb_failures(run: RunFolder, observer: Observer, events: int = 1000) -> dict[str, str]:
    """Run the cocotb bench on the Verilog of a run and return what failed, test -> first difference.

    The scores come from alkaid's interpreter, which the ladder has compared with Keras.

    Parameters
    ----------
    run : RunFolder
        A run that has been emulated.
    observer : Observer
        Receives the progress.
    events : int
        Test vectors that are sent, and a quarter as many over the whole range of the words.

    Raises
    ------
    DataError
        When the run has no Verilog project, or it has no top level.
    ToolMissingError, ToolError
        When a tool is missing or fails.
    """
    from l1ad.emulation.cocotb_bench import run_bench
    from l1ad.emulation.interpreter import load_interpreter
    from l1ad.emulation.vectors import read_test_vectors

    project = open_project(run.stage(CONVERT) / "verilog")
    spec = read_trigger(project)
    inputs, _ = read_test_vectors(run.stage(EMULATE))
    words = trigger_words(spec, inputs[-events:], extremes=max(events // 4, 1))
    scores = load_interpreter(project).run(spec.scale(words)).outputs[:, 0]
    observer.step("cocotb bench of the trigger")
    result = run_bench(project, TriggerEvents(words, scores), run.build / EMULATE)
    observer.step(f"cocotb: {', '.join(result.tests)} ({result.engine})")
    return dict(result.failures) if result.tests else {"bench": "no test ran"}
