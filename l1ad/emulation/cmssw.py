"""Writes a model as a shared object for CMSSW: hls4ml's C++ with its weights, behind the hls4mlEmulator interface.

The sources are those of the HLS project that the ladder compares. Only two things change: the weights are compiled in
instead of read from text files, and everything lies in one namespace for model and version.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from l1ad.emulation.csim import BACKENDS
from l1ad.emulation.project import OpenProject
from l1ad.emulation.toolchain import COMPILE_LIMIT_S, find_compiler, run_tool
from l1ad.emulation.vectors import Integers
from l1ad.errors import CheckFailedError, ConfigurationError, ConversionError, DataError, ToolError, nearest
from l1ad.events.contract import InputContract
from l1ad.provenance import check_name
from l1ad.records import FirmwareProject, FixedType
from l1ad.resources import resource

#: What the pointer given to ``prepare_input`` points to.
INPUTS = {
    "hardware": "hardware integers as ap_fixed<18,13>, scaled inside; what CMSSW's AXOL1TL condition gives",
    "network": "values of the network's input type",
    "float": "values as float",
    "raw": "raw integers of the network's input type as std::int64_t",
}
#: What the pointer given to ``read_result`` points to; a model of several outputs has a std::array for each number.
RESULTS = {
    "score": "the score",
    "array": "std::array of the outputs",
    "pair": "std::pair of a std::array of latent values and the score",
    "float": "the score as float",
    "raw": "the raw score as std::int64_t",
}
#: Payload of hardware integers: ``inputtype`` in CMSSW's L1Trigger/L1TGlobal/src/AXOL1TLCondition.cc.
HARDWARE_PAYLOAD = FixedType(True, 18, 13)

_TEMPLATES = "firmware/emulator"
_RAW_HEADERS = ("firmware/sim/raw_values.h", "firmware/sim/raw_ports.h")
#: hls4ml writes the numbers of a weight into the branch of synthesis (VivadoWriter.print_array_to_cpp).
_WEIGHT = re.compile(r"#ifndef __SYNTHESIS__\n.*?#else\n(.*?)#endif\n", re.DOTALL)
_LOADING = re.compile(r"#ifndef __SYNTHESIS__\n\s*static bool loaded_weights = false;.*?#endif\n", re.DOTALL)
_SAVED = re.compile(r'nnet::save_layer_output<[^"]*"(\w+)", (\d+)\);')
_INCLUDE = re.compile(r'^\s*#include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
#: What the headers of l1ad and of hls4ml use and do not all include themselves.
_STANDARD = ("any", "array", "cassert", "cmath", "cstdint", "cstring", "sstream", "stdexcept", "string", "type_traits",
             "utility", "vector")  # fmt: skip
#: Vendor's headers that hls4ml includes for synthesis only are not part of a project.
_SKIPPED = ("nnet_utils/", "weights/")


@dataclass(frozen=True)
class EmulatorOptions:
    """What a user chooses.

    Attributes
    ----------
    name, version : str
        The library is ``<name>_<version>.so``, its namespace ``hls4ml_<name>_<version>``.
    input : str
        Key of `INPUTS`.
    result : str
        Key of `RESULTS`.
    latent : str
        Layer whose values stand in a ``pair``.
    """

    name: str
    version: str = "v1"
    input: str = "hardware"
    result: str = "score"
    latent: str = "dense_mean"

    @property
    def model(self) -> str:
        """Name and version, as CMSSW's loader is given it."""
        return f"{self.name}_{self.version}"

    def check(self) -> None:
        """Raise ConfigurationError or L1adError when a name or a choice is not possible."""
        check_name(self.name, "name")
        check_name(self.model, "version")
        for what, value, known in (("input", self.input, INPUTS), ("result", self.result, RESULTS)):
            if value not in known:
                raise ConfigurationError(f"{what} {value!r} is not known. {nearest(value, known)}")


