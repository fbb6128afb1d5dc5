"""The training stage of a model that was trained elsewhere: read, rebuild, prove, append the score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.config import RunConfig
from l1ad.errors import CheckFailedError, ConfigurationError, DataError
from l1ad.events.dataset import Dataset
from l1ad.networks.firmware_model import save_model, to_firmware
from l1ad.networks.imported.model_file import SavedModel, read_model_file
from l1ad.networks.imported.proof import ImportProof, prove, read_predictions
from l1ad.networks.imported.translate import ImportedNetwork, ImportOptions, translate
from l1ad.networks.layer_ranges import layer_ranges
from l1ad.networks.quantizers import parse_quantizer
from l1ad.provenance import file_digest, write_json
from l1ad.records import FixedType, Record
from l1ad.scores.spec import ScoreSpec, score_spec
from l1ad.training.record import ENCODER_FILE, FIRMWARE_FILE, LAYERS_FILE, TRAINING_FILE, TrainingRecord
from l1ad.training.targets import TargetScale

IMPORT_FILE = "import.json"


@dataclass(frozen=True)
class ImportRecord(Record):
    """What an import read and what it proved.

    Attributes
    ----------
    file, digest : str
        Name of the model file, and its SHA-256.
    layout, keras_version : str
        ``HDF5`` or ``Keras 3 zip``, and the version that wrote it.
    layers : tuple of str
        ``name: class`` of every layer of the file.
    input_type : FixedType or None
        Type to which the model itself brings its inputs.
    rounded : tuple of str
        Weights that were rounded, because they have no exact fixed-point form.
    proof : ImportProof or None
        Comparison with recorded predictions; None when none were given.
    """

    file: str
    digest: str
    layout: str
    keras_version: str
    layers: tuple[str, ...]
    input_type: FixedType | None
    rounded: tuple[str, ...]
    proof: ImportProof | None


@dataclass(frozen=True)
class OpenedModel:
    """A model file, rebuilt and proved, before it has a score."""

    saved: SavedModel
    network: ImportedNetwork
    record: ImportRecord

    @property
    def latent(self) -> int:
        """Values of the first output."""
        return int(self.network.model.outputs[0].shape[-1])


def open_model(
    file: Path, predictions: Path | None = None, *, round_bits: int | None = None, activation: FixedType | None = None
) -> OpenedModel:
    """Read a model file, rebuild it from layers that firmware can have, and prove it.

    Parameters
    ----------
    file : Path
        HDF5 or zip that Keras wrote.
    predictions : Path, optional
        npz with ``x`` and ``y0``, ``y1``, ... that the author's own software computed.
    round_bits : int, optional
        Bits of weights that have no exact fixed-point form; without it they are refused.
    activation : FixedType, optional
        Type of rectifiers without a quantizer; used with `round_bits`.

    Raises
    ------
    DataError
        When a file cannot be read.
    ConfigurationError
        When a layer or a property cannot be reproduced; both are named.
    CheckFailedError
        When nothing was rounded and the network does not give the predictions, or when they cannot see a changed
        weight.
    """
    saved = read_model_file(file)
    options = ImportOptions(round_bits, activation if round_bits is not None else None)
    network = translate(saved, options)
    proof = None if predictions is None else _proved(network, predictions)
    layers = tuple(f"{layer.name}: {layer.kind}" for layer in saved.layers)
    found = (saved.layout, saved.keras_version, layers, network.input_type, network.rounded, proof)
    return OpenedModel(saved, network, ImportRecord(file.name, file_digest(file), *found))


def _proved(network: ImportedNetwork, predictions: Path) -> ImportProof:
    """Compare a network with recorded predictions."""
    proof = prove(network.model, *read_predictions(predictions))
    if proof.verdict == "different" and not network.rounded:
        raise CheckFailedError(
            f"{predictions}: {proof.values - proof.equal_values} of {proof.values} predictions differ, by up to "
            f"{proof.largest_difference:g}. They are those of another model, or of other inputs."
        )
    if proof.control_events == 0 and not network.rounded:
        raise CheckFailedError(
            f"{predictions}: the predictions do not change with a weight ({proof.control}), so they prove nothing. "
            "Give inputs over the whole range."
        )
    return proof


def import_network(config: RunConfig, data: Dataset, folder: Path) -> ImportRecord:
    """Write the models of an imported network, as `l1ad.training.fit.train` does for a trained one.

    Parameters
    ----------
    config : RunConfig
        Sections network and score are used.
    data : Dataset
        Its validation part fills the table of layers.
    folder : Path
        Gets ``encoder.keras``, ``firmware.keras``, ``training.json``, ``layers.json`` and ``import.json``.

    Raises
    ------
    DataError, ConfigurationError, CheckFailedError
        See `open_model`; also when inputs or outputs are not those of a trigger model.
    """
    options = config.network
    activation = parse_quantizer(options.activation, "network.activation").fixed_type
    opened = open_model(
        Path(options.file or ""),
        None if options.predictions is None else Path(options.predictions),
        round_bits=options.round_bits,
        activation=activation,
    )
    check_ends(opened, config.score.kind, data.inputs["validation"].shape[1])
    if opened.latent != options.latent:
        raise ConfigurationError(f"network.latent: {options.latent}; {options.file} has {opened.latent}.")
    types = [parse_quantizer(getattr(options, name), f"network.{name}").fixed_type for name in ("mean", "log_variance")]
    spec = score_spec(config.score, options.latent, *types)
    encoder = with_latent(opened.network.model, options.mean, options.log_variance)
    save_model(to_firmware(encoder, spec), folder / FIRMWARE_FILE)
    save_model(encoder, folder / ENCODER_FILE)
    ranges = layer_ranges(encoder, data.inputs["validation"], data.contract.type)
    write_json(folder / LAYERS_FILE, ranges.to_dict())
    write_json(folder / IMPORT_FILE, opened.record.to_dict())
    write_json(folder / TRAINING_FILE, _training_record(encoder, spec).to_dict())
    return opened.record


def check_ends(opened: OpenedModel, kind: str, input_size: int) -> None:
    """Check that inputs and outputs are those of a trigger model with this score.

    Raises
    ------
    DataError
        When they are not.
    """
    path, model = opened.saved.path, opened.network.model
    size = 1
    for length in model.inputs[0].shape[1:]:
        size *= int(length)
    if size != input_size:
        raise DataError(f"{path}: reads {size} values an event; the trigger's events have {input_size}.")
    shapes = [tuple(output.shape[1:]) for output in model.outputs]
    if len(shapes) > 2 or len(set(shapes)) != 1 or len(shapes[0]) != 1:
        raise DataError(f"{path}: outputs of shape {shapes}; expected the latent means, or means and log sigma^2.")
    if kind != "mu2" and len(shapes) != 2:
        raise DataError(f"{path}: one output, so no sigma; the score {kind} needs two. Use --score mu2.")


def with_latent(model: Any, mean: str, log_variance: str) -> Any:
    """Return the network with its outputs brought to the types of the score."""
    import keras
    import qkeras

    from l1ad.networks.qkeras_frontend import make_quantizer

    outputs = [
        qkeras.QActivation(make_quantizer(text, f"network.{name}"), name=name)(output)
        for name, text, output in zip(("mean", "log_variance"), (mean, log_variance), model.outputs, strict=False)
    ]
    return keras.Model(model.inputs, outputs, name="encoder")


def _training_record(encoder: Any, spec: ScoreSpec) -> TrainingRecord:
    """Return the record of a training that happened elsewhere."""
    return TrainingRecord(
        architecture="imported",
        frontend="qkeras",
        parameters=int(encoder.count_params()),
        best_validation_loss=float("nan"),
        best_epoch=0,
        events_per_second=float("nan"),
        scale=TargetScale("none", (), ()),
        score=spec,
    )
