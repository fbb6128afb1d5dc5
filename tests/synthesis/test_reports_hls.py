"""Readers of what HLS tools write: C synthesis, co-simulation, export, generated RTL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import DataError
from l1ad.synthesis.reports.cosim import read_cosim
from l1ad.synthesis.reports.csynth import hls_tool, read_csynth_xml
from l1ad.synthesis.reports.csynth_text import read_module_text, read_summary_text
from l1ad.synthesis.reports.export import read_export_text, read_export_xml
from l1ad.synthesis.reports.record import ToolReport
from l1ad.synthesis.reports.rtl_header import read_rtl_header

SAMPLES = Path(__file__).parent / "report_samples"


def values(report: ToolReport, stage: str = "") -> dict[str, float]:
    return {m.name: m.value for m in report.measurements if stage in ("", m.stage)}


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a sample with texts replaced; a text that is not there is an error."""

    def edit(name: str, *changes: tuple[str, str]) -> Path:
        text = (SAMPLES / name).read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / Path(name).name
        path.write_text(text)
        return path

    return edit


def test_csynth_xml() -> None:
    report = read_csynth_xml(SAMPLES / "detector_csynth.xml", "syn/report/detector_csynth.xml")
    assert values(report) == {
        "clock_target_ns": 5.0,
        "clock_uncertainty_ns": 1.35,
        "clock_ns": 3.61,
        "latency_clocks": 13,
        "latency_min_clocks": 11,
        "latency_ns": 65,
        "ii": 2,
        "ii_min": 1,
        "lut": 9200,
        "ff": 3100,
        "dsp": 21,
        "bram": 3.5,
        "uram": 0,
    }
    assert (report.tool, report.version, report.stage) == ("Vitis HLS", "2023.2", "csynth")
    assert (report.part, report.top) == ("xcvu9p-flga2104-2L-e", "detector")
    assert {m.source for m in report.measurements} == {"Vitis HLS 2023.2, syn/report/detector_csynth.xml"}
    assert {m.name: m.unit for m in report.measurements}["bram"] == "RAMB36"
    assert report.available["bram"] == 2160
    assert ToolReport.from_dict(report.to_dict()) == report


def test_layers_of_csynth_xml_leave_out_what_is_undefined() -> None:
    report = read_csynth_xml(SAMPLES / "detector_csynth.xml")
    assert report.modules["dense_a"] == {
        "lut": 9000,
        "ff": 3000,
        "dsp": 20,
        "bram": 2.5,
        "uram": 0,
        "latency_clocks": 4,
    }
    assert set(report.modules["score_b"]) == {"lut", "ff", "dsp", "bram"}


@pytest.mark.parametrize("word", ["undef", "?", "-", "NA", ""])
def test_undefined_latency_is_missing_and_never_zero(edited: Callable[..., Path], word: str) -> None:
    path = edited(
        "detector_csynth.xml",
        ("<Worst-caseLatency>13<", f"<Worst-caseLatency>{word}<"),
        (">65.000 ns<", f">{word}<"),
        ("<Interval-max>2<", f"<Interval-max>{word}<"),
    )
    report = read_csynth_xml(path)
    assert not {"latency_clocks", "latency_ns", "ii"} & set(values(report))
    assert report.missing == dict.fromkeys(("latency_clocks", "latency_ns", "ii"), word or "absent")
    assert values(report)["lut"] == 9200


def test_dsp48e_is_dsp_and_names_the_older_tool(edited: Callable[..., Path]) -> None:
    path = edited(
        "detector_csynth.xml",
        ("<DSP>21</DSP>", "<DSP48E>22</DSP48E>"),
        ("<FlowTarget>vivado</FlowTarget>", ""),
        ("2023.2", "2020.1"),
    )
    report = read_csynth_xml(path)
    assert values(report)["dsp"] == 22
    assert report.tool == "Vivado HLS"
    assert hls_tool("2020.1", flow_target=True, dsp48=False) == "Vitis HLS"


def test_clock_beyond_its_target_is_a_warning(edited: Callable[..., Path]) -> None:
    assert read_csynth_xml(SAMPLES / "detector_csynth.xml").warnings == ()
    report = read_csynth_xml(edited("detector_csynth.xml", ("3.610", "5.020")))
    assert report.warnings == ("the clock needs 5.02 ns, which exceeds the target of 5 ns",)


def test_times_in_other_units(edited: Callable[..., Path]) -> None:
    report = read_csynth_xml(edited("detector_csynth.xml", (">65.000 ns<", ">1.250 us<")))
    assert values(report)["latency_ns"] == 1250


