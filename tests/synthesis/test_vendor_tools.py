"""Tools of AMD are found by name and version; fake programs on PATH stand for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError, ToolError, ToolMissingError
from l1ad.synthesis.vendor.tools import find_tool

#: What the programs print, as seen in logs of their releases.
BANNERS = {
    "vitis-run": "****** vitis-run v2024.1 (64-bit)\n  **** SW Build 5074859 on 2024-05-20-23:21:20\n",
    "vitis_hls": "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2022.2 (64-bit)\nBuild 3670227\n",
    "vivado_hls": "Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC v2020.1 (64-bit)\n",
    "vivado": "Vivado v2023.2 (64-bit)\nSW Build 4029153 on Fri Oct 13 20:13:54 MDT 2023\n",
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts a program on PATH, which prints a banner when asked for its version."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name: str, banner: str = "", code: int = 0) -> None:
        path = tmp_path / name
        path.write_text(
            f"#!/bin/sh\ncase \"$1\" in *version) printf '%s' '{banner or BANNERS[name]}';; esac\nexit {code}\n"
        )
        path.chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("tool", "program", "version"),
    [
        ("vitis", "vitis-run", "2024.1"),
        ("vitis", "vitis_hls", "2022.2"),
        ("vivado_hls", "vivado_hls", "2020.1"),
        ("vivado", "vivado", "2023.2"),
    ],
)
def test_each_program_says_its_version(install: Callable[..., None], tool: str, program: str, version: str) -> None:
    install(program)
    found = find_tool(tool)
    assert (found.name, found.version) == (program, version)


def test_vitis_run_comes_before_vitis_hls(install: Callable[..., None]) -> None:
    install("vitis_hls")
    install("vitis-run")
    assert find_tool("vitis").name == "vitis-run"


def test_missing_tool_says_what_to_do(install: Callable[..., None]) -> None:
    install("vivado")
    with pytest.raises(ToolMissingError, match=r"vitis-run or vitis_hls is not on PATH.*--plan FOLDER") as caught:
        find_tool("vitis")
    assert caught.value.exit_code == 3
    with pytest.raises(ConfigurationError, match="Did you mean vivado"):
        find_tool("vivad")


@pytest.mark.parametrize(
    ("program", "banner", "message"),
    [
        ("vitis-run", "vitis-run v2023.1", r"version 2023\.1; expected 2023\.2 or newer"),
        ("vivado", "Vivado v2016.4 (64-bit)", r"version 2016\.4; expected 2018\.1 or newer"),
        ("vivado_hls", "HLS v2021.1", r"expected 2018\.1 to 2020\.1"),
        ("vivado", "no licence daemon", "no version such as 2024.1; it said: no licence daemon"),
    ],
)
def test_version_is_checked(install: Callable[..., None], program: str, banner: str, message: str) -> None:
    install(program, banner)
    with pytest.raises(ToolError, match=message):
        find_tool({"vitis-run": "vitis"}.get(program, program))


def test_patch_release_counts_as_its_release(install: Callable[..., None]) -> None:
    install("vivado", "vivado v2024.1.2 (64-bit)")
    assert find_tool("vivado").version == "2024.1"
