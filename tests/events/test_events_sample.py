"""The embedded sample: digests, size, and the events of the source it was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.sample import open_sample
from l1ad.resources import resource

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "events"


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "sample"
    shutil.copytree(resource("sample"), folder)
    return folder


def test_counts_and_size():
    sample = open_sample()
    assert len(sample.background) == 201_541
    assert {name: len(source) for name, source in sample.signals.items()} == dict.fromkeys(
        ("Ato4l", "LQbtau", "htautau", "hchtaunu"), 20_000
    )
    sizes = [path.stat().st_size for path in sample.folder.iterdir()]
    assert sum(sizes) <= 20_000_000
    assert max(sizes) <= 5_000_000


def test_acceptance_follows_from_its_terms():
    terms = open_sample().manifest["acceptance"]
    rate_hz = terms["w_cross_section_nb"] / terms["w_fraction"] * 1e-33 * terms["luminosity_per_cm2_s"]
    assert rate_hz == pytest.approx(432.4, abs=0.1)
    assert open_sample().acceptance == pytest.approx(rate_hz / terms["crossings_per_s"])


def test_process_fractions():
    counts = np.zeros(4)
    for path in open_sample().background.paths:
        with EventFile(path) as file:
            counts += np.bincount(file.column("Process", slice(None)), minlength=4)
    np.testing.assert_allclose(counts / counts.sum(), [0.592, 0.338, 0.067, 0.003], atol=0.001)


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the source files are not beside this checkout")
def test_events_are_those_of_the_source():
    sample = open_sample()
    with h5py.File(SOURCE / "background_for_training.h5") as file:
        expected = file["Particles"][:]
    found = np.concatenate(list(sample.background.iter_chunks()))
    np.testing.assert_array_equal(found, expected)
    with h5py.File(SOURCE / "Ato4l.h5") as file:
        cleaned, other = file["Particles"][:20_000], file["Particles_lepjets"][:20_000]
    found = np.concatenate(list(sample.signals["Ato4l"].iter_chunks()))
    np.testing.assert_array_equal(found, cleaned)
    assert (found != other).any()


def test_one_changed_byte_is_seen(copy):
    path = copy / "LQbtau.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"LQbtau\.h5: SHA-256"):
        open_sample(copy)


def test_missing_file_and_bad_manifest(copy):
    (copy / "htautau.h5").unlink()
    with pytest.raises(DataError, match=r"htautau\.h5: missing"):
        open_sample(copy)
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    (copy / "MANIFEST.json").write_text(json.dumps({**manifest, "version": 9}))
    with pytest.raises(DataError, match="version 1"):
        open_sample(copy)
    (copy / "MANIFEST.json").write_text("{")
    with pytest.raises(DataError, match="not readable"):
        open_sample(copy)


def test_unknown_sample_is_refused():
    with pytest.raises(DataError, match="Did you mean LQbtau"):
        open_sample(verify=False).source("LQtau")
