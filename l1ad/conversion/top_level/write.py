"""Writes the top level into a project: the generated file, the hand-written modules, and the record."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template

from l1ad.conversion.top_level.spec import wide_bits
from l1ad.errors import ConversionError
from l1ad.hardware.rtl_ports import PortTypes
from l1ad.hardware.trigger import FOLDER, N_THRESHOLDS, PRESCALE_BITS, RECORD, TriggerSpec
from l1ad.provenance import write_json
from l1ad.resources import resource

_RTL = ("l1ad_input_scale.v", "l1ad_valid_pipeline.v", "l1ad_trigger_registers.v", "l1ad_threshold.v")


def write_rtl(spec: TriggerSpec, ports: PortTypes, folder: Path) -> None:
    """Write the Verilog top level of the network to ``trigger/`` in `folder`.

    Parameters
    ----------
    spec : TriggerSpec
    ports : PortTypes
        Module of the network and how the elements lie on its ports.
    folder : Path
        Folder of the project.

    Raises
    ------
    ConversionError
        When the network has no clock, or gives a score that is not of the type that the record says.
    """
    if not ports.clocked:
        raise ConversionError(f"module {ports.module}: has no clock; the top level needs a pipelined network.")
    target = folder / FOLDER
    target.mkdir()
    text = _filled("firmware/rtl/l1ad_trigger.v.in", {**_common(spec), **_verilog(spec, ports)})
    (target / f"{spec.top}.v").write_text(text, encoding="utf-8")
    for name in _RTL:
        shutil.copyfile(resource(f"firmware/rtl/{name}"), target / name)
    write_json(folder / RECORD, spec.to_dict())


def write_hls(spec: TriggerSpec, folder: Path) -> None:
    """Write the HLS C++ of the same top level to ``trigger/`` in `folder`."""
    target = folder / FOLDER
    target.mkdir()
    values = {**_common(spec), **_cpp(spec)}
    for source, name in (("l1ad_trigger.cpp.in", f"{spec.top}.cpp"), ("l1ad_trigger_top.h.in", f"{spec.top}.h")):
        (target / name).write_text(_filled(f"firmware/hls/{source}", values), encoding="utf-8")
    shutil.copyfile(resource("firmware/hls/l1ad_trigger.h"), target / "l1ad_trigger.h")
    write_json(folder / RECORD, spec.to_dict())


def _filled(name: str, values: dict[str, object]) -> str:
    return Template(resource(name).read_text(encoding="utf-8")).substitute(values)


def _common(spec: TriggerSpec) -> dict[str, object]:
    """Return what both templates ask for."""
    return {
        "network": spec.network,
        "top": spec.top,
        "contract": spec.contract[:16],
        "n_inputs": len(spec.inputs),
        "n_thresholds": N_THRESHOLDS,
        "score_bits": spec.score_type.width,
        "score_high": spec.score_type.width - 1,
        "prescale_bits": PRESCALE_BITS,
        "word_bits": spec.word_bits,
    }


def _verilog(spec: TriggerSpec, ports: PortTypes) -> dict[str, object]:
    """Return what the Verilog template asks for; ranges are given by their highest bit."""
    count, score = len(spec.inputs), spec.score_type.width

    def packed(values: tuple[int, ...], bits: int) -> str:
        """Return the values as one constant, the first in the lowest bits."""
        return "{" + ", ".join(f"{bits}'d{value}" for value in reversed(values)) + "}"

    return {
        "latency": spec.latency,
        "network_latency": spec.network_latency,
        "wrapper": ports.module,
        "word_high": spec.word_bits - 1,
        "threshold_high": N_THRESHOLDS - 1,
        "raw_high": count * spec.input_type.width - 1,
        "network_in_high": count * ports.input.width - 1,
        "network_out_high": ports.output.width - 1,
        "thresholds_high": N_THRESHOLDS * score - 1,
        "prescales_high": N_THRESHOLDS * PRESCALE_BITS - 1,
        "threshold_values": packed(spec.thresholds, score),
        "prescale_values": packed(spec.prescales, PRESCALE_BITS),
        "score_expression": _score_expression(spec, ports),
        "scales": "\n".join(_scale_instances(spec)),
        "packing": "\n".join(_packing(spec, ports)),
    }


def _scale_instances(spec: TriggerSpec) -> list[str]:
    """Return one instance of the scaling an input."""
    kind, bits, lines, low = spec.input_type, spec.input_type.width, list[str](), 0
    for number, item in enumerate(spec.inputs):
        left, right = kind.fraction + max(-item.shift, 0), max(item.shift, 0)
        parameters = (
            f".WORD_BITS({item.width}), .WORD_SIGNED({int(item.signed)}), .OFFSET({item.offset}), .LEFT({left}), "
            f".RIGHT({right}), .WIDE({wide_bits(item, kind)}), .RAW_BITS({bits}), .RAW_SIGNED({int(kind.signed)})"
        )
        lines.append(f"    l1ad_input_scale #({parameters})")
        ports = f".word(words[{low}+:{item.width}]), .raw(raw[{number * bits}+:{bits}])"
        lines.append(f"        scale_{item.name} ({ports});")
        low += item.width
    return lines


def _packing(spec: TriggerSpec, ports: PortTypes) -> list[str]:
    """Return what brings the raw inputs to the elements of the network's port, which may leave out unused bits."""
    source, target = spec.input_type, ports.input
    lines = []
    for number in range(len(spec.inputs)):
        bits = []
        for bit in range(target.width):
            place = bit + source.fraction - target.fraction
            inside = 0 <= place < source.width
            name = f"raw[{number * source.width + min(place, source.width - 1)}]"
            bits.append(name if inside or (place >= source.width and source.signed) else "1'b0")
        value = "{" + ", ".join(reversed(bits)) + "}"
        if target == source:
            value = f"raw[{number * source.width}+:{source.width}]"
        lines.append(f"    assign network_in[{number * target.width}+:{target.width}] = {value};")
    return lines


def _score_expression(spec: TriggerSpec, ports: PortTypes) -> str:
    """Return the score in its declared type: alkaid trims bits of the port that are never used."""
    score, port = spec.score_type, ports.output
    low = score.fraction - port.fraction
    high = score.width - port.width - low
    if low < 0 or high < 0:
        raise ConversionError(f"module {ports.module}: gives {port}, which does not fit the score's type {score}.")
    parts = [f"{high}'d0"] * (high > 0) + ["network_out"] + [f"{low}'d0"] * (low > 0)
    return parts[0] if len(parts) == 1 else "{" + ", ".join(parts) + "}"


def _cpp(spec: TriggerSpec) -> dict[str, object]:
    """Return what the C++ templates ask for."""
    kind, low, lines = spec.input_type, 0, list[str]()
    for number, item in enumerate(spec.inputs):
        left, right = kind.fraction + max(-item.shift, 0), max(item.shift, 0)
        arguments = [item.width, str(item.signed).lower(), item.offset, left, right, wide_bits(item, kind)]
        arguments += [kind.width, str(kind.signed).lower()]
        scaled = f"l1ad::scale_input<{', '.join(map(str, arguments))}>"
        word = f"words.range({low + item.width - 1}, {low})"
        lines.append(f"    inputs[{number}].range({kind.width - 1}, 0) = {scaled}({word}); // {item.name}")
        low += item.width
    bits = spec.hls_word_bits
    return {
        "guard": f"{spec.top.upper()}_H_",
        "wide_words": f"#ifndef AP_INT_MAX_W\n#define AP_INT_MAX_W {bits}\n#endif\n" if bits else "",
        "threshold_values": ", ".join(map(str, spec.thresholds)),
        "prescale_values": ", ".join(map(str, spec.prescales)),
        "zeros": ", ".join(["0"] * N_THRESHOLDS),
        "scales": "\n".join(lines),
    }
