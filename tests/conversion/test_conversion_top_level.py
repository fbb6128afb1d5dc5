"""The trigger's top level of real projects: generated for both paths, simulated clock by clock, and refused."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from l1ad.conversion.base import convert
from l1ad.conversion.top_level.spec import trigger_spec, wide_bits
from l1ad.emulation.project import open_project
from l1ad.emulation.trigger import build_trigger, read_trigger
from l1ad.emulation.trigger_rung import TriggerEvents, run_trigger, trigger_words
from l1ad.errors import ConversionError, DataError
from l1ad.events.contract import CONTRACT_VERSION, InputContract, blank_inputs
from l1ad.hardware.trigger import RECORD, TriggerInput
from l1ad.hardware.trigger_model import COLUMNS, make_stream, run_model
from l1ad.records import FixedType

THRESHOLDS = (700, 40)


def contract(input_type: FixedType) -> InputContract:
    """Return a contract with offsets of both signs and shifts to both sides."""
    rng = np.random.default_rng(4)
    inputs = tuple(
        dataclasses.replace(item, offset=int(rng.integers(-40, 90)), shift=int(rng.integers(-1, 7)))
        for item in blank_inputs()
    )
    return InputContract(CONTRACT_VERSION, input_type, "test", 1, inputs)


@pytest.fixture(scope="module")
def triggers(conversion, examples, tmp_path_factory):
    """Return the folder of a project with a top level; each is converted once."""
    folders: dict[str, Path] = {}

    def project(backend: str) -> Path:
        if backend not in folders:
            example = examples("dense_vae", "rz")
            job = conversion.job(
                backend,
                example.inputs,
                example.keras.score,
                contract=contract(conversion.input_type),
                thresholds=THRESHOLDS,
            )
            folders[backend] = tmp_path_factory.mktemp("triggers") / backend
            convert(example.model, job, folders[backend])
        return folders[backend]

    return project


@pytest.fixture(scope="module")
def events(examples, conversion, triggers) -> TriggerEvents:
    """Words over their whole range and what Keras gives for them."""
    from l1ad.networks.inference import run_firmware_model

    spec = read_trigger(open_project(triggers("verilog")))
    none = np.zeros((0, len(spec.inputs)), np.int64)
    words = trigger_words(spec, none, extremes=600)
    score = run_firmware_model(examples("dense_vae", "rz").model, spec.scale(words), conversion.input_type).score
    assert len(np.unique(score)) > 100
    return TriggerEvents(words, score[:, 0])


@pytest.mark.parametrize("backend", ["verilog", "vitis"])
def test_every_clock_equals_the_model(triggers, events, conversion_builds, backend: str) -> None:
    report = run_trigger(open_project(triggers(backend)), events, conversion_builds, lambda line: None)
    assert report.passed
    assert report.first_difference is None
    assert report.events == report.equal_events > 1500
    counts = [int(found) for found in re.findall(r": (\d+) clocks", report.control.what)]
    assert len(counts) == 3
    assert min(counts) == report.control.changed_events > 0


@pytest.mark.heavy
def test_a_wrong_offset_in_the_verilog_is_named(triggers, events, conversion_builds, tmp_path) -> None:
    import shutil

    from l1ad.provenance import folder_digests, write_json

    folder = tmp_path / "wrong"
    shutil.copytree(triggers("verilog"), folder)
    path = next((folder / "trigger").glob("*_trigger.v"))
    text = path.read_text()
    wrong = re.sub(r"\.OFFSET\((-?\d+)\)", lambda m: f".OFFSET({int(m[1]) + 1})", text, count=1)
    assert wrong != text
    path.write_text(wrong)
    record = json.loads((folder / "project.json").read_text())
    (folder / "project.json").unlink()
    record["files"] = folder_digests(folder)
    write_json(folder / "project.json", record)
    report = run_trigger(open_project(folder), events, conversion_builds, lambda line: None)
    assert not report.passed
    assert report.first_difference.layer.startswith("clock of the trigger")


def test_after_a_reset_the_thresholds_of_the_project_stand(triggers, events, conversion_builds) -> None:
    simulation = build_trigger(open_project(triggers("verilog")), conversion_builds)
    assert simulation.spec.thresholds[:2] == THRESHOLDS
    assert simulation.spec.prescales == (1, 1, 0, 0, 0)
    stream = make_stream(simulation.spec, events.scores)
    still = dataclasses.replace(stream, write=np.zeros(len(stream), bool))
    rows, _ = simulation.run(events.words, still)
    assert np.array_equal(rows, run_model(simulation.spec, events.scores, still))
    valid = rows[:, COLUMNS.index("valid")] == 1
    scores, fired = rows[valid, 1], rows[valid, 3]
    assert np.array_equal(fired & 1, scores >= THRESHOLDS[0])
    assert np.array_equal(fired >> 1 & 1, scores >= THRESHOLDS[1])
    assert 0 < (fired & 1).sum() < valid.sum()
    assert not (fired >> 2).any()


def test_both_paths_hold_the_same_record(triggers) -> None:
    verilog, hls = (read_trigger(open_project(triggers(backend))) for backend in ("verilog", "vitis"))
    assert verilog == dataclasses.replace(hls, network_latency=verilog.network_latency)
    assert hls.network_latency == 0
    assert verilog.network_latency == open_project(triggers("verilog")).record.stages + 1


def test_a_stream_has_no_top_level(examples, conversion, tmp_path) -> None:
    example = examples("dense_vae", "rz")
    job = conversion.job(
        "vitis",
        example.inputs,
        example.keras.score,
        io_type="io_stream",
        contract=contract(conversion.input_type),
    )
    record = convert(example.model, job, tmp_path / "stream")
    assert RECORD not in record.files
    with pytest.raises(DataError, match=r"holds no trigger/trigger\.json"):
        read_trigger(open_project(tmp_path / "stream"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"thresholds": (5, 1 << 14)}, r"threshold 16384 is outside the score's range: ufixed<14,10> .* 0 to 16383"),
        ({"thresholds": (1, 2, 3, 4, 5, 6)}, r"6 thresholds; the top level holds 5"),
        ({"n_inputs": 56}, r"inputs\.json: 57 inputs; the network has 56"),
        ({"input_type": FixedType(True, 8, 4)}, r"inputs of type fixed<10,4>; the network takes fixed<8,4>"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_file_is_written(
    examples, conversion, tmp_path, change: dict[str, object], text: str
) -> None:
    example = examples("dense_vae", "rz")
    changes = {"contract": contract(conversion.input_type), **change}
    job = conversion.job("verilog", example.inputs, example.keras.score, **changes)
    with pytest.raises(ConversionError, match=text):
        convert(example.model, job, tmp_path / "refused")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_another_network_is_refused(triggers, tmp_path) -> None:
    import shutil

    from l1ad.provenance import folder_digests, write_json

    folder = tmp_path / "other"
    shutil.copytree(triggers("verilog"), folder)
    spec = json.loads((folder / RECORD).read_text())
    write_json(folder / RECORD, {**spec, "network": "another"})
    record = json.loads((folder / "project.json").read_text())
    (folder / "project.json").unlink()
    write_json(folder / "project.json", {**record, "files": folder_digests(folder)})
    with pytest.raises(DataError, match=r"is of \('another'.*project\.json says \('small_vae'"):
        read_trigger(open_project(folder))


def test_wide_values_fit(conversion) -> None:
    # The largest step on the way: (0 - 65536) << (6 + 24) needs 46 bits and a sign.
    item = TriggerInput("met_pt", False, 1, 1 << 16, -24)
    assert wide_bits(item, conversion.input_type) == 47
    spec = trigger_spec("net", contract(conversion.input_type), FixedType(False, 8, 8), (), 0)
    assert spec.thresholds == (255,) * 5
    assert spec.prescales == (0,) * 5
