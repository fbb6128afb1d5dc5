"""The stage netlist: the mapped cells of a run on the vectors of its ladder."""

from __future__ import annotations

from l1ad.emulation.ladder import write_bit_report
from l1ad.emulation.netlist import open_netlist, run_netlist
from l1ad.emulation.project import open_project
from l1ad.emulation.vectors import read_test_vectors
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import BITS_FILE, CONVERT, EMULATE, NETLIST, SYNTH
from l1ad.records import BitReport

#: Folder of the stage synth with the mapped modules.
CELLS_FOLDER = "netlist"


def run_netlist_stage(run: RunFolder, observer: Observer) -> None:
    """Simulate what Yosys counted and compare every integer with the reference of the ladder."""
    simulation = open_netlist(open_project(run.stage(CONVERT) / "verilog"), run.stage(SYNTH) / CELLS_FOLDER)
    inputs, expected = read_test_vectors(run.stage(EMULATE))
    rung = run_netlist(
        simulation,
        inputs,
        expected,
        latency=latency_clocks(run),
        control_events=run.config.emulation.control_events,
        progress=observer.step,
    )
    write_bit_report(BitReport((rung,)), run.stage(NETLIST))


def latency_clocks(run: RunFolder) -> int:
    """Return the clocks from event to result that the ladder measured on the RTL."""
    timing = BitReport.read(run.stage(EMULATE) / BITS_FILE).measurements
    return int(next(line.value for line in timing if line.name == "latency_clocks"))
