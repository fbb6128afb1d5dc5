"""The stages of a run: their order, what decides their results, and where their results lie."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DATA, TRAIN, EVALUATE = "data", "train", "evaluate"
CONVERT, EMULATE, SYNTH, NETLIST, REPORT = "convert", "emulate", "synth", "netlist", "report"

#: Files in the folders of the stages.
BITS_FILE = "bits.json"
TEACHER_METRICS = "teacher.json"
BUDGET_FILE = "budget.json"
PAGE = "report.html"


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes
    ----------
    title : str
        What a watcher is told.
    function : str
        ``module:name`` of the function that does the work; loaded when the stage runs.
    sections : tuple of str
        Sections of the configuration that decide its result.
    needs : tuple of str
        Stages whose results go in.
    rooms : tuple of str
        Packages and modules of l1ad whose code decides the result; ``firmware`` for the hardware sources.
    optional : bool
        Whether it also runs without the stages in `needs`, on those that have finished.
    keeps : bool
        Whether it takes care of the files of its last run; those of other stages are removed first.
    """

    title: str
    function: str
    sections: tuple[str, ...]
    needs: tuple[str, ...]
    rooms: tuple[str, ...]
    optional: bool = False
    keeps: bool = False

    def load(self) -> Callable[[Any, Any], None]:
        """Return the function that does the work, called with the run and its observer."""
        module, name = self.function.split(":")
        function: Callable[[Any, Any], None] = getattr(importlib.import_module(module), name)
        return function


#: Stages in their order.
STAGES: dict[str, Stage] = {
    DATA: Stage(
        "events",
        "l1ad.pipeline.physics:run_data",
        ("data", "inputs"),
        (),
        ("events", "hardware/fixed_point.py"),
        keeps=True,
    ),
    TRAIN: Stage(
        "training",
        "l1ad.pipeline.physics:run_train",
        ("seed", "network", "score", "training", "quantization"),
        (DATA,),
        ("training", "networks", "scores", "hardware/fixed_point.py"),
        keeps=True,
    ),
    EVALUATE: Stage(
        "evaluation",
        "l1ad.pipeline.physics:run_evaluate",
        ("evaluation",),
        (DATA, TRAIN),
        ("evaluation", "networks", "scores", "hardware/fixed_point.py", "pipeline/physics.py"),
    ),
    CONVERT: Stage(
        "conversion",
        "l1ad.pipeline.firmware:run_convert",
        ("name", "conversion"),
        (DATA, TRAIN),
        ("conversion", "networks", "scores", "hardware", "firmware", "pipeline/firmware.py"),
        keeps=True,
    ),
    EMULATE: Stage(
        "emulation",
        "l1ad.pipeline.firmware:run_emulate",
        ("emulation",),
        (DATA, TRAIN, CONVERT),
        ("emulation", "networks", "hardware/fixed_point.py", "firmware", "pipeline/firmware.py"),
    ),
    SYNTH: Stage(
        "synthesis",
        "l1ad.pipeline.firmware:run_synth",
        ("synthesis",),
        (CONVERT, EMULATE),
        ("synthesis", "hardware", "pipeline/firmware.py"),
        optional=True,
    ),
    NETLIST: Stage(
        "simulation of the netlist",
        "l1ad.pipeline.netlist:run_netlist_stage",
        ("emulation", "synthesis"),
        (CONVERT, EMULATE, SYNTH),
        ("emulation", "hardware/fixed_point.py", "hardware/rtl_ports.py", "pipeline/netlist.py"),
    ),
    REPORT: Stage(
        "report",
        "l1ad.pipeline.summary:run_report",
        ("name",),
        (DATA, TRAIN, EVALUATE, CONVERT, EMULATE, SYNTH, NETLIST),
        ("reporting", "pipeline/summary.py"),
        optional=True,
    ),
}


def stages_of(frontend: str, backends: tuple[str, ...], netlist: bool = True) -> tuple[str, ...]:
    """Return the stages that a configuration goes through.

    A float model becomes no firmware, and without Verilog there is nothing to map. `netlist` says whether what was
    mapped is simulated.

    Examples
    --------
    >>> stages_of("float", ("verilog",))
    ('data', 'train', 'evaluate', 'report')
    >>> stages_of("qkeras", ("vitis",))
    ('data', 'train', 'evaluate', 'convert', 'emulate', 'report')
    """
    without: set[str] = {CONVERT, EMULATE, SYNTH, NETLIST} if frontend == "float" else set()
    if "verilog" not in backends:
        without |= {SYNTH, NETLIST}
    if not netlist:
        without.add(NETLIST)
    return tuple(name for name in STAGES if name not in without)
