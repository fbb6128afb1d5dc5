"""Why the flip of a bit of a weight or of a table shows at no layer: what the events give and what rounding keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from l1ad.emulation.compare import LayerValues
from l1ad.emulation.hls_weights import Weights
from l1ad.emulation.project import OpenProject
from l1ad.emulation.vectors import Integers
from l1ad.records import FixedType

#: Calls in the top function that hls4ml 1.3.0 writes: a dense layer, and our score with its table.
_DENSE = re.compile(r"nnet::dense<[^>]*>\((\w+), (\w+), (\w+), (\w+)\); // (\w+)")
_SCORE = re.compile(r"nnet::latent_score\w*<[^>]*>\((\w+), (\w+), \w+, (\w+)\)")

#: Events and the layers that they give.
Seen = Sequence[tuple[Integers, Mapping[str, LayerValues]]]

UNKNOWN = "not known: only dense layers of the strategy latency and the table of the score are followed"


def reason(project: OpenProject, array: Weights, index: int, bit: int, fixed_type: FixedType, seen: Seen) -> str:
    """Return why no event shows the flip of one bit.

    Parameters
    ----------
    project : OpenProject
        An HLS project.
    array : Weights
        Weights, biases or table.
    index, bit : int
        Element and bit.
    fixed_type : FixedType
        Type of the element.
    seen : sequence of (events, layers)
        All events that were tried, and what the layers gave.
    """
    firmware = project.folder / "firmware"
    text = (firmware / f"{project.record.top}.cpp").read_text(encoding="utf-8")
    # The strategy resource transposes the weights.
    if "nnet::resource" in (firmware / "parameters.h").read_text(encoding="utf-8"):
        return UNKNOWN
    names = {output: layer for _, output, _, _, layer in _DENSE.findall(text)}
    for _, log_variance, table in _SCORE.findall(text):
        if table == array.name and names.get(log_variance) in project.record.layers:
            return _of_table(_values(seen, names[log_variance])[0], index, len(array.values))
    for source, _, weights, biases, layer in _DENSE.findall(text):
        if array.name in (weights, biases) and layer in project.record.layers:
            outputs, kind = _values(seen, layer)
            if array.name == biases:
                ones = np.ones(len(outputs), dtype=np.int64)
                return _of_sum(ones, 1.0, outputs[:, index], kind, (layer, index), bit, fixed_type)
            row, column = divmod(index, outputs.shape[1])
            if source not in names:
                inputs, step = np.concatenate([events for events, _ in seen]), _step(project.record.input_type)
            else:
                inputs, source_type = _values(seen, names[source])
                step = _step(source_type)
            if not inputs[:, row].any():
                return f"input {row} of {layer} is 0 in every event"
            return _of_sum(inputs[:, row], step, outputs[:, column], kind, (layer, column), bit, fixed_type)
    return UNKNOWN


def _values(seen: Seen, layer: str) -> tuple[Integers, FixedType]:
    """Return a layer over all events, and its type."""
    return np.concatenate([layers[layer].values for _, layers in seen]), seen[0][1][layer].fixed_type


def _of_table(addresses: Integers, entry: int, size: int) -> str:
    """Return the reason for an entry: no latent variable addresses it, or the score hides it."""
    found = int(((addresses & (size - 1)) == entry).any(axis=1).sum())
    if not found:
        return "no event addresses the entry"
    return f"{found} events address the entry; the mean is 0 there, or the score rounds or saturates"


def _of_sum(
    inputs: Integers,
    step: float,
    outputs: Integers,
    kind: FixedType,
    unit: tuple[str, int],
    bit: int,
    fixed_type: FixedType,
) -> str:
    """Return the reason for a term of a sum: the unit stands at a limit, or rounding hides the change."""
    name = f"{unit[0]}[{unit[1]}]"
    active = outputs[inputs != 0]
    if np.isin(active, (kind.minimum, kind.maximum)).all():
        return f"{name} stands at a limit of {kind} whenever the bit counts"
    largest = float(np.abs(inputs).max()) * step * 2.0**bit * _step(fixed_type) / _step(kind)
    return f"rounding: the sum of {name} changes by at most {largest:.2g} of its last bit"


def _step(fixed_type: FixedType) -> float:
    return 2.0**-fixed_type.fraction
