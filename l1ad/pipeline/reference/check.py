"""Checks a reference model: digests, weights, and the scores of recorded events, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.config import RunConfig, load_config
from l1ad.errors import CheckFailedError, DataError
from l1ad.events.content import first_events
from l1ad.events.contract import InputContract
from l1ad.events.dataset import CONTRACT_FILE
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.networks.quantized import integer_weights
from l1ad.pipeline.reference.record import CONFIG_FILE, VECTORS_FILE, Vectors, read_manifest, read_vectors
from l1ad.provenance import text_digest
from l1ad.records import FixedType, NegativeControl, Record
from l1ad.training.record import ENCODER_FILE, FIRMWARE_FILE


@dataclass(frozen=True)
class ReferenceCheck(Record):
    """What the check of a reference model did.

    Attributes
    ----------
    name : str
    files, weights, events : int
        Files and arrays of weights whose digests agree; events whose scores agree.
    encoded : bool
        Whether the physical events were there, so that their raw inputs were computed again too.
    control : NegativeControl
        One weight was changed; so many events have another score then.
    """

    name: str
    files: int
    weights: int
    events: int
    encoded: bool
    control: NegativeControl


def weight_digests(model: Any) -> dict[str, str]:
    """Return ``layer/weight`` -> SHA-256 of shape, type and raw integers of every quantized weight of a model."""
    found = {}
    for layer in model.layers:
        for name, (raw, fixed) in integer_weights(layer).items():
            text = f"{raw.shape} {fixed} {raw.ravel().tolist()}"
            found[f"{layer.name}/{name}"] = text_digest(text)
    return found


def check_reference(folder: Path) -> ReferenceCheck:
    """Verify digests and weights of a reference model, and compute the scores of its recorded events again.

    Raises
    ------
    DataError
        When a file is absent or damaged.
    CheckFailedError
        When a digest, a weight, a raw input or a score differs, or a changed weight would not be seen.
    """
    manifest = read_manifest(folder)
    firmware = load_model(folder / FIRMWARE_FILE)
    _same_weights(folder / FIRMWARE_FILE, weight_digests(firmware), manifest.weights)
    # A score that does not read log sigma^2 leaves that head of the encoder out of the firmware.
    layers = {layer.name for layer in firmware.layers}
    trained = weight_digests(load_model(folder / ENCODER_FILE))
    shared = {name: digest for name, digest in trained.items() if name.partition("/")[0] in layers}
    _same_weights(folder / ENCODER_FILE, shared, manifest.weights)
    contract = InputContract.read(folder / CONTRACT_FILE)
    vectors = read_vectors(folder / VECTORS_FILE)
    encoded = _same_inputs(folder, load_config(folder / CONFIG_FILE), contract, vectors)
    _same_scores(folder, scores_of(firmware, vectors.inputs, contract.type), vectors)
    control = _control(firmware, vectors, contract.type)
    if not control.caught:
        raise CheckFailedError(f"{folder / VECTORS_FILE}: no score changes with a weight ({control.what}).")
    return ReferenceCheck(
        manifest.name, len(manifest.files), len(manifest.weights), len(vectors.scores), encoded, control
    )


def scores_of(model: Any, inputs: NDArray[np.int64], input_type: FixedType) -> NDArray[np.int64]:
    """Return the raw scores of raw inputs, shape (N,)."""
    return run_firmware_model(model, inputs, input_type).score[:, 0]


def _same_weights(path: Path, found: dict[str, str], expected: dict[str, str]) -> None:
    """Raise CheckFailedError for the first weight that differs."""
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            what = "absent" if name not in found else "unknown to the manifest" if name not in expected else "different"
            raise CheckFailedError(f"{path}: {name} is {what}: not the weights of this reference model.")


def _same_inputs(folder: Path, config: RunConfig, contract: InputContract, vectors: Vectors) -> bool:
    """Encode the recorded events again where their files are there; return whether they were."""
    paths = [] if config.data.background is None else [config.data.background, *config.data.signals.values()]
    if not all(Path(path).is_file() for path in paths):
        return False
    events = first_events(config.data, vectors.background, vectors.signal, contract.kind.name)
    raw = contract.encode(events)
    if raw.shape != vectors.inputs.shape:
        raise CheckFailedError(
            f"{folder / VECTORS_FILE}: raw inputs of shape {vectors.inputs.shape}; the events give {raw.shape}."
        )
    if not np.array_equal(raw, vectors.inputs):
        event, place = (int(i) for i in np.argwhere(raw != vectors.inputs)[0])
        raise CheckFailedError(
            f"{folder / VECTORS_FILE}: event {event}, {contract.inputs[place].name}: recorded "
            f"{vectors.inputs[event, place]}, the event gives {raw[event, place]} by {CONTRACT_FILE}."
        )
    return True


def _same_scores(folder: Path, found: NDArray[np.int64], vectors: Vectors) -> None:
    """Raise CheckFailedError for the first score that differs."""
    different = np.flatnonzero(found != vectors.scores)
    if len(different):
        event = int(different[0])
        raise CheckFailedError(
            f"{folder / VECTORS_FILE}: event {event}: recorded score {vectors.scores[event]} ({vectors.score_type}), "
            f"the weights give {found[event]}; {len(different)} of {len(found)} events differ."
        )


def _control(model: Any, vectors: Vectors, input_type: FixedType) -> NegativeControl:
    """Turn the sign of the largest weight of the last layer of the latent means; return how many scores change."""
    layers = [layer for layer in model.layers if "kernel" in integer_weights(layer)]
    if not layers:
        raise DataError("model: no quantized kernel, so nothing to change for the negative control.")
    named = [layer for layer in layers if layer.name == "dense_mean"]
    layer = (named or layers)[-1]
    raw, fixed = integer_weights(layer)["kernel"]
    index = np.unravel_index(int(np.argmax(np.abs(raw))), raw.shape)
    kept = layer.get_weights()
    changed = [np.array(values) for values in kept]
    changed[0][index] = -changed[0][index]
    try:
        layer.set_weights(changed)
        found = scores_of(model, vectors.inputs, input_type)
    finally:
        layer.set_weights(kept)
    what = f"{layer.name}, kernel{[int(i) for i in index]}: {int(raw[index])} became {-int(raw[index])} ({fixed})"
    return NegativeControl(what, len(found), int((found != vectors.scores).sum()))
