"""Rate studies: files of events through every rung, scores on disk, thresholds that fire, and what is refused."""

from __future__ import annotations

import json
import resource as limits
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from l1ad.emulation.engines import ENGINES
from l1ad.errors import ConfigurationError, DataError, RunFolderError, ToolMissingError
from l1ad.evaluation.thresholds import trigger_rate_khz
from l1ad.pipeline import rates
from l1ad.pipeline.rates import RateStudy, study_rates
from l1ad.pipeline.run_folder import RunFolder, open_run
from l1ad.provenance import file_digest
from l1ad.resources import resource

SIGNAL = "Ato4l"


@pytest.fixture
def finished(finished_run) -> RunFolder:
    return open_run(finished_run)


@pytest.fixture
def events(finished_run) -> Path:
    return finished_run / "data" / "test_inputs.npy"


def stored(run: RunFolder, name: str = "background") -> np.ndarray:
    return np.load(run.stage("evaluate") / f"scores_{name}.npy")


def scores(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file["scores"])


@pytest.mark.parametrize("rung", list(ENGINES))
def test_every_rung_gives_the_scores_of_the_evaluation(finished, events, tmp_path, rung: str) -> None:
    out = tmp_path / "scores.h5"
    study = study_rates(finished, [events], rung=rung, out=out)
    assert np.array_equal(scores(out), stored(finished))
    thresholds = json.loads((finished.stage("evaluate") / "thresholds.json").read_text())["thresholds"]
    assert [(rate.raw, rate.events) for rate in study.rates] == [(t["raw"], t["background_events"]) for t in thresholds]
    assert [rate.rate_khz for rate in study.rates] == [t["rate_khz"] for t in thresholds]
    assert study.events == len(stored(finished))


def test_physical_events_go_through_the_contract_of_the_run(finished, tmp_path) -> None:
    out = tmp_path / "scores.h5"
    study = study_rates(finished, [resource(f"sample/{SIGNAL}.h5")], out=out, acceptance=0.25)
    expected = stored(finished, f"signal_{SIGNAL}")
    assert np.array_equal(scores(out)[: len(expected)], expected)
    assert len(np.unique(expected)) > 1
    for rate in study.rates:
        assert rate.events == (scores(out) >= rate.raw).sum()
        assert rate.rate_khz == trigger_rate_khz(rate.fraction, 0.25, 40_000.0)


def test_the_file_says_what_the_scores_are(finished, events, tmp_path) -> None:
    out = tmp_path / "deep" / "scores.h5"
    study = study_rates(finished, [events], out=out)
    with h5py.File(out) as file:
        kind = study.score_type
        attributes = file["scores"].attrs
        assert (attributes["signed"], attributes["width"], attributes["integer"]) == (
            kind.signed,
            kind.width,
            kind.integer,
        )
        assert file.attrs["project_digest"] == study.project_digest
        assert list(file.attrs["sources"]) == [f"test_inputs.npy sha256:{file_digest(events)}"]
        assert [row["raw"] for row in file["thresholds"]] == [rate.raw for rate in study.rates]
    assert RateStudy.from_dict(json.loads(json.dumps(study.to_dict()))) == study


def test_small_pieces_and_several_files_give_the_same(finished, events, tmp_path, monkeypatch) -> None:
    whole = study_rates(finished, [events, events])
    monkeypatch.setattr(rates, "CHUNK_EVENTS", 333)
    seen: list[tuple[int, int]] = []
    out = tmp_path / "scores.h5"
    pieces = study_rates(finished, [events, events], out=out, progress=lambda done, total: seen.append((done, total)))
    assert pieces.rates == whole.rates
    assert np.array_equal(scores(out), np.tile(stored(finished), 2))
    assert seen[-1] == (whole.events, whole.events)
    assert len(seen) > 10


def test_one_changed_bit_of_an_input_is_seen(run_copy, tmp_path) -> None:
    run = open_run(run_copy)
    path = run_copy / "data" / "test_inputs.npy"
    inputs = np.load(path)
    before = study_rates(run, [path], out=tmp_path / "before.h5")
    inputs[:, 0] ^= 64
    np.save(path, inputs)
    after = study_rates(run, [path], out=tmp_path / "after.h5")
    assert not np.array_equal(scores(tmp_path / "before.h5"), scores(tmp_path / "after.h5"))
    assert before.sources != after.sources


def test_a_value_out_of_range_leaves_no_file(run_copy, tmp_path) -> None:
    path = run_copy / "data" / "test_inputs.npy"
    inputs = np.load(path)
    inputs[len(inputs) // 2, 7] = 2000
    np.save(path, inputs)
    with pytest.raises(DataError, match="input 7 is 2000"):
        study_rates(open_run(run_copy), [path], out=tmp_path / "scores.h5")
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "scores.h5").exists()
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".part"]


