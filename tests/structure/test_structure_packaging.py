"""The wheel, the container file, the citation: what a user gets is complete, and bad variants are seen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as `uv build` does, without the network, and return its path."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("l1ad-*.whl"))


def expected_in_wheel() -> set[str]:
    """Return what the wheel must hold, from what stands in the checkout."""

    def below(folder: str) -> list[Path]:
        found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        return [path for path in found if "__pycache__" not in path.parts and not path.name.startswith(".")]

    wanted = {path.relative_to(ROOT).as_posix() for path in below("l1ad") if path.suffix != ".part"}
    for folder in ("models", "firmware", "vivado_projects"):
        wanted |= {f"l1ad/_resources/{path.relative_to(ROOT).as_posix()}" for path in below(folder)}
    return wanted


def test_wheel_holds_the_package_and_its_resources(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"l1ad/py.typed", "l1ad/_resources/models/README.md"} <= names
    assert expected_in_wheel() - names == set()


def test_wheel_holds_nothing_else(wheel):
    roots = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert roots == {"l1ad", next(root for root in roots if root.endswith(".dist-info"))}


def test_installed_wheel_finds_its_resources(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import sys; from l1ad.resources import resource; sys.stdout.write(str(resource('firmware')))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout) == tmp_path / "l1ad" / "_resources" / "firmware"


def test_extras_that_exclude_each_other_are_refused():
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".cache/uv-tool/bin"))
    if uv is None:
        pytest.skip("uv is not on PATH")
    command = [uv, "sync", "--frozen", "--dry-run", "--offline", "--extra"]
    both = subprocess.run([*command, "hgq", "--extra", "qkeras"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert both.returncode != 0
    assert "incompatible with the declared conflicts" in both.stderr
    one = subprocess.run([*command, "qkeras"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "incompatible with the declared conflicts" not in one.stderr


def container_problems(text: str) -> list[str]:
    """Return what is wrong with a container file."""
    code = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in code.splitlines() if line.strip()]
    words = [line[0] for line in lines]
    problems = []
    if [line[1].split()[0] for line in lines if line[0] == "FROM"] != ["python:3.12-slim"] * 2:
        problems.append("not two stages of python:3.12-slim")
    users = [line[1] for line in lines if line[0] == "USER"]
    if not users or users[-1] in ("root", "0") or "USER" not in words[words.index("FROM", 1) :]:
        problems.append("runs as root")
    if "ENTRYPOINT" not in words or lines[words.index("ENTRYPOINT")][1] != '["l1ad"]':
        problems.append("does not start l1ad")
    if not re.search(r"uv export --frozen", code) or "--require-hashes" not in code:
        problems.append("versions are not those of the lock file")
    if not all(re.search(rf"apt-get install [^&]*\s{re.escape(tool)}\s", code) for tool in ("g++", "make", "perl")):
        problems.append("a tool is missing")
    if re.search(r"https?://|index-url|vivado/|xilinx", code, flags=re.I):
        problems.append("names a host, or holds a vendor tool")
    return problems


def test_container_file():
    assert container_problems(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FROM python:3.12-slim AS build", "FROM python:3.9 AS build"),
        ("USER l1ad", "USER root"),
        ('ENTRYPOINT ["l1ad"]', 'ENTRYPOINT ["bash"]'),
        ("--frozen", ""),
        (" perl ", " "),
        ("WORKDIR /data", "COPY Xilinx /opt"),
    ],
)
def test_bad_container_file_is_seen(old, new):
    assert old in DOCKERFILE
    assert container_problems(DOCKERFILE.replace(old, new)) != []


def test_container_copies_what_exists_and_is_not_ignored():
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), flags=re.M))
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.M) for name in line.split()
    ]
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)


def citation_problems(values: dict[str, object]) -> list[str]:
    """Return what the Citation File Format 1.2.0 requires and `values` lacks."""
    problems = [key for key in ("cff-version", "message", "title", "authors") if not values.get(key)]
    if values.get("cff-version") != "1.2.0" or values.get("type") not in ("software", "dataset"):
        problems.append("version or type")
    for reference in values.get("references", []):
        problems += [key for key in ("type", "title", "authors") if not reference.get(key)]
        if not re.fullmatch(r"10\.\d{4,9}/\S+", reference.get("doi", "")):
            problems.append("doi")
    return problems


def test_citation():
    values = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation_problems(values) == []
    assert citation_problems({**values, "authors": []}) == ["authors"]
    assert citation_problems({**values, "references": [{"type": "article", "title": "t", "authors": ["a"]}]}) == ["doi"]


def test_changelog_has_a_date_or_says_unreleased():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)
    assert headings
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (unreleased|\d{4}-\d\d-\d\d)", heading) for heading in headings)


def test_licence_is_the_one_that_the_metadata_names():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")
