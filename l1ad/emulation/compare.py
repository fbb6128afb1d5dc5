"""Compares raw integers event by event and names the first difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from l1ad.errors import DataError
from l1ad.records import Difference, FixedType, LayerComparison

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LayerValues:
    """Raw integers of one layer, shape (N, channels), and their type."""

    values: Integers
    fixed_type: FixedType


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    equal : array of bool, shape (N,)
        Whether every integer of the event agrees.
    equal_values : int
        Integers that agree, over all events.
    values : int
        Integers compared.
    difference : Difference or None
        The first event that differs, and in it the first channel.
    """

    equal: npt.NDArray[np.bool_]
    equal_values: int
    values: int
    difference: Difference | None

    @property
    def equal_events(self) -> int:
        """Events in which every integer agrees."""
        return int(self.equal.sum())


def compare(
    expected: Integers, found: Integers, expected_type: FixedType, found_type: FixedType, layer: str
) -> Comparison:
    """Compare two arrays of raw integers.

    Parameters
    ----------
    expected, found : array of int64, shape (N, channels)
        Raw integers of the reference and of the rung.
    expected_type, found_type : FixedType
        Their types. Raw integers of different types are different numbers, so the types must agree.
    layer : str
        Name of the layer or of the output.

    Raises
    ------
    DataError
        When shapes or types disagree.

    Examples
    --------
    >>> byte = FixedType(signed=True, width=8, integer=4)
    >>> result = compare(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), byte, byte, "score")
    >>> result.equal_events, str(result.difference)
    (1, 'event 1, score[1]: expected 4 (fixed<8,4>), found 5 (fixed<8,4>)')
    """
    if expected.shape != found.shape or expected.ndim != 2:
        raise DataError(f"layer {layer}: the reference has shape {expected.shape}, the simulation {found.shape}.")
    if expected_type != found_type:
        raise DataError(f"layer {layer}: the reference has type {expected_type}, the simulation {found_type}.")
    same = expected == found
    equal = np.asarray(same.all(axis=1))
    return Comparison(
        equal=equal,
        equal_values=int(same.sum()),
        values=int(same.size),
        difference=None if equal.all() else _first(expected, found, same, expected_type, found_type, layer),
    )


def compare_layers(
    expected: Mapping[str, LayerValues], found: Mapping[str, LayerValues]
) -> tuple[tuple[LayerComparison, ...], Difference | None]:
    """Compare the layers that both sides hold, in the order of `found`, which is the order of the network.

    Returns
    -------
    tuple
        One `LayerComparison` a layer, and the first difference of the first layer that differs.

    Raises
    ------
    DataError
        When shapes or types of a layer disagree.
    """
    results = {
        name: compare(expected[name].values, values.values, expected[name].fixed_type, values.fixed_type, name)
        for name, values in found.items()
        if name in expected
    }
    layers = tuple(LayerComparison(name, result.values, result.equal_values) for name, result in results.items())
    return layers, next((result.difference for result in results.values() if result.difference), None)


def _first(
    expected: Integers,
    found: Integers,
    same: npt.NDArray[np.bool_],
    expected_type: FixedType,
    found_type: FixedType,
    layer: str,
) -> Difference:
    event, channel = (int(axis) for axis in np.argwhere(~same)[0])
    return Difference(
        event=event,
        layer=layer,
        channel=channel,
        expected=int(expected[event, channel]),
        found=int(found[event, channel]),
        expected_type=expected_type,
        found_type=found_type,
    )
