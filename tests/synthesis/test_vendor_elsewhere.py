"""Plans run in a container and on another machine, by fakes that carry them out, and one carried by hand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError, DataError, ToolError, ToolMissingError
from l1ad.hardware.project import read_project
from l1ad.synthesis.vendor.plan import write_plan
from l1ad.synthesis.vendor.run import ENGINES, read_results, run_plan

#: What runs a container: records the call and runs the command in the folder that is mounted as /plan.
CONTAINER = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
while [ $# -gt 0 ]; do
    case "$1" in
        --mount) place=${2#*source=}; place=${place%,target=/plan}; shift ;;
        --bind) place=${2%:/plan}; shift ;;
        sh) cd "$place" && exec "$@" ;;
    esac
    shift
done
"""

#: ssh: runs the command in the home of the other machine. rsync: copies between it and here.
SSH = """#!/bin/sh
echo "ssh $*" >>"$CALLS"
[ "$1" = "me@machine" ] || exit 255
shift
cd "$REMOTE" && exec sh -c "$*"
"""
RSYNC = """#!/bin/sh
echo "rsync $*" >>"$CALLS"
place() { case "$1" in me@machine:*) echo "$REMOTE/${1#me@machine:}" ;; *) echo "$1" ;; esac; }
from=$(place "$2") to=$(place "$3")
[ -d "$from" ] || { echo "rsync: [sender] change_dir \\"$from\\" failed: No such file or directory (2)"; exit 23; }
mkdir -p "$to" && cp -R "$from." "$to"
"""


def digest(project: Path) -> str:
    return read_project(project).digest


@pytest.fixture
def fake(tmp_path: Path, tools: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that installs programs by name and text, beside fake tools of the vendor."""
    tools("vitis_hls", "vivado")
    (tmp_path / "remote").mkdir()
    monkeypatch.setenv("REMOTE", str(tmp_path / "remote"))

    def install(**programs: str) -> list[str]:
        for name, text in programs.items():
            path = tmp_path / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
        return tools()

    return install


@pytest.mark.parametrize("engine", ENGINES)
def test_plan_in_a_container(hls: Path, tmp_path: Path, fake: Callable[..., list[str]], engine: str) -> None:
    fake(**{engine: CONTAINER})
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    run_plan(folder, container="example.org/vivado:2023.2", engine=engine)
    first, *rest = fake()
    options = {
        "apptainer": f"exec --bind {folder}:/plan --pwd /plan",
    }.get(engine, f"run --rm --init --mount type=bind,source={folder},target=/plan --workdir /plan")
    assert first == f"{engine} {options} example.org/vivado:2023.2 sh run.sh"
    assert [call.split(" ")[0] for call in rest] == ["vitis_hls", "vitis_hls", "vivado", "vivado", "vitis_hls"]
    assert read_results(folder, digest(hls)).failures == ()


def test_first_engine_on_path_is_taken(
    hls: Path, tmp_path: Path, fake: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sh", "mkdir", "cat", "cp", "sed", "touch", "basename", "grep", "tail", "dirname"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolMissingError, match="none of docker, podman, apptainer is on PATH") as caught:
        run_plan(folder, container="vivado:2023.2")
    assert caught.value.exit_code == 3
    fake(apptainer=CONTAINER, podman=CONTAINER)
    run_plan(folder, container="vivado:2023.2")
    assert fake()[0].startswith("podman run")
    with pytest.raises(ToolMissingError, match="rsync is not on PATH"):
        run_plan(folder, host="me@machine")


def test_plan_on_another_machine(hls: Path, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    fake(ssh=SSH, rsync=RSYNC)
    folder = tmp_path / "plan"
    plan = write_plan(hls, folder)
    run_plan(folder, host="me@machine")
    remote = f"l1ad-plan-{plan.digest[:16]}"
    assert [call for call in fake() if call.startswith(("ssh", "rsync"))] == [
        f"rsync -a {folder}/ me@machine:{remote}/",
        f"ssh me@machine sh {remote}/run.sh",
        f"rsync -a me@machine:{remote}/results/ {folder}/results/",
        f"rsync -a me@machine:{remote}/logs/ {folder}/logs/",
    ]
    assert (tmp_path / "remote" / remote / "results" / "marks" / "impl").is_file()
    results = read_results(folder, digest(hls))
    assert results.failures == ()
    assert {report.stage for report in results.reports.reports} == {"csynth", "cosim", "synth", "route"}


def test_failure_over_there_is_explained_here(
    hls: Path, tmp_path: Path, fake: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step fails on the other machine: its results and logs are fetched all the same."""
    fake(ssh=SSH, rsync=RSYNC)
    monkeypatch.setenv("FAIL", "impl")
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolError, match=r"impl\.log: ERROR: \[Common 17-345\] A valid license was not found"):
        run_plan(folder, host="me@machine")
    results = read_results(folder, digest(hls))
    assert [line.split(":")[0] for line in results.missing] == ["step impl", "step impl"]
    assert "A valid license was not found" in results.missing[0]
    assert {m.name: m.value for m in results.reports.measurements if m.stage == "synth"}["lut"] == 4321
    assert not any(m.stage == "route" for m in results.reports.measurements)


