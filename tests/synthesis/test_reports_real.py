"""The readers on reports that real tools wrote: hls4ml projects and a RISC-V core, kept outside of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from l1ad.synthesis.reports.folder import read_reports
from l1ad.synthesis.reports.record import ReportSet

REPORTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "reports"

pytestmark = pytest.mark.skipif(not REPORTS.is_dir(), reason=f"{REPORTS} is absent: real reports are kept elsewhere")


def numbers(found: ReportSet, file: str) -> dict[str, float]:
    report = next(report for report in found.reports if report.file == file)
    return {m.name: m.value for m in report.measurements}


def test_vitis_hls_2022_2() -> None:
    found = read_reports(REPORTS / "vitis_hls_2022.2_xcu250", part="xcu250-figd2104-2L-e")
    assert (found.top, found.warnings, found.failures) == ("myproject", (), ())
    for file in ("csynth.xml", "myproject_csynth.xml", "myproject_csynth.rpt"):
        got = numbers(found, file)
        assert [got[n] for n in ("lut", "ff", "dsp", "bram", "uram")] == [116_694, 24_233, 2_557, 4, 0]
        assert [got[n] for n in ("latency_clocks", "latency_ns", "ii", "clock_ns")] == [15, 75, 1, 3.636]
    assert numbers(found, "csynth.rpt")["slack_ns"] == 0.01
    layers = next(r for r in found.reports if r.file == "csynth.xml").modules
    dense = "dense_latency_ap_fixed_16_6_5_3_0_ap_fixed_16_6_5_3_0_config2_s"
    assert [layers[dense][n] for n in ("lut", "ff", "dsp", "latency_clocks")] == [28_385, 5_814, 719, 1]
    assert {r.version for r in found.reports} == {"2022.2"}


def test_vivado_hls_2020_1_with_its_synthesis() -> None:
    found = read_reports(REPORTS / "vivado_hls_2020.1_zynq")
    assert (found.top, found.part) == ("myproject", "xc7z020-clg400-1")
    for file in ("myproject_csynth.xml", "myproject_csynth.rpt"):
        got = numbers(found, file)
        assert [got[n] for n in ("lut", "ff", "dsp", "latency_clocks", "ii", "clock_ns")] == [
            2532,
            7969,
            73,
            10,
            8,
            4.049,
        ]
    synthesized = numbers(found, "vivado_synth.rpt")
    assert [synthesized[n] for n in ("lut", "ff", "dsp", "bram", "srl")] == [1526, 2428, 66, 0, 48]
    assert {(r.tool, r.version, r.stage) for r in found.reports} == {
        ("Vivado HLS", "2020.1", "csynth"),
        ("Vivado", "2020.1", "synth"),
    }


@pytest.mark.parametrize(
    ("folder", "resources", "timing"),
    [
        ("vivado_2019.2_kintex_usp", (999, 920, 0, 0, 55, 7), (0.184, 0.033, 0, 4.816)),
        ("vivado_artix7", (1009, 920, 0, 0, 55, 7), (-3.463, 0.097, 10, 8.463)),
    ],
)
def test_vivado_2019_2(folder: str, resources: tuple[float, ...], timing: tuple[float, ...]) -> None:
    found = read_reports(REPORTS / folder)
    placed = numbers(found, "top_utilization_placed.rpt")
    assert tuple(placed[n] for n in ("lut", "ff", "dsp", "bram", "lutram", "srl")) == resources
    routed = numbers(found, "top_timing_summary_routed.rpt")
    assert tuple(routed[n] for n in ("slack_ns", "hold_slack_ns", "failing_endpoints", "clock_ns")) == timing
    assert {r.kind: r.stage for r in found.reports} == {"timing": "route", "utilization": "place"}
    assert bool(found.all_warnings) == (timing[0] < 0)
