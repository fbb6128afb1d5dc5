"""The emulator for CMSSW: payloads, symbols, and two models in one process."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation.cmssw import EmulatorOptions, build_emulator, write_check, write_emulator
from l1ad.emulation.project import open_project
from l1ad.errors import CheckFailedError, ConfigurationError, ConversionError, DataError, L1adError, ToolMissingError
from l1ad.events.contract import InputContract, blank_inputs
from l1ad.records import FixedType

EVENTS = 50
#: The small network of the tests has 6 inputs: the contract is used by the payload of hardware integers only.
CONTRACT = InputContract(1, FixedType(True, 10, 4), "test", 1, blank_inputs())


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)


def written(project: Path, folder: Path, network, events, **options) -> EmulatorOptions:
    """Write an emulator with the reference of the network in int64."""
    folder.mkdir(parents=True)
    chosen = EmulatorOptions("net", **{"input": "raw", "result": "raw", **options})
    write_emulator(open_project(project), CONTRACT, chosen, folder)
    write_check(folder, events[:EVENTS], network.outputs(events[:EVENTS]))
    return chosen


def compiled(folder: Path, model: str, *flags: str) -> Path:
    """Compile with other flags than the Makefile."""
    command = ["g++", "-O0", "-std=c++17", "-fPIC", "-w", "-Iinclude", "-Iap_types", "-I.", "-shared", *flags]
    done = run(*command, f"{model}.cpp", "-o", f"{model}.so", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / f"{model}.so"


@pytest.fixture(scope="module")
def other_project(hls_folder: Path, workshop, tmp_path_factory) -> Path:
    """Return the same network with one other weight: same names of every symbol, other numbers."""
    folder = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(hls_folder, folder)
    path = folder / "firmware" / "weights" / "w2.h"
    text = path.read_text()
    start = text.index("] = {") + len("] = {")
    first, rest = text[start:].split(",", 1)
    path.write_text(f"{text[:start]}{float(first) + 0.5:.4f},{rest}")
    return workshop.refreshed(folder)


@pytest.fixture(scope="module")
def two(hls_folder: Path, other_project: Path, network, events, tmp_path_factory) -> tuple[Path, Path]:
    """Return the folders of two emulators; the reference of the second has its own weight."""
    root = tmp_path_factory.mktemp("emulators")
    written(hls_folder, root / "one", network, events, version="v1")
    written(other_project, root / "two", network, events, version="v2")
    kernel = network.kernels[0].copy()
    kernel[0, 0] += 8
    changed = type(network)((kernel, network.kernels[1]), network.biases)
    shutil.rmtree(root / "two" / "check")
    assert (changed.outputs(events[:EVENTS]) != network.outputs(events[:EVENTS])).any()
    write_check(root / "two", events[:EVENTS], changed.outputs(events[:EVENTS]))
    return root / "one", root / "two"


@pytest.fixture(scope="module")
def made(two: tuple[Path, Path]) -> tuple[Path, Path]:
    """Build both with their Makefiles, and compare each alone."""
    for folder in two:
        done = run("make", "-s", "check", "CXXFLAGS=-O0 -fPIC -std=c++17", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{EVENTS} events of 1 models equal the reference\n"
    return two


def together(folders: tuple[Path, Path], *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [
        path
        for folder, version in zip(folders, ("v1", "v2"), strict=True)
        for path in (folder / f"net_{version}.so", folder / "check" / "inputs.txt", folder / "check" / "expected.txt")
    ]
    return run(folders[0] / "check_model", *options, *arguments, cwd=folders[0])


@pytest.mark.parametrize("options", [[], ["--global"]])
def test_two_models_in_one_process(made, options: list[str]) -> None:
    done = together(made, *options)
    assert (done.returncode, done.stdout) == (0, f"{2 * EVENTS} events of 2 models equal the reference\n"), done.stderr


def test_without_namespaces_and_hidden_symbols_they_disturb_each_other(made, tmp_path: Path) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    for source, folder, version in zip(made, folders, ("v1", "v2"), strict=True):
        shutil.copytree(source, folder)
        compiled(folder, f"net_{version}", "-DL1AD_NAMESPACE=hls4ml_shared")
    done = together(folders, "--global")
    assert done.returncode == 1
    assert re.search(r"net_v[12]\.so, event \d+, score \d: expected -?\d+, found -?\d+", done.stderr)
    # A namespace for each model is enough against the other model; hidden symbols, against everything else.
    for folder, version in zip(folders, ("v1", "v2"), strict=True):
        compiled(folder, f"net_{version}")
    assert together(folders, "--global").returncode == 0


def test_only_the_interface_is_visible(made) -> None:
    found = run("nm", "-D", "--defined-only", "net_v1.so", cwd=made[0]).stdout
    assert [line.split()[-1] for line in found.splitlines()] == ["create_model", "destroy_model"]
    plain = made[0] / "plain.so"
    shutil.move(compiled(made[0], "net_v1"), plain)
    many = run("nm", "-D", "--defined-only", plain, cwd=made[0]).stdout
    assert len(many.splitlines()) > 50
    assert run("make", "-s", "CXXFLAGS=-O0 -fPIC -std=c++17", cwd=made[0]).returncode == 0


def test_a_changed_weight_is_seen(made, two) -> None:
    folder = two[1]
    arguments = [folder / "net_v2.so", folder / "check" / "inputs.txt", two[0] / "check" / "expected.txt"]
    done = run(two[0] / "check_model", *arguments, cwd=folder)
    assert done.returncode == 1
    assert "score" in done.stderr


@pytest.mark.parametrize(
    ("project", "options"),
    [
        ("hls_folder", {"input": "network", "result": "array"}),
        ("hls_folder", {"input": "float", "result": "pair", "latent": "act0"}),
        ("stream_folder", {"input": "raw", "result": "pair", "latent": "act0"}),
    ],
)
def test_payloads(request, network, events, tmp_path: Path, project: str, options) -> None:
    folder = tmp_path / "emulator"
    chosen = written(request.getfixturevalue(project), folder, network, events, **options)
    assert build_emulator(folder, chosen) == folder / "net_v1.so"
    assert not (folder / "check_model").exists()


def test_the_latent_values_of_a_pair(hls_folder: Path, network, events, tmp_path: Path) -> None:
    folder = tmp_path / "emulator"
    chosen = written(hls_folder, folder, network, events, result="pair", latent="act0")
    compiled(folder, chosen.model)
    (folder / "host.cpp").write_text(
        """#include "hls4ml/emulator.h"