def test_machine_that_is_not_reached(hls: Path, tmp_path: Path, fake: Callable[..., list[str]]) -> None:
    refused = "#!/bin/sh\necho 'ssh: connect to host machine port 22: Connection refused'; exit 255\n"
    fake(ssh=refused, rsync=refused)
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolError, match="Connection refused"):
        run_plan(folder, host="me@machine")
    with pytest.raises(ToolError, match="has not been run"):
        read_results(folder, digest(hls))


def test_plan_carried_by_hand(hls: Path, verilog: Path, tmp_path: Path, tools: Callable[..., list[str]]) -> None:
    """The folder is copied, run.sh started with its path from elsewhere, and the folder taken back."""
    tools("vitis-run", "vivado")
    written, there = tmp_path / "plan", tmp_path / "a machine" / "plan"
    write_plan(hls, written)
    shutil.copytree(written, there)
    done = subprocess.run(["/bin/sh", str(there / "run.sh")], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("l1ad: all steps are done; take this folder back")
    assert [call.split(" ")[0] for call in tools()] == ["vitis-run", "vitis-run", "vivado", "vivado", "vitis-run"]
    assert read_results(there, digest(hls)).failures == ()
    with pytest.raises(DataError, match="results of another design"):
        read_results(there, digest(verilog))
    again = subprocess.run(["/bin/sh", str(there / "run.sh")], cwd="/", capture_output=True, text=True, check=True)
    assert again.stdout.count("is done already") == 5


@pytest.mark.parametrize(
    "options",
    [
        {"host": "-oProxyCommand=x"},
        {"host": "a b"},
        {"container": "--privileged", "engine": "docker"},
        {"container": "image", "engine": "sh"},
        {"container": "a", "host": "b"},
    ],
)
def test_hosts_and_images_that_are_options(hls: Path, tmp_path: Path, options: dict[str, str]) -> None:
    write_plan(hls, tmp_path / "plan")
    with pytest.raises(ConfigurationError):
        run_plan(tmp_path / "plan", **options)


@pytest.mark.parametrize(("name", "engine"), [("a,b", "docker"), ("a:b", "apptainer")])
def test_folders_that_cannot_be_mounted(
    hls: Path, tmp_path: Path, fake: Callable[..., list[str]], name: str, engine: str
) -> None:
    fake(**{engine: CONTAINER})
    write_plan(hls, tmp_path / name)
    with pytest.raises(ConfigurationError, match="cannot be mounted"):
        run_plan(tmp_path / name, container="image", engine=engine)
    assert list((tmp_path / name / "logs").iterdir()) == []
