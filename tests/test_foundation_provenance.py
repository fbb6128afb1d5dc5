"""Digests, names, resources, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os

import pytest

from l1ad import __version__, provenance
from l1ad.errors import ConfigurationError, L1adError, RunFolderError
from l1ad.resources import resource


def test_digests_are_those_of_sha256(tmp_path):
    # FIPS 180-2, appendix B.1: the message "abc".
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_text("abc")
    assert provenance.file_digest(tmp_path / "abc") == digest
    assert provenance.text_digest("abc") == digest
    assert provenance.text_digest("abd") != digest


def test_digest_of_a_value_ignores_the_order_of_keys_only():
    assert provenance.value_digest({"a": 1, "b": 2}) == provenance.value_digest({"b": 2, "a": 1})
    assert provenance.value_digest([1, 2]) != provenance.value_digest([2, 1])


def test_digests_of_a_folder(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("1")
    (tmp_path / "a").write_text("2")
    digests = provenance.folder_digests(tmp_path)
    assert list(digests) == ["a", "b/x"]
    assert provenance.folder_digests(tmp_path, ["a"]) == {"a": digests["a"]}


def test_a_whole_file_appears_at_the_end(tmp_path):
    path = tmp_path / "deep" / "file"
    with provenance.whole_file(path) as stream:
        stream.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_half() -> None:
        with provenance.whole_file(path) as stream:
            stream.write(b"half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_half()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        RunFolderError, match=r"file: cannot be written \(No space left on device\). Nothing was changed"
    ):
        provenance.write_text(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


def test_json_is_written_to_be_read(tmp_path):
    provenance.write_json(tmp_path / "value.json", {"auc": 0.9})
    assert json.loads((tmp_path / "value.json").read_text()) == {"auc": 0.9}


def test_versions_leave_out_what_is_absent():
    found = provenance.versions(["numpy", "l1ad-no-such-library"])
    assert found["l1ad"] == __version__
    assert set(found) == {"l1ad", "python", "numpy"}
    assert provenance.library_version("l1ad-no-such-library") is None


@pytest.mark.parametrize("name", ["dense_vae", "A4l", "_x", "h0_to_tau_tau"])
def test_names_that_are_safe(name):
    assert provenance.check_name(name, "model name") == name


@pytest.mark.parametrize("name", ["", "4l", "a b", "a/b", "../x", "a;rm", "$x", "a\n", "é", "a-b", "[exit]"])
def test_names_that_are_not_safe(name):
    with pytest.raises(L1adError, match="model name"):
        provenance.check_name(name, "model name")


@pytest.mark.parametrize("name", ["models", "firmware", "vivado_projects"])
def test_resources_are_found(name):
    assert resource(name).is_dir()


def test_a_resource_that_does_not_exist():
    with pytest.raises(ConfigurationError, match="models/none: not part of this installation"):
        resource("models/none")
