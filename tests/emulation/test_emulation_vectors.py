from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation import read_test_vectors, write_test_vectors
from l1ad.emulation.vectors import check_events, read_integers, write_integers
from l1ad.errors import DataError, ToolError
from l1ad.records import FixedType

BYTE = FixedType(signed=True, width=8, integer=8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 3), dtype=int), r"shape \(4, 3\); expected \(events, 2\)"),
        (np.zeros(4, dtype=int), r"shape \(4,\)"),
        (np.zeros((0, 2), dtype=int), "at least one event"),
        (np.full((1, 2), 128), "128 .* outside fixed<8,8>"),
        (np.full((1, 2), -129), "-129 .* outside fixed<8,8>"),
        (np.zeros((4, 2)), "expected an integer array"),
        (np.full((4, 2), np.nan), "expected an integer array"),
    ],
)
def test_wrong_events_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_events(values, BYTE, 2, "inputs")


def test_limits_of_the_type_are_accepted() -> None:
    assert check_events([[-128, 127]], BYTE, 2, "inputs").tolist() == [[-128, 127]]


def test_test_vectors_come_back(tmp_path: Path) -> None:
    inputs, expected = np.arange(-6, 6).reshape(4, 3), np.arange(4).reshape(4, 1) << 40
    paths = write_test_vectors(tmp_path, inputs, expected)
    assert [path.name for path in paths] == ["inputs.npy", "expected.npy"]
    found = read_test_vectors(tmp_path)
    assert np.array_equal(found[0], inputs)
    assert np.array_equal(found[1], expected)
    with pytest.raises(DataError, match="4 inputs for 3 expected"):
        write_test_vectors(tmp_path, inputs, expected[:3])


def test_damaged_test_vectors_are_refused(tmp_path: Path) -> None:
    write_test_vectors(tmp_path, np.zeros((4, 3), dtype=np.int64), np.zeros((4, 1), dtype=np.int64))
    content = (tmp_path / "inputs.npy").read_bytes()
    (tmp_path / "inputs.npy").write_bytes(content[:-8])
    with pytest.raises(DataError, match=r"inputs\.npy: not readable"):
        read_test_vectors(tmp_path)
    np.save(tmp_path / "inputs.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"inputs\.npy: not readable"):
        read_test_vectors(tmp_path)
    np.save(tmp_path / "inputs.npy", np.zeros((4, 3)))
    with pytest.raises(DataError, match="expected int64"):
        read_test_vectors(tmp_path)


def test_short_result_of_a_driver_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outputs.bin"
    write_integers(path, np.array([[1, -2], [3, 1 << 62]]))
    assert read_integers(path, (2, 2), "driver").tolist() == [[1, -2], [3, 1 << 62]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ToolError, match=r"outputs\.bin has 31 bytes; expected 32"):
        read_integers(path, (2, 2), "driver")
    path.unlink()
    with pytest.raises(ToolError, match="driver: wrote no result"):
        read_integers(path, (2, 2), "driver")