#include <array>
#include <cstdint>
#include <iostream>
#include <utility>
#include <dlfcn.h>
#include "ap_fixed.h"
#include "payload.h"
int main(int argc, char **argv) {
    void *library = dlopen("./net_v1.so", RTLD_LAZY | RTLD_LOCAL);
    auto *create = reinterpret_cast<hls4mlEmulator::Model *(*)()>(dlsym(library, "create_model"));
    hls4mlEmulator::Model *model = create();
    std::int64_t values[6];
    while (std::cin >> values[0] >> values[1] >> values[2] >> values[3] >> values[4] >> values[5]) {
        std::pair<std::array<ap_ufixed<8, 3>, 4>, std::array<ap_fixed<21, 12>, 2>> result;
        model->prepare_input(std::any(static_cast<std::int64_t *>(values)));
        model->predict();
        model->read_result(std::any(&result));
        for (auto &x : result.first)
            std::cout << x.range(7, 0).to_uint64() << ' ';
    }
    try {
        model->prepare_input(std::any(1.5f));
    } catch (const std::bad_any_cast &) {
        std::cout << "refused";
    }
}
"""
    )
    done = run(
        "g++", "-std=c++17", "-w", "-Iinclude", "-Iap_types", "-I.", "host.cpp", "-ldl", "-o", "host", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    text = "\n".join(" ".join(map(str, row)) for row in events[:EVENTS].tolist())
    found = subprocess.run([folder / "host"], cwd=folder, input=text, capture_output=True, text=True, check=True).stdout
    assert found.split()[-1] == "refused"
    latent = np.array(found.split()[:-1], dtype=np.int64).reshape(EVENTS, 4)
    assert np.array_equal(latent, network.hidden(events[:EVENTS]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": "double"}, r"input 'double' is not known"),
        ({"result": "scores"}, r"result 'scores' is not known\. Did you mean score"),
        ({"version": "1.0"}, "version 'net_1.0' is not usable"),
        ({"result": "pair", "latent": "act1"}, r"latent layer 'act1' is not shown\. Did you mean act0"),
        ({"input": "hardware"}, r"takes 6 inputs of fixed<10,4>; the contract gives 57"),
    ],
)
def test_what_cannot_be_written(hls_folder, network, events, tmp_path, options, message: str) -> None:
    with pytest.raises((ConfigurationError, DataError, L1adError), match=message):
        written(hls_folder, tmp_path / "emulator", network, events, **options)


def test_other_projects_and_other_sources(rtl_folder, hls_folder, workshop, network, events, tmp_path) -> None:
    with pytest.raises(DataError, match="backend verilog; expected one of"):
        written(rtl_folder, tmp_path / "one", network, events)
    broken = workshop.changed(
        hls_folder, tmp_path / "broken", "firmware/net6.cpp", "static bool loaded_weights", "bool w"
    )
    with pytest.raises(ConversionError, match=r"net6\.cpp: 0 places load weights; expected 1"):
        written(broken, tmp_path / "two", network, events)


def test_a_wrong_reference_fails_the_build(hls_folder, network, events, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "emulator"
    chosen = written(hls_folder, folder, network, events)
    path = folder / "check" / "expected.txt"
    first, rest = path.read_text().split(" ", 1)
    path.write_text(f"{int(first) ^ 1} {rest}")
    with pytest.raises(CheckFailedError, match="event 0, score 0: expected"):
        build_emulator(folder, chosen)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ is not on PATH"):
        build_emulator(folder, chosen)
