"""Names and units of the columns of a table: what a user writes in YAML or with ``--map``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from l1ad.errors import ConfigurationError, nearest
from l1ad.events.layout import BLOCKS, QUANTITIES, input_names
from l1ad.units import PT_LSB_GEV

HARDWARE = "hw"

#: Quantity -> unit -> factor to GeV, 1 or rad. ``hw`` is the integer of the CMS trigger, with the object's own step.
UNITS: dict[str, dict[str, float]] = {
    "pt": {"GeV": 1.0, "MeV": 1e-3, "TeV": 1e3, HARDWARE: PT_LSB_GEV},
    "eta": {"1": 1.0, HARDWARE: 1.0},
    "phi": {"rad": 1.0, "deg": 0.017453292519943295, HARDWARE: 1.0},
}
_DEFAULT_UNITS = {"pt": "GeV", "eta": "1", "phi": "rad"}
_OBJECTS = tuple(block.name for block in BLOCKS)

#: Everything a column can be: one number (``jet3_pt``) or one list an event (``jet_pt``).
FIELDS = tuple(dict.fromkeys((*input_names(), *(f"{block}_{q}" for block in _OBJECTS for q in QUANTITIES))))


@dataclass(frozen=True)
class TableMapping:
    """Which column is which quantity.

    Attributes
    ----------
    columns : dict of str to str
        Field, such as ``jet1_pt`` or ``jet_pt``, -> column. Fields that are not named are looked for under their own
        name.
    units : dict of str to str
        ``pt``, ``eta``, ``phi`` -> unit.
    absent : tuple of str
        Objects that the table does not have; their rows stay empty.
    """

    columns: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=lambda: dict(_DEFAULT_UNITS))
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if HARDWARE in self.units.values() and not self.is_hardware:
            raise ConfigurationError(f"units {self.units}: give all of pt, eta and phi in hardware units, or none.")

    def column(self, name: str) -> str:
        """Return the column of the field `name`."""
        return self.columns.get(name, name)

    @property
    def is_hardware(self) -> bool:
        """Whether all three quantities are integers of the trigger."""
        return set(self.units.values()) == {HARDWARE}


def read_mapping(
    path: Path | None, pairs: Sequence[str] = (), units: Sequence[str] = (), absent: Sequence[str] = ()
) -> TableMapping:
    """Return the mapping of a YAML file, with what the command line says on top.

    Parameters
    ----------
    path : Path or None
        YAML file with the keys ``columns``, ``units`` and ``absent``.
    pairs : sequence of str
        ``field=column``.
    units : sequence of str
        ``pt=MeV``.
    absent : sequence of str
        Objects that the table does not have.

    Raises
    ------
    ConfigurationError
        When the file or a pair is not readable, or a field, unit or object does not exist.

    Examples
    --------
    >>> read_mapping(None, ["met_pt=MET"], ["pt=MeV"], ["muon"]).column("met_pt")
    'MET'
    """
    values = _read_yaml(path) if path is not None else {}
    where = str(path) if path is not None else "--map"
    unknown = sorted(set(values) - {"columns", "units", "absent"})
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}. {nearest(unknown[0], TableMapping().__dict__)}")
    columns = {**_texts(values.get("columns"), f"{where}: columns"), **_pairs(pairs, "--map", "jet1_pt=j1_pt")}
    chosen = {**_texts(values.get("units"), f"{where}: units"), **_pairs(units, "--unit", "pt=MeV")}
    missing = values.get("absent") or []
    if not isinstance(missing, list):
        raise ConfigurationError(f"{where}: absent is {missing!r}; expected a list such as [muon].")
    objects = tuple(dict.fromkeys((*map(str, missing), *absent)))
    _check_names(columns, FIELDS, f"{where}: field")
    _check_names(chosen, UNITS, f"{where}: quantity")
    _check_names(objects, _OBJECTS, f"{where}: object")
    for quantity, unit in chosen.items():
        _check_names([unit], UNITS[quantity], f"{where}: unit of {quantity}")
    return TableMapping(columns, {**_DEFAULT_UNITS, **chosen}, objects)


def _read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML ({error}).") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: holds a {type(values).__name__}; expected the keys columns, units, absent.")
    return {str(key): value for key, value in values.items()}


def _texts(values: object, where: str) -> dict[str, str]:
    """Return a mapping of names to text."""
    if values is None:
        return {}
    if not isinstance(values, dict) or any(isinstance(value, dict | list) for value in values.values()):
        raise ConfigurationError(f"{where}: {values!r}; expected names such as jet1_pt: j1_pt.")
    return {str(key): str(value) for key, value in values.items()}


def _pairs(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """Return ``a=b`` texts as a mapping."""
    result = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"{option} {text!r}: expected {example}.")
        result[name] = value
    return result


def _check_names(names: Sequence[str] | dict[str, str], known: Sequence[str] | dict[str, Any], what: str) -> None:
    """Refuse a name that is not known."""
    for name in names:
        if name not in known:
            raise ConfigurationError(f"{what} {name!r}: unknown. {nearest(name, known)}")
