"""Reads the architecture and the weights of a saved Keras model as data. No code of the file is run.

Three layouts are known: HDF5 of Keras 2 (QKeras 0.9 writes it), HDF5 of Keras 3, and the zip of Keras 3 that ends with
``.keras``. The first bytes decide, because names of files are often wrong.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
#: Largest member of a zip that is read, in bytes: a trigger model has kilobytes.
_LARGEST = 1 << 30
#: What h5py, zipfile and json raise on damaged files.
_DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, NotImplementedError, MemoryError,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip

#: Variables of a layer in the order in which Keras 3 writes them without their names.
_ORDER = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "QBatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
_KERNEL = ("kernel", "bias")


@dataclass(frozen=True)
class SavedLayer:
    """A layer as the file describes it.

    Attributes
    ----------
    name, kind : str
        Its name, and the name of its class.
    config : dict
        Its properties, as they stand in the file.
    sources : tuple of str
        Names of the layers that it reads.
    weights : dict of str to ndarray
        ``kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``, as far as it has them.
    """

    name: str
    kind: str
    config: dict[str, Any]
    sources: tuple[str, ...]
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedModel:
    """A model as its file describes it.

    Attributes
    ----------
    path : Path
    layout : str
        ``HDF5`` or ``Keras 3 zip``.
    keras_version : str
        Version of Keras that wrote it, or ``unknown``.
    layers : tuple of SavedLayer
        In the order of the file; every layer comes after those that it reads.
    inputs, outputs : tuple of str
        Names of layers.
    """

    path: Path
    layout: str
    keras_version: str
    layers: tuple[SavedLayer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_model_file(path: Path) -> SavedModel:
    """Read the model in `path`.

    Parameters
    ----------
    path : Path
        A file that Keras wrote; what its name ends with does not matter.

    Raises
    ------
    DataError
        When the file is absent, damaged, not a model, or holds weights without an architecture.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        if magic == _HDF5:
            return _read_hdf5(path)
        if magic.startswith(_ZIP):
            return _read_zip(path)
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged, or not a Keras model ({type(error).__name__}: {error}).") from error
    raise DataError(f"{path}: neither HDF5 nor a zip of Keras 3; it begins with {magic!r}. Save the model with Keras.")


def _read_hdf5(path: Path) -> SavedModel:
    """Read a model that Keras wrote as HDF5."""
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise DataError(
                f"{path}: holds weights without an architecture (no model_config). Save the whole model: model.save()."
            )
        config = json.loads(_text(file.attrs["model_config"]))
        stored = file["model_weights"]
        weights = {str(name): _named_weights(stored[name]) for name in stored if name != "top_level_model_weights"}
        version = _text(file.attrs.get("keras_version", "unknown"))
    return _model(path, "HDF5", version, config, weights)


def _read_zip(path: Path) -> SavedModel:
    """Read a model that Keras 3 wrote as a zip."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" not in names or "model.weights.h5" not in names:
            raise DataError(f"{path}: a zip without config.json and model.weights.h5, so not a Keras model.")
        for name in ("config.json", "model.weights.h5"):
            if archive.getinfo(name).file_size > _LARGEST:
                raise DataError(
                    f"{path}: {name} holds {archive.getinfo(name).file_size} bytes; expected a small model."
                )
        config = json.loads(archive.read("config.json"))
        version = "unknown"
        if "metadata.json" in names:
            version = str(json.loads(archive.read("metadata.json")).get("keras_version", version))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
            kinds = {str(item["config"].get("name")): _plain(str(item["class_name"])) for item in _items(config)}
            weights = _numbered_weights(file, kinds)
    return _model(path, "Keras 3 zip", version, config, weights)


def _text(value: Any) -> str:
    """Return an attribute of HDF5 as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _named_weights(group: Any) -> dict[str, NDArray[np.float32]]:
    """Return the weights below `group` by the last part of their names, without the ``:0`` of Keras 2."""
    import h5py

    found: dict[str, NDArray[np.float32]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.rsplit("/", 1)[-1].partition(":")[0]] = _array(item)

    group.visititems(visit)
    return found


