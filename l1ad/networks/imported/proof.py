"""Proves an import: the rebuilt network gives what its author's own run of the model gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.records import Record

#: Differences up to this part of the largest output are float32 rounding: 16 units of the 24-bit significand.
_ROUNDING = 2.0**-20
#: Weights that a negative control tries, largest first, until one changes a prediction.
_TRIED = 20


@dataclass(frozen=True)
class ImportProof(Record):
    """How a rebuilt network compares with recorded predictions.

    Attributes
    ----------
    verdict : str
        ``exact`` when every value is the same float, ``rounding`` when all agree within float32 rounding,
        ``different`` otherwise.
    events, values, equal_values : int
        Events, outputs of all events, and how many of those agree within float32 rounding.
    largest_difference, largest_output : float
        Over all outputs.
    control : str
        The weight that the negative control changed by one unit.
    control_events : int
        Events whose predictions that changed; 0 means that these predictions cannot see it.
    """

    verdict: str
    events: int
    values: int
    equal_values: int
    largest_difference: float
    largest_output: float
    control: str
    control_events: int


def read_predictions(path: Path) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Read inputs ``x`` and outputs ``y0``, ``y1``, ... (or ``y``) from an npz file.

    Raises
    ------
    DataError
        When the file is absent or damaged, an array is missing, or its numbers are not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name], dtype=np.float32) for name in archive.files}
    except Exception as error:  # numpy and zipfile raise many types on damaged files.
        raise DataError(f"{path}: cannot be read as npz ({type(error).__name__}: {error}).") from error
    outputs = [arrays["y"]] if "y" in arrays else []
    while f"y{len(outputs)}" in arrays:
        outputs.append(arrays[f"y{len(outputs)}"])
    if "x" not in arrays or not outputs:
        raise DataError(f"{path}: holds {', '.join(sorted(arrays))}; expected x and y, or x and y0, y1, ...")
    for array in (arrays["x"], *outputs):
        if len(array) != len(arrays["x"]) or len(array) == 0 or not np.isfinite(array).all():
            raise DataError(f"{path}: expected as many outputs as inputs, at least one, and finite numbers.")
    return arrays["x"], outputs


def prove(model: Any, x: NDArray[np.float32], recorded: list[NDArray[np.float32]]) -> ImportProof:
    """Compare a network with recorded predictions, and check that a changed weight would be seen.

    Parameters
    ----------
    model : keras.Model
        The rebuilt network.
    x : ndarray of float32, shape (N, ...)
        Recorded inputs.
    recorded : list of ndarray of float32, shape (N, ...)
        Recorded outputs.

    Raises
    ------
    DataError
        When the shapes are not those of the model.
    """
    outputs = _run(model, x)
    given, found = [r.shape for r in recorded], [o.shape for o in outputs]
    if given != found:
        raise DataError(f"predictions: outputs of shape {given}; the model gives {found}.")
    differences = [np.abs(o.astype(np.float64) - r) for o, r in zip(outputs, recorded, strict=True)]
    largest = max(float(np.abs(r).max()) for r in recorded)
    worst = max(float(d.max()) for d in differences)
    equal = sum(int((d <= _ROUNDING * largest).sum()) for d in differences)
    values = sum(d.size for d in differences)
    verdict = "exact" if worst == 0 else "rounding" if equal == values else "different"
    what, changed = _control(model, x, outputs)
    return ImportProof(verdict, len(x), values, equal, worst, largest, what, changed)


def _run(model: Any, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the outputs of a model."""
    shape = tuple(model.inputs[0].shape[1:])
    if x.shape[1:] != shape:
        raise DataError(f"predictions: inputs of shape {x.shape[1:]}; the model reads {shape}.")
    found = model.predict(x, batch_size=4096, verbose=0)
    return [np.asarray(o) for o in (found if isinstance(found, list | tuple) else [found])]


def _control(model: Any, x: NDArray[np.float32], outputs: list[NDArray[np.float32]]) -> tuple[str, int]:
    """Change one weight of the first linear layer by one unit; return which, and how many events that changes."""
    from l1ad.networks.quantized import integer_weights

    layer = next(layer for layer in model.layers if "kernel" in integer_weights(layer))
    raw, fixed = integer_weights(layer)["kernel"]
    kept = layer.get_weights()
    what, changed = "", 0
    try:
        for place in np.argsort(-np.abs(raw), axis=None)[:_TRIED]:
            index = np.unravel_index(int(place), raw.shape)
            step = -1 if raw[index] > 0 else 1
            altered = np.array(kept[0])
            altered[index] = (raw[index] + step) * 2.0**-fixed.fraction
            layer.set_weights([altered, *kept[1:]])
            what = f"{layer.name}, kernel{[int(i) for i in index]}: {raw[index]} became {raw[index] + step} ({fixed})"
            different = [
                np.any(a != b, axis=tuple(range(1, a.ndim))) for a, b in zip(_run(model, x), outputs, strict=True)
            ]
            changed = int(np.any(different, axis=0).sum())
            if changed:
                break
    finally:
        layer.set_weights(kept)
    return what, changed
