"""The space of a search: fields of the configuration, their values, and the configuration of a trial."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from l1ad.config import Dimension, RunConfig
from l1ad.config.load import parse_config
from l1ad.errors import ConfigurationError, nearest
from l1ad.pipeline.preflight import check_config

#: Sections that a search may vary: what trains on the same events.
_SECTIONS = ("network", "score", "training", "quantization")

#: Range of +-1 for kernels: those of trained networks of both architectures stay within it but for single weights.
_KERNEL = "quantized_bits({},0,alpha=1)"
_ACTIVATION = "quantized_relu({},3)"


def search_space(config: RunConfig) -> dict[str, Dimension]:
    """Return the space of a configuration: its own, or the default one of its architecture.

    The default varies the sizes of the hidden layers, bits of kernels and activations layer by layer, the share of
    pruned weights, and the learning rate; of an autoencoder the bits of the decoder too. Latent types and the type of
    the reconstruction stay, since they belong to the score.

    Examples
    --------
    >>> list(search_space(RunConfig()))[:3]
    ['network.hidden.0', 'network.hidden.1', 'network.layers.dense_1.kernel']
    """
    if config.search.space:
        return dict(config.search.space)
    dense = not config.network.architecture.startswith("cnn")
    field, sizes = ("hidden", config.network.hidden) if dense else ("filters", config.network.filters)
    layers = range(1, len(sizes) + 1)
    space = {
        f"network.{field}.{index}": Dimension(low=max(size // 3, 2), high=size, step=max(size // 8, 1))
        for index, size in enumerate(sizes)
    }
    kind = "dense" if dense else "conv"
    space |= {f"network.layers.{kind}_{n}.kernel": Dimension(low=3, high=6, text=_KERNEL) for n in layers}
    rectifiers = [f"relu_{n}" for n in layers]
    if config.network.architecture in ("dense_ae", "cnn_ae"):
        kernels = _decoder_kernels(config)
        space |= {f"network.layers.{name}.kernel": Dimension(low=3, high=6, text=_KERNEL) for name in kernels}
        rectifiers += [f"decoder_{name}" for name in rectifiers]
    space |= {f"network.layers.{name}.activation": Dimension(low=4, high=8, text=_ACTIVATION) for name in rectifiers}
    return space | {
        "network.latent_kernel": Dimension(low=4, high=8, text=_KERNEL),
        "training.pruning.target": Dimension(low=0.0, high=0.7),
        "training.quantized_learning_rate": Dimension(low=5e-4, high=5e-3, log=True),
    }


def _decoder_kernels(config: RunConfig) -> tuple[str, ...]:
    """Return the layers with a kernel of a decoder; the dense one mirrors its hidden layers."""
    if config.network.architecture == "dense_ae":
        return (*(f"decoder_dense_{n + 1}" for n in range(len(config.network.hidden))), "dense_reconstruction")
    return ("decoder_dense", "decoder_conv", "dense_reconstruction")


def distributions(space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return what Optuna draws from: ranges as they are, choices by their index."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for path, dimension in space.items():
        if dimension.choices:
            found[path] = CategoricalDistribution(list(range(len(dimension.choices))))
        elif dimension.whole:
            found[path] = IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1)
        else:
            found[path] = FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    return found


def field_values(space: Mapping[str, Dimension], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return field -> value, from what Optuna drew.

    Examples
    --------
    >>> space = {"a": Dimension(choices=(7, 9)), "b": Dimension(low=3, high=6, text="quantized_bits({},0,alpha=1)")}
    >>> field_values(space, {"a": 1, "b": 4})
    {'a': 9, 'b': 'quantized_bits(4,0,alpha=1)'}
    """
    found = {}
    for path, dimension in space.items():
        value = dimension.choices[drawn[path]] if dimension.choices else drawn[path]
        found[path] = value if dimension.text is None else dimension.text.replace("{}", str(value))
    return found


def with_values(config: RunConfig, values: Mapping[str, Any], source: str) -> RunConfig:
    """Return a configuration with some fields changed; `source` stands in the error.

    Raises
    ------
    ConfigurationError
        When there is no such field, or it does not take the value.
    """
    document = config.model_dump(mode="json")
    for path, value in values.items():
        _put(document, path.split("."), copy.deepcopy(value), path)
    return parse_config(document, source)


def trial_config(config: RunConfig, values: Mapping[str, Any], source: str) -> RunConfig:
    """Return the configuration of a trial: its values, and the short training of the search.

    The epochs of the pruning shrink with the training.
    """
    found = with_values(config, values, source)
    full, short = found.training, config.search.epochs
    start = min(full.pruning.start_epoch * short // full.epochs, short - 2)
    end = min(max(full.pruning.end_epoch * short // full.epochs, start + 1), short - 1)
    training = {"epochs": short, "float_epochs": config.search.float_epochs if full.float_epochs else 0}
    epochs = {"training.pruning.start_epoch": max(start, 0), "training.pruning.end_epoch": max(end, 1)}
    return with_values(found, {**{f"training.{k}": v for k, v in training.items()}, **epochs}, source)


def check_space(config: RunConfig) -> None:
    """Refuse a space whose ends are no configurations, before anything is trained.

    Raises
    ------
    ConfigurationError
        The field is named.
    """
    for path, dimension in search_space(config).items():
        section = path.partition(".")[0]
        if section not in _SECTIONS:
            known = nearest(section, _SECTIONS)
            raise ConfigurationError(f"search.space: {path}: only what trains on the same events is searched. {known}")
        ends = range(len(dimension.choices)) if dimension.choices else (dimension.low, dimension.high)
        for end in ends:
            values = field_values({path: dimension}, {path: end})
            changed = trial_config(config, values, f"search.space: {path}: {values[path]}")
            check_config(changed)
            if changed.network.frontend == "float":
                raise ConfigurationError(f"search.space: {path}: a float network has no LUT cost. Set frontend qkeras.")


def _put(document: Any, parts: list[str], value: Any, path: str) -> None:
    """Set the field at `parts`; sections that are not there are made, places of a list must be."""
    *sections, last = parts
    for part in sections:
        if isinstance(document, list):
            document = document[_place(document, part, path)]
        elif isinstance(document, dict):
            document = document.setdefault(part, {})
    if isinstance(document, list):
        document[_place(document, last, path)] = value
    elif isinstance(document, dict):
        document[last] = value
    else:
        raise ConfigurationError(f"search.space: {path}: {'.'.join(sections)} has no fields.")


def _place(items: list[Any], text: str, path: str) -> int:
    """Return the index that `text` is in a list."""
    if not text.isdecimal() or int(text) >= len(items):
        raise ConfigurationError(f"search.space: {path}: {text!r} is no place in a list of {len(items)}.")
    return int(text)
