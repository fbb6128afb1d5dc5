"""Compares Yosys with one pipeline stage a process against Yosys on the flat design.

    python benchmarks/bench_yosys.py                      # a 32-16-3 network with random 5-bit weights
    python benchmarks/bench_yosys.py --project RUN/convert/verilog
    python benchmarks/bench_yosys.py --widths 57,32,16,3 --repeats 1 --json table.json     # minutes

Flat is one ``synth_xilinx``; of the stages each goes through the part of it that logic needs. CPU time is that of all
processes together and depends little on what else the machine does; wall time does. Memory is the largest sum over
the processes that run at one time, of what each holds alone and its share of what several hold (Pss of proc(5)),
without this script. The two ways run in turn, and medians are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from _bench import median

from l1ad.hardware.parts import resolve_part
from l1ad.provenance import folder_digests, value_digest, versions, write_json
from l1ad.records import FirmwareProject, FixedType, SynthesisReport
from l1ad.synthesis.run import synthesize


def write_network(folder: Path, widths: list[int], weight_bits: int, activation_bits: int = 8, seed: int = 1) -> None:
    """Write a dense network of random weights as an alkaid project, without ternary adders."""
    from alkaid.codegen.rtl.rtl_model import RTLModel
    from alkaid.trace import FVArray, HWConfig, trace

    rng, fraction = np.random.default_rng(seed), activation_bits - 4
    n = widths[0]
    inputs = FVArray.from_kif(
        np.ones(n, int), np.full(n, 3), np.full(n, fraction), HWConfig(1, 1, -1), solver_options={"hard_dc": 2}
    )
    values = inputs
    half = 1 << (weight_bits - 1)
    for index, (rows, columns) in enumerate(itertools.pairwise(widths)):
        values = values @ (rng.integers(-half, half, (rows, columns)) / half)
        if index < len(widths) - 2:
            values = values.relu(i=np.full(columns, 4), f=np.full(columns, fraction), round_mode="RND")
    part = resolve_part("xcvu9p").name
    model = RTLModel(
        trace(inputs, values),
        folder,
        prj_name="network",
        flavor="verilog",
        latency_cutoff=2.5,
        part_name=part,
        ternary_fuse=False,
    )
    model.write()
    files = folder_digests(folder)
    project = FirmwareProject(
        backend="verilog",
        top="network",
        part=part,
        clock_ns=5.0,
        engine="alkaid " + versions(["alkaid"])["alkaid"],
        input_type=FixedType(True, activation_bits, 4),
        n_inputs=n,
        output_type=FixedType(True, 32, 16),
        n_outputs=widths[-1],
        files=files,
        digest=value_digest(files),
        stages=int(model.latency or 0),
    )
    write_json(folder / "project.json", project.to_dict())


class PeakMemory:
    """Samples the memory of all processes that this one has started, while the block runs (Linux)."""

    def __init__(self, interval_s: float = 0.1) -> None:
        self.interval_s, self.peak_mb = interval_s, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self.interval_s):
            held = sum(proportional_kb(process) for process in descendants(os.getpid()))
            self.peak_mb = max(self.peak_mb, held / 1024)


def descendants(parent: int) -> list[int]:
    """Return the processes below `parent`."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], list(children.get(parent, []))
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def proportional_kb(process: int) -> int:
    """Return the proportional set size of a process in kB; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def summary(report: SynthesisReport, peak_mb: float) -> dict[str, float]:
    """Return the row of one way."""
    values = {m.name: m.value for m in report.measurements if m.stage == "netlist"}
    cpu_s = sum(module["cpu_s"] for module in report.modules.values())
    return {
        "processes": len(report.modules),
        "wall_s": report.wall_s,
        "cpu_s": cpu_s,
        "peak_mb": peak_mb,
        "lut": values["lut"],
        "ff": values["ff"],
    }


def compare(project: Path, folder: Path, workers: int, repeats: int) -> dict[str, Any]:
    """Map `project` both ways, in turn and in fresh work folders; return the medians."""
    rows: dict[str, list[dict[str, float]]] = {"stages": [], "flat": []}
    for number in range(repeats):
        for way, found in rows.items():
            with PeakMemory() as memory:
                report = synthesize(project, folder / f"{way}{number}", workers=workers, flat=way == "flat")
            found.append(summary(report, memory.peak_mb))
    medians = {way: {name: median([row[name] for row in found]) for name in found[0]} for way, found in rows.items()}
    return {"tool": f"{report.tool} {report.version}", "repeats": repeats, **medians}


def show(table: dict[str, Any]) -> None:
    """Print the table."""
    rows = {"a process a stage": table["stages"], "flat": table["flat"]}
    columns = list(table["flat"])
    print(f"{table['tool']:<20}" + "".join(f"{name:>11}" for name in columns))
    for name, row in rows.items():
        print(f"{name:<20}" + "".join(f"{row[column]:>11,.1f}" for column in columns))
    ratios = {column: table["stages"][column] / table["flat"][column] for column in columns[1:]}
    print(f"{'ratio':<20}{'':>11}" + "".join(f"{ratio:>11.3f}" for ratio in ratios.values()))


def main() -> None:
    """Parse the arguments, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, help="Verilog project with project.json; default: a random network")
    parser.add_argument("--widths", default="32,16,3", help="inputs and neurons of each layer")
    parser.add_argument("--weight-bits", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="processes at a time; 0: one a core")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each way; the median is shown")
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = arguments.project or folder / "project"
        if arguments.project is None:
            write_network(project, [int(width) for width in arguments.widths.split(",")], arguments.weight_bits)
        table = compare(project, folder, arguments.workers, arguments.repeats)
    show(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
