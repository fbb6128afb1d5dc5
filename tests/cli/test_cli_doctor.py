"""The doctor, with small programs in the place of the tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from l1ad.cli.main import main
from l1ad.pipeline import doctor
from l1ad.pipeline.doctor import Finding, Library, Tool, examine, probe_tool, quantizers

TOOL = Tool("vivado", ("-version",), "place and route", "ask AMD", required=False)
COMPILER = Tool("g++", ("--version",), "compiles", "apt-get install g++", required=True)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return the only folder on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_tool_that_is_there(path):
    install(path, "vivado", '[ "$1" = -version ] && echo "Vivado v2023.2 (64-bit)"; echo x > vivado.log')
    found = probe_tool(TOOL)
    assert (found.state, found.version, found.place) == ("ok", "2023.2", str(path / "vivado"))
    assert (found.remedy, found.blocks) == ("", False)
    assert not Path("vivado.log").exists()


def test_tool_that_is_missing(path):
    optional, required = probe_tool(TOOL), probe_tool(COMPILER)
    assert (optional.state, optional.blocks) == ("missing", False)
    assert (required.state, required.blocks, required.remedy) == ("missing", True, "apt-get install g++")


def test_tool_that_does_not_start(path):
    install(path, "g++", "echo 'libtinfo.so.5: cannot open' >&2; exit 127")
    found = probe_tool(COMPILER)
    assert (found.state, found.blocks) == ("broken", True)
    assert "exit code 127: libtinfo.so.5: cannot open" in found.remedy


def test_tool_of_another_machine(path):
    (path / "g++").write_bytes(b"\x7fELF of another machine")
    (path / "g++").chmod(0o755)
    assert probe_tool(COMPILER).state == "broken"


def test_tool_that_does_not_answer(path):
    install(path, "vivado", "exec /bin/sleep 30")
    found = probe_tool(TOOL, timeout_s=0.2)
    assert found.state == "broken"
    assert "gives no answer within 0.2 s" in found.remedy


def test_version_that_cannot_be_read(path):
    install(path, "vivado", "echo ready")
    assert probe_tool(TOOL).version == "unknown"


@pytest.mark.parametrize(
    ("installed", "states", "blocked"),
    [
        (("1.2.1", None, None), {"qkeras-v3": "ok", "hgq2": "missing"}, False),
        ((None, "0.2.0", None), {"qkeras-v3": "missing", "hgq2": "ok"}, True),
        ((None, None, None), {"qkeras-v3": "missing", "hgq2": "missing"}, True),
        (("1.2.1", "0.2.0", None), {"qkeras-v3": "conflict", "hgq2": "conflict"}, True),
        (("1.2.1", None, "0.9.0"), {"qkeras-v3": "conflict", "hgq2": "missing", "qkeras": "conflict"}, True),
        ((None, None, "0.9.0"), {"qkeras-v3": "missing", "hgq2": "missing", "qkeras": "conflict"}, True),
    ],
)
def test_three_libraries_of_one_name(installed, states, blocked):
    findings = quantizers(*installed)
    assert {finding.name: finding.state for finding in findings} == states
    assert any(finding.blocks for finding in findings) is blocked


def test_library_that_is_not_installed():
    (finding,) = [f for f in examine((), (Library("l1ad-no-such-library", "nothing"),)) if f.name.startswith("l1ad-no")]
    assert (finding.state, finding.blocks) == ("missing", True)
    assert "uv sync --extra qkeras" in finding.remedy


def test_json_and_exit_code_when_all_is_there(monkeypatch, capsys):
    monkeypatch.setattr("l1ad.cli.doctor.examine", lambda: (finding("ok"),))
    assert main(["doctor", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["ready"] is True
    assert Finding.from_dict(written["findings"][0]) == finding("ok")


def test_json_and_exit_code_when_something_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("l1ad.cli.doctor.examine", lambda: (finding("missing"),))
    assert main(["doctor", "--json"]) == 3
    written = capsys.readouterr()
    assert json.loads(written.out)["ready"] is False
    assert "g++" in written.err


def test_table_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr("l1ad.cli.doctor.examine", lambda: (finding("missing"),))
    assert main(["doctor"]) == 3
    text = capsys.readouterr().out
    assert "MISSING" in text
    assert "apt-get install g++" in text
    assert "Everything" not in text


def test_this_environment_is_examined(capsys):
    main(["doctor", "--json"])
    names = {found["name"] for found in json.loads(capsys.readouterr().out)["findings"]}
    assert {tool.name for tool in doctor.TOOLS} | {library.name for library in doctor.LIBRARIES} <= names


def finding(state: str) -> Finding:
    remedy = "" if state == "ok" else "apt-get install g++"
    return Finding("g++", "tool", state, True, "12.2.0", "/usr/bin/g++", "compiles", remedy)
