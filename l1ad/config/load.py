"""Reads a configuration from YAML, applies overrides, and writes it back resolved."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from l1ad.config.models import RunConfig
from l1ad.errors import ConfigurationError, L1adError, nearest


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read the YAML file `path` and apply ``section.key=value`` overrides.

    Parameters
    ----------
    path : Path
        YAML file with the fields of `RunConfig`; absent fields take their defaults.
    overrides : sequence of str
        For example ``training.epochs=3``. Values are read as YAML.

    Raises
    ------
    ConfigurationError
        When the file is absent or not YAML, or a field is unknown or out of range.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such configuration file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}).") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML ({error}).") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: holds a {type(values).__name__}; expected a mapping such as 'name: my_run'.")
    return parse_config(apply_overrides(values, overrides), str(path))


def parse_config(values: dict[str, Any], source: str) -> RunConfig:
    """Check `values` and return the configuration; `source` stands in the error."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source)) from error
    except L1adError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `values` with ``a.b=value`` overrides applied.

    Examples
    --------
    >>> apply_overrides({"training": {"epochs": 60}}, ["training.epochs=3", "name=short"])
    {'training': {'epochs': 3}, 'name': 'short'}
    """
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"override {override!r}: expected section.key=value, such as training.epochs=3.")
        *sections, last = key.split(".")
        target = result
        for section in sections:
            inner = target.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"override {override!r}: {section} is not a section.")
            target = inner
        try:
            target[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigurationError(f"override {override!r}: the value is not valid YAML.") from error
    return result


def dump_config(config: RunConfig) -> str:
    """Return the resolved configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _explain(error: ValidationError, source: str) -> str:
    """Say which field is wrong, what came, and which name is nearest."""
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "configuration"
        if item["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown field. {nearest(str(item['loc'][-1]), _fields_beside(item['loc']))}")
        else:
            given = "" if isinstance(item["input"], dict) else f" Received: {item['input']!r}."
            lines.append(f"{place}: {item['msg']}.{given}")
    return f"{source}: " + "\n".join(lines)


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the fields that exist where the unknown field at `location` stands."""
    model: Any = RunConfig
    for part in location[:-1]:
        # The keys of a mapping are the user's; what stands behind them is a section.
        inside = typing.get_origin(model) is dict
        model = typing.get_args(model)[1] if inside else model.model_fields[str(part)].annotation
    return list(model.model_fields)
