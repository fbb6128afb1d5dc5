"""Test vectors of a run: which events, which values, which scores, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation.patterns import FORMATS, PatternOptions, read_vectors
from l1ad.emulation.vectors import read_test_vectors
from l1ad.errors import DataError, L1adError, RunFolderError
from l1ad.events.contract import InputContract
from l1ad.pipeline.run_folder import open_run
from l1ad.pipeline.vectors import VectorRequest, export_vectors
from l1ad.resources import resource


def request(kind: str, events: int = 60, **changes) -> VectorRequest:
    settings = {"values": None, "source": None, "options": PatternOptions(), **changes}
    return VectorRequest(kind, events, **settings)


@pytest.mark.parametrize("kind", [name for name in FORMATS if name != "ugt"])
def test_network_inputs_are_those_of_the_ladder(finished_run, tmp_path, kind: str) -> None:
    path = export_vectors(open_run(finished_run), request(kind), tmp_path / "out")
    found = read_vectors(tmp_path / "out")
    inputs, expected = read_test_vectors(finished_run / "emulate")
    assert np.array_equal(found.inputs, inputs[:60])
    assert np.array_equal(found.expected, expected[:60])
    document = json.loads(path.read_text())
    assert document["scores"] == "Keras, compared on the ladder"
    assert document["values"] == "network"
    assert document["contract_digest"] == InputContract.read(finished_run / "data" / "inputs.json").digest


@pytest.mark.parametrize(("kind", "values"), [("ugt", None), ("hex", "hardware"), ("apx", "hardware")])
def test_hardware_integers_give_the_scores_through_the_contract(finished_run, tmp_path, kind: str, values) -> None:
    source = resource("sample/Ato4l.h5")
    wanted = request(kind, values=values, source=source)
    document = json.loads(export_vectors(open_run(finished_run), wanted, tmp_path / "out").read_text())
    found = read_vectors(tmp_path / "out")
    contract = InputContract.read(finished_run / "data" / "inputs.json")
    raw = contract.apply(found.inputs)
    stored = np.load(finished_run / "data" / "signal_Ato4l_inputs.npy")[:60]
    assert np.array_equal(raw, stored)
    scores = np.load(finished_run / "evaluate" / "scores_signal_Ato4l.npy")[:60]
    assert np.array_equal(found.expected[:, 0], scores)
    assert document["scores"].startswith("native")
    assert len(np.unique(scores)) > 5


def test_hardware_integers_of_the_run_itself(finished_run, tmp_path) -> None:
    export_vectors(open_run(finished_run), request("hex", values="hardware"), tmp_path / "out")
    raw = InputContract.read(finished_run / "data" / "inputs.json").apply(read_vectors(tmp_path / "out").inputs)
    assert np.array_equal(raw, np.load(finished_run / "data" / "validation_inputs.npy")[:60])


def test_ugt_decisions_are_the_thresholds_of_the_run(finished_run, tmp_path) -> None:
    export_vectors(open_run(finished_run), request("ugt", 200), tmp_path / "out")
    stored = json.loads((finished_run / "evaluate" / "thresholds.json").read_text())["thresholds"]
    assert read_vectors(tmp_path / "out").thresholds == tuple(threshold["raw"] for threshold in stored)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "emp"}, "format 'emp' is not known"),
        ({"kind": "hex", "events": 0}, "events 0; expected at least 1"),
        ({"kind": "hex", "events": 10**6}, "events 1000000: there are 600"),
        ({"kind": "hex", "values": "physical"}, "values 'physical'; expected network or hardware"),
        ({"kind": "ugt", "values": "network"}, "carries trigger objects"),
        ({"kind": "hex", "source": Path("absent.h5")}, "absent.h5: no such file"),
    ],
)
def test_what_cannot_be_carried_out(finished_run, tmp_path, changes, message: str) -> None:
    with pytest.raises(L1adError, match=message):
        export_vectors(open_run(finished_run), request(**changes), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_stages_that_are_missing_are_named(run_copy, tmp_path) -> None:
    run = open_run(run_copy)
    manifest = json.loads((run_copy / "manifest.json").read_text())
    del manifest["stages"]["emulate"]
    (run_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match="Run `l1ad emulate` first"):
        export_vectors(run, request("hex"), tmp_path / "out")
    (run_copy / "evaluate" / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="Run `l1ad evaluate` first"):
        export_vectors(run, request("ugt"), tmp_path / "out")
    shutil.rmtree(run_copy / "convert")
    with pytest.raises(DataError, match=r"project\.json: no such file"):
        export_vectors(run, request("hex"), tmp_path / "out")