def test_an_interruption_leaves_no_file(finished, events, tmp_path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study_rates(finished, [events], out=tmp_path / "scores.h5", progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == []


def test_a_full_disk_leaves_no_file(finished, events, tmp_path) -> None:
    """The system itself stops every file at 4 kB, as a quota would."""
    study_rates(finished, [events])
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(RunFolderError, match=r"scores\.h5.*cannot be written"):
            study_rates(finished, [events], out=tmp_path / "scores.h5")
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_events_of_another_sample_have_no_rate(run_copy, events) -> None:
    record = json.loads((run_copy / "data" / "dataset.json").read_text())
    record["source_tag"] = "another"
    (run_copy / "data" / "dataset.json").write_text(json.dumps(record))
    assert {rate.rate_khz for rate in study_rates(open_run(run_copy), [events]).rates} == {None}


def test_raw_inputs_of_another_contract_are_refused(finished, events, tmp_path) -> None:
    path = tmp_path / events.name
    shutil.copy(events, path)
    with pytest.raises(DataError, match=r"no inputs\.json beside it"):
        study_rates(finished, [path])
    contract = json.loads((events.parent / "inputs.json").read_text())
    contract["inputs"][4]["shift"] += 1
    (tmp_path / "inputs.json").write_text(json.dumps(contract))
    with pytest.raises(DataError, match="made with another input contract"):
        study_rates(finished, [path])
    shutil.copy(events.parent / "inputs.json", tmp_path)
    assert study_rates(finished, [path]).events == len(np.load(events))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda x: x[:, :56], r"holds int16 \(\d+, 56\)"),
        (lambda x: x.astype(float), "holds float64"),
        (lambda x: x[:0], "holds int16"),
    ],
)
def test_arrays_that_are_no_raw_inputs_are_refused(finished, events, tmp_path, content, message: str) -> None:
    shutil.copy(events.parent / "inputs.json", tmp_path)
    np.save(tmp_path / "x.npy", content(np.load(events)))
    with pytest.raises(DataError, match=message):
        study_rates(finished, [tmp_path / "x.npy"])


def test_damaged_files_are_refused(finished, events, tmp_path) -> None:
    shutil.copy(events.parent / "inputs.json", tmp_path)
    (tmp_path / "x.npy").write_bytes(events.read_bytes()[:-1000])
    with pytest.raises(DataError, match="not readable as a NumPy array"):
        study_rates(finished, [tmp_path / "x.npy"])
    (tmp_path / "x.h5").write_bytes(resource(f"sample/{SIGNAL}.h5").read_bytes()[:5000])
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        study_rates(finished, [tmp_path / "x.h5"])
    with pytest.raises(DataError, match="no such file"):
        study_rates(finished, [tmp_path / "y.h5"])


def test_thresholds_of_another_score_are_refused(run_copy, events) -> None:
    path = run_copy / "evaluate" / "metrics.json"
    report = json.loads(path.read_text())
    report["score_type"]["integer"] += 1
    path.write_text(json.dumps(report))
    with pytest.raises(DataError, match=r"thresholds of ufixed<16,11>; the firmware's score is ufixed<16,10>"):
        study_rates(open_run(run_copy), [events])
    path.unlink()
    with pytest.raises(RunFolderError, match="Run `l1ad evaluate` first"):
        study_rates(open_run(run_copy), [events])


def test_a_run_without_conversion_is_refused(run_copy, events) -> None:
    shutil.rmtree(run_copy / "convert")
    with pytest.raises(DataError, match=r"project\.json: no such file"):
        study_rates(open_run(run_copy), [events])


def test_a_rung_that_the_run_cannot_climb_is_refused(finished, events, monkeypatch) -> None:
    with pytest.raises(ConfigurationError, match=r"rung 'nativ' is not known\. Did you mean native"):
        study_rates(finished, [events], rung="nativ")
    monkeypatch.setattr(rates, "projects", lambda run: {"verilog": None})
    with pytest.raises(DataError, match="rung csim: needs a project of the backend vitis or vivado; the run has veri"):
        study_rates(finished, [events], rung="csim")


def test_without_a_compiler(run_copy, events, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ is not on PATH"):
        study_rates(open_run(run_copy), [events])


def test_the_scores_may_not_replace_the_events(finished, events) -> None:
    with pytest.raises(RunFolderError, match="is one of the files of events"):
        study_rates(finished, [events], out=events)
