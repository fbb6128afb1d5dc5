"""ADC2021 files: what is written is read back, and what is broken is named."""

from __future__ import annotations

import logging

import h5py
import numpy as np
import pytest

from l1ad.errors import DataError, RunFolderError
from l1ad.events.adc2021 import EventChunk, EventFile, EventSource, write_events
from l1ad.events.sample import open_sample

CLASSES = [b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4"]


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample().background.paths[0]) as file:
        return file[0:1000]


def published_form(path, particles, **datasets):
    """Write a file as the published ones are: float64, contiguous."""
    with h5py.File(path, "w") as file:
        file["Particles"] = particles.astype(np.float64)
        file["Particles_Names"] = np.array([b"Pt", b"Eta", b"Phi", b"Class"])
        file["Particles_Classes"] = np.array(
            [b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4"]
        )
        for name, values in datasets.items():
            file[name] = values
    return path


def read_all(path):
    with EventFile(path) as file:
        return np.concatenate(list(file.iter_chunks(300)))


def test_round_trip_with_columns(events, tmp_path):
    path = tmp_path / "events.h5"
    identifiers = np.arange(1000, dtype=np.int64) + 2**40
    pieces = [EventChunk(events[a:b], {"EvtId": identifiers[a:b]}) for a, b in ((0, 400), (400, 1000))]
    assert write_events(path, pieces, source_tag="test", attributes={"note": "x"}, chunk_rows=256) == 1000
    np.testing.assert_array_equal(read_all(path), events)
    with EventFile(path) as file:
        assert len(file) == 1000
        assert file.source_tag == "test"
        assert file.attributes["note"] == "x"
        assert file.variants == ("Particles",)
        np.testing.assert_array_equal(file.column("EvtId", slice(990, 1000)), identifiers[990:])
        np.testing.assert_array_equal(file[5:8], events[5:8])
    assert [p.name for p in tmp_path.iterdir()] == ["events.h5"]


def test_published_form_is_read(events, tmp_path):
    path = published_form(tmp_path / "v1.h5", events)
    assert read_all(path).dtype == np.float64
    np.testing.assert_array_equal(read_all(path), events)


def test_several_files_are_one_source(events, tmp_path):
    first = published_form(tmp_path / "a.h5", events[:700])
    second = published_form(tmp_path / "b.h5", events[700:])
    source = EventSource((first, second))
    assert len(source) == 1000
    np.testing.assert_array_equal(np.concatenate(list(source.iter_chunks(256))), events)
    np.testing.assert_array_equal(np.concatenate(list(source.iter_chunks(256, limit=800))), events[:800])
    assert source.source_tags() == ("unknown",)


def test_truncated_file(events, tmp_path):
    path = published_form(tmp_path / "events.h5", events)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"events\.h5: not a whole HDF5 file"):
        EventFile(path)


def test_foreign_and_absent_file(tmp_path):
    path = tmp_path / "events.h5"
    path.write_text("pT,eta,phi\n")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        EventFile(path)
    with pytest.raises(DataError, match="no such file"):
        EventFile(tmp_path / "absent.h5")
    with pytest.raises(DataError):
        EventFile(tmp_path)


def test_damaged_chunk_is_named(events, tmp_path):
    path = tmp_path / "events.h5"
    write_events(path, [EventChunk(events, {})], source_tag="test", chunk_rows=250)
    with h5py.File(path) as file:
        place = file["Particles"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 20] ^= 0xFF
    path.write_bytes(content)
    with EventFile(path) as file:
        assert len(file[0:500]) == 500
        with pytest.raises(DataError, match="Particles, rows 500 to 750"):
            file[500:750]


def test_missing_dataset_wrong_shape_type_and_empty(events, tmp_path):
    path = published_form(tmp_path / "events.h5", events)
    with pytest.raises(DataError, match="no dataset 'Particle_'"):
        EventFile(path, "Particle_")
    with pytest.raises(DataError, match=r"shape \(1000, 18, 4\)"):
        EventFile(published_form(path, events[:, :18]))
    with pytest.raises(DataError, match="holds no event"):
        EventFile(published_form(path, events[:0]))
    with pytest.raises(DataError, match=r"EvtId has shape \(3,\)"):
        EventFile(published_form(path, events, EvtId=np.arange(3)))
    with h5py.File(path, "w") as file:
        file["Particles"] = events.astype(np.int32)
    with pytest.raises(DataError, match="holds int32"):
        EventFile(path)
    with h5py.File(path, "w") as file:
        file["Particles"] = events
        file["Particles_Names"] = np.array([b"Eta", b"Pt", b"Phi", b"Class"])
    with pytest.raises(DataError, match="Particles_Names"):
        EventFile(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((700, 0, 0), np.nan, "row 700, met Pt is nan"),
        ((701, 9, 2), np.inf, "row 701, jet1 Phi is inf"),
        ((702, 5, 0), -3.0, "row 702, muon1 Pt is -3.0"),
        ((703, 0, 3), 4.0, "row 703, met Class is 4.0"),
        ((704, 18, 3), 4.0, "row 704, jet10 Class is 4.0"),
        ((705, 18, 1), 0.5, "row 705, jet10 Eta is 0.5"),
    ],
)
def test_bad_value_is_named_with_its_row(events, tmp_path, place, value, message):
    bad = events.copy()
    bad[place] = value
    path = published_form(tmp_path / "events.h5", bad)
    with pytest.raises(DataError, match=message) as caught:
        read_all(path)
    assert f"{path}: Particles" in str(caught.value)


def test_wrong_order_is_a_warning(events, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="l1ad"):
        read_all(published_form(tmp_path / "good.h5", events))
    assert caplog.records == []
    bad = events.copy()
    event = int(np.argmax((bad[:, 9:, 0] > 0).sum(axis=1)))
    bad[event, 9:11] = bad[event, 10:8:-1]
    with caplog.at_level(logging.WARNING, logger="l1ad"):
        read_all(published_form(tmp_path / "bad.h5", bad))
    assert "1 events are not ordered" in caplog.text


def test_failed_write_leaves_the_old_file(events, tmp_path):
    path = tmp_path / "events.h5"
    path.write_text("before")
    bad = events.copy()
    bad[3, 0, 0] = np.nan
    with pytest.raises(DataError, match="row 403"):
        write_events(path, [EventChunk(events[:400], {}), EventChunk(bad, {})], source_tag="test")
    with pytest.raises(DataError, match="no event to write"):
        write_events(path, [], source_tag="test")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["events.h5"]


def test_unwritable_place(events, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_events(tmp_path / "file" / "events.h5", [EventChunk(events, {})], source_tag="test")
