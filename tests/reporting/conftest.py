"""A report with all records a run has; the numbers are computed from scores that a fixed seed draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.records import (
    BitReport,
    BudgetLine,
    BudgetReport,
    EvaluationReport,
    FirmwareProject,
    FixedType,
    LayerComparison,
    Measurement,
    NegativeControl,
    RocCurve,
    RungReport,
    SignalResult,
    SynthesisReport,
    Threshold,
)
from l1ad.reporting import RunReport, collect_report

SCORE_TYPE = FixedType(signed=False, width=20, integer=14)
INPUT_TYPE = FixedType(signed=True, width=10, integer=4)
PART = "xcvu9p-flga2104-2L-e"
YOSYS = "Yosys 0.60 (pyosys)"


def _evaluation() -> EvaluationReport:
    generator = np.random.default_rng(4)
    background = np.sort(generator.lognormal(6, 1, 100_000).astype(np.int64))[::-1]
    grid = np.unique(np.geomspace(1, background.size, 120).astype(int)) - 1
    curves, results = [], []
    for name, shift in {"Ato4l": 1.2, "LQbtau": 0.9, "htautau": 0.5, "hchtaunu": 1.0}.items():
        signal = np.minimum(generator.lognormal(6 + shift, 1.2, 30_000), SCORE_TYPE.maximum).astype(np.int64)
        tpr = [float((signal >= background[i]).mean()) for i in grid]
        curves.append(RocCurve(name, (0.0, *((grid + 1) / background.size).tolist(), 1.0), (0.0, *tpr, 1.0)))
        area = float(np.mean(np.searchsorted(background[::-1], signal) / background.size))
        results.append(SignalResult(name, 30_000, area, 0.00172, tpr[0], float(np.sqrt(tpr[0] / 30_000))))
    targets = {1e-5: 1, 1e-4: 10, 1e-3: 100, 1e-2: 1000}
    thresholds = tuple(
        Threshold(t, int(background[n - 1]), n / 100_000, n**0.5 / 100_000, n, n / 100_000 * 0.002 * 40_000)
        for t, n in targets.items()
    )
    warnings = tuple(
        f"FPR {t:g}: {n} background event{'s stand' if n > 1 else ' stands'} behind the threshold, fewer than 100. "
        f"An error of 10 % needs {round(100 / t):,} background events; this sample has 100,000."
        for t, n in list(targets.items())[:2]
    )
    sample = "l1ad-gen-prototype, test part"
    return EvaluationReport(
        "rz", SCORE_TYPE, sample, 100_000, tuple(results), thresholds, tuple(curves), 1e-5, warnings
    )


def _bits() -> BitReport:
    def rung(name: str, engine: str, speed: float, layers: tuple[str, ...] = ()) -> RungReport:
        shown = tuple(LayerComparison(layer, 20_000 * size, 20_000 * size) for layer, size in zip(layers, (32, 16, 6)))  # noqa: B905
        control = NegativeControl("lowest bit of weight 17 of dense_1", 2_000, 1_874)
        return RungReport(name, engine, 20_000, 20_000, speed, shown, None, None if name == "keras" else control)

    rtl = "Verilator 5.048, 20,000 events"
    return BitReport(
        (
            rung("keras", "Keras 3.12.0, qkeras-v3 1.2.1, TensorFlow 2.21.0", 230_412.0),
            rung("interpreter", "alkaid 0.8.2 interpreter", 120_480.0, ("dense_1", "dense_2", "latent")),
            rung("csim", "hls4ml 1.3.0, g++ 12.2.0", 9_871.0, ("dense_1", "dense_2", "latent")),
            rung("rtl", "Verilator 5.048", 151_200.0),
        ),
        (
            Measurement("latency_clocks", 15.0, "clocks", "simulation", rtl),
            Measurement("latency_ns", 75.0, "ns", "simulation", f"{rtl}, clock 5 ns"),
            Measurement("ii", 1.0, "clocks", "simulation", rtl),
        ),
    )


def _budget() -> BudgetReport:
    rtl = "Verilator 5.048, 20,000 events, clock 5 ns"
    return BudgetReport(
        (
            BudgetLine("latency_ns", 100.0, "ns", 75.0, True, "simulation", rtl, "100.0"),
            BudgetLine("ii", 1.0, "clocks", 1.0, True, "simulation", rtl, "1.0"),
            BudgetLine("lut", 59_112.0, "", 22_517.0, True, "estimate", YOSYS, "5 %"),
            BudgetLine("ff", 47_289.6, "", 9_804.0, True, "estimate", YOSYS, "2 %"),
            BudgetLine("dsp", 0.0, "", 0.0, True, "estimate", YOSYS, "0"),
            BudgetLine("bram", 0.0, "", 0.0, True, "estimate", YOSYS, "0"),
        )
    )


def _firmware() -> tuple[FirmwareProject, ...]:
    def project(backend: str, engine: str, estimates: tuple[Measurement, ...]) -> FirmwareProject:
        files = {f"src/file_{i}.v": "0" * 64 for i in range(7)}
        return FirmwareProject(backend, "l1ad_top", PART, 5.0, engine, INPUT_TYPE, 57, SCORE_TYPE, 1, files,
                               ("ab12" if backend == "verilog" else "cd34") * 16, {}, 15, estimates)  # fmt: skip

    cost = (Measurement("cost", 23_112.0, "LUT", "estimate", "alkaid 0.8.2"),)
    return (project("verilog", "alkaid 0.8.2", cost), project("vitis", "hls4ml 1.3.0", ()))


def _synthesis() -> tuple[SynthesisReport, ...]:
    values = {"lut": 22_517.0, "ff": 9_804.0, "dsp": 0.0, "bram": 0.0}
    source = f"{YOSYS}, synth_xilinx -family xcup, sum over 15 stages"
    measurements = tuple(Measurement(name, value, "", "estimate", source) for name, value in values.items())
    return (SynthesisReport("Yosys", "0.60", "estimate", PART, "ab12" * 16, measurements, {}, 64.2, 212.0),)


@pytest.fixture(scope="session")
def report() -> RunReport:
    losses = [1.9 * 0.8**epoch + 0.31 for epoch in range(24)]
    return collect_report(
        "dense_vae",
        config=RunConfig().model_dump(mode="json"),
        dataset={
            "source_tag": "l1ad-gen-prototype",
            "counts": {"train": 80_000, "validation": 20_000, "test": 100_000},
            "signals": {"Ato4l": 30_508, "LQbtau": 30_262},
            "acceptance": 0.002,
            "contract_digest": "fe" * 32,
            "sources": {"background.h5": "ed" * 32},
            "files": {"train.npy": "aa" * 32},
            "saturation": [
                {"name": "met_pt", "values": 80_000, "hardware": 0, "raw": 12},
                {"name": "jet1_pt", "values": 31_000, "hardware": 0, "raw": 41},
            ],
            "warnings": ["QCD events share parents: errors are larger than shown."],
        },
        evaluation=_evaluation(),
        bits=_bits(),
        firmware=_firmware(),
        synthesis=_synthesis(),
        budget=_budget(),
        training={
            "epochs": 24,
            "best_validation_loss": 0.32871,
            "seconds": 81.4,
            "history": {"loss": losses, "val_loss": [value + 0.02 for value in losses]},
        },
        capacity={"lut": 1_182_240, "ff": 2_364_480, "dsp": 6_840, "bram": 2_160},
        versions={"l1ad": "0.1.0", "python": "3.11.2", "keras": "3.12.0", "alkaid": "0.8.2", "hls4ml": "1.3.0"},
        digests=dict.fromkeys(("events", "training", "evaluation", "conversion"), "c0ffee" * 10 + "0123"),
        created="2026-11-22 10:00 UTC",
    )


@pytest.fixture
def changed(report: RunReport) -> Callable[..., RunReport]:
    """Return a function that changes fields of the report."""

    def change(**fields: Any) -> RunReport:
        return dataclasses.replace(report, **fields)

    return change