def write_emulator(project: OpenProject, contract: InputContract, options: EmulatorOptions, folder: Path) -> None:
    """Write sources and Makefile of an emulator to the empty `folder`.

    Parameters
    ----------
    project : OpenProject
        An HLS project of hls4ml.
    contract : InputContract
        How hardware integers become inputs.
    options : EmulatorOptions
    folder : Path

    Raises
    ------
    ConfigurationError
        When a name, payload or layer is not possible.
    DataError
        When the project is not an HLS project or its inputs are others than the contract's.
    ConversionError
        When a source is not as hls4ml 1.3.0 writes it.
    OSError
        When a file cannot be written.
    """
    options.check()
    record = project.record
    if record.backend not in BACKENDS:
        raise DataError(f"{project.folder}: backend {record.backend}; expected one of {BACKENDS}.")
    if options.input == "hardware" and (record.input_type != contract.type or record.n_inputs != len(contract.inputs)):
        raise DataError(f"{project.folder}: takes {record.n_inputs} inputs of {record.input_type}; the contract gives "
                        f"{len(contract.inputs)} of {contract.type}. Convert again.")  # fmt: skip
    _copy_sources(project, folder)
    top = (folder / "NN" / f"{record.top}.cpp").read_text(encoding="utf-8")
    latent = _latent_size(project, options, top)
    for name in ("l1ad_capture.h", "l1ad_emulator.h", "l1ad_payload.h"):
        shutil.copyfile(resource(f"{_TEMPLATES}/{name}"), folder / "l1ad" / name)
    for name in _RAW_HEADERS:
        shutil.copyfile(resource(name), folder / "l1ad" / Path(name).name)
    (folder / "include" / "hls4ml").mkdir(parents=True)
    shutil.copyfile(resource(f"{_TEMPLATES}/hls4ml/emulator.h"), folder / "include" / "hls4ml" / "emulator.h")
    for name in ("check.cpp", "exports.map"):
        shutil.copyfile(resource(f"{_TEMPLATES}/{name}"), folder / name)
    makefile = resource(f"{_TEMPLATES}/Makefile.in").read_text(encoding="utf-8").replace("@MODEL@", options.model)
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    (folder / "payload.h").write_text(_payload(record, contract, options, latent), encoding="utf-8")
    (folder / f"{options.model}.cpp").write_text(_model(project, folder, options), encoding="utf-8")


