from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation import open_project
from l1ad.emulation.controls import control_csim
from l1ad.emulation.csim import build_csim
from l1ad.emulation.hls_weights import wrapped
from l1ad.errors import DataError, ToolError, ToolMissingError
from l1ad.records import FixedType


@pytest.mark.parametrize("kind", ["hls_folder", "stream_folder"])
def test_hls4ml_agrees_with_int64_arithmetic_layer_by_layer(
    kind: str, request: pytest.FixtureRequest, network, events, builds: Path
) -> None:
    simulation = build_csim(open_project(request.getfixturevalue(kind)), builds)
    result = simulation.run(events, layers=["fc1", "act0"])
    assert np.array_equal(result.outputs, network.outputs(events))
    assert list(result.layers) == ["act0", "fc1"]
    assert np.array_equal(result.layers["act0"].values, network.hidden(events))
    assert np.array_equal(result.layers["fc1"].values, result.outputs)
    assert result.events_per_second > 0
    assert "g++" in result.engine
    # The comparison can fail: the neighbouring event gives other numbers.
    assert not np.array_equal(result.outputs, network.outputs(np.roll(events, 1, axis=0)))


def test_a_flipped_weight_is_seen_and_the_project_stays(hls_folder: Path, network, events, builds: Path) -> None:
    project = open_project(hls_folder)
    control = control_csim(project, builds, events, network.outputs(events))
    assert control.caught
    assert control.events == len(events)
    largest = int(np.argmax(np.abs(network.kernels[1].ravel())))
    raw = int(network.kernels[1].ravel()[largest])
    changed = wrapped(raw ^ (raw & -raw), FixedType(True, 6, 2))
    assert control.what == f"firmware/weights/w4[{largest}]: {raw} became {changed} (fixed<6,2>)"
    assert open_project(hls_folder).record == project.record
    assert not list(builds.glob("control-*"))


def test_weights_come_from_the_project_and_not_from_the_cache(
    hls_folder: Path, events, builds: Path, tmp_path, workshop
):
    first = build_csim(open_project(hls_folder), builds)
    copy = shutil.copytree(hls_folder, tmp_path / "copy")
    weights = copy / "firmware" / "weights" / "w4.txt"
    weights.write_text(", ".join("0" for _ in weights.read_text().split(",")))
    second = build_csim(open_project(workshop.refreshed(copy)), builds)
    assert second.program == first.program
    assert (second.run(events).outputs == second.run(events[:1]).outputs).all()
    assert not (first.run(events).outputs == first.run(events[:1]).outputs).all()


def test_wide_types_pass_as_bits(tmp_path: Path, builds: Path, workshop) -> None:
    source = """
    #include "ap_fixed.h"
    void dut(ap_fixed<60, 30> x[2], ap_ufixed<61, 31> y[2]) {
        for (int i = 0; i < 2; i++) { y[i] = 0; y[i].range(59, 0) = x[i].range(59, 0); }
    }
    """
    wide, positive = FixedType(signed=True, width=60, integer=30), FixedType(signed=False, width=61, integer=31)
    ports = {"input_type": wide, "output_type": positive, "n_inputs": 2, "n_outputs": 2}
    project = open_project(workshop.hls(tmp_path / "wide", source, **ports))
    values = np.array([[-1, wide.minimum], [wide.maximum, (1 << 58) + 1]])
    found = build_csim(project, builds).run(values).outputs
    assert found.tolist() == [[v & ((1 << 60) - 1) for v in row] for row in values.tolist()]


def test_wrong_use_is_refused(hls_folder: Path, rtl_folder: Path, events, builds: Path) -> None:
    simulation = build_csim(open_project(hls_folder), builds)
    with pytest.raises(DataError, match=r"expected \(events, 6\)"):
        simulation.run(events[:, :5])
    with pytest.raises(DataError, match="outside fixed<10,4>"):
        simulation.run(events + 512)
    with pytest.raises(DataError, match="layer fc9 is not shown"):
        simulation.run(events, layers=["fc9"])
    with pytest.raises(DataError, match="backend verilog"):
        build_csim(open_project(rtl_folder), builds)


