from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.config import EmulationConfig
from l1ad.emulation import LayerValues, open_project, run_ladder, write_bit_report
from l1ad.emulation.controls import control_interpreter
from l1ad.emulation.interpreter import load_interpreter
from l1ad.errors import DataError
from l1ad.records import BitReport, FixedType

HIDDEN = FixedType(signed=False, width=8, integer=3)
OPTIONS = EmulationConfig(events=900, control_events=200)


def climb(projects, inputs, expected, builds: Path, **changes) -> BitReport:
    settings = {"options": OPTIONS, "build_folder": builds, "reference_engine": "int64", "reference_rate": 1.0}
    return run_ladder(projects, inputs, expected, **{**settings, **changes})


@pytest.fixture(scope="module")
def report(rtl_folder: Path, hls_folder: Path, network, events, builds: Path) -> BitReport:
    references = {"act0": LayerValues(network.hidden(events), HIDDEN)}
    outputs = network.outputs(events)
    return climb([hls_folder, rtl_folder], events, outputs, builds, layer_references=references)


def test_every_rung_agrees_and_every_control_is_caught(report: BitReport) -> None:
    assert [rung.rung for rung in report.rungs] == ["keras", "interpreter", "native", "csim", "rtl"]
    assert report.passed
    for rung in report.rungs:
        assert (rung.events, rung.equal_events, rung.first_difference) == (900, 900, None)
        assert rung.events_per_second > 0
    controls = [rung.control for rung in report.rungs[1:]]
    assert all(control is not None and control.caught and control.events == 200 for control in controls)
    csim = report.rungs[3]
    assert [(layer.layer, layer.values, layer.equal) for layer in csim.layers] == [("act0", 3600, 3600)]
    assert [line.name for line in report.measurements] == ["latency_clocks", "latency_ns", "ii"]


def test_report_comes_back_from_json(report: BitReport, tmp_path: Path) -> None:
    path = write_bit_report(report, tmp_path)
    assert path.name == "bits.json"
    assert BitReport.read(path) == report


def test_one_wrong_integer_is_named_on_every_rung(rtl_folder, hls_folder, network, events, builds: Path) -> None:
    expected = network.outputs(events)
    expected[123, 1] += 1
    report = climb([rtl_folder, hls_folder], events, expected, builds)
    assert not report.passed
    for rung in report.rungs[1:]:
        assert rung.equal_events == 899
        difference = rung.first_difference
        assert difference is not None
        assert (difference.event, difference.layer, difference.channel) == (123, "output", 1)
        assert difference.expected == difference.found + 1


def test_a_wrong_layer_fails_the_rung_although_outputs_agree(hls_folder, network, events, builds: Path) -> None:
    hidden = network.hidden(events)
    hidden[7, 2] ^= 1
    references = {"act0": LayerValues(hidden, HIDDEN)}
    report = climb([hls_folder], events, network.outputs(events), builds, layer_references=references)
    csim = report.rungs[1]
    assert csim.equal_events == 900
    assert not csim.passed
    assert str(csim.first_difference).startswith("event 7, act0[2]: ")


def test_the_interpreter_agrees_and_a_flipped_sum_is_seen(rtl_folder: Path, network, events, builds: Path) -> None:
    project = open_project(rtl_folder)
    result = load_interpreter(project).run(events)
    assert np.array_equal(result.outputs, network.outputs(events))
    control = control_interpreter(project, builds, events, network.outputs(events))
    assert control.caught
    assert "the subtract bit of operation" in control.what
    assert open_project(rtl_folder).record == project.record


def test_programs_that_are_none_are_refused(rtl_folder, hls_folder, events, tmp_path: Path, builds, workshop) -> None:
    with pytest.raises(DataError, match=r"holds no model/comb\.json\.gz"):
        load_interpreter(open_project(hls_folder))
    copy = shutil.copytree(rtl_folder, tmp_path / "copy")
    program = copy / "model" / "comb.json.gz"
    with pytest.raises(DataError, match=r"6 inputs and 2 outputs; project\.json says 6 and 3"):
        load_interpreter(open_project(workshop.refreshed(copy, n_outputs=3)))
    content = program.read_bytes()
    program.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not a program of alkaid"):
        load_interpreter(open_project(workshop.refreshed(copy, n_outputs=2)))
    state = json.loads(gzip.decompress(content))
    state["model"][5] = [operation for operation in state["model"][5] if operation[1] == -1]
    program.write_bytes(gzip.compress(json.dumps(state).encode()))
    with pytest.raises(DataError, match="no sum to corrupt"):
        control_interpreter(open_project(workshop.refreshed(copy)), builds, events, events)


def test_arrays_that_do_not_fit_are_refused_before_anything_is_built(
    rtl_folder: Path, network, events, tmp_path: Path, workshop
) -> None:
    expected = network.outputs(events)
    builds = tmp_path / "builds"
    for inputs, outputs, message in (
        (events[:, :5], expected, r"inputs: shape \(1000, 5\)"),
        (events[:10], expected, "expected outputs: 1000 events; the inputs have 10"),
        (events + 512, expected, "inputs: .*outside fixed<10,4>"),
        (events.astype(float), expected, "inputs: .*integer array"),
        (events, expected << 20, "expected outputs: .*outside fixed<21,12>"),
    ):
        with pytest.raises(DataError, match=message):
            climb([rtl_folder], inputs, outputs, builds)
    short = {"act0": LayerValues(network.hidden(events[:4]), HIDDEN)}
    with pytest.raises(DataError, match="act0: 4 events"):
        climb([rtl_folder], events, expected, builds, layer_references=short)
    with pytest.raises(DataError, match="at least one firmware project"):
        climb([], events, expected, builds)
    copy = workshop.refreshed(shutil.copytree(rtl_folder, tmp_path / "copy"), n_outputs=3)
    with pytest.raises(DataError, match="has other ports than"):
        climb([rtl_folder, copy], events, expected, builds)
    assert not builds.exists()