def write_check(folder: Path, inputs: Integers, expected: Integers) -> None:
    """Write the reference vectors that ``make check`` compares with: one event a line."""
    (folder / "check").mkdir()
    for name, values in (("inputs", inputs), ("expected", expected)):
        lines = (" ".join(map(str, row)) for row in values.tolist())
        (folder / "check" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def build_emulator(folder: Path, options: EmulatorOptions) -> Path:
    """Compile the shared object and compare it with the reference vectors; return its path.

    Raises
    ------
    ToolMissingError
        When there is no g++, or it is too old.
    ToolError
        When it does not compile or cannot be loaded.
    CheckFailedError
        When a score differs.
    """
    compiler = find_compiler()
    library = folder / f"{options.model}.so"
    common = [str(compiler.path), "-std=c++17", "-fPIC", "-w", "-Iinclude", "-Iap_types", "-I."]
    hidden = ["-O2", "-fvisibility=hidden", "-shared", "-Wl,--version-script=exports.map"]
    what = f"g++ on {options.model}.cpp"
    run_tool([*common, *hidden, f"{options.model}.cpp", "-o", library.name], what=what, cwd=folder,
             limit_s=COMPILE_LIMIT_S)  # fmt: skip
    run_tool([*common, "-O1", "-Il1ad", "check.cpp", "-ldl", "-o", "check_model"], what="g++ on check.cpp", cwd=folder)
    try:
        command = ["./check_model", f"./{library.name}", "check/inputs.txt", "check/expected.txt"]
        run_tool(command, what=f"check of {library.name}", cwd=folder)
    except ToolError as error:
        if "exit status 1" in str(error):
            raise CheckFailedError(str(error)) from error
        raise
    finally:
        (folder / "check_model").unlink(missing_ok=True)
    return library


def _copy_sources(project: OpenProject, folder: Path) -> None:
    """Copy the C++ of the project, with the weights compiled in."""
    (folder / "l1ad").mkdir()
    for name in project.record.files:
        inside = Path(name).relative_to("firmware") if name.startswith("firmware/") else None
        if inside is None or inside.suffix not in (".h", ".cpp"):
            continue
        target = folder / inside if inside.parts[0] == "ap_types" else folder / "NN" / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (project.folder / name).read_text(encoding="utf-8")
        if inside.parts[0] == "weights":
            text = _replaced(_WEIGHT, r"\1", text, name)
        elif inside.name == f"{project.record.top}.cpp":
            text = _replaced(_LOADING, "", text, name)
        target.write_text(text, encoding="utf-8")


def _replaced(pattern: re.Pattern[str], replacement: str, text: str, name: str) -> str:
    found, count = pattern.subn(replacement, text)
    if count != 1:
        raise ConversionError(f"{name}: {count} places load weights; expected 1, as hls4ml 1.3.0 writes it.")
    return found


def _latent_size(project: OpenProject, options: EmulatorOptions, top: str) -> int:
    """Return how many values the latent layer has; 0 when the result has none."""
    if options.result != "pair":
        return 0
    sizes = {name: int(size) for name, size in _SAVED.findall(top) if name in project.record.layers}
    if options.latent not in sizes:
        raise ConfigurationError(f"latent layer {options.latent!r} is not shown. {nearest(options.latent, sizes)}")
    return sizes[options.latent]


def _payload(record: FirmwareProject, contract: InputContract, options: EmulatorOptions, latent: int) -> str:
    """Return ``payload.h``: the types behind the pointers, and how hardware integers are scaled."""
    hardware = options.input == "hardware"
    latent_type = _cpp(record.layers[options.latent]) if latent else "char"
    inputs = {"hardware": _cpp(HARDWARE_PAYLOAD), "network": _cpp(record.input_type), "float": "float",
              "raw": "std::int64_t"}  # fmt: skip
    score = _cpp(record.output_type)
    numbers = {"score": score, "float": "float", "raw": "std::int64_t"}
    several = {name: f"std::array<{number}, {record.n_outputs}>" for name, number in numbers.items()}
    results = {**(numbers if record.n_outputs == 1 else several), "array": several["score"]}
    results["pair"] = f"std::pair<std::array<{latent_type}, {latent}>, {results['score']}>"
    offsets = ", ".join(str(spec.offset) for spec in contract.inputs) if hardware else "0"
    shifts = ", ".join(str(spec.shift) for spec in contract.inputs) if hardware else "0"
    return f"""// Payloads of {options.model}. prepare_input takes a Payload::input_t *: {INPUTS[options.input]}.
// read_result takes a Payload::result_t *: {RESULTS[options.result]}.
#ifndef L1AD_MODEL_PAYLOAD_H_
#define L1AD_MODEL_PAYLOAD_H_

#ifndef L1AD_NAMESPACE
#define L1AD_NAMESPACE hls4ml_{options.model}
#endif
#define L1AD_TOP {record.top}
#define L1AD_LATENT "{options.latent if latent else ""}"

namespace L1AD_NAMESPACE {{

struct Payload {{
    typedef {inputs[options.input]} input_t;
    typedef {results[options.result]} result_t;
    typedef {_cpp(record.input_type)} network_t;
    static constexpr int inputs = {record.n_inputs}, outputs = {record.n_outputs}, latent = {latent};
    static constexpr int network_fraction = {record.input_type.fraction};
    static constexpr int score_fraction = {record.output_type.fraction};
    static constexpr bool hardware = {"true" if hardware else "false"};
    static constexpr int payload_fraction = {HARDWARE_PAYLOAD.fraction if hardware else 0};
    static constexpr std::int64_t lowest = {record.input_type.minimum}, highest = {record.input_type.maximum};
    static std::int64_t offset(int i) {{
        static constexpr std::int64_t offsets[] = {{{offsets}}};
        return offsets[i];
    }}
    static int shift(int i) {{
        static constexpr int shifts[] = {{{shifts}}};
        return shifts[i];
    }}
}};

}} // namespace L1AD_NAMESPACE

#endif
"""


def _cpp(kind: FixedType) -> str:
    """Return a type as C++ writes it."""
    return f"ap_{'' if kind.signed else 'u'}fixed<{kind.width}, {kind.integer}>"


def _model(project: OpenProject, folder: Path, options: EmulatorOptions) -> str:
    """Return the one source of the library; headers from outside the model come before its namespace."""
    outside = "".join(f"#include {name}\n" for name in _outside(folder))
    return f"""// {options.model} for CMSSW, written by l1ad from the HLS project {project.record.digest[:16]}.
#include "hls4ml/emulator.h"

{outside}
#include "payload.h"

namespace L1AD_NAMESPACE {{

#include "NN/nnet_utils/nnet_types.h"

#include "NN/nnet_utils/nnet_helpers.h"

namespace l1ad {{
[[noreturn]] inline void fail(const std::string &message) {{ throw std::runtime_error(message); }}
}} // namespace l1ad

#include "l1ad/raw_values.h"

#include "l1ad/raw_ports.h"

#include "l1ad/l1ad_capture.h"

#define save_layer_output l1ad_save_layer
#include "NN/{project.record.top}.cpp"
#undef save_layer_output

#include "l1ad/l1ad_payload.h"

#include "l1ad/l1ad_emulator.h"

}} // namespace L1AD_NAMESPACE

extern "C" __attribute__((visibility("default"))) hls4mlEmulator::Model *create_model() {{
    return new L1AD_NAMESPACE::Emulator;
}}

extern "C" __attribute__((visibility("default"))) void destroy_model(hls4mlEmulator::Model *model) {{ delete model; }}
"""


def _outside(folder: Path) -> list[str]:
    """Return the headers of the standard library and of the fixed-point types that the model's sources include."""
    types = {path.name for path in (folder / "ap_types").glob("*.h")}
    standard, fixed = set(_STANDARD), {"ap_fixed.h", "ap_int.h", "hls_stream.h"}
    for path in (folder / "NN").rglob("*"):
        if path.suffix not in (".h", ".cpp"):
            continue
        for bracket, name in _INCLUDE.findall(path.read_text(encoding="utf-8")):
            if bracket == "<":
                standard.add(name)
            elif name in types and not name.startswith(_SKIPPED):
                fixed.add(name)
    return [*(f"<{name}>" for name in sorted(standard)), *(f'"{name}"' for name in sorted(fixed))]
