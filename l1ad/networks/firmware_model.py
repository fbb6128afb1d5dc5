"""From a trained encoder to the model that firmware implements: exact weights, no decoder, the score appended."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.errors import ConversionError, DataError
from l1ad.networks.feature_ae import FEATURE_LAYER
from l1ad.networks.quantized import integer_weights, output_type, own_variables, quantizes_output
from l1ad.networks.saved_libraries import check_libraries
from l1ad.provenance import library_version
from l1ad.records import FixedType
from l1ad.scores.layers import LatentScore, OutputScore, ReconstructionScore
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec


def to_firmware(encoder: Any, spec: ScoreSpec | OutputSpec | ReconstructionSpec) -> Any:
    """Return the Keras model that firmware implements.

    The weights are replaced by their quantized values, so that the model has no other numbers than firmware has,
    and the score is appended. The decoder of a variational autoencoder is not part of its encoder, so it is gone.

    Parameters
    ----------
    encoder : keras.Model
        Quantized encoder with the outputs mean and log_variance, autoencoder with the output reconstruction, and
        feature where it reconstructs features, or student whose output is the score.
    spec : ScoreSpec, OutputSpec or ReconstructionSpec
        Score and types; the types must be those of the network's outputs.

    Returns
    -------
    keras.Model
        inputs -> score, shape (batch, 1). `encoder` is left as it is.

    Raises
    ------
    ConversionError
        When a weight is not quantized or the latent types are not those of the score; the layer is named.
    """
    import keras

    clone = keras.models.clone_model(encoder)
    clone.set_weights(encoder.get_weights())
    for layer in clone.layers:
        weights, variables = integer_weights(layer), own_variables(layer)
        if len(weights) != len(variables):
            raise ConversionError(
                f"layer {layer.name}: {len(weights)} of its {len(variables)} weights are quantized. "
                "Train with network.frontend=qkeras."
            )
        for name, (raw, fixed) in weights.items():
            getattr(layer, name).assign((raw * 2.0**-fixed.fraction).astype(np.float32))
    return keras.Model(clone.inputs, _scored(clone, spec), name="firmware")


def _scored(clone: Any, spec: ScoreSpec | OutputSpec | ReconstructionSpec) -> Any:
    """Return the score behind the outputs of a network."""
    if isinstance(spec, OutputSpec):
        _check_outputs(clone, {"output": spec.score})
        return OutputScore(spec, name="score")(clone.outputs[0])
    if isinstance(spec, ReconstructionSpec):
        _check_outputs(clone, {"reconstruction": spec.prediction})
        if spec.masked:
            return ReconstructionScore(spec, name="score")(clone.outputs[0], clone.inputs[0])
        _check_outputs(clone, {FEATURE_LAYER: spec.inputs})
        return ReconstructionScore(spec, name="score")(*clone.outputs)
    _check_outputs(
        clone, {"mean": spec.mean} | ({"log_variance": spec.log_variance} if len(clone.outputs) == 2 else {})
    )
    if spec.reads_log_variance and len(clone.outputs) != 2:
        raise ConversionError(f"the network has {len(clone.outputs)} outputs; {spec.kind} needs mean and log_variance.")
    score = LatentScore(spec, name="score")
    return score(*clone.outputs[:2]) if spec.reads_log_variance else score(clone.outputs[0])


def _check_outputs(model: Any, expected_types: dict[str, FixedType]) -> None:
    """Check the types of the layers that a score reads."""
    types = layer_types(model)
    for name, expected in expected_types.items():
        if types.get(name) != expected:
            raise ConversionError(f"layer {name}: type is {types.get(name)}, the score expects {expected}.")


def layer_types(model: Any) -> dict[str, FixedType]:
    """Return name -> fixed-point type of the layers whose output is quantized, in network order."""
    found = {}
    for layer in model.layers:
        if quantizes_output(layer):
            found[layer.name] = output_type(layer)
        elif isinstance(layer, LatentScore | OutputScore | ReconstructionScore):
            found[layer.name] = layer.spec.score
    return found


def load_model(path: Path) -> Any:
    """Load a Keras model that l1ad saved, without running code from the file.

    Raises
    ------
    DataError
        When the file is absent, truncated, or holds something that is not a model of l1ad.
    ToolMissingError
        When the library of its layers is not installed.
    """
    import keras

    import l1ad.networks.layers
    import l1ad.scores.layers  # noqa: F401 - the classes must be registered before loading

    custom = _quantized_classes()
    if not path.exists():
        raise DataError(f"{path}: no such model file. Run `l1ad train` first.")
    if path.suffix != ".keras":
        raise DataError(f"{path}: not a model of l1ad; expected a file that ends with .keras.")
    check_libraries(path)
    try:
        return keras.saving.load_model(path, custom_objects=custom, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many types here; the seam turns all of them into ours.
        raise DataError(f"{path}: cannot be loaded as a Keras model ({type(error).__name__}: {error}).") from error


def _quantized_classes() -> dict[str, Any]:
    """Return the classes of QKeras that a saved model may name; empty when QKeras is not installed.

    HGQ2 enters its own classes into Keras's table when it is imported, which happens here.
    """
    if library_version("hgq2") is not None:
        import hgq.layers  # noqa: F401
    # Asked by distribution: hgq2 also brings a module qkeras, which is another library.
    if library_version("qkeras-v3") is None:
        return {}
    import qkeras

    names = ("QDense", "QConv2D", "QActivation", "quantized_bits", "quantized_relu")
    return {name: getattr(qkeras, name) for name in names}


def save_model(model: Any, path: Path) -> None:
    """Save a Keras model to `path`, whole or not at all.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    part = path.with_name(f".{path.stem}.part.keras")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(part)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error}). Nothing was changed.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
