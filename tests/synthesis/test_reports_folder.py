"""Folders of reports: found by content, held against one another, errors with the log's decisive line."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.synthesis.reports.folder import check_parts, read_report, read_reports
from l1ad.synthesis.reports.logs import decisive_error
from l1ad.synthesis.reports.record import ReportSet

SAMPLES = Path(__file__).parent / "report_samples"
LICENCE = (
    "Attempting to get a license for feature 'Synthesis' and/or device 'xcvu9p'\n"
    "WARNING: [Common 17-348] Failed to get the license for feature 'Synthesis' and/or device 'xcvu9p'\n"
    "1 Infos, 1 Warnings, 0 Critical Warnings and 1 Errors encountered.\n"
    "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device 'xcvu9p'.\n"
    "INFO: [Common 17-206] Exiting Vivado\n"
)


def put(folder: Path, **files: str) -> Path:
    """Copy samples into `folder` under other names; underscores of a keyword become slashes."""
    for target, sample in files.items():
        path = folder / target.replace("__", "/")
        path = path.with_suffix(Path(sample).suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / sample, path)
    return folder


@pytest.fixture
def component(tmp_path: Path) -> Path:
    """Return a folder in the layout of a Vitis component."""
    put(
        tmp_path,
        hls__syn__report__detector_csynth="detector_csynth.xml",
        hls__impl__report__verilog__export_impl="export_impl.xml",
        hls__impl__verilog__report__detector_utilization_routed="utilization_routed.rpt",
        hls__impl__verilog__report__detector_timing_routed="timing_routed.rpt",
        hls__impl__verilog__report__detector_power_routed="power_routed.rpt",
    )
    sim = tmp_path / "hls" / "sim" / "report"
    sim.mkdir(parents=True)
    shutil.copy(SAMPLES / "detector_cosim.rpt", sim / "detector_cosim.rpt")
    return tmp_path


def test_component_layout(component: Path) -> None:
    found = read_reports(component, part="xcvu9p-flga2104-2L-e")
    assert sorted(r.kind for r in found.reports) == ["cosim", "csynth", "export", "power", "timing", "utilization"]
    assert (found.top, found.part) == ("detector", "xcvu9p-flga2104-2L-e")
    stages = {(m.name, m.stage): m.value for m in found.measurements}
    assert stages["lut", "csynth"] == 9200
    assert stages["latency_clocks", "cosim"] == 15
    assert stages["latency_ns", "cosim"] == 75
    assert stages["slack_ns", "route"] in (0.325, -0.25)
    assert ReportSet.from_dict(found.to_dict()) == found


def test_every_number_names_tool_version_and_file(component: Path) -> None:
    found = read_reports(component)
    assert all(m.source.split(" ")[0] in ("Vitis", "Vivado") for m in found.measurements)
    assert not any("not stated" in m.source for m in found.measurements)
    cosim = next(m for m in found.measurements if (m.name, m.stage) == ("latency_ns", "cosim"))
    assert cosim.source == (
        "Vitis HLS 2023.2, hls/sim/report/detector_cosim.rpt, at 5 ns of hls/syn/report/detector_csynth.xml"
    )


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    put(tmp_path, a="detector_csynth.xml", b="utilization_routed.rpt", c="hls_compile.rpt")
    (tmp_path / "b.rpt").rename(tmp_path / "notes.txt")
    (tmp_path / "d.rpt").write_text("A report about something else.\n")
    (tmp_path / "e.xml").write_text("<other/>")
    (tmp_path / "f.v").write_text("module f; endmodule\n")
    assert [r.kind for r in read_reports(tmp_path).reports] == ["csynth", "csynth", "utilization"]
    assert read_report(tmp_path / "d.rpt") is None


@pytest.mark.parametrize("name", ["csynth.xml", "detector_cosim.rpt", "export_impl.xml", "a_utilization_routed.rpt"])
def test_report_name_without_a_report_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<prof")
    with pytest.raises(DataError, match="called like a report, but its 5 bytes hold none"):
        read_reports(tmp_path)
    (tmp_path / "a_clock_utilization_routed.rpt").write_text("Clock Utilization")
    assert read_report(tmp_path / "a_clock_utilization_routed.rpt") is None


def test_hidden_data_bases_are_passed_over(component: Path) -> None:
    hidden = component / "hls" / ".autopilot" / "db"
    hidden.mkdir(parents=True)
    (hidden / "csynth.xml").write_text("<!DOCTYPE boost_serialization><profile/>")
    assert len(read_reports(component).reports) == 6


def test_modules_below_the_top_are_left_out(component: Path) -> None:
    text = (SAMPLES / "detector_csynth.xml").read_text()
    inner = text.replace("<TopModelName>detector<", "<TopModelName>dense_a<").replace(">9200<", ">9000<")
    inner = inner[: inner.index("<ModuleInformation>")] + "</profile>"
    (component / "hls" / "syn" / "report" / "dense_a_csynth.xml").write_text(inner)
    found = read_reports(component)
    assert [m.value for m in found.measurements if (m.name, m.stage) == ("lut", "csynth")] == [9200]
    assert [r.top for r in read_reports(component, top="dense_a").reports if r.kind == "csynth"] == ["dense_a"]
    with pytest.raises(DataError, match="no report of top other; there are reports of dense_a, detector"):
        read_reports(component, top="other")


def test_several_tops_need_a_name_or_a_project_file(tmp_path: Path) -> None:
    put(tmp_path, one="detector_csynth.rpt")
    text = (SAMPLES / "detector_csynth.rpt").read_text()
    (tmp_path / "two.rpt").write_text(text.replace("Report for 'detector'", "Report for 'other'"))
    with pytest.raises(DataError, match=r"several tops \(detector, other\)"):
        read_reports(tmp_path)
    (tmp_path / "vivado_hls.app").write_text('<AutoPilot:project name="p" top="detector">')
    assert read_reports(tmp_path).top == "detector"


def test_report_of_another_part(component: Path) -> None:
    with pytest.raises(DataError, match=r"report of part xcvu9p-flga2104-2L-e; expected xcvu13p-flga2577-2-e"):
        read_reports(component, part="xcvu13p-flga2577-2-e")
    path = component / "hls" / "impl" / "verilog" / "report" / "detector_timing_routed.rpt"
    path.write_text(path.read_text().replace("xcvu9p-flga2104", "xcku115-flvb2104"))
    with pytest.raises(DataError, match=r"detector_timing_routed\.rpt: a report of part xcku115-flvb2104"):
        read_reports(component)


def test_part_names_of_vivado_are_the_same_part() -> None:
    path = SAMPLES / "timing_routed.rpt"
    report = read_report(path)
    assert report is not None
    assert check_parts([report], "xcvu9p-flga2104-2L-e") == "xcvu9p-flga2104-2L-e"
    for name, same in (("7z020clg400-1", True), ("xc7z020-clg400", True), ("xc7z010-clg400-1", False)):
        other = type(report).from_dict({**report.to_dict(), "part": name})
        if same:
            assert check_parts([other], "xc7z020-clg400-1") == "xc7z020-clg400-1"
        else:
            with pytest.raises(DataError, match="a report of part"):
                check_parts([other], "xc7z020-clg400-1")


def test_stale_neighbour_is_named(component: Path) -> None:
    assert not any("stale" in warning for warning in read_reports(component).warnings if "csynth" in warning)
    text = (SAMPLES / "detector_csynth.xml").read_text().replace(">9200<", ">9201<")
    (component / "hls" / "syn" / "report" / "csynth.xml").write_text(text)
    found = [warning for warning in read_reports(component).warnings if warning.startswith("csynth")]
    assert len(found) == 1
    assert "9201" in found[0]
    assert "9200" in found[0]


def test_failed_cosim_is_a_failure_of_the_folder(component: Path) -> None:
    assert read_reports(component).failures == ()
    path = component / "hls" / "sim" / "report" / "detector_cosim.rpt"
    path.write_text(path.read_text().replace("      Pass|", "      Fail|"))
    found = read_reports(component)
    assert found.failures == ("hls/sim/report/detector_cosim.rpt: co-simulation of Verilog: Fail",)
    assert not any(m.stage == "cosim" for m in found.measurements)


def test_folder_without_reports_shows_the_licence_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run the tool first") as caught:
        read_reports(tmp_path)
    assert "log" not in str(caught.value)
    (tmp_path / "vivado.log").write_text(LICENCE)
    with pytest.raises(DataError, match=r"vivado\.log: .*license") as caught:
        read_reports(tmp_path)
    assert "Attempting" not in str(caught.value)
    with pytest.raises(DataError, match="no such file or folder"):
        read_reports(tmp_path / "absent")


def test_truncated_report_shows_the_log(component: Path) -> None:
    path = component / "hls" / "syn" / "report" / "detector_csynth.xml"
    path.write_bytes(path.read_bytes()[:700])
    (component / "vitis_hls.log").write_text(
        "INFO: [HLS 200-10] Running\nERROR: [HLS 200-70] Out of disk.\nERROR: again\n"
    )
    with pytest.raises(DataError, match=r"not whole XML .*vitis_hls\.log: ERROR: \[HLS 200-70\] Out of disk"):
        read_reports(component)


def test_one_file(tmp_path: Path) -> None:
    found = read_reports(SAMPLES / "utilization_routed.rpt")
    assert [m.value for m in found.measurements if m.name == "lut"] == [4321]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LICENCE, LICENCE.splitlines()[3]),
        ("INFO: Got license for feature\nAttempting to get a license\n", None),
        (
            "ERROR: [Synth 8-439] module 'a' not found\nERROR: [Common 17-69] Command failed\n",
            "ERROR: [Synth 8-439] module 'a' not found",
        ),
        ("@E [HLS-70] Cannot find top\n", "@E [HLS-70] Cannot find top"),
        ("running\n/tool: line 3: 712 Killed   vivado\n", "/tool: line 3: 712 Killed   vivado"),
        (
            "ERROR: [HLS 200-70] Compilation errors found: In file included from a.cpp:1:\n"
            "In file included from a.h:3:\na.h:19:4: error: expected '}'\na.h:20:1: error: more\n",
            "ERROR: [HLS 200-70] Compilation errors found: In file included from a.cpp:1: "
            "a.h:19:4: error: expected '}'",
        ),
        ("INFO: all well\nINFO: 0 errors\n", None),
        ("", None),
    ],
)
def test_decisive_line(tmp_path: Path, text: str, line: str | None) -> None:
    log = tmp_path / "vivado.log"
    log.write_text(text)
    assert decisive_error(log) == line
    assert decisive_error(tmp_path / "absent.log") is None


@pytest.mark.parametrize(
    "sample", sorted(path.name for path in SAMPLES.rglob("*") if path.suffix in (".xml", ".rpt", ".v"))
)
def test_cut_or_damaged_report_never_states_something_else(tmp_path: Path, sample: str) -> None:
    source = next(SAMPLES.rglob(sample))
    whole, data, rng = read_report(source), source.read_bytes(), np.random.default_rng(1)
    assert whole is not None
    stated = {(m.name, m.stage): m.value for m in whole.measurements}
    path, refused = tmp_path / sample, 0
    for cut in range(1, 40):
        path.write_bytes(data[: cut * len(data) // 40])
        try:
            found = read_report(path)
        except DataError:
            refused += 1
            continue
        refused += found is None
        for m in found.measurements if found is not None else ():
            assert stated[m.name, m.stage] == m.value
    assert refused > 0
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(5):
            damaged[int(rng.integers(len(damaged)))] = int(rng.choice(list(b"|+-0 \n<>&?x\x00\xff")))
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(DataError):  # any other error fails the test
            read_report(path)
