"""The verbs `data info` and `data import` as a user types them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import ConfigurationError
from l1ad.events.adc2021 import EventFile
from l1ad.events.importing import import_events
from l1ad.events.published import PUBLISHED_COUNTS
from l1ad.events.sample import open_sample


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample(verify=False).signals["LQbtau"].paths[0]) as file:
        return file[0:800]


@pytest.fixture
def published(events, tmp_path):
    """A file as the published ones are, with a second variant."""
    path = tmp_path / "published.h5"
    with h5py.File(path, "w") as file:
        file["Particles"] = events.astype(np.float64)
        file["Particles_lepjets"] = events[::-1].astype(np.float64)
        file["EvtId"] = np.arange(len(events))
    return path


def test_info_of_the_embedded_sample(capsys, tmp_path):
    assert main(["data", "info", "--plot", str(tmp_path / "out.png")]) == 0
    text, notes = capsys.readouterr()
    assert "201541" in text
    assert "hchtaunu" in text
    assert "46.82" in text  # share of background events without an electron
    assert "never quote a result" in notes
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_info_of_files(capsys, published):
    assert main(["data", "info", str(published)]) == 0
    text, _ = capsys.readouterr()
    assert "published" in text
    assert "unknown" in text
    assert "800" in text
    assert "201541" not in text


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_info_refuses_a_foreign_figure_type(capsys, tmp_path, suffix):
    assert main(["data", "info", "--plot", str(tmp_path / f"out{suffix}")]) == 2
    assert ".png" in capsys.readouterr().err


def test_info_of_a_broken_file(capsys, published):
    published.write_bytes(published.read_bytes()[:3000])
    assert main(["data", "info", str(published)]) == 2
    assert "not a whole HDF5 file" in capsys.readouterr().err
    assert main(["data", "info", str(published) + "x"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_import_writes_a_clean_file(capsys, published, events, tmp_path):
    out = tmp_path / "out.h5"
    assert main(["data", "import", str(published), "--out", str(out), "--source", "adc2021-v1"]) == 0
    assert "800 events, source adc2021-v1" in capsys.readouterr().out
    with EventFile(out) as file:
        np.testing.assert_array_equal(file[:], events)
        np.testing.assert_array_equal(file.column("EvtId", slice(None)), np.arange(800))
        assert file.source_tag == "adc2021-v1"
        assert file.attributes["variant"] == "Particles"
        assert "published.h5 sha256:" in file.attributes["source_files"]


def test_import_of_a_variant(published, events, tmp_path):
    out = tmp_path / "out.h5"
    arguments = ["data", "import", str(published), "--out", str(out), "--source", "x", "--variant", "Particles_lepjets"]
    assert main(arguments) == 0
    with EventFile(out) as file:
        np.testing.assert_array_equal(file[:], events[::-1])
        assert file.attributes["variant"] == "Particles_lepjets"


def test_import_does_not_overwrite(capsys, published, tmp_path):
    out = tmp_path / "out.h5"
    out.write_text("mine")
    arguments = ["data", "import", str(published), "--out", str(out), "--source", "x"]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    with EventFile(out) as file:
        assert len(file) == 800
    assert main(["data", "import", str(out), "--out", str(out), "--force"]) == 2
    assert "one of the files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "source unknown"),
        (["--source", "a b"], "expected letters"),
        (["--source", "x", "--variant", "Particles_lepjet"], "Did you mean Particles_lepjets"),
    ],
)
def test_import_with_wrong_options(capsys, published, tmp_path, options, message):
    out = tmp_path / "out.h5"
    assert main(["data", "import", str(published), "--out", str(out), *options]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_import_of_bad_events_leaves_nothing(capsys, published, tmp_path):
    with h5py.File(published, "r+") as file:
        file["Particles"][700, 0, 0] = -1.0
    out = tmp_path / "new" / "out.h5"
    assert main(["data", "import", str(published), "--out", str(out), "--source", "x"]) == 2
    assert "row 700, met Pt is -1.0" in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


def test_tag_of_an_imported_file_is_kept(published, tmp_path):
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    import_events([published], first, source_tag="adc2021-v2")
    record = import_events([first], second)
    assert record.source_tag == "adc2021-v2"
    third = tmp_path / "third.h5"
    import_events([published], third, source_tag="adc2021-v1")
    with pytest.raises(ConfigurationError, match="different sources"):
        import_events([first, third], tmp_path / "fourth.h5")


def test_published_counts_are_recognised(published, tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED_COUNTS, 800, ("adc2021-v2", "background, Zenodo 1"))
    record = import_events([published], tmp_path / "out.h5")
    assert (record.source_tag, record.recognised) == ("adc2021-v2", "background, Zenodo 1")
    with pytest.raises(ConfigurationError, match="800 events are those of adc2021-v2"):
        import_events([published], tmp_path / "other.h5", source_tag="adc2021-v1")