def test_other_types_than_the_record_says_are_refused(hls_folder: Path, events, builds: Path) -> None:
    simulation = build_csim(open_project(hls_folder), builds)
    record = dataclasses.replace(simulation.project.record, output_type=FixedType(signed=True, width=20, integer=12))
    wrong = dataclasses.replace(simulation, project=dataclasses.replace(simulation.project, record=record))
    with pytest.raises(DataError, match=r"output is fixed<21,12> in the C\+\+ and fixed<20,12>"):
        wrong.run(events)


def test_missing_weights_and_untraced_layers_are_named(
    hls_folder: Path, events, builds: Path, tmp_path, workshop
) -> None:
    copy = shutil.copytree(hls_folder, tmp_path / "copy")
    layers = {"act7": FixedType(signed=False, width=8, integer=3)}
    untraced = build_csim(open_project(workshop.refreshed(copy, layers=layers)), builds)
    with pytest.raises(ToolError, match="layer act7 is not traced"):
        untraced.run(events, layers=["act7"])
    (copy / "firmware" / "weights" / "w4.txt").unlink()
    bare = build_csim(open_project(workshop.refreshed(copy)), builds)
    with pytest.raises(ToolError, match=r"w4\.txt does not exist"):
        bare.run(events)


def test_a_driver_that_crashes_or_stops_early_is_an_error(hls_folder: Path, events, builds, tmp_path, workshop) -> None:
    simulation = build_csim(open_project(hls_folder), builds)
    crash = dataclasses.replace(simulation, program=workshop.program(tmp_path / "crash", "kill -SEGV $$"))
    with pytest.raises(ToolError, match="C-simulation of net6: killed by SIGSEGV"):
        crash.run(events)
    ports = 'echo "input 1 10 4 6"; echo "output 1 21 12 2"; '
    short = dataclasses.replace(simulation, program=workshop.program(tmp_path / "short", ports + 'printf 1234 > "$2"'))
    with pytest.raises(ToolError, match="has 4 bytes; expected"):
        short.run(events)
    mute = dataclasses.replace(simulation, program=workshop.program(tmp_path / "mute", "echo hello"))
    with pytest.raises(ToolError, match="does not name its ports"):
        mute.run(events)


def test_a_compile_error_gives_its_line_and_leaves_nothing(hls_folder: Path, tmp_path: Path, workshop) -> None:
    broken = workshop.changed(hls_folder, tmp_path / "copy", "firmware/net6.cpp", "void net6(", "void net6[(")
    with pytest.raises(ToolError, match=r"g\+\+ on csim_driver.cpp: exit status 1\. .*net6\.cpp:\d+:\d+: error"):
        build_csim(open_project(broken), tmp_path / "builds")
    assert list((tmp_path / "builds").iterdir()) == []


def test_without_a_compiler_nothing_is_written(hls_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ is not on PATH"):
        build_csim(open_project(hls_folder), tmp_path / "builds")
    assert not (tmp_path / "builds").exists()


def test_weights_that_are_compiled_in_are_flipped_too(
    hls_folder: Path, network, events, builds: Path, tmp_path, workshop
) -> None:
    copy = shutil.copytree(hls_folder, tmp_path / "copy")
    for path in (copy / "firmware" / "weights").glob("*.h"):
        path.write_text(re.sub(r"#ifndef __SYNTHESIS__\n.*?#else\n(.*?)#endif\n", r"\1", path.read_text(), flags=re.S))
        path.with_suffix(".txt").unlink()
    source = copy / "firmware" / "net6.cpp"
    source.write_text(re.sub(r".*nnet::load_weights_from_txt.*\n", "", source.read_text()))
    project = open_project(workshop.refreshed(copy))
    assert np.array_equal(build_csim(project, builds).run(events).outputs, network.outputs(events))
    assert control_csim(project, builds, events, network.outputs(events)).caught
