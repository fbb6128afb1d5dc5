from __future__ import annotations

import numpy as np
import pytest

from l1ad.emulation import LayerValues, compare, compare_layers
from l1ad.errors import DataError
from l1ad.records import FixedType

BYTE = FixedType(signed=True, width=8, integer=4)
NIBBLE = FixedType(signed=True, width=4, integer=4)


def test_equal_arrays_have_no_difference() -> None:
    values = np.arange(12).reshape(4, 3)
    result = compare(values, values.copy(), BYTE, BYTE, "fc")
    assert (result.equal_events, result.equal_values, result.values, result.difference) == (4, 12, 12, None)


def test_first_difference_is_the_first_event_and_its_first_channel() -> None:
    expected = np.arange(12).reshape(4, 3)
    found = expected.copy()
    found[3, 0] += 1
    found[2, 1] -= 5
    found[2, 2] -= 5
    result = compare(expected, found, BYTE, BYTE, "fc")
    assert result.equal.tolist() == [True, True, False, False]
    assert result.equal_values == 9
    assert str(result.difference) == "event 2, fc[1]: expected 7 (fixed<8,4>), found 2 (fixed<8,4>)"


def test_shapes_and_types_must_match() -> None:
    values = np.zeros((4, 3), dtype=np.int64)
    with pytest.raises(DataError, match=r"layer fc: .*\(4, 3\).*\(4, 2\)"):
        compare(values, values[:, :2], BYTE, BYTE, "fc")
    with pytest.raises(DataError, match=r"layer fc: .*fixed<8,4>.*fixed<4,4>"):
        compare(values, values, BYTE, NIBBLE, "fc")


def test_layers_are_compared_in_the_order_of_the_network() -> None:
    good = np.zeros((2, 2), dtype=np.int64)
    bad = good.copy()
    bad[1, 1] = 3
    reference = {name: LayerValues(good, BYTE) for name in ("late", "early", "unseen")}
    layers, difference = compare_layers(reference, {"early": LayerValues(bad, BYTE), "late": LayerValues(bad, BYTE)})
    assert [(layer.layer, layer.equal, layer.values) for layer in layers] == [("early", 3, 4), ("late", 3, 4)]
    assert difference is not None
    assert difference.layer == "early"
    assert compare_layers(reference, {"late": LayerValues(good, BYTE)})[1] is None