def _numbered_weights(file: Any, kinds: dict[str, str]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return layer -> weights of a Keras 3 zip, which numbers them: ``layers/<class>/vars/0`` with the layer's name.

    The batch normalization inside a QDenseBatchnorm is a layer of its own; its weights go to the one around it.
    """
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    root = file["layers"] if "layers" in file else file["_layer_checkpoint_dependencies"]
    for group in root.values():
        if "vars" not in group or "name" not in group["vars"].attrs:
            continue
        name = _text(group["vars"].attrs["name"])
        weights = _numbered(group["vars"], _ORDER.get(kinds.get(name, ""), _KERNEL))
        if "batchnorm" in group:
            weights |= _numbered(group["batchnorm"]["vars"], _ORDER["BatchNormalization"])
        found[name] = weights
    return found


def _numbered(group: Any, order: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """Return the variables 0, 1, ... of `group` under the names in `order`."""
    return {name: _array(group[str(number)]) for number, name in enumerate(order) if str(number) in group}


def _array(item: Any) -> NDArray[np.float32]:
    """Return a dataset as float32."""
    return np.asarray(item[()], dtype=np.float32)


def _items(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptions of the layers."""
    return list(config["config"]["layers"])


def _model(
    path: Path, layout: str, version: str, config: dict[str, Any], weights: dict[str, dict[str, NDArray[np.float32]]]
) -> SavedModel:
    """Put architecture and weights together."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kind = str(config.get("class_name"))
    if kind not in ("Functional", "Model", "Sequential"):
        raise DataError(f"{path}: holds a {kind}; expected a Functional or Sequential model. Rebuild it as one.")
    items = _items(config)
    if kind == "Sequential":
        items = _chained(items)
        inputs, outputs = (str(items[0]["name"]),), (str(items[-1]["name"]),)
    else:
        inputs, outputs = _ends(config["config"]["input_layers"]), _ends(config["config"]["output_layers"])
    layers = tuple(
        SavedLayer(
            name=str(item["name"]),
            kind=_plain(str(item["class_name"])),
            config=dict(item["config"]),
            sources=_sources(item.get("inbound_nodes", [])),
            weights=weights.get(str(item["name"]), {}),
        )
        for item in items
    )
    return SavedModel(path, layout, version, layers, inputs, outputs)


def _plain(kind: str) -> str:
    """Return the name of a class without the package that Keras 3 puts in front of those of QKeras.

    Examples
    --------
    >>> _plain("qkeras>QDense"), _plain("others>QDense")
    ('QDense', 'others>QDense')
    """
    return kind.removeprefix("qkeras>")


def _chained(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the layers of a Sequential as those of a Functional: each reads the one before it."""
    named = [{**item, "name": item["config"]["name"]} for item in items]
    if named[0]["class_name"] != "InputLayer":
        shape = named[0]["config"].get("batch_input_shape")
        if shape is None:
            raise ValueError("a Sequential without the shape of its input")
        named.insert(0, {"class_name": "InputLayer", "name": "inputs", "config": {"batch_input_shape": shape}})
    for before, item in itertools.pairwise(named):
        item["inbound_nodes"] = [[[before["name"], 0, 0, {}]]]
    return named


def _ends(value: Any) -> tuple[str, ...]:
    """Return the names in ``input_layers`` or ``output_layers``: one entry, or a list of them."""
    entries = [value] if value and isinstance(value[0], str) else value
    return tuple(str(entry[0]) for entry in entries)


def _sources(nodes: Any) -> tuple[str, ...]:
    """Return the layers that a layer reads, in the form of Keras 2 or of Keras 3.

    Raises
    ------
    ValueError
        When the layer is used more than once.
    """
    if not nodes:
        return ()
    if len(nodes) != 1:
        raise ValueError(f"a layer that is used {len(nodes)} times")
    node = nodes[0]
    if isinstance(node, dict):
        return tuple(_tensors(node.get("args", [])))
    return tuple(str(entry[0]) for entry in node)


def _tensors(value: Any) -> list[str]:
    """Return the layers of all tensors of Keras 3 in `value`."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [str(value["config"]["keras_history"][0])]
        return [name for part in value.values() for name in _tensors(part)]
    if isinstance(value, list):
        return [name for part in value for name in _tensors(part)]
    return []
