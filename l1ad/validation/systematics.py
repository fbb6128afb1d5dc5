"""Reads what a user writes about systematic uncertainties: options of the command line and YAML files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.validation.checks import check_columns
from l1ad.validation.kernels import Floats
from l1ad.validation.nuisances import Normalisation, Nuisance, learn_scale, learn_shape
from l1ad.validation.samples import SampleFile, read_sample

_EXPECTED = "expected normalisation=0.02, scale=0.05, scale:FEATURE=0.05, NAME=UP,DOWN with two files, or a .yaml file"
#: What an entry of a YAML file may hold, by kind.
_FIELDS = {
    "normalisation": {"kind", "sigma"},
    "scale": {"kind", "sigma", "features"},
    "varied": {"kind", "up", "down"},
}


def read_nuisances(texts: Sequence[str], reference: SampleFile) -> tuple[Nuisance, ...]:
    """Return the nuisances that a user asked for; shapes are learned from the reference and from varied samples.

    Parameters
    ----------
    texts : sequence of str
        Each ``normalisation=SIGMA``, ``scale=SIGMA``, ``scale:FEATURE=SIGMA`` (a feature by name or number),
        ``NAME=UP,DOWN`` (files with samples at plus and minus one standard deviation), or the path of a YAML file
        with one entry a nuisance::

            energy:  {kind: scale, sigma: 0.05, features: [pt]}
            lumi:    {kind: normalisation, sigma: 0.02}
            pileup:  {kind: varied, up: up.npy, down: down.npy}

    reference : SampleFile

    Raises
    ------
    ConfigurationError
        When a text is none of these, a feature does not exist, or two nuisances have the same name.
    DataError
        When a file is absent or does not fit the reference.
    """
    found: list[Nuisance] = []
    for text in texts:
        found += _from_file(Path(text), reference) if _is_yaml(text) else [_from_option(text, reference)]
    names = [nuisance.name for nuisance in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"nuisance {name}: given twice. Give each a name of its own.")
    return tuple(found)


def _is_yaml(text: str) -> bool:
    return Path(text).suffix in (".yaml", ".yml") and "=" not in text


def _from_option(text: str, reference: SampleFile) -> Nuisance:
    """Return the nuisance of one option."""
    name, equal, value = text.partition("=")
    if not equal or not name or not value:
        raise ConfigurationError(f"nuisance {text!r}: {_EXPECTED}.")
    kind, _, feature = name.partition(":")
    if kind == "normalisation":
        return Normalisation(_number(name, value))
    if kind == "scale":
        features = [feature] if feature else None
        return learn_scale(reference.x, _number(name, value), features=_columns(name, features, reference), name=name)
    up, comma, down = value.partition(",")
    if not comma:
        raise ConfigurationError(f"nuisance {text!r}: {_EXPECTED}.")
    return _from_samples(name, Path(up), Path(down), reference)


def _from_file(path: Path, reference: SampleFile) -> list[Nuisance]:
    """Return the nuisances of a YAML file."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected nuisances.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML ({error}).") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ConfigurationError(f"{path}: expected one entry a nuisance, NAME: {{kind: ..., ...}}.")
    return [_from_entry(path, str(name), entry, reference) for name, entry in entries.items()]


def _from_entry(path: Path, name: str, entry: dict[str, Any], reference: SampleFile) -> Nuisance:
    """Return the nuisance of one entry of a file."""
    kind = str(entry.get("kind", ""))
    if kind not in _FIELDS:
        raise ConfigurationError(f"{path}: {name}: kind {kind!r}. {nearest(kind, _FIELDS)}")
    wrong = set(entry) ^ _FIELDS[kind] - {"features"}
    if wrong - {"features"} or ("features" in entry and kind != "scale"):
        needed = ", ".join(sorted(_FIELDS[kind]))
        raise ConfigurationError(f"{path}: {name}: holds {', '.join(sorted(map(str, entry)))}; expected {needed}.")
    if kind == "varied":
        return _from_samples(name, path.parent / str(entry["up"]), path.parent / str(entry["down"]), reference)
    sigma = _number(name, entry["sigma"])
    if kind == "normalisation":
        return Normalisation(sigma, name)
    return learn_scale(reference.x, sigma, features=_columns(name, entry.get("features"), reference), name=name)


def _from_samples(name: str, up: Path, down: Path, reference: SampleFile) -> Nuisance:
    """Return the shape learned from two files."""
    sides: list[Floats] = []
    for path in (up, down):
        sample = read_sample(path)
        check_columns(reference.x, sample.x, reference.names, sample.names)
        sides.append(sample.x)
    return learn_shape(name, reference.x, *sides)


def _columns(name: str, features: Any, reference: SampleFile) -> list[int] | None:
    """Return the columns of features given by name or number."""
    if features is None:
        return None
    known = list(reference.names or ()) or [str(k) for k in range(reference.x.shape[1])]
    columns = []
    for feature in features if isinstance(features, list) else [features]:
        if str(feature) not in known:
            raise ConfigurationError(
                f"nuisance {name}: feature {str(feature)!r} unknown. {nearest(str(feature), known)}"
            )
        columns.append(known.index(str(feature)))
    return columns


def _number(name: str, value: Any) -> float:
    """Return a standard deviation."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"nuisance {name}: {value!r} is not a number; {_EXPECTED}.") from error
