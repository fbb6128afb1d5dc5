"""Calorimeter regions as inputs: reading, the contract over 252 of them, the prepared dataset, bad files."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.errors import DataError
from l1ad.events.adc2021 import PARENT, EventSource
from l1ad.events.content import first_events
from l1ad.events.contract import InputContract
from l1ad.events.contract_use import measure_contract
from l1ad.events.dataset import load_dataset
from l1ad.events.input_kinds import KINDS, read_chunks
from l1ad.events.prepare import prepare_dataset
from l1ad.events.regions import REGIONS, region_names
from l1ad.events.scales_header import write_scales_header
from l1ad.events.split import Part, split_parts
from l1ad.records import FixedType


def config_of(values: dict, **data: object) -> RunConfig:
    return RunConfig.model_validate(values | {"data": values["data"] | data})


@pytest.fixture(scope="module")
def prepared(student_values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    return folder, prepare_dataset(config_of(student_values), folder)


def units_of(path: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[REGIONS][:].astype(np.int64).reshape(-1, 252)


def test_arrays_are_those_of_the_definition(prepared, student_values):
    folder, record = prepared
    dataset = load_dataset(folder, verify=True)
    source = EventSource((student_values["data"]["background"],))
    particles = np.concatenate([chunk.particles for chunk in read_chunks(source, "regions")])
    parts = split_parts(particles, 0.4, 0.1)
    units, shift = units_of(student_values["data"]["background"]), dataset.contract.inputs[0].shift
    # Eight bits without a sign, four of them right of the point.
    raw = np.minimum((units << 4) >> shift, 255)
    for part in Part:
        np.testing.assert_array_equal(dataset.inputs[part.name.lower()], raw[parts == part])
    assert (raw[parts == Part.TRAIN] == 255).any()
    assert dataset.particles == {}
    assert record.signals == {"Ato4l": 400, "hchtaunu": 400}


def test_contract_has_one_shift_and_no_offset(prepared):
    contract = InputContract.read(prepared[0] / "inputs.json")
    assert contract.kind is KINDS["regions"]
    assert [spec.name for spec in contract.inputs] == list(region_names())
    assert {(spec.shift, spec.offset, spec.lsb, spec.width, spec.signed) for spec in contract.inputs} == {
        (contract.inputs[0].shift, 0, 0.5, 10, False)
    }
    assert contract.type == FixedType(False, 8, 4)


def test_saturations_are_counted(prepared, student_values):
    folder, record = prepared
    contract = InputContract.read(folder / "inputs.json")
    units = units_of(student_values["data"]["signals"]["hchtaunu"])
    wide = (units << 4) >> contract.inputs[0].shift
    assert record.signal_saturation["hchtaunu"] == int((wide > 255).any(axis=1).sum()) > 0
    counts = {count.name: count for count in record.saturation}
    assert all(count.values == record.counts["train"] for count in counts.values())
    assert sum(count.raw for count in counts.values()) > 0
    assert sum(count.hardware for count in counts.values()) == 0


def test_a_region_at_its_maximum_counts_as_saturated(prepared):
    contract = InputContract.read(prepared[0] / "inputs.json")
    regions = np.zeros((1, 18, 14))
    regions[0, 3, 5], regions[0, 3, 6] = 511.5, 511.0
    hardware, raw = contract.saturated(regions)
    assert hardware[0].nonzero()[0].tolist() == [3 * 14 + 5]
    assert raw[0].nonzero()[0].tolist() == [3 * 14 + 5, 3 * 14 + 6]
    use = measure_contract(contract, [regions])
    assert [item.name for item in use.outside_inputs] == ["region_3_5", "region_3_6"]
    assert use.outside_inputs[0].value == 511.5


def test_loss_is_at_most_half_of_what_is_cut(prepared, student_values):
    contract = InputContract.read(prepared[0] / "inputs.json")
    events = first_events(config_of(student_values).data, 200, 50, "regions")
    assert events.shape == (300, 18, 14)
    use = measure_contract(contract, [np.minimum(events, 50.0)])
    assert max(item.largest for item in use.loss) <= 0.25 * 2 ** max(contract.inputs[0].shift - 4, 0)
    assert use.outside == 0


def test_parents_decide_the_part(student_values, tmp_path):
    values = student_values["data"]
    path = tmp_path / "background.h5"
    shutil.copyfile(values["background"], path)
    with h5py.File(path, "r+") as file:
        file[PARENT] = np.repeat(np.arange(3000), 2)
    record = prepare_dataset(config_of(student_values, background=str(path)), tmp_path / "out")
    assert record.counts != prepare_dataset(config_of(student_values), tmp_path / "other").counts
    assert all(count % 2 == 0 for count in record.counts.values())


def changed(path: str, tmp_path, change):
    """Return a copy of an event file whose regions are what `change` returns; without one they are removed."""
    copy = tmp_path / "background.h5"
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        regions = file[REGIONS][:]
        del file[REGIONS]
        if change is not None:
            file[REGIONS] = change(regions)
    return copy


def with_value(value: float):
    def change(regions: np.ndarray) -> np.ndarray:
        values = regions.astype(np.float64)
        values[70, 17, 13] = value
        return values

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, ("no dataset 'Regions'", "l1ad data generate --regions")),
        (lambda regions: regions[:, :, :12], ("shape (6000, 18, 12)", "expected (6000, 18, 14)")),
        (lambda regions: regions[:-1], ("shape (5999, 18, 14)", "expected (6000, 18, 14)")),
        (with_value(np.nan), ("row 70, region_17_13 is nan", "expected an integer from 0 to 1023")),
        (with_value(-1), ("row 70, region_17_13 is -1.0", "from 0 to 1023")),
        (with_value(1024), ("row 70, region_17_13 is 1024.0", "from 0 to 1023")),
        (with_value(2.5), ("row 70, region_17_13 is 2.5", "Events affected in this part of the file: 1")),
        (lambda regions: regions.astype("S4"), ("holds |S4", "expected integers")),
    ],
)
def test_bad_regions_are_refused(student_values, tmp_path, change, words):
    path = changed(student_values["data"]["background"], tmp_path, change)
    with pytest.raises(DataError) as error:
        prepare_dataset(config_of(student_values, background=str(path)), tmp_path / "out")
    for word in (str(path), *words):
        assert word in str(error.value)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_good_regions_of_another_type_are_taken(student_values, tmp_path):
    path = changed(student_values["data"]["background"], tmp_path, lambda regions: regions.astype(np.float32))
    record = prepare_dataset(config_of(student_values, background=str(path)), tmp_path / "out")
    assert sum(record.counts.values()) == 6000


def test_contract_of_the_other_kind_is_refused(prepared, student_values, tmp_path):
    prepare_dataset(
        RunConfig.model_validate({"data": {"max_background": 3000, "max_signal": 10}}), tmp_path / "objects"
    )
    inputs = student_values["inputs"] | {"contract": str(tmp_path / "objects/inputs.json")}
    values = student_values | {"inputs": inputs}
    with pytest.raises(DataError, match="its inputs are objects; the configuration has"):
        prepare_dataset(RunConfig.model_validate(values), tmp_path / "out")


def test_own_contract_is_taken(prepared, student_values, tmp_path):
    values = student_values | {"inputs": student_values["inputs"] | {"contract": str(prepared[0] / "inputs.json")}}
    record = prepare_dataset(RunConfig.model_validate(values), tmp_path / "out")
    assert record.contract_digest == prepared[1].contract_digest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values["inputs"].pop(), "251 inputs; expected 252"),
        (lambda values: values["inputs"][7].update(name="region_0_8"), "region_0_8: name"),
        (lambda values: values["inputs"][7].update(width=99), "region_0_7: width 99"),
    ],
)
def test_damaged_contract_is_refused(prepared, tmp_path, change, words):
    values = json.loads((prepared[0] / "inputs.json").read_text())
    change(values)
    (tmp_path / "inputs.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=words):
        InputContract.read(tmp_path / "inputs.json")


def test_contract_refuses_events_of_another_shape(prepared):
    contract = InputContract.read(prepared[0] / "inputs.json")
    with pytest.raises(DataError, match=r"expected shape \(N, 18, 14\)"):
        contract.encode(np.zeros((2, 19, 3)))
    with pytest.raises(DataError, match=r"region_1_2 is -0\.5"):
        contract.encode(np.where(np.arange(252).reshape(1, 18, 14) == 16, -0.5, 0.0))
    with pytest.raises(DataError, match=r"integers of shape \(N, 252\)"):
        contract.apply(np.zeros((2, 57), dtype=np.int64))


def test_scales_header_is_over_objects(prepared, tmp_path):
    with pytest.raises(DataError, match="this contract is over regions"):
        write_scales_header(InputContract.read(prepared[0] / "inputs.json"), tmp_path / "scales.h")
