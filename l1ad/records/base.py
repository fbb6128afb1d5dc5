"""What every record can do: to and from plain JSON values, and from a file."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, Self

from l1ad.errors import DataError


class Record:
    """Mixin of the frozen dataclasses of this package: to and from plain JSON values."""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain dictionaries, lists, numbers and strings."""
        return dataclasses.asdict(typing.cast(Any, self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the record from what `to_dict` returned.

        Raises
        ------
        DataError
            When a field is missing or unknown.
        """
        hints = typing.get_type_hints(cls)
        known = {f.name for f in dataclasses.fields(typing.cast(Any, cls))}
        unknown = sorted(set(values) - known)
        if unknown:
            raise DataError(f"{cls.__name__}: unknown field {unknown[0]!r}. Known: {', '.join(sorted(known))}.")
        try:
            return cls(**{name: _decode(hints[name], value) for name, value in values.items()})
        except TypeError as error:
            raise DataError(f"{cls.__name__}: {error}.") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the record from the JSON file `path`.

        Raises
        ------
        DataError
            When the file is absent, is not JSON, or does not hold this record.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file; expected a {cls.__name__}.") from error
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not readable as JSON ({error}); expected a {cls.__name__}.") from error
        if not isinstance(values, dict):
            raise DataError(f"{path}: holds {type(values).__name__}; expected an object with a {cls.__name__}.")
        try:
            return cls.from_dict(values)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _member(arguments: tuple[Any, ...], value: Any) -> Any:
    """Return the member of a union that `value` belongs to: of several records the one that has its fields."""
    members = [a for a in arguments if a is not type(None)]
    for member in members[1:]:
        known = {f.name for f in dataclasses.fields(member)} if dataclasses.is_dataclass(member) else set()
        if isinstance(value, dict) and known and set(value) <= known:
            return member
    return members[0]


def _decode(hint: Any, value: Any) -> Any:
    """Turn a JSON `value` into what the type `hint` of a field asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        return _decode(_member(arguments, value), value)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    return value
