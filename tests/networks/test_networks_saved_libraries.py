"""A saved model whose library is not there: the message names both."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from l1ad.errors import DataError, ToolMissingError
from l1ad.networks import saved_libraries
from l1ad.networks.firmware_model import load_model


def saved(path: Path, *modules: str) -> Path:
    layers = [{"module": module, "class_name": "QDense", "config": {"name": "dense_1"}} for module in modules]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "keras", "config": {"layers": layers}}))
    return path


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("hgq.layers.core.dense", r"encoder\.keras: .*'hgq2'.*VENV=\.venv-hgq EXTRA=hgq make setup"),
        ("qkeras.qlayers", r"encoder\.keras: .*'qkeras-v3'.*uv sync --extra qkeras"),
    ],
)
def test_the_missing_library_is_named(module, message, tmp_path, monkeypatch):
    path = saved(tmp_path / "encoder.keras", "keras.layers", module)
    monkeypatch.setattr(saved_libraries, "library_version", lambda name: None)
    with pytest.raises(ToolMissingError, match=message) as caught:
        load_model(path)
    assert caught.value.exit_code == 3
    monkeypatch.setattr(saved_libraries, "library_version", lambda name: "1.0")
    saved_libraries.check_libraries(path)


def test_plain_keras_and_damaged_files_need_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_libraries, "library_version", lambda name: None)
    saved_libraries.check_libraries(saved(tmp_path / "float.keras", "keras.layers"))
    broken = tmp_path / "broken.keras"
    broken.write_bytes(saved(tmp_path / "whole.keras", "hgq.layers").read_bytes()[:-20])
    saved_libraries.check_libraries(broken)
    with pytest.raises(DataError, match=r"broken\.keras: cannot be loaded"):
        load_model(broken)