def test_all_zero_is_a_failure_and_no_number(edited: Callable[..., Path]) -> None:
    path = edited(
        "detector_csynth.xml",
        ("<BRAM_18K>7</BRAM_18K><DSP>21</DSP><FF>3100</FF><LUT>9200</LUT>", "<DSP>0</DSP><FF>0</FF><LUT>0</LUT>"),
    )
    report = read_csynth_xml(path)
    assert not {"lut", "ff", "dsp", "uram"} & set(values(report))
    assert "optimized away" in report.failures[0]
    assert read_csynth_xml(SAMPLES / "detector_csynth.xml").failures == ()


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.99])
def test_truncated_xml_is_an_error(tmp_path: Path, share: float) -> None:
    path, whole = tmp_path / "detector_csynth.xml", (SAMPLES / "detector_csynth.xml").read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"detector_csynth\.xml: (empty|not whole XML)"):
        read_csynth_xml(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "csynth.xml"
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    path.write_text(bomb + (SAMPLES / "detector_csynth.xml").read_text().replace("9200", "&b;"))
    with pytest.raises(DataError, match="document type"):
        read_csynth_xml(path)
    path.write_bytes((bomb + "<profile/>").encode("utf-16"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_csynth_xml(path)


def test_other_xml_and_negative_numbers(edited: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lut is -5"):
        read_csynth_xml(edited("detector_csynth.xml", (">9200<", ">-5<")))
    path = tmp_path / "other.xml"
    path.write_text("<profile><ReportVersion/></profile>")
    with pytest.raises(DataError, match="no AreaEstimates"):
        read_csynth_xml(path)


def test_module_text_of_vivado_hls_2019_1() -> None:
    report = read_module_text(SAMPLES / "detector_csynth.rpt")
    assert values(report) == {
        "clock_target_ns": 5,
        "clock_ns": 5.21,
        "clock_uncertainty_ns": 0.62,
        "latency_min_clocks": 14,
        "latency_clocks": 16,
        "ii_min": 1,
        "ii": 3,
        "lut": 8100,
        "ff": 4100,
        "dsp": 17,
        "bram": 1.5,
        "uram": 0,
    }
    assert (report.tool, report.version, report.top) == ("Vivado HLS", "2019.1", "detector")
    assert "5.21 ns" in report.warnings[0]
    assert report.modules == {"dense_a": {"lut": 8000, "ff": 4000, "dsp": 17, "bram": 1.5, "uram": 0}}


def test_module_text_with_times(edited: Callable[..., Path]) -> None:
    heading = "|  Latency (cycles) |   Latency (absolute)  |  Interval | Pipeline|"
    path = edited(
        "detector_csynth.rpt",
        ("|  Latency  |  Interval | Pipeline |", heading),
        ("|   14|   16|    1|    3| function |", "|  14|   ?| 70.0 ns| 1.6 us|   1|   3|  yes|"),
    )
    report = read_module_text(path)
    assert values(report)["latency_ns"] == 1600
    assert report.missing == {"latency_clocks": "?"}


@pytest.mark.parametrize("cut", ["|ap_clk", "|   14|", "|Total            |"])
def test_module_text_that_is_cut_off(tmp_path: Path, cut: str) -> None:
    path, text = tmp_path / "detector_csynth.rpt", (SAMPLES / "detector_csynth.rpt").read_text()
    path.write_text(text[: text.index(cut)])
    with pytest.raises(DataError, match=r"detector_csynth\.rpt: the table of \w+"):
        read_module_text(path)


def test_summary_text_of_the_component_layout() -> None:
    report = read_summary_text(SAMPLES / "hls_compile.rpt")
    assert values(report) == {
        "slack_ns": -0.07,
        "latency_clocks": 18,
        "latency_ns": 90,
        "ii": 1,
        "bram": 4.5,
        "dsp": 33,
        "ff": 5100,
        "lut": 9300,
    }
    assert report.missing == {"uram": "-"}
    assert (report.tool, report.version, report.part) == ("Vitis HLS", "2024.1", "xcvu9p-flga2104-2L-e")
    assert report.modules == {"dense_a": {"dsp": 30, "ff": 5000, "lut": 9000}}


def test_summary_text_that_is_cut_off(tmp_path: Path) -> None:
    path, text = tmp_path / "csynth.rpt", (SAMPLES / "hls_compile.rpt").read_text()
    path.write_text(text[: text.index("|+ detector")])
    with pytest.raises(DataError, match="table of modules is not whole"):
        read_summary_text(path)
    with pytest.raises(DataError, match="expected a line"):
        read_summary_text(SAMPLES / "detector_cosim.rpt")


def test_cosim() -> None:
    report = read_cosim(SAMPLES / "detector_cosim.rpt")
    wanted = {"latency_min_clocks": 12, "latency_clocks": 15, "ii_min": 1, "ii": 2, "total_clocks": 1015}
    assert values(report) == wanted
    assert (report.stage, report.top, report.failures) == ("cosim", "detector", ())
    assert "not stated" in report.measurements[0].source


@pytest.mark.parametrize("status", ["Fail", "fail", "Aborted"])
def test_failed_cosim_gives_no_number(edited: Callable[..., Path], status: str) -> None:
    report = read_cosim(edited("detector_cosim.rpt", ("      Pass|", f"{status:>10}|")))
    assert report.measurements == ()
    assert report.failures == (f"co-simulation of Verilog: {status}",)


def test_cosim_that_did_not_run(edited: Callable[..., Path]) -> None:
    report = read_cosim(edited("detector_cosim.rpt", ("      Pass|", "        NA|")))
    assert (report.measurements, report.failures) == ((), ("no language was simulated",))


def test_cosim_without_a_transaction_or_a_second_one(edited: Callable[..., Path]) -> None:
    numbers = "|             12|             13|             15|              1|              1|              2|"
    zero = read_cosim(edited("detector_cosim.rpt", (numbers, "|0|0|0|NA|NA|NA|")))
    assert values(zero) == {"total_clocks": 1015}
    assert "no transaction" in zero.missing["latency_clocks"]
    single = read_cosim(edited("detector_cosim.rpt", (numbers, "|9|9|9|NA|NA|NA|")))
    assert (values(single)["latency_clocks"], single.missing["ii"]) == (9, "NA")


def test_cosim_of_two_languages_takes_the_slower(edited: Callable[..., Path]) -> None:
    vhdl = "|        NA|             NA|             NA|             NA|             NA|"
    path = edited(
        "detector_cosim.rpt", (vhdl, "|      Pass|             12|             14|             99|             NA|")
    )
    assert values(read_cosim(path))["latency_clocks"] == 99


@pytest.mark.parametrize("cut", ["|      VHDL", "|   Verilog", "\n+-----"])
def test_cosim_that_is_cut_off(tmp_path: Path, cut: str) -> None:
    path, text = tmp_path / "detector_cosim.rpt", (SAMPLES / "detector_cosim.rpt").read_text()
    path.write_text(text[: text.rindex(cut)] + "\n")
    if cut == "|   Verilog":  # a whole table of one language that did not run, but for its last line
        path.write_text(path.read_text().replace("        NA|", "      Pass|", 1))
    with pytest.raises(DataError, match="table of languages"):
        read_cosim(path)


def test_export_xml_counts_18k_halves() -> None:
    report = read_export_xml(SAMPLES / "export_impl.xml")
    assert values(report) == {
        "lut": 4400,
        "ff": 2900,
        "dsp": 19,
        "bram": 2.5,
        "uram": 0,
        "srl": 12,
        "clock_target_ns": 5,
        "clock_ns": 5.25,
        "slack_ns": -0.25,
    }
    assert (report.tool, report.version, report.stage, report.top) == ("Vivado", "2024.1", "route", "detector")
    assert report.warnings == ("timing is not met",)
    assert report.available["bram"] == 2160
    assert report.modules["inst/dense_a_U0"] == {"lut": 4000, "bram": 1.5}


def test_export_xml_after_synthesis_only(edited: Callable[..., Path]) -> None:
    path = edited("export_impl.xml", (">impl<", ">synth<"), ("    <SLACK_FINAL>-0.250</SLACK_FINAL>\n", ""))
    report = read_export_xml(path)
    assert {m.stage for m in report.measurements} == {"synth"}
    assert values(report)["slack_ns"] == -0.25  # target less achieved
    with pytest.raises(DataError, match="RUN_TYPE is ''"):
        read_export_xml(edited("export_impl.xml", ("<RUN_TYPE>impl</RUN_TYPE>", "")))


def test_export_zero_of_zero_available_is_missing(edited: Callable[..., Path]) -> None:
    path = edited("export_impl.xml", ("<LUT>4400</LUT>", "<LUT>0</LUT>"), ("<LUT>1182240</LUT>", "<LUT>0</LUT>"))
    report = read_export_xml(path)
    assert "lut" not in values(report)
    assert report.missing["lut"] == "0 of 0 available"
    assert values(report)["uram"] == 0  # a part without UltraRAM uses none


def test_export_text_of_vivado_hls() -> None:
    report = read_export_text(SAMPLES / "detector_export.rpt")
    routed = {"lut": 4500, "ff": 2800, "dsp": 18, "bram": 3, "srl": 10, "clock_target_ns": 5}
    assert values(report, "route") == {**routed, "clock_ns": 4.1, "slack_ns": 0.9}
    assert values(report, "synth") == {"clock_ns": 3.1}
    assert (report.version, report.part, report.missing) == ("2019.2", "xcvu9p-flga2104-2L-e", {"uram": "absent"})


def test_export_text_of_the_component_layout(edited: Callable[..., Path]) -> None:
    report = read_export_text(SAMPLES / "hls_impl_pnr.rpt")
    routed = {"lut": 4401, "ff": 2901, "dsp": 20, "bram": 1.5, "uram": 1, "srl": 13, "clock_target_ns": 5}
    assert values(report, "route") == {**routed, "clock_ns": 4.8, "slack_ns": 0.2}
    assert values(report, "synth") == {"clock_ns": 3.2}
    missed = edited("hls_impl_pnr.rpt", ("Timing was met", "Timing was NOT met"), ("4.800", "5.300"))
    assert read_export_text(missed).warnings == ("timing is not met",)
    synthesis = edited(
        "hls_impl_pnr.rpt", ("== Vivado Place & Route Results", "== Vivado RTL Synthesis Results"), ("4.800", "NA")
    )
    assert read_export_text(synthesis).stage == "synth"


def test_export_text_that_is_cut_off(tmp_path: Path) -> None:
    path, text = tmp_path / "detector_export.rpt", (SAMPLES / "detector_export.rpt").read_text()
    for cut in ("LUT:", "CP required", "00\nTiming met", "Timing met"):
        path.write_text(text[: text.index(cut)])
        with pytest.raises(DataError, match="ends before"):
            read_export_text(path)
    with pytest.raises(DataError, match="expected"):
        read_export_text(SAMPLES / "detector_cosim.rpt")


def test_head_of_generated_rtl() -> None:
    report = read_rtl_header(SAMPLES / "verilog" / "detector.v")
    wanted = {
        "clock_target_ns": 5,
        "clock_ns": 4.215,
        "latency_clocks": 17,
        "ii": 1,
        "dsp": 40,
        "ff": 4200,
        "lut": 8200,
    }
    assert values(report) == wanted
    assert (report.tool, report.version, report.top, report.stage) == ("Vivado HLS", "2019.2", "detector", "csynth")


def test_head_of_generated_vhdl_and_what_it_does_not_state(tmp_path: Path) -> None:
    attribute = (SAMPLES / "verilog" / "detector.v").read_text().split('"')[1]
    attribute = attribute.replace("detector,hls_ip_2019_2", "detector_detector,hls_ip_2023_2_0")
    changes = (("HLS_VERSION=2019_2", "HLS_VERSION=2023_2_0"), ("LAT=17", "LAT=undef"), ("TPT=1", "TPT=none"))
    for old, new in (*changes, ("DSP=40", "DSP=0")):
        attribute = attribute.replace(old, new)
    path = tmp_path / "detector.vhd"
    path.write_text(f'attribute CORE_GENERATION_INFO of behav : architecture is\n"{attribute}";\n')
    report = read_rtl_header(path)
    assert (report.tool, report.version, report.top) == ("Vitis HLS", "2023.2", "detector")
    assert set(report.missing) == {"latency_clocks", "ii", "dsp"}
    path.write_text("entity detector is end;")
    with pytest.raises(DataError, match="no CORE_GENERATION_INFO"):
        read_rtl_header(path)


def test_unknown_latency_in_the_head_is_missing(tmp_path: Path) -> None:
    text = (SAMPLES / "verilog" / "detector.v").read_text()
    path = tmp_path / "detector.v"
    path.write_text(text.replace("HLS_SYN_LAT=17", "HLS_SYN_LAT=-1"))
    report = read_rtl_header(path)
    assert report.missing == {"latency_clocks": "-1: not known"}
    assert values(report)["lut"] == 8200
    path.write_text(text.replace("HLS_SYN_LUT=8200", "HLS_SYN_LUT=-8200"))
    with pytest.raises(DataError, match="lut is -8200"):
        read_rtl_header(path)
