"""What README.md tells a user to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from l1ad.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.M).group(1).split())


def unknown(text: str) -> set[str]:
    """Return the verbs, make targets and files that `text` names and that do not exist."""
    code = "\n".join(re.findall(r"```.*?\n(.*?)```", text, flags=re.S) + re.findall(r"`([^`\n]+)`", text))
    verbs = {f"l1ad {name}" for name in re.findall(r"(?:^|&& )l1ad ([a-z-]+)", code, flags=re.M) if name not in VERBS}
    targets = {f"make {name}" for name in re.findall(r"^make ([a-z-]+)", code, flags=re.M) if name not in TARGETS}
    named = re.findall(r"\]\(([^):]+)\)", text) + re.findall(r"\b(?:models|docs|benchmarks)/[\w./-]+", text)
    files = {name for name in named if not (ROOT / name).exists()}
    return verbs | targets | files


def test_everything_that_the_readme_names_exists():
    assert unknown(README) == set()


def test_the_readme_names_every_verb():
    assert {name for name in VERBS if f"`l1ad {name}" not in README} == set()


@pytest.mark.parametrize(
    "text", ["`l1ad trian X`", "```\nmake tset\n```", "[a](docs/none.md)", "`models/none/config.yaml`"]
)
def test_what_does_not_exist_is_seen(text):
    assert unknown(text)
