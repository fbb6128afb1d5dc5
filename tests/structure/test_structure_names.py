"""Names that stand as text somewhere exist, and the command line imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import l1ad
from l1ad.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HEAVY = (
    "numpy",
    "tensorflow",
    "keras",
    "qkeras",
    "hls4ml",
    "alkaid",
    "h5py",
    "matplotlib",
    "scipy",
    "pyosys",
    "pydantic",
)
PACKAGES = sorted(path.parent.name for path in (ROOT / "l1ad").glob("*/__init__.py"))
TARGETS = [f"{verb.module}:{verb.attribute}" for verb in VERBS.values()] + [
    target
    for group in (PROJECT["project"]["scripts"], *PROJECT["project"].get("entry-points", {}).values())
    for target in group.values()
]


def defines(target: str) -> bool:
    """Return whether ``module:name`` exists, without importing the module."""
    module, _, name = target.partition(":")
    base = ROOT / module.replace(".", "/")
    path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    if not path.is_file():
        return False
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return name in names


def loaded_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the heavy libraries that it loaded."""
    tail = f"import sys; sys.stderr.write('LOADED ' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tail}"], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("target", sorted(set(TARGETS)))
def test_target_exists(target):
    assert defines(target)


@pytest.mark.parametrize("target", ["l1ad.cli.main:mein", "l1ad.nowhere:main"])
def test_target_that_does_not_exist_is_seen(target):
    assert not defines(target)


def test_help_loads_nothing_heavy():
    assert loaded_after("from l1ad.cli.main import main\nassert main(['--help']) == 0") == set()


def test_a_heavy_library_would_be_seen():
    assert "numpy" in loaded_after("import numpy")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_what_it_names(package):
    code = (
        f"import l1ad.{package} as p\n"
        "missing = [n for n in getattr(p, '__all__', []) if not hasattr(p, n)]\n"
        "assert not missing, missing\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_the_same_everywhere():
    assert l1ad.__version__ == PROJECT["project"]["version"]
    assert f"version: {l1ad.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"## [{l1ad.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_tool_that_a_test_needs_has_a_marker():
    markers = [marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    assert "heavy" in markers
