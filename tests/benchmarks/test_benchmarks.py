"""The benchmarks: each is documented, and the ones that take seconds run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_scripts_are_there():
    assert {"bench_help.py", "bench_rungs.py", "bench_training.py", "bench_float_twin.py", "bench_yosys.py"} <= set(
        SCRIPTS
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_documented_and_says_how_it_is_called(script):
    text = (ROOT / "benchmarks" / script).read_text("utf-8")
    assert f"python benchmarks/{script}" in text.split('"""')[1]
    assert f"`{script}" in (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


def test_help_stays_below_its_goal(tmp_path):
    done = run("bench_help.py", "--repeats", "3", "--json", str(tmp_path / "help.json"))
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "help.json").read_text())
    assert "l1ad --help" in done.stdout
    assert len(table["times"]["l1ad --help"]) == 3
    # The shortest of three: a machine that does other work is no slower program.
    assert min(table["times"]["python -c pass"]) < min(table["times"]["l1ad --help"]) < table["goal_s"]


def test_a_wrong_option_is_refused():
    done = run("bench_help.py", "--repeat-often")
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr
