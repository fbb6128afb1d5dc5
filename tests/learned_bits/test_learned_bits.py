"""HGQ2 has an environment of its own: it is built from the lock, and its tests run in it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from l1ad.config import NetworkConfig
from l1ad.errors import ToolMissingError
from l1ad.networks.base import load_frontend

ROOT = Path(__file__).resolve().parents[2]
#: The folder stays, so that it is built once; the set-up builds it again when the lock changes.
PLACE = ".venv-hgq"


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")} | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def python() -> Path:
    """Build the environment from the lock and return its interpreter."""
    done = run(["sh", ".ci/setup"], VENV=PLACE, EXTRA="hgq")
    assert done.returncode == 0, done.stderr
    return ROOT / PLACE / "bin" / "python"


def test_the_environment_has_hgq2_and_not_qkeras(python):
    code = "from l1ad.provenance import library_version as v; print(v('hgq2'), v('qkeras-v3'))"
    assert run([str(python), "-c", code]).stdout.split() == ["0.2.0", "None"]


def test_learned_bits_climb_the_ladder(python):
    assert passed(python, "not heavy") == 14


@pytest.mark.parametrize("folder", sorted((ROOT / "models").glob("*_hgq")), ids=lambda path: path.name)
def test_reference_models_with_learned_bits_are_what_they_were(python, folder):
    done = run([str(python.parent / "l1ad"), "check", str(folder)])
    assert done.returncode == 0, done.stderr
    shown = " ".join((done.stdout + done.stderr).split())
    # Events that do not ship may be absent; the recorded integers have scores all the same.
    assert re.search(r"scores( \(the event files are not here\))? of 128 recorded events agree, bit for bit", shown), (
        shown
    )
    # The check has its own negative control: a weight of the other sign.
    assert re.search(r"kernel\[[\d, ]+\]: (-?\d+) became (-?\d+) .*seen in [1-9]\d* of 128", shown), shown


@pytest.mark.heavy
def test_logic_of_convolutions_and_training_of_the_other_networks(python):
    assert passed(python, "heavy") == 6


def passed(python: Path, marks: str) -> int:
    """Run the tests that have to run beside HGQ2, all of which have to pass; return how many did."""
    file = "tests/learned_bits/ladder_of_learned_bits.py"
    done = run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marks, file])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    last = re.search(r"^(\d+) passed", done.stdout, flags=re.M)
    assert last is not None, done.stdout[-500:]
    return int(last[1])


def test_without_hgq2_the_frontend_says_how_to_get_it():
    with pytest.raises(ToolMissingError, match=r"'hgq2'.*EXTRA=hgq make setup"):
        load_frontend(NetworkConfig(frontend="hgq"))
