"""Contracts in the form of AXOL1TL: the hardware integers of CMS, the least loss, scales.h against a compiled cast."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import DataError, L1adError
from l1ad.events.adc2021 import EventChunk, EventFile, write_events
from l1ad.events.contract import CONTRACT_VERSION, InputContract, blank_inputs
from l1ad.events.contract_use import measure_contract
from l1ad.events.derivation import LEAST, derive_contract, rms_loss
from l1ad.events.importers.assembly import physical
from l1ad.events.layout import BLOCKS, input_names
from l1ad.events.sample import open_sample
from l1ad.events.scales_header import check_scales_header, read_scales_header, write_scales_header
from l1ad.records import FixedType

FIXED = FixedType(True, 8, 4)


@pytest.fixture(scope="module")
def background():
    with EventFile(open_sample(verify=False).background.paths[0]) as file:
        return file[0:20_000]


@pytest.fixture(scope="module")
def least(background):
    return derive_contract([background], FIXED, "test", rule=LEAST)


@pytest.fixture(scope="module")
def axol1tl(background):
    return derive_contract([background], FIXED, "test", form="axol1tl", rule=LEAST)


def test_integers_are_those_that_cmssw_gives_the_network():
    # AXOL1TLCondition takes hwPt / 2 in integers, hwEta and hwPhi as they are.
    generator = np.random.default_rng(2)
    integers, particles = np.zeros((500, 19, 3), dtype=np.int64), np.zeros((500, 19, 4))
    for block, width, eta, turn in zip(BLOCKS, (12, 9, 9, 11), (1, 57, 225, 115), (144, 144, 576, 144), strict=True):
        shape = (500, block.count)
        own = np.stack(
            [
                generator.integers(2, 1 << width, shape),
                generator.integers(-eta, eta + 1, shape) if block.name != "met" else np.zeros(shape, dtype=np.int64),
                generator.integers(0, turn, shape),
            ],
            axis=-1,
        )
        own[generator.random(shape) < 0.2] = 0
        integers[:, block.rows] = own
        particles[:, block.rows, :3] = np.where(own[:, :, :1] > 0, np.stack(physical(block.name, own), axis=-1), 0)
    contract = InputContract(CONTRACT_VERSION, FixedType(True, 1, 1), "", 0, blank_inputs("axol1tl"))
    found = contract.to_hardware(particles.astype(np.float32)).reshape(integers.shape)
    integers[:, :, 0] //= 2
    np.testing.assert_array_equal(found, integers)
    other = InputContract(CONTRACT_VERSION, FixedType(True, 1, 1), "", 0, blank_inputs("l1ad"))
    assert (other.to_hardware(particles).reshape(integers.shape) != integers).any()


def test_unsigned_azimuth(axol1tl):
    by_name = {spec.name: spec for spec in axol1tl.inputs}
    for name, turn in (("jet1_phi", 144), ("muon1_phi", 576)):
        spec = by_name[name]
        assert (spec.minimum, spec.maximum, spec.offset) == (0, turn - 1, turn // 2)
    event = np.zeros((1, 19, 4))
    event[0, 9] = (50.0, 0.0, -0.01, 4)
    assert axol1tl.to_hardware(event)[0, input_names().index("jet1_phi")] == 0
    event[0, 9, 2] = -0.03
    assert axol1tl.to_hardware(event)[0, input_names().index("jet1_phi")] == 143


def test_chosen_shift_has_the_least_loss_of_all(least, background):
    pt = background[:, 9, 0]
    hardware = np.floor(pt[pt > 0] / 0.5).astype(np.int64)
    spec = least.inputs[input_names().index("jet1_pt")]
    counts = np.ones_like(hardware)
    losses = {s: rms_loss(hardware - spec.offset, counts, s, FIXED) for s in range(-8, 17)}
    assert losses[spec.shift] == min(losses.values())
    assert losses[spec.shift + 1] > losses[spec.shift] < losses[spec.shift - 1]


def test_use_of_a_contract_against_plain_counting(least, background):
    narrow = dataclasses.replace(
        least, inputs=(dataclasses.replace(least.inputs[0], shift=least.inputs[0].shift - 3), *least.inputs[1:])
    )
    use = measure_contract(narrow, np.array_split(background, 7))
    hardware, raw = narrow.saturated(background)
    filled = np.repeat(background[:, :, 0] > 0, 3, axis=1)
    bad = (hardware | raw) & filled
    assert (use.events, use.outside) == (len(background), int(bad.any(axis=1).sum()))
    assert {item.name: item.events for item in use.outside_inputs} == {
        name: int(count) for name, count in zip(input_names(), bad.sum(axis=0), strict=True) if count
    }
    first = use.outside_inputs[0]
    assert first.name == "met_pt"
    assert first.first_event == int(np.argmax(bad[:, 0]))
    assert first.value == background[first.first_event, 0, 0]
    assert measure_contract(least, [background]).outside < use.outside
    assert [item.raw for item in use.saturation] == (raw & filled).sum(axis=0).tolist()


@pytest.mark.parametrize("form", ["least", "axol1tl"])
def test_header_is_read_back(request, tmp_path, form):
    contract = request.getfixturevalue(form)
    path = tmp_path / "scales.h"
    write_scales_header(contract, path, "mine")
    found = read_scales_header(path)
    assert found.namespace == "hls4ml_mine"
    assert found.shifts == tuple(spec.shift for spec in contract.inputs)
    assert found.offsets == tuple(spec.offset for spec in contract.inputs)
    check_scales_header(path, contract)
    path.write_text(path.read_text().replace(f"    {contract.inputs[0].offset},", "    1,"))
    with pytest.raises(DataError, match=r"met_pt: offset 1, .* the contract has offset"):
        check_scales_header(path, contract)


def published_form(shifts, offsets):
    """Return a header as CMS writes them: one line a table, halves and minus zero among the offsets."""
    return (
        '#ifndef __ADT_SCALES_H\n#define __ADT_SCALES_H\n\n#include "NN/Model.h"\n\nnamespace hls4ml_model_v1{\n'
        "typedef ap_fixed<5,5> ad_shift_t;\ntypedef ap_fixed<10,10> ad_offset_t;\n"
        f"const ad_shift_t ad_shift[57] = {{{', '.join(map(str, shifts))}}};\n"
        f"const ad_offset_t ad_offsets[57] = {{{', '.join(map(str, offsets))}}};\n}} // namespace\n#endif\n"
    )


def test_published_header_is_read_as_a_compiler_does(tmp_path):
    path = tmp_path / "scales.h"
    path.write_text(published_form([3, 0, -1] * 19, ["18.0", "-0.0", "4.5"] * 18 + ["-2.0", "-0.5", "7"]))
    found = read_scales_header(path)
    assert found.shifts == (3, 0, -1) * 19
    assert found.offsets == (18, 0, 4) * 18 + (-2, -1, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("ad_shift[57]", "ad_shift[56]"), "has 56 entries"),
        (lambda text: text.replace("{3, 0, 6, ", "{"), "ad_shift has 54 numbers"),
        (lambda text: text.replace("{3, 0, 6, ", "{3, x, 6, "), "could not convert"),
        (lambda text: text.replace("{3, 0, 6, ", "{3, 0, 60, "), r"60 does not fit ap_fixed<5,5>"),
        (lambda text: text.replace("<10,10>", "<10,8>"), "expected integers"),
        (lambda text: text.replace("ad_offsets", "offsets"), "no namespace with the tables"),
        (lambda text: "", "no namespace with the tables"),
    ],
)
def test_bad_headers_are_refused(tmp_path, change, message):
    path = tmp_path / "scales.h"
    path.write_text(change(published_form([3, 0, 6] * 19, [18, 0, 72] * 19)))
    with pytest.raises(DataError, match=message):
        read_scales_header(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_scales_header(tmp_path / "absent.h")


def test_contracts_that_the_emulator_cannot_hold(least, tmp_path):
    def changed(kind=FIXED, **changes):
        first = dataclasses.replace(least.inputs[0], **changes)
        return dataclasses.replace(least, type=kind, inputs=(first, *least.inputs[1:]))

    path = tmp_path / "scales.h"
    with pytest.raises(DataError, match="met_pt: shift 6 needs 6 bits behind the point"):
        write_scales_header(changed(FixedType(True, 10, 4), shift=6), path)
    with pytest.raises(DataError, match=r"met_pt: .* wraps at 4096"):
        write_scales_header(changed(shift=-2), path)
    with pytest.raises(L1adError, match="model name"):
        write_scales_header(least, path, 'x"; rm')
    assert not path.exists()
    write_scales_header(changed(offset=600, shift=1), path)
    assert "ap_fixed<11,11> ad_offset_t" in path.read_text()


def compiled(folder, contract, hardware):
    """Compile the two lines of an AXOL1TL emulator with a header and return what they give for hardware integers."""
    templates = Path(importlib.util.find_spec("hls4ml").origin).parent / "templates" / "vivado" / "ap_types"
    (folder / "NN").mkdir(exist_ok=True)
    kind = contract.type
    (folder / "NN" / "model.h").write_text(
        '#include "ap_fixed.h"\ntypedef ap_fixed<18,13> unscaled_t;\n'
        f"typedef ap_fixed<{kind.width},{kind.integer},AP_TRN,AP_SAT> input_t;\n"
    )
    (folder / "main.cpp").write_text(
        '#include "scales.h"\n#include <iostream>\nint main() {\n  int x;\n'
        "  for (int i = 0; std::cin >> x; i = (i + 1) % 57) {\n"
        "    unscaled_t tmp0 = unscaled_t(x) - hls4ml_model::ad_offsets[i];\n"
        "    input_t tmp1 = tmp0 >> hls4ml_model::ad_shift[i];\n"
        f"    std::cout << tmp1.range({kind.width - 1}, 0).to_int() << '\\n';\n  }}\n}}\n"
    )
    command = ["g++", "-O1", "-w", f"-I{templates}", "-I.", "main.cpp", "-o", "scale"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    text = " ".join(str(value) for value in hardware.reshape(-1))
    done = subprocess.run([folder / "scale"], input=text, capture_output=True, text=True, check=True)
    pattern = np.array(done.stdout.split(), dtype=np.int64)
    return np.where(pattern >> (kind.width - 1) == 1, pattern - (1 << kind.width), pattern).reshape(-1, 57)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("form", ["least", "axol1tl"])
def test_header_gives_the_integers_of_the_contract_when_compiled(request, tmp_path, form):
    contract = request.getfixturevalue(form)
    negative = dataclasses.replace(contract.inputs[3], shift=-2)
    contract = dataclasses.replace(contract, inputs=(*contract.inputs[:3], negative, *contract.inputs[4:]))
    generator = np.random.default_rng(4)
    low, high = ([getattr(spec, name) for spec in contract.inputs] for name in ("minimum", "maximum"))
    hardware = generator.integers(low, np.array(high) + 1, size=(3000, 57))
    write_scales_header(contract, tmp_path / "scales.h")
    found = compiled(tmp_path, contract, hardware)
    np.testing.assert_array_equal(found, contract.apply(hardware))
    other = dataclasses.replace(contract.inputs[9], offset=contract.inputs[9].offset + 1)
    wrong = dataclasses.replace(contract, inputs=(*contract.inputs[:9], other, *contract.inputs[10:]))
    different = (found != wrong.apply(hardware)).any(axis=0)
    assert np.flatnonzero(different).tolist() == [9]


@pytest.fixture
def sample(background, tmp_path):
    path = tmp_path / "sample.h5"
    write_events(path, [EventChunk(background[:3000], {})], source_tag="mine")
    return path


def test_command_derives_writes_and_measures(capsys, sample, tmp_path):
    out, header = tmp_path / "inputs.json", tmp_path / "scales.h"
    options = ["data", "contract", str(sample), "--out", str(out)]
    assert main([*options, "--scales-h", str(header), "--form", "axol1tl", "--model", "net"]) == 0
    text = capsys.readouterr().out
    assert "electron1_pt" in text
    assert "events with an input that saturates: " in text
    assert "from 3000 events of mine" in text
    contract = InputContract.read(out)
    assert contract.type == FIXED
    check_scales_header(header, contract)
    assert main(options) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*options, "--force", "--width", "6", "--integer", "5", "--rule", "spread"]) == 0
    assert InputContract.read(out).type == FixedType(True, 6, 5)


def test_command_measures_a_given_contract(capsys, sample, tmp_path, background):
    out = tmp_path / "inputs.json"
    assert main(["data", "contract", str(sample), "--out", str(out)]) == 0
    capsys.readouterr()
    far = background[:3000].copy()
    far[17, 0, 0] = 3000.0
    other = tmp_path / "far.h5"
    write_events(other, [EventChunk(far, {})], source_tag="mine")
    before = out.read_bytes()
    assert main(["data", "contract", str(other), "--given", str(out), "--max-outside", "50"]) == 0
    text = capsys.readouterr().out
    assert "met_pt" in text.rpartition("saturates")[2]
    assert "3000 GeV" in text
    assert main(["data", "contract", str(other), "--given", str(out), "--max-outside", "0"]) == 1
    assert "--max-outside is 0 %" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--form", "axol1t"], "Did you mean axol1tl"),
        (["--rule", "leest"], "Did you mean least"),
        (["--width", "4", "--integer", "6"], "--integer 6 exceeds --width 4"),
        (["--given", "absent.json"], "no such file"),
        (["--width", "12", "--integer", "4", "--scales-h", "x.h"], "at most 5 fraction bits"),
    ],
)
def test_command_with_wrong_options(capsys, sample, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "contract", str(sample), *options]) == 2
    assert message in capsys.readouterr().err
    assert not Path("x.h").exists()


def test_given_contract_that_is_damaged(capsys, sample, tmp_path):
    out = tmp_path / "inputs.json"
    assert main(["data", "contract", str(sample), "--out", str(out)]) == 0
    values = json.loads(out.read_text())
    values["inputs"][0]["shift"] = 99
    out.write_text(json.dumps(values))
    assert main(["data", "contract", str(sample), "--given", str(out)]) == 2
    assert "met_pt: shift 99" in capsys.readouterr().err
