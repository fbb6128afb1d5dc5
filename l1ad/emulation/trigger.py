"""Simulation of the trigger's top level: Verilator on the Verilog, g++ on the HLS C++, both clock by clock."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from l1ad.emulation.csim import BACKENDS, WEIGHTS
from l1ad.emulation.project import OpenProject
from l1ad.emulation.toolchain import Unit, build_once, compile_units, find_compiler, link, run_tool
from l1ad.emulation.vectors import Integers, read_integers, write_integers
from l1ad.emulation.verilator import compile_model, compile_runtime, find_verilator, translate
from l1ad.errors import DataError
from l1ad.hardware.trigger import FOLDER, N_THRESHOLDS, RECORD, TriggerSpec
from l1ad.hardware.trigger_model import COLUMNS, Stream
from l1ad.provenance import file_digest, value_digest
from l1ad.resources import resource

_RTL_DRIVER, _PORTS = "firmware/sim/trigger_driver.cpp", "firmware/sim/verilated_ports.h"
_HLS_DRIVER = "firmware/sim/trigger_csim.cpp"


@dataclass(frozen=True)
class TriggerSimulation:
    """A compiled top level.

    Attributes
    ----------
    project : OpenProject
        What is simulated.
    spec : TriggerSpec
        Its top level.
    program : Path
        The compiled driver.
    engine : str
        What simulates it.
    """

    project: OpenProject
    spec: TriggerSpec
    program: Path
    engine: str

    def run(self, words: npt.ArrayLike, stream: Stream) -> tuple[Integers, float]:
        """Return the outputs after every clock, and clocks per second.

        Parameters
        ----------
        words : array_like of int, shape (events, inputs)
            Hardware integers of the events.
        stream : Stream
            What is put on the ports.

        Returns
        -------
        tuple
            Array of int64, shape (clocks, 5), columns `l1ad.hardware.trigger_model.COLUMNS`; clocks per second.

        Raises
        ------
        DataError
            When a hardware integer does not fit its width.
        ToolError
            When the program fails, crashes, or leaves a short file.
        """
        packed = pack_words(self.spec, words)
        what = f"simulation of {self.spec.top}"
        columns = (stream.event, stream.valid, stream.reset, stream.write, stream.address, stream.data)
        with tempfile.TemporaryDirectory(dir=self.program.parent, prefix="run-") as scratch:
            events, clocks, target = (Path(scratch, name) for name in ("events.bin", "stream.bin", "outputs.bin"))
            write_integers(events, packed)
            write_integers(clocks, np.stack([np.asarray(column, np.int64) for column in columns], axis=1))
            arguments = [events, clocks, target, packed.shape[1], len(packed), len(stream)]
            start = time.perf_counter()
            run_tool([str(self.program), *map(str, arguments)], what=what, cwd=self.project.folder)
            seconds = time.perf_counter() - start
            return read_integers(target, (len(stream), len(COLUMNS)), what), len(stream) / seconds


def pack_words(spec: TriggerSpec, words: npt.ArrayLike) -> Integers:
    """Return the events as they lie on the port, in pieces of 32 bits, lowest first.

    Examples
    --------
    >>> from l1ad.hardware.trigger import TriggerInput
    >>> from l1ad.records import FixedType
    >>> inputs = tuple(TriggerInput(name, True, 8, 0, 0) for name in "abcde")
    >>> spec = TriggerSpec("net", inputs, FixedType(True, 8, 8), FixedType(False, 8, 8), (0,) * 5, (1,) * 5, 0, "")
    >>> [hex(piece) for piece in pack_words(spec, [[1, 2, 3, -1, 5]])[0]]
    ['0xff030201', '0x5']
    """
    hardware = spec.check_words(words)
    columns = [(hardware[:, column, None] >> np.arange(item.width)) & 1 for column, item in enumerate(spec.inputs)]
    bits = np.concatenate(columns, axis=1)
    bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 32))).reshape(len(bits), -1, 32)
    return np.asarray((bits << np.arange(32)).sum(axis=2), dtype=np.int64)


def has_trigger(project: OpenProject) -> bool:
    """Return whether the project holds a top level of the trigger."""
    return RECORD in project.record.files


def read_trigger(project: OpenProject) -> TriggerSpec:
    """Return the record of the top level.

    Raises
    ------
    DataError
        When the project has none, or it is of another network.
    """
    if not has_trigger(project):
        raise DataError(f"{project.folder}: holds no {RECORD}. Convert again with an input contract.")
    spec, record = TriggerSpec.read(project.folder / RECORD), project.record
    ports = (record.top, record.n_inputs, record.input_type, record.output_type)
    found = (spec.network, len(spec.inputs), spec.input_type, spec.score_type)
    if found != ports:
        raise DataError(f"{project.folder / RECORD}: is of {found}; project.json says {ports}. Convert again.")
    return spec


def build_trigger(project: OpenProject, build_folder: Path, *, fast: bool = False) -> TriggerSimulation:
    """Compile the top level of a project; what was compiled before under the same digest is used again.

    Parameters
    ----------
    project : OpenProject
        A project with ``trigger/trigger.json``.
    build_folder : Path
        Where the program is kept.
    fast : bool
        Whether to optimize Verilator's model; it compiles several times longer.

    Raises
    ------
    DataError
        When the project has no top level or it does not fit the project.
    ToolMissingError
        When Verilator or g++ is missing or too old.
    ToolError
        When it does not compile; the message holds the first error.
    """
    spec = read_trigger(project)
    build = _build_hls if project.record.backend in BACKENDS else _build_rtl
    program, engine = build(project, spec, build_folder.resolve(), fast)
    return TriggerSimulation(project, spec, program, engine)


def _build_rtl(project: OpenProject, spec: TriggerSpec, root: Path, fast: bool) -> tuple[Path, str]:
    """Compile the Verilog with Verilator and the driver."""
    verilator, compiler = find_verilator(), find_compiler()
    files = [name for name in project.record.files if name.startswith(("src/", f"{FOLDER}/")) and name.endswith(".v")]
    unit = Unit(resource(_RTL_DRIVER), ("-O2",))
    tools = [file_digest(unit.source), file_digest(resource(_PORTS)), str(verilator), str(compiler), fast]
    key = value_digest([{name: project.record.files[name] for name in files}, spec.top, tools])
    runtime = compile_runtime(verilator, compiler, root)

    def make(folder: Path) -> None:
        """Translate and compile."""
        translate(verilator, files, spec.top, cwd=project.folder, out=folder / "model")
        compile_model(verilator, compiler, unit, folder, runtime, fast=fast)

    return build_once(root / f"trigger-{key[:16]}", make) / "rtl", f"{verilator}, {compiler}"


def _build_hls(project: OpenProject, spec: TriggerSpec, root: Path, fast: bool) -> tuple[Path, str]:
    """Compile the HLS C++ and the driver with g++."""
    del fast
    compiler, record = find_compiler(), project.record
    unit = Unit(
        resource(_HLS_DRIVER),
        (
            # A third less time than -O2 in all: some 10,000 calls do not repay the optimizer.
            "-O1",
            "-std=c++17",
            "-w",
            "-Ifirmware",
            "-Ifirmware/ap_types",
            f"-I{FOLDER}",
            f'-DWEIGHTS_DIR="{WEIGHTS}"',
            f'-DL1AD_SOURCE="{record.top}.cpp"',
            f'-DL1AD_TRIGGER="{spec.top}.cpp"',
            f"-DL1AD_TOP={spec.top}",
            f"-DL1AD_WORD_BITS={spec.word_bits}",
            f"-DL1AD_SCORE_BITS={spec.score_type.width}",
            f"-DL1AD_THRESHOLDS={N_THRESHOLDS}",
            *([f"-DAP_INT_MAX_W={spec.hls_word_bits}"] if spec.hls_word_bits else []),
        ),
    )
    files = {n: d for n, d in record.files.items() if n.startswith(("firmware/", f"{FOLDER}/"))}
    key = value_digest([files, file_digest(unit.source), str(compiler), unit.flags])

    def make(folder: Path) -> None:
        """Compile and link."""
        link(compiler, compile_units(compiler, [unit], cwd=project.folder, out=folder), folder / "csim")

    folder = build_once(root / f"trigger-{key[:16]}", make)
    return folder / "csim", f"{record.engine} ({record.backend}), {compiler}"
