"""A run as a shared object for CMSSW."""

from __future__ import annotations

import json
import shutil

import pytest

from l1ad.cli.main import main
from l1ad.emulation.cmssw import EmulatorOptions
from l1ad.errors import ConfigurationError, DataError, RunFolderError, ToolMissingError
from l1ad.events.contract import InputContract
from l1ad.events.scales_header import check_scales_header
from l1ad.pipeline import cmssw
from l1ad.pipeline.cmssw import export_cmssw
from l1ad.pipeline.run_folder import open_run

OPTIONS = EmulatorOptions("small", "v3")


def test_from_the_command_line(finished_run, tmp_path, capsys) -> None:
    out = tmp_path / "emulator"
    arguments = ["export", "cmssw", str(finished_run), "--out", str(out), "--name", "small", "--version", "v3"]
    assert main([*arguments, "--result", "pair", "--latent", "dense_mean", "--events", "40"]) == 0
    written = capsys.readouterr()
    assert written.out.splitlines()[-1] == str(out / "small_v3.so")
    assert "40 events equal the reference" in written.err
    record = json.loads((out / "export.json").read_text())
    assert record["reference"] == {"events": 40, "scores": record["reference"]["scores"], "compared": True}
    assert record["contract_digest"] == InputContract.read(finished_run / "data" / "inputs.json").digest
    assert {"small_v3.so", "small_v3.cpp", "payload.h", "Makefile"} <= set(record["files"])
    assert "namespace L1AD_NAMESPACE" in (out / "payload.h").read_text()
    assert main([*arguments, "--events", "40"]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_scales_are_written_where_they_are_exact(run_copy, tmp_path) -> None:
    run = open_run(run_copy)
    export_cmssw(run, OPTIONS, tmp_path / "one", events=20, build=False)
    contract = InputContract.read(run_copy / "data" / "inputs.json")
    record = json.loads((tmp_path / "one" / "export.json").read_text())
    path = tmp_path / "one" / "scales.h"
    if path.exists():
        check_scales_header(path, contract)
        assert record["scales.h"].startswith("written")
    else:
        assert "bits behind the point" in record["scales.h"]
    assert not (tmp_path / "one" / "small_v3.so").exists()
    assert record["reference"]["compared"] is False


def test_scales_that_would_lose_bits_are_left_out(finished_run, tmp_path, monkeypatch, caplog) -> None:
    def refuse(*_: object) -> None:
        raise DataError("scales.h: met_pt: loses bits.")

    monkeypatch.setattr(cmssw, "write_scales_header", refuse)
    export_cmssw(open_run(finished_run), OPTIONS, tmp_path / "one", events=20, build=False)
    assert not (tmp_path / "one" / "scales.h").exists()
    assert "met_pt: loses bits" in json.loads((tmp_path / "one" / "export.json").read_text())["scales.h"]
    assert "The emulator itself scales exactly" in caplog.text


def test_what_cannot_be_exported(finished_run, run_copy, tmp_path, monkeypatch) -> None:
    run, out = open_run(finished_run), tmp_path / "out"
    with pytest.raises(ConfigurationError, match="input 'hardwear' is not known"):
        export_cmssw(run, EmulatorOptions("small", input="hardwear"), out, events=20, build=True)
    with pytest.raises(ConfigurationError, match=r"latent layer 'mean' is not shown\. "):
        export_cmssw(run, EmulatorOptions("small", result="pair", latent="mean"), out, events=20, build=True)
    with pytest.raises(ConfigurationError, match="events 1000000: there are"):
        export_cmssw(run, OPTIONS, out, events=10**6, build=True)
    copy = open_run(run_copy)
    weights = run_copy / "convert" / "vitis" / "firmware" / "weights" / "w2.h"
    weights.write_text(weights.read_text() + "\n")
    with pytest.raises(DataError, match=r"w2\.h: changed since the conversion"):
        export_cmssw(copy, OPTIONS, out, events=20, build=True)
    shutil.rmtree(run_copy / "convert")
    with pytest.raises(DataError, match=r"project\.json: no such file"):
        export_cmssw(copy, OPTIONS, out, events=20, build=True)
    monkeypatch.setattr(cmssw, "projects", lambda _: {"verilog": None})
    with pytest.raises(DataError, match="has no project of the backend vitis or vivado"):
        export_cmssw(run, OPTIONS, out, events=20, build=True)
    assert not out.exists()


def test_without_a_compiler(finished_run, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ is not on PATH"):
        export_cmssw(open_run(finished_run), OPTIONS, tmp_path / "out", events=20, build=True)
    arguments = ["export", "cmssw", str(finished_run), "--out", str(tmp_path / "out"), "--input", "raw"]
    assert main([*arguments, "--events", "20"]) == 3
    assert "apt-get install g++" in capsys.readouterr().err
    assert list(tmp_path.glob("*out*")) == []


def test_a_folder_that_is_not_empty(finished_run, tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="is not empty"):
        export_cmssw(open_run(finished_run), OPTIONS, tmp_path, events=20, build=False)
