"""The examples and the commands of the guide run, in the order in which they stand there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from l1ad.cli.main import main

GUIDE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.S)
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", GUIDE, flags=re.S) for line in block.splitlines()]


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_five_lines_run(tmp_path):
    assert abs(float(run_python(EXAMPLES[0], tmp_path).split()[2])) < 4


def test_the_commands_run(tmp_path, monkeypatch, capsys):
    run_python(EXAMPLES[1], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) == 9
    for command in COMMANDS:
        words = shlex.split(command, comments=True)
        assert words[0] == "l1ad"
        assert main(words[1:]) == (1 if "# exit code 1" in command else 0), command
        assert capsys.readouterr().out
    for name in ("pictures/null_0.png", "pictures/ratio_0_pt.png", "ratios/ratio_1_eta.png", "chart.png"):
        assert (tmp_path / name).stat().st_size > 5000


def test_the_yaml_of_the_guide_is_read(tmp_path, monkeypatch):
    run_python(EXAMPLES[1], tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("all.yaml").write_text(re.search(r"```yaml\n(.*?)```", GUIDE, flags=re.S).group(1))
    command = ["validate", "reference", "ref.csv", "scaled.csv", "--pool", "pool.csv", "--toys", "20"]
    assert main([*command, "--nuisance", "all.yaml"]) == 0
    assert main([*command, "--nuisance", "none.yaml"]) == 2


@pytest.mark.parametrize("option", ["--fail-above", "--nuisance", "--overflow", "--network", "--dask", "--plots"])
def test_the_guide_names_every_option_of_importance(option):
    assert option in GUIDE
