"""Verilog and VHDL by alkaid: distributed arithmetic, pipelined for a clock, one event every clock."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Any

from l1ad.conversion.alkaid_handlers import register
from l1ad.conversion.base import ConversionJob, Draft, engine_errors
from l1ad.errors import ConversionError
from l1ad.provenance import library_version
from l1ad.records import FixedType, Measurement

_log = logging.getLogger(__name__)

#: Adders and carry chains cost one LUT a bit, and delays are in ns: alkaid's default hardware.
_HARDWARE = (1, 1, -1)


class RtlConverter:
    """Traces the Keras model with alkaid and writes the pipelined Verilog or VHDL."""

    def refuse(self, model: Any, job: ConversionJob) -> None:
        """Refuse what alkaid cannot trace; the layers themselves were checked before."""
        if job.backend not in ("verilog", "vhdl"):
            raise ConversionError(f"backend {job.backend!r}: this converter writes verilog and vhdl.")
        del model

    def write(self, model: Any, job: ConversionJob, folder: Path) -> Draft:
        """Write src/, model/ and scripts into `folder`."""
        from alkaid.codegen.rtl import RTLModel

        logic = trace(model, job.input_type, job.extra_adder_levels)
        with engine_errors("alkaid"):
            rtl = RTLModel(
                logic,
                folder,
                prj_name=job.top,
                flavor=job.backend,
                latency_cutoff=job.logic_ns,
                print_latency=False,
                part_name=job.part.name,
                clock_period=job.clock_ns,
                # Ternary adders lower alkaid's cost, and no vendor figure confirms that.
                ternary_fuse=False,
            )
            rtl.write()
        for path in sorted((folder / "model").glob("*.gz")):
            # The gzip header holds the time; equal models should give equal files.
            path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), mtime=0))
        engine = f"alkaid {library_version('alkaid')}"
        stages = len(rtl.fsm.logic)
        estimates = (
            Measurement("cost", float(logic.cost), "LUT", "model", engine),
            Measurement("register_bits", float(rtl.reg_bits), "", "model", engine),
            Measurement("logic_ns", float(logic.latency[1]), "ns", "model", engine),
            Measurement("stage_ns", _slowest_stage_ns(rtl, job.logic_ns), "ns", "model", engine),
            Measurement("stages", float(stages), "", "model", engine),
        )
        # alkaid trims bits of the port that are never used; the score keeps its declared type.
        return Draft(engine, model.layers[-1].spec.score, len(logic.out_idxs), {}, stages, estimates)


def _slowest_stage_ns(rtl: Any, cutoff_ns: float) -> float:
    """Return the delay of the slowest stage; alkaid counts on, each stage from a multiple of the cut-off."""
    return max(float(logic.latency[1]) - number * cutoff_ns for number, logic in enumerate(rtl.fsm.logic.values()))


def trace(model: Any, input_type: FixedType, extra_adder_levels: int | None = 2) -> Any:
    """Return alkaid's combinational program of a firmware model.

    Parameters
    ----------
    model : keras.Model
    input_type : FixedType
    extra_adder_levels : int, optional
        Levels of adders of a product by constants beyond the fewest possible (``hard_dc`` of alkaid 0.8.2, where -1
        stands for any number); None: any number.

    Raises
    ------
    ConversionError
        When alkaid cannot trace a layer.
    """
    from alkaid.converter import trace_model
    from alkaid.trace import HWConfig
    from alkaid.trace import trace as trace_values

    register()
    sign = int(input_type.signed)
    solver = {"hard_dc": -1 if extra_adder_levels is None else extra_adder_levels}
    kif = (sign, input_type.integer - sign, input_type.fraction)
    with engine_errors("alkaid"):
        inputs, outputs = trace_model(model, HWConfig(*_HARDWARE), solver, inputs_kif=kif)
        return trace_values(inputs, outputs, keep_dead_inputs=True)
