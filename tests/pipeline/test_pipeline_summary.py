"""What vendor tools gave for a run becomes part of its report, and stays apart from the other design."""

from __future__ import annotations

from pathlib import Path

import pytest

from l1ad.config import RunConfig
from l1ad.pipeline.keys import inputs_digest
from l1ad.pipeline.run_folder import Manifest, RunFolder, StageEntry, create_run
from l1ad.pipeline.summary import gather, headline
from l1ad.pipeline.vendor import RESULTS
from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType, Measurement, SynthesisReport
from l1ad.synthesis.reports.record import ReportSet, ToolReport
from l1ad.synthesis.run import write_synthesis
from l1ad.synthesis.vendor.run import VendorResults, write_results

PART = "xcvu9p-flga2104-2L-e"


def write_project(run: RunFolder, backend: str) -> str:
    """Write a small project and return its digest."""
    folder = run.stage("convert") / backend
    folder.mkdir(parents=True)
    (folder / "detector.txt").write_text(f"// {backend}\n")
    files = folder_digests(folder)
    number, digest = FixedType(True, 8, 4), value_digest(files)
    project = FirmwareProject(backend, "detector", PART, 5.0, "test 1.0", number, 1, number, 1, files, digest)
    write_json(folder / "project.json", project.to_dict())
    return digest


def vendor(run: RunFolder, backend: str, digest: str, **values: float) -> None:
    """Keep the results of a vendor tool in the run: one routed report."""
    measurements = tuple(Measurement(n, v, "", "route", "Vivado 2023.2, a.rpt") for n, v in values.items())
    report = ToolReport("utilization", "Vivado", "2023.2", "route", PART, "detector", "a.rpt", measurements)
    found = VendorResults("plan", digest, ReportSet("results", "detector", PART, (report,)))
    (run.path / RESULTS).mkdir(exist_ok=True)
    write_results(found, run.path / RESULTS / f"{backend}.json")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a run with two projects, and an estimate of the Verilog."""
    config = RunConfig.model_validate(
        {"name": "tiny", "conversion": {"backends": ["vitis", "verilog"]}, "synthesis": {"budget": {"lut": 2_000}}}
    )
    run = create_run(config, tmp_path / "runs")
    run.write_config()
    write_project(run, "vitis")
    digest = write_project(run, "verilog")
    lut = Measurement("lut", 1_500.0, "", "estimate", "Yosys 0.70")
    write_synthesis(SynthesisReport("Yosys", "0.70", "estimate", PART, digest, (lut,)), run.stage("synth"))
    write_json(run.stage("synth") / "budget.json", {"lines": []})
    entry = StageEntry(key="key", inputs="", files={}, seconds=1.0)
    run.write_manifest(Manifest(stages={"convert": entry, "synth": entry}))
    return run


def digest_of(run: RunFolder, backend: str) -> str:
    return FirmwareProject.read(run.stage("convert") / backend / "project.json").digest


def test_results_of_the_hls_design_stay_apart(run: RunFolder) -> None:
    vendor(run, "vitis", digest_of(run, "vitis"), lut=2_500.0)
    report = gather(run)
    assert report.designs() == ("verilog", "vitis")
    own, other = report.headline("lut"), report.headline("lut", "vitis")
    assert own is not None
    assert other is not None
    assert (own.value, other.value) == (1_500.0, 2_500.0)
    assert (report.budget_design, list(report.budgets)) == ("verilog", ["vitis"])
    assert report.budget is not None
    assert [line.passed for line in report.budget.lines if line.name == "lut"] == [True]
    assert [(line.name, line.passed) for line in report.budgets["vitis"].lines] == [("lut", False)]
    assert headline(report)["design"] == "verilog"


def test_routed_figures_of_the_design_take_the_place_of_its_estimate(run: RunFolder) -> None:
    vendor(run, "verilog", digest_of(run, "verilog"), lut=2_500.0)
    report = gather(run)
    found = report.headline("lut")
    assert found is not None
    assert (found.value, found.stage) == (2_500.0, "route")
    assert report.budget is not None
    assert [line.passed for line in report.budget.lines if line.name == "lut"] == [False]


def test_results_of_a_former_design_do_not_count(run: RunFolder) -> None:
    vendor(run, "vitis", "f" * 64, lut=2_500.0)
    assert gather(run).designs() == ("verilog",)


def test_results_that_are_read_back_renew_the_report_alone(run: RunFolder) -> None:
    manifest = run.manifest()
    before = {name: inputs_digest(run, name, manifest) for name in ("report", "synth")}
    vendor(run, "vitis", digest_of(run, "vitis"), lut=2_500.0)
    assert inputs_digest(run, "report", manifest) != before["report"]
    assert inputs_digest(run, "synth", manifest) == before["synth"]
