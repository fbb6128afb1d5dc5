"""The prepared dataset: contents, determinism, and what happens when something is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.errors import DataError
from l1ad.events.adc2021 import EventChunk, EventFile, write_events
from l1ad.events.dataset import DatasetRecord, load_dataset
from l1ad.events.derivation import derive_contract
from l1ad.events.files import ArrayWriter
from l1ad.events.prepare import prepare_dataset
from l1ad.events.sample import open_sample
from l1ad.events.split import split_parts
from l1ad.records import FixedType

CONFIG = RunConfig.model_validate({"data": {"max_background": 20_000, "max_signal": 1500}})


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample().background.paths[0]) as file:
        return file[0:20_000]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    seen = []
    record = prepare_dataset(CONFIG, folder, lambda *what: seen.append(what))
    return folder, record, seen


def test_arrays_are_those_of_the_definition(prepared, events):
    folder, record, _ = prepared
    dataset = load_dataset(folder, verify=True)
    parts = split_parts(events, 0.4, 0.1)
    train = events[parts == 0]
    contract = derive_contract([train], FixedType(True, 10, 4), "l1ad-gen-prototype")
    assert dataset.contract == contract
    np.testing.assert_array_equal(dataset.inputs["train"], contract.encode(train))
    np.testing.assert_array_equal(dataset.inputs["test"], contract.encode(events[parts == 2]))
    np.testing.assert_array_equal(dataset.particles["validation"], events[parts == 1][:, :, :3])
    assert sum(record.counts.values()) == 20_000
    assert dataset.record == record
    assert dataset.inputs["train"].dtype == np.int16
    assert isinstance(dataset.inputs["train"], np.memmap)


def test_contract_comes_from_the_training_part_only(prepared, events):
    folder, _, _ = prepared
    everything = derive_contract([events], FixedType(True, 10, 4), "l1ad-gen-prototype")
    assert load_dataset(folder).contract != everything


def test_record_says_what_was_read(prepared):
    _, record, seen = prepared
    sample = open_sample()
    assert record.signals == dict.fromkeys(sample.signals, 1500)
    assert record.sources == sample.digests()
    assert record.acceptance == sample.acceptance
    assert record.source_tag == "l1ad-gen-prototype"
    assert len(record.saturation) == 57
    assert record.saturation[0].values == record.counts["train"]
    assert "ADC2021" in record.warnings[0]
    assert seen[-1] == ("hchtaunu: encode", 1500, 1500)
    assert ("background: count", 20_000, 20_000) in seen


def test_twice_the_same(prepared, tmp_path):
    folder, record, _ = prepared
    assert prepare_dataset(CONFIG, tmp_path) == record
    assert (tmp_path / "dataset.json").read_bytes() == (folder / "dataset.json").read_bytes()


def test_width_changes_the_contract_and_the_type(tmp_path):
    wide = CONFIG.model_copy(update={"inputs": CONFIG.inputs.model_copy(update={"width": 18, "integer": 8})})
    prepare_dataset(wide, tmp_path)
    dataset = load_dataset(tmp_path)
    assert dataset.contract.type == FixedType(True, 18, 8)
    assert dataset.inputs["train"].dtype == np.int32
    assert all(count.raw == 0 for count in dataset.record.saturation)


def external(tmp_path, events, **data):
    """Return a configuration that reads `events` from files of its own."""
    paths = {name: tmp_path / "in" / f"{name}.h5" for name in ("background", "new")}
    write_events(paths["background"], [EventChunk(events[:3000], {})], source_tag="adc2021-v1")
    write_events(paths["new"], [EventChunk(events[3000:3500], {})], source_tag="adc2021-v2")
    values = {"background": str(paths["background"]), "signals": {"new": str(paths["new"])}, **data}
    return RunConfig.model_validate({"data": values})


def test_own_files(tmp_path, events):
    record = prepare_dataset(external(tmp_path, events, acceptance=0.25), tmp_path / "out")
    assert record.source_tag == "adc2021-v1+adc2021-v2"
    assert record.signals == {"new": 500}
    assert record.acceptance == 0.25
    assert any("different sources" in warning for warning in record.warnings)


def test_new_dataset_replaces_the_old_one_and_nothing_else(tmp_path, events):
    out = tmp_path / "out"
    prepare_dataset(CONFIG, out)
    (out / "stage.json").write_text("{}")
    prepare_dataset(external(tmp_path, events), out)
    names = {path.name for path in out.iterdir()}
    assert "signal_new_inputs.npy" in names
    assert "signal_Ato4l_inputs.npy" not in names
    assert "stage.json" in names
    load_dataset(out, verify=True)


def test_failure_keeps_the_former_dataset(tmp_path, events, monkeypatch):
    out = tmp_path / "out"
    before = prepare_dataset(CONFIG, out)
    config = external(tmp_path, events)

    def full_disk(self, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArrayWriter, "append", full_disk)
    with pytest.raises(Exception, match="No space left on device"):
        prepare_dataset(config, out)
    monkeypatch.undo()
    assert load_dataset(out, verify=True).record == before
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_interrupt_leaves_nothing(tmp_path):
    def stop(what, done, total):
        if what == "LQbtau: encode":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(CONFIG, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


def test_too_few_events(tmp_path):
    config = RunConfig.model_validate({"data": {"max_background": 2}})
    with pytest.raises(DataError, match="part holds no event of 2"):
        prepare_dataset(config, tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "dataset.json").unlink(), "no such file"),
        (lambda folder: (folder / "test_inputs.npy").unlink(), r"test_inputs\.npy: no such file"),
        (lambda folder: truncate(folder / "train_inputs.npy"), r"train_inputs\.npy: not readable"),
        (lambda folder: (folder / "signal_Ato4l_inputs.npy").write_bytes(b""), "not readable"),
        (lambda folder: np.save(folder / "test_inputs.npy", np.zeros((2, 57))), "expected int16"),
        (lambda folder: shift_offset(folder / "inputs.json"), r"inputs\.json: digest"),
    ],
)
def test_damaged_dataset_is_refused(tmp_path, damage, message):
    prepare_dataset(CONFIG, tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_one_changed_byte_is_seen(tmp_path):
    prepare_dataset(CONFIG, tmp_path)
    path = tmp_path / "train_inputs.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    load_dataset(tmp_path)
    with pytest.raises(DataError, match=r"train_inputs\.npy: missing or changed"):
        load_dataset(tmp_path, verify=True)


def test_record_round_trip(prepared):
    _, record, _ = prepared
    assert DatasetRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_short_array_is_not_written(tmp_path):
    with pytest.raises(DataError, match="3 rows were written; expected 5"):  # noqa: SIM117
        with ArrayWriter(tmp_path / "a.npy", (5, 2), np.dtype(np.int16)) as writer:
            writer.append(np.zeros((3, 2), dtype=np.int16))
    assert list(tmp_path.iterdir()) == []


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def shift_offset(path):
    values = json.loads(path.read_text())
    values["inputs"][0]["offset"] += 1
    path.write_text(json.dumps(values))
