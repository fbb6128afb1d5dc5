"""Tables: CSV, Parquet and NumPy with named columns give the events that were written; wrong ones are named."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.importers.base import ImportOptions, recognise
from l1ad.events.importers.mapping import TableMapping, read_mapping
from l1ad.events.importing import import_events
from l1ad.events.layout import input_names
from l1ad.events.sample import open_sample

BLOCKS = {"electron": (1, 4), "muon": (5, 4), "jet": (9, 10)}


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample(verify=False).background.paths[0]) as file:
        return file[0:200]


def flat(events):
    return dict(zip(input_names(), events[:, :, :3].reshape(len(events), 57).T, strict=True))


def write_csv(path, events):
    csv.write_csv(pa.table(flat(events)), path)


def write_parquet(path, events):
    parquet.write_table(pa.table(flat(events)), path, row_group_size=64)


def write_lists(path, events):
    """Write one list an event and quantity, without padding."""
    columns = {"met_pt": events[:, 0, 0], "met_phi": events[:, 0, 2]}
    for block, (first, count) in BLOCKS.items():
        rows = events[:, first : first + count]
        for index, quantity in enumerate(("pt", "eta", "phi")):
            lists = [row[row[:, 0] > 0, index].tolist() for row in rows]
            columns[f"{block}_{quantity}"] = pa.array(lists, pa.list_(pa.float32()))
    parquet.write_table(pa.table(columns), path)


def write_matrices(path, events):
    columns = {"met_pt": events[:, 0, 0], "met_phi": events[:, 0, 2]}
    for block, (first, count) in BLOCKS.items():
        for index, quantity in enumerate(("pt", "eta", "phi")):
            columns[f"{block}_{quantity}"] = events[:, first : first + count, index]
    with path.open("wb") as stream:
        np.savez_compressed(stream, **columns)


def write_array(path, events):
    with path.open("wb") as stream:
        np.save(stream, events)


def write_57(path, events):
    with path.open("wb") as stream:
        np.save(stream, np.asfortranarray(events[:, :, :3].reshape(len(events), 57).astype(np.float64)))


def imported(path, out, mapping=None, **settings):
    options = ImportOptions(mapping=mapping or TableMapping(), batch=64)
    record = import_events([path], out, source_tag="mine", options=options, **settings)
    with EventFile(out) as file:
        return record, file[:], file.column("Hardware", slice(None)) if file.has("Hardware") else None


@pytest.mark.parametrize(
    ("writer", "name"),
    [
        (write_csv, "csv"),
        (write_parquet, "parquet"),
        (write_lists, "parquet"),
        (write_matrices, "numpy"),
        (write_array, "numpy"),
        (write_57, "numpy"),
    ],
)
def test_events_are_read_back(events, tmp_path, writer, name):
    path = tmp_path / "table.bin"
    writer(path, events)
    assert recognise(path) == name
    record, found, _ = imported(path, tmp_path / "out.h5")
    assert (record.format, record.events) == (name, len(events))
    np.testing.assert_array_equal(found, events)


def test_names_and_units(events, tmp_path):
    columns = {f"c_{name}": values.astype(np.float64) for name, values in flat(events).items() if "muon" not in name}
    for name in columns:
        if name.endswith("_pt"):
            columns[name] = columns[name] * 1000
        if name.endswith("_phi"):
            columns[name] = np.degrees(columns[name])
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table(columns), path)
    (tmp_path / "map.yaml").write_text(
        "columns:\n" + "".join(f"  {name.removeprefix('c_')}: {name}\n" for name in columns) + "units: {pt: MeV}\n"
    )
    mapping = read_mapping(tmp_path / "map.yaml", [], ["phi=deg"], ["muon"])
    record, found, _ = imported(path, tmp_path / "out.h5", mapping)
    assert record.settings == {"units": "pt in MeV, eta in 1, phi in deg", "absent": "muon", "hardware": "none"}
    expected = events.copy()
    expected[:, 5:9] = 0
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    # The negative control: without the units the same table is refused.
    with pytest.raises(DataError, match="azimuth in rad"):
        imported(path, tmp_path / "other.h5", read_mapping(tmp_path / "map.yaml", [], [], ["muon"]))


def test_hardware_units_are_kept(tmp_path):
    integers = np.zeros((5, 19, 3), dtype=np.int64)
    integers[:, 0] = (100, 0, 143)
    integers[:, 5] = (21, -100, 575)
    integers[:, 9] = (61, 40, 3)
    with (tmp_path / "t.npy").open("wb") as stream:
        np.save(stream, integers)
    mapping = read_mapping(None, [], ["pt=hw", "eta=hw", "phi=hw"])
    _, found, kept = imported(tmp_path / "t.npy", tmp_path / "out.h5", mapping)
    np.testing.assert_array_equal(kept, integers)
    assert found[0, 0].tolist() == pytest.approx([50, 0, -2 * math.pi / 144, 1], abs=1e-6)
    assert found[0, 5].tolist() == pytest.approx([10, -1.0875, -2 * math.pi / 576, 3], abs=1e-6)
    with (tmp_path / "t.npy").open("wb") as stream:
        np.save(stream, integers + 0.5)
    with pytest.raises(DataError, match="expected whole numbers"):
        imported(tmp_path / "t.npy", tmp_path / "other.h5", mapping)


def test_objects_are_ordered_and_the_rest_is_counted(tmp_path):
    jets = np.arange(1, 13, dtype=np.float64)[None, :] * 10
    arrays = {"met_pt": [30.0], "met_phi": [0.5], "jet_pt": jets, "jet_eta": jets / 100, "jet_phi": jets / 200}
    with (tmp_path / "t.npz").open("wb") as stream:
        np.savez(stream, **{name: np.asarray(values) for name, values in arrays.items()})
    record, found, _ = imported(
        tmp_path / "t.npz", tmp_path / "out.h5", TableMapping(absent=("electron", "muon")), force=False
    )
    assert found[0, 9:, 0].tolist() == list(range(120, 20, -10))
    assert found[0, 9, 1] == np.float32(1.2)
    assert record.dropped == {"electron": 0, "muon": 0, "jet": 2}


def failure(tmp_path, writer, mapping=None):
    path, out = tmp_path / "bad.bin", tmp_path / "made" / "out.h5"
    writer(path)
    with pytest.raises((DataError, ConfigurationError)) as caught:
        imported(path, out, mapping)
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
    return str(caught.value)


def save(**arrays):
    def write(path):
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    return write


def table(**changes):
    """Return a writer of a CSV with one event and the columns of one jet; a column that is None is left out."""
    columns = {"met_pt": "30", "met_phi": "0.5", "jet1_pt": "40", "jet1_eta": "1", "jet1_phi": "2", **changes}
    kept = {name: value for name, value in columns.items() if value is not None}
    return lambda path: path.write_text(f"{','.join(kept)}\n{','.join(kept.values())}\n")


ABSENT = TableMapping(absent=("electron", "muon"))


@pytest.mark.parametrize(
    ("writer", "message"),
    [
        (table(jet1_phi=None, jet1_ph="2"), "no column 'jet1_phi' for jet. Did you mean jet1_ph"),
        (table(met_phi=None), "no column 'met_phi' for met"),
        (table(jet1_pt=""), "column 'jet1_pt' has 1 empty or NaN entries"),
        (table(jet1_pt="nan"), "column 'jet1_pt' has 1 empty or NaN entries"),
        (table(jet1_eta="inf"), "event 0, jet1_eta[0] is inf; expected a finite number"),
        (table(jet1_pt="-4"), "event 0, jet1_pt[0] is -4.0; expected 0 or more"),
        (table(jet1_eta="75"), "jet1_eta[0] is 75.0; expected a pseudorapidity"),
        (table(jet1_pt="many"), "cannot be read (In CSV column"),
        (lambda path: path.write_text("met_pt,met_phi\n1,2,3\n"), "no column 'jet1_pt' for jet"),
        (lambda path: path.write_text("nothing here\n"), "one column, 'nothing here'"),
        (lambda path: path.write_bytes(b"PAR1 and no more"), "cannot be read"),
        (lambda path: path.write_bytes(b"\x93NUMPY and no more"), "not readable as a NumPy array"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "not readable as a NumPy archive"),
        (save(met_pt=np.ones(3), met_phi=np.ones(2)), "arrays of [2, 3] rows"),
        (save(met_pt=np.array([{}, {}], dtype=object)), "expected numbers of shape"),
        (save(met_pt=np.ones(2), met_phi=np.ones(2), jet_pt=np.ones((2, 3)), jet_eta=np.ones((2, 2)),
              jet_phi=np.ones((2, 3))), "jet: eta has 2 values an event and pt 3"),
        (save(met_pt=np.array(["a", "b"]), met_phi=np.ones(2), jet_pt=np.ones(2), jet_eta=np.ones(2),
              jet_phi=np.ones(2)), "column 'met_pt' holds <U1; expected numbers"),
    ],
)  # fmt: skip
def test_bad_tables_are_named(tmp_path, writer, message):
    assert message in failure(tmp_path, writer, ABSENT)


def test_a_missing_object_has_to_be_said(tmp_path):
    assert "say --absent electron when the table has none" in failure(tmp_path, table())
    _, found, _ = imported(tmp_path / "bad.bin", tmp_path / "out.h5", ABSENT)
    assert found[0, 9].tolist() == [40, 1, 2, 4]


@pytest.mark.parametrize("writer", [write_parquet, write_matrices, write_array])
def test_cut_off_files(events, tmp_path, writer):
    writer(tmp_path / "whole", events)
    content = (tmp_path / "whole").read_bytes()
    half = content[: len(content) // 2]
    assert "bad.bin" in failure(tmp_path, lambda path: path.write_bytes(half))


def test_arrays_of_other_shapes(tmp_path):
    def write(shape, dtype=np.float64):
        def write_one(path):
            with path.open("wb") as stream:
                np.save(stream, np.ones(shape, dtype=dtype))

        return write_one

    assert "an array of shape (4, 18, 3)" in failure(tmp_path, write((4, 18, 3)))
    assert "holds no event" in failure(tmp_path, write((0, 57)))
    assert "no column 'met_pt' for met" in failure(tmp_path, write((4, 5)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, ["jet1pt=a"]), "--map: field 'jet1pt': unknown. Did you mean jet1_pt"),
        ((None, ["jet1_pt"]), "--map 'jet1_pt': expected jet1_pt=j1_pt"),
        ((None, [], ["pt=Gev"]), "unit of pt 'Gev': unknown. Did you mean GeV"),
        ((None, [], ["et=GeV"]), "quantity 'et': unknown"),
        ((None, [], ["pt=hw"]), "give all of pt, eta and phi in hardware units"),
        ((None, [], [], ["muons"]), "object 'muons': unknown. Did you mean muon"),
        (("columns: [a]",), "columns: ['a']; expected names"),
        (("column: {}",), "unknown key 'column'. Did you mean columns"),
        (("- a",), "holds a list; expected the keys"),
        (("a: [",), "not readable as YAML"),
        (("absent: muon",), "absent is 'muon'; expected a list"),
    ],
)
def test_bad_mappings_are_named(tmp_path, arguments, message):
    text, *rest = arguments
    path = None
    if text is not None:
        path = tmp_path / "map.yaml"
        path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_mapping(path, *rest)
    assert message in str(caught.value)
