"""NanoAOD and L1 ntuples: files written with uproot, real files where they lie beside the checkout, and broken ones."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.contract import CONTRACT_VERSION, InputContract, blank_inputs
from l1ad.events.importers.base import FORMATS, ImportOptions, open_reader, recognise
from l1ad.events.importers.l1ntuple import TREES
from l1ad.events.importing import import_events
from l1ad.records import FixedType

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "hep"
EVENTS = 40
ROWS = {"electron": (1, 4), "muon": (5, 4), "jet": (9, 10)}
HARDWARE_RANGES = {"electron": (511, 72, 144), "muon": (511, 220, 576), "jet": (2047, 115, 144)}


def jagged(generator, low, high, counts, dtype):
    """Return integers of [low, high), `counts` in each event."""
    return ak.unflatten(generator.integers(low, high, int(counts.sum())).astype(dtype), counts)


def trigger_objects(generator, block, largest):
    """Return hwPt, hwEta, hwPhi and crossing of one kind of object, up to `largest` in an event."""
    pt_max, eta_max, turn = HARDWARE_RANGES[block]
    counts = generator.integers(0, largest + 1, EVENTS)
    first = 2 if block == "muon" else 1
    return {
        "pt": jagged(generator, first, pt_max, counts, np.int16),
        "eta": jagged(generator, -eta_max, eta_max, counts, np.int16),
        "phi": jagged(generator, 0, turn, counts, np.int16),
        "bx": jagged(generator, -1, 2, counts, np.int16),
    }


@pytest.fixture(scope="module")
def objects():
    generator = np.random.default_rng(5)
    found = {block: trigger_objects(generator, block, 14) for block in ROWS}
    kinds = np.tile([0, 1, 2, 8], 3)
    found["met"] = {
        "pt": ak.Array(generator.integers(0, 400, (EVENTS, 12)).astype(np.int16)),
        "phi": ak.Array(generator.integers(0, 144, (EVENTS, 12)).astype(np.int16)),
        "bx": ak.Array(np.tile(np.repeat([-1, 0, 1], 4), (EVENTS, 1)).astype(np.int16)),
        "kind": ak.Array(np.tile(kinds, (EVENTS, 1)).astype(np.int16)),
    }
    return found


def physical_pt(block, hardware):
    """Return the pT in GeV that CMSSW gives to trigger integers."""
    return ak.values_astype((hardware - (1 if block == "muon" else 0)) * 0.5, np.float32)


def physical_phi(block, hardware):
    turn = HARDWARE_RANGES.get(block, (0, 0, 144))[2]
    phi = ak.values_astype(hardware, np.float64) * (2 * math.pi / turn)
    return ak.values_astype(ak.where(phi > math.pi, phi - 2 * math.pi, phi), np.float32)


def physical_eta(block, hardware):
    return ak.values_astype(hardware * (0.010875 if block == "muon" else 0.0435), np.float32)


def write_ntuple(path, objects, tree=TREES[0], **replace):
    """Write an L1 ntuple with the branches of L1AnalysisL1UpgradeDataFormat."""
    branches = {}
    for block, prefix in (("electron", "eg"), ("muon", "muon"), ("jet", "jet")):
        own = objects[block]
        vertex = "AtVtx" if block == "muon" else ""
        branches |= {
            f"{prefix}Et": physical_pt(block, own["pt"]),
            f"{prefix}Eta{vertex}": physical_eta(block, own["eta"]),
            f"{prefix}Phi{vertex}": physical_phi(block, own["phi"]),
            f"{prefix}IEt": own["pt"],
            f"{prefix}IEta{vertex}": own["eta"],
            f"{prefix}IPhi{vertex}": own["phi"],
            f"{prefix}Bx": own["bx"],
        }
    sums = objects["met"]
    branches |= {
        "sumType": sums["kind"],
        "sumEt": physical_pt("met", sums["pt"]),
        "sumPhi": physical_phi("met", sums["phi"]),
        "sumIEt": sums["pt"],
        "sumIPhi": sums["phi"],
        "sumBx": sums["bx"],
    }
    branches |= replace
    write_tree(path, tree, {name: values for name, values in branches.items() if values is not None})
    return path


def write_tree(path, tree, branches):
    """Write one tree, its branches of the types of the arrays."""
    kinds = {name: getattr(ak.Array(values).type, "content", None) for name, values in branches.items()}
    with uproot.recreate(path) as file:
        file.mktree(tree, {name: str(kind).replace(f"{EVENTS} * ", "") for name, kind in kinds.items()})
        file[tree].extend(branches)


def write_nano(path, objects, *, hardware=True, prefix="L1", **replace):
    """Write a NanoAOD file with trigger objects, as PhysicsTools/NanoAOD/python/l1trig_cff.py names them."""
    branches = {"event": np.arange(EVENTS, dtype=np.uint64) + 2**40, "run": np.full(EVENTS, 380_000, dtype=np.uint32)}
    for block, name in (("electron", "EG"), ("muon", "Mu"), ("jet", "Jet")):
        own, stem = objects[block], f"{prefix}{name}"
        branches |= {
            f"{stem}_pt": physical_pt(block, own["pt"]),
            f"{stem}_eta": physical_eta(block, own["eta"]),
            f"{stem}_phi": physical_phi(block, own["phi"]),
            f"{stem}_bx": own["bx"],
        }
        if hardware:
            branches |= {f"{stem}_hwPt": own["pt"], f"{stem}_hwEta": own["eta"], f"{stem}_hwPhi": own["phi"]}
    sums, stem = objects["met"], f"{prefix}EtSum"
    branches |= {
        f"{stem}_pt": physical_pt("met", sums["pt"]),
        f"{stem}_phi": physical_phi("met", sums["phi"]),
        f"{stem}_etSumType": ak.values_astype(sums["kind"], np.int32),
        f"{stem}_bx": sums["bx"],
    }
    if hardware:
        branches |= {
            f"{stem}_hwPt": ak.values_astype(sums["pt"], np.int32),
            f"{stem}_hwPhi": ak.values_astype(sums["phi"], np.int32),
        }
    branches |= replace
    write_tree(path, "Events", {name: values for name, values in branches.items() if values is not None})
    return path


def expected_events(objects, crossing=0, kind=2):
    """Return particles and integers by plain loops over events and objects."""
    particles, integers = np.zeros((EVENTS, 19, 4), dtype=np.float32), np.zeros((EVENTS, 19, 3), dtype=np.int32)
    dropped = dict.fromkeys(ROWS, 0)
    plain = {block: {key: ak.to_list(values) for key, values in own.items()} for block, own in objects.items()}
    for event in range(EVENTS):
        sums = {key: np.array(values) for key, values in plain["met"].items()}
        chosen = [i for i in range(12) if sums["bx"][event, i] == crossing and sums["kind"][event, i] == kind]
        hw = [int(sums["pt"][event, chosen[0]]), 0, int(sums["phi"][event, chosen[0]])]
        if hw[0]:
            phi = hw[2] * 2 * math.pi / 144
            particles[event, 0] = (hw[0] * 0.5, 0, phi - 2 * math.pi if phi > math.pi else phi, 1)
            integers[event, 0] = hw
        for number, (block, (first, count)) in enumerate(ROWS.items(), start=2):
            own = plain[block]
            rows = [(int(p), int(e), int(f)) for p, e, f, b in zip(*(own[k][event] for k in ("pt", "eta", "phi", "bx")),
                                                                  strict=True) if b == crossing]  # fmt: skip
            rows.sort(key=lambda row: -row[0])
            dropped[block] += max(len(rows) - count, 0)
            turn = HARDWARE_RANGES[block][2]
            for index, (pt, eta, phi) in enumerate(rows[:count]):
                angle = phi * 2 * math.pi / turn
                particles[event, first + index] = (
                    (pt - (block == "muon")) * 0.5,
                    eta * (0.010875 if block == "muon" else 0.0435),
                    angle - 2 * math.pi if angle > math.pi else angle,
                    number,
                )
                integers[event, first + index] = (pt, eta, phi)
    return particles, integers, dropped


def imported(path, out, **options):
    record = import_events([path], out, options=ImportOptions(**{"batch": 25, **options}))
    with EventFile(out) as file:
        columns = {name: file.column(name, slice(None)) for name in ("Hardware", "EvtId", "Run") if file.has(name)}
        return record, file[:], columns


@pytest.mark.parametrize(("writer", "name"), [(write_ntuple, "l1ntuple"), (write_nano, "nanoaod")])
def test_trigger_objects_equal_the_slow_reference(objects, tmp_path, writer, name):
    path = writer(tmp_path / "x.dat", objects)
    assert recognise(path) == name
    record, particles, columns = imported(path, tmp_path / "out.h5")
    expected, integers, dropped = expected_events(objects)
    assert record.format == name
    assert record.events == EVENTS
    assert record.dropped == dropped
    assert sum(dropped.values()) > 0
    np.testing.assert_array_equal(columns["Hardware"], integers)
    np.testing.assert_allclose(particles, expected, atol=2e-6)
    np.testing.assert_array_equal(particles[:, :, (0, 3)], expected[:, :, (0, 3)])


@pytest.fixture(scope="module")
def ntuple(objects, tmp_path_factory):
    return write_ntuple(tmp_path_factory.mktemp("root") / "x.root", objects)


@pytest.mark.parametrize(("options", "crossing", "kind"), [({"crossing": 1}, 1, 2), ({"met": "etmhf"}, 0, 8)])
def test_crossing_and_missing_energy_are_chosen(objects, ntuple, tmp_path, options, crossing, kind):
    _, _, columns = imported(ntuple, tmp_path / "out.h5", **options)
    np.testing.assert_array_equal(columns["Hardware"], expected_events(objects, crossing, kind)[1])
    assert (columns["Hardware"] != expected_events(objects)[1]).any()


def test_integers_are_those_of_the_contract(ntuple, tmp_path):
    # The physical values lead back to the integers that the trigger had; a muon's pT begins at 1.
    _, particles, columns = imported(ntuple, tmp_path / "out.h5")
    scales = InputContract(CONTRACT_VERSION, FixedType(True, 1, 1), "", 0, blank_inputs())
    found = scales.to_hardware(particles).reshape(EVENTS, 19, 3)
    expected = columns["Hardware"].copy()
    filled = expected[:, :, 0] > 0
    expected[:, 5:9, 0] -= filled[:, 5:9]
    turn = np.array([144] * 5 + [576] * 4 + [144] * 10)
    expected[:, :, 2] = (expected[:, :, 2] + turn // 2) % turn - turn // 2
    expected[~filled] = 0
    np.testing.assert_array_equal(found, expected)


def test_nano_without_integers_keeps_none(objects, tmp_path):
    path = write_nano(tmp_path / "x.root", objects, hardware=False)
    record, _, columns = imported(path, tmp_path / "out.h5")
    assert record.settings["hardware"] == "none"
    assert "Hardware" not in columns
    assert record.source_tag == "cms-nanoaod-l1"
    np.testing.assert_array_equal(columns["EvtId"], np.arange(EVENTS) + 2**40)
    assert set(columns["Run"].tolist()) == {380_000}


def test_emulated_objects_and_tree_are_chosen(objects, tmp_path):
    record, _, _ = imported(write_nano(tmp_path / "n.root", objects, prefix="L1Emul"), tmp_path / "n.h5")
    assert record.settings["objects"] == "l1emul"
    path = write_ntuple(tmp_path / "x.root", objects, tree="mine/L1UpgradeTree")
    assert recognised_error(path).startswith("a ROOT file with the trees mine/L1UpgradeTree")
    record = import_events(
        [path], tmp_path / "out.h5", format_name="l1ntuple", options=ImportOptions(tree="mine/L1UpgradeTree")
    )
    assert record.events == EVENTS


def recognised_error(path):
    with pytest.raises(DataError) as caught:
        recognise(path)
    return str(caught.value).partition(": ")[2]


def failure(path, tmp_path, **options):
    """Import a file that cannot be imported; return the message, and see that nothing was left behind."""
    out = tmp_path / "made" / "out.h5"
    with pytest.raises((DataError, ConfigurationError)) as caught:
        import_events([path], out, options=ImportOptions(**options))
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
    return str(caught.value)


def test_missing_branches_are_named_with_the_nearest(objects, tmp_path):
    path = write_ntuple(tmp_path / "x.root", objects, jetPhi=None)
    assert "no branch 'jetPhi'. Did you mean jetI" in failure(path, tmp_path)
    path = write_nano(tmp_path / "n.root", objects, L1EG_eta=None)
    assert "no branch 'L1EG_eta'. Did you mean L1" in failure(path, tmp_path)
    path = write_tree_of(tmp_path / "r.root", event=np.arange(EVENTS), Jet_pt=objects["jet"]["pt"])
    assert "no missing energy 'MET'" in failure(path, tmp_path)
    assert "no trigger objects (L1EG" in failure(path, tmp_path, objects="l1")


def write_tree_of(path, **branches):
    write_tree(path, "Events", branches)
    return path


def test_options_that_do_not_exist(objects, tmp_path):
    path = write_nano(tmp_path / "x.root", objects)
    assert "Did you mean l1emul" in failure(path, tmp_path, objects="l1emu")
    assert "Did you mean etmhf" in failure(path, tmp_path, met="etmh")
    assert "no tree events. Did you mean Events?" in failure(path, tmp_path, tree="events")
    with pytest.raises(ConfigurationError, match="Did you mean nanoaod"):
        open_reader(path, "nanoao", ImportOptions())


def test_not_a_number_is_named(objects, tmp_path):
    pt = ak.to_list(physical_pt("jet", objects["jet"]["pt"]))
    event = next(i for i in range(20, EVENTS) if pt[i] and objects["jet"]["bx"][i, 0] == 0)
    pt[event][0] = math.nan
    path = write_ntuple(tmp_path / "x.root", objects, jetEt=ak.values_astype(ak.Array(pt), np.float32))
    assert f"event {event}, jetEt[0] is nan" in failure(path, tmp_path, batch=16)


def test_other_units_are_refused(objects, tmp_path):
    twice = physical_pt("jet", objects["jet"]["pt"]) * np.float32(2)
    path = write_ntuple(tmp_path / "x.root", objects, jetEt=twice)
    assert "steps of 0.5 GeV" in failure(path, tmp_path)
    degrees = physical_phi("jet", objects["jet"]["phi"]) * np.float32(57.3)
    path = write_ntuple(tmp_path / "x.root", objects, jetPhi=degrees)
    assert "azimuth in rad: is it in degrees" in failure(path, tmp_path)


def test_branches_of_unequal_length(objects, tmp_path):
    path = write_ntuple(tmp_path / "x.root", objects, jetEta=physical_eta("jet", objects["jet"]["eta"][:, 1:]))
    assert "expected as many" in failure(path, tmp_path)


def test_broken_root_files(ntuple, tmp_path):
    content = ntuple.read_bytes()
    path = tmp_path / "broken.root"
    path.write_bytes(b"\x00\x01\x02\x03" + content)
    assert "is no format that l1ad reads" in failure(path, tmp_path)
    with pytest.raises(DataError, match="not a ROOT file"):
        open_reader(path, "l1ntuple", ImportOptions())
    for length in (50, 400, 5000, len(content) // 2):
        path.write_bytes(content[:length])
        assert "broken.root" in failure(path, tmp_path)
    path.write_bytes(b"")
    assert "empty file" in failure(path, tmp_path)
    with uproot.recreate(path) as file:
        file["histogram"] = np.histogram([1.0, 2.0])
    assert "a ROOT file with no tree" in failure(path, tmp_path)


def test_damaged_basket_is_an_error(ntuple, tmp_path):
    path = tmp_path / "x.root"
    content = bytearray(ntuple.read_bytes())
    path.write_bytes(content)
    with uproot.open(path) as file:
        seek = file[TREES[0]]["jetEt"].member("fBasketSeek")[0]
    content[seek + 60 : seek + 90] = b"\xff" * 30
    path.write_bytes(content)
    assert "x.root" in failure(path, tmp_path)


def test_memory_is_bounded_by_the_batch(ntuple):
    reader = open_reader(ntuple, "l1ntuple", ImportOptions(batch=15))
    sizes = [len(chunk.particles) for chunk in reader.chunks()]
    reader.close()
    assert sizes == [15, 15, 10]


def test_files_of_two_kinds_are_refused(objects, ntuple, tmp_path):
    first, second = ntuple, write_nano(tmp_path / "b.root", objects)
    with pytest.raises(ConfigurationError, match="different formats"):
        import_events([first, second], tmp_path / "out.h5")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "events"), [("nanoAOD_2015_CMS_Open_Data_ttbar.root", 200), ("nano_dy.root", 40), ("nano_dimuon.root", 40)]
)
def test_real_nano_against_uproot(tmp_path, name, events):
    record, particles, _ = imported(REAL / name, tmp_path / "out.h5")
    assert (record.format, record.events, record.settings["objects"]) == ("nanoaod", events, "reco")
    with uproot.open(REAL / name) as file:
        tree = file["Events"]
        np.testing.assert_array_equal(particles[:, 0, 0], tree["MET_pt"].array(library="np"))
        for (first, count), prefix in zip(ROWS.values(), ("Electron", "Muon", "Jet"), strict=True):
            for event, values in enumerate(tree[f"{prefix}_pt"].array().to_list()):
                leading = sorted(values, reverse=True)[:count]
                assert particles[event, first : first + len(leading), 0].tolist() == pytest.approx(leading)
                assert not particles[event, first + len(leading) : first + count].any()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not beside this checkout")
def test_real_file_of_another_layout(tmp_path):
    assert "the trees events" in failure(REAL / "uproot-HZZ.root", tmp_path)


def test_every_format_has_its_opener():
    assert set(FORMATS) >= {"adc2021", "nanoaod", "l1ntuple", "ugt", "csv", "parquet", "numpy"}
