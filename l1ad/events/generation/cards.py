"""Reads a user's Pythia card and checks it setting by setting before anything is generated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.events.generation.jets import quiet_output
from l1ad.events.generation.processes import CARD_CODE, Process, Stratum
from l1ad.events.generation.pythia import require_libraries
from l1ad.provenance import check_name

#: Settings that the generator makes itself, with what to use instead.
_OURS = {
    "random:seed": "give --seed",
    "random:setseed": "give --seed",
    "partonlevel:mpi": "multi-parton interactions come from a library; give --full to simulate them in every event",
    "phasespace:bias2selection": "events would carry weights, which the layout has no place for",
    "phasespace:bias2selectionpow": "events would carry weights, which the layout has no place for",
    "print:quiet": "leave it out",
    "main:numberofevents": "give --events",
    "include": "write the settings into the card itself",
    "processlevel:all": "without hard processes there is nothing to select",
    "hadronlevel:all": "jets are made of hadrons",
}
_TRUE_FALSE = ("on", "off", "true", "false", "yes", "no", "1", "0", "ok")
#: Properties of a particle that a card can set (Pythia 8 manual, Particle Data Scheme).
_PROPERTIES = (
    "new", "all", "name", "antiName", "names", "spinType", "chargeType", "colType", "m0", "mWidth", "mMin", "mMax",
    "tau0", "varWidth", "isResonance", "mayDecay", "tauCalc", "doExternalDecay", "isVisible", "doForceWidth",
    "rescaleBR", "oneChannel", "addChannel", "onMode", "offIfAny", "offIfAll", "offIfMatch", "onIfAny", "onIfAll",
    "onIfMatch", "onPosIfAny", "onPosIfAll", "onPosIfMatch", "onNegIfAny", "onNegIfAll", "onNegIfMatch",
)  # fmt: skip
_NUMERIC = {"m0", "mwidth", "mmin", "mmax", "tau0", "rescalebr", "spintype", "chargetype", "coltype"}
_CHANNEL = ("all", "onMode", "bRatio", "meMode", "products")
#: Groups of flags that switch on hard processes (Pythia 8 manual, Process Selection).
_PROCESS_GROUPS = {
    "softqcd", "hardqcd", "promptphoton", "weakbosonexchange", "weaksingleboson", "weakdoubleboson",
    "weakbosonandparton", "photoncollision", "photonparton", "charmonium", "bottomonium", "onia", "top", "fourthbottom",
    "fourthtop", "fourthpair", "higgssm", "higgsbsm", "susy", "newgaugeboson", "leftrightsymmmetry", "leptoquark",
    "excitedfermion", "contactinteractions", "hiddenvalley", "extradimensionsg*", "extradimensionstev",
    "extradimensionsled", "extradimensionsunpart", "dm",
}  # fmt: skip
_PARTICLE = re.compile(r"(-?\d+):(?:(\d+):)?([A-Za-z0-9]+)$")


@dataclass(frozen=True)
class _Line:
    """One setting of a card and where it stands."""

    path: Path
    number: int
    key: str
    value: str

    def refuse(self, why: str) -> ConfigurationError:
        """Return the error that names this line."""
        return ConfigurationError(f"{self.path}: line {self.number}: {self.key} = {self.value}: {why}")


def read_card(path: Path) -> Process:
    """Return the process that a Pythia card describes, every setting checked.

    Parameters
    ----------
    path : Path
        Text file with one ``key = value`` a line; lines that do not begin with a letter or digit are comments.

    Raises
    ------
    ToolMissingError
        When Pythia is not installed.
    DataError
        When the file is not readable.
    ConfigurationError
        Naming the line of the first setting that Pythia does not know or accept, with the nearest names that exist.

    Notes
    -----
    The name of the file without its ending names the process.
    """
    require_libraries()
    name = check_name(path.stem, "name of the card")
    lines = _read_lines(path)
    known = _Known()
    for line in lines:
        known.check(line)
    if not any(known.is_process(line) for line in lines):
        raise ConfigurationError(
            f"{path}: no hard process is switched on. Add one, such as `WeakSingleBoson:ffbar2W = on`."
        )
    settings = tuple(f"{line.key} = {line.value}" for line in lines)
    return Process(name, f"card {path.name}", CARD_CODE, (Stratum("card", settings, chunk_events=1_000),))


def _read_lines(path: Path) -> list[_Line]:
    """Return the settings of a card, comments left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as text ({error}).") from error
    lines = []
    for number, raw in enumerate(text.splitlines(), start=1):
        stripped = re.split(r"[!#]", raw, maxsplit=1)[0].strip()
        if not stripped or not (stripped[0].isalnum() or stripped[0] == "-"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            key, _, value = stripped.partition(" ")
        line = _Line(path, number, key.strip(), value.strip())
        if not line.value:
            raise line.refuse("no value; expected `key = value`.")
        lines.append(line)
    if not lines:
        raise DataError(f"{path}: holds no setting; expected lines such as `WeakSingleBoson:ffbar2W = on`.")
    return lines


class _Known:
    """What Pythia knows: its settings by type, and its particles."""

    def __init__(self) -> None:
        import pythia8mc

        self._pythia = pythia8mc.Pythia("", False)
        settings = self._pythia.settings
        self._flags: Mapping[str, Any] = settings.getFlagMap("")
        self._modes: Mapping[str, Any] = settings.getModeMap("")
        self._parms: Mapping[str, Any] = settings.getParmMap("")
        others = (settings.getWordMap, settings.getFVecMap, settings.getMVecMap, settings.getPVecMap)
        self._others = [found for get in (*others, settings.getWVecMap) for found in get("").values()]

    def check(self, line: _Line) -> None:
        """Refuse a line that Pythia would not take as it is meant."""
        key = line.key.lower()
        if key in _OURS:
            raise line.refuse(f"the generator sets this itself: {_OURS[key]}.")
        if line.key[0].isdigit() or line.key[0] == "-":
            self._check_particle(line)
        elif key in self._flags:
            if line.value.lower() not in _TRUE_FALSE:
                raise line.refuse("expected on or off.")
        elif key in self._modes or key in self._parms:
            self._check_number(line, key)
        elif key not in {other.name.lower() for other in self._others}:
            names = [*self._flags.values(), *self._modes.values(), *self._parms.values(), *self._others]
            raise line.refuse(f"Pythia has no such setting. {nearest(line.key, [item.name for item in names])}")
        with quiet_output():
            accepted = self._pythia.readString(f"{line.key} = {line.value}")
        if not accepted:
            raise line.refuse("Pythia refuses this value; see its manual for the range.")

    def _check_number(self, line: _Line, key: str) -> None:
        """Refuse what is not a number, or outside the range of the setting."""
        found = self._modes.get(key) or self._parms[key]
        try:
            value = int(line.value) if key in self._modes else float(line.value)
        except ValueError as error:
            what = "a whole number" if key in self._modes else "a number, without a unit"
            raise line.refuse(f"expected {what}.") from error
        low = found.valMin if found.hasMin else float("-inf")
        high = found.valMax if found.hasMax else float("inf")
        if not low <= value <= high:
            raise line.refuse(f"outside the range of this setting, {low} to {high}.")

    def _check_particle(self, line: _Line) -> None:
        """Refuse an unknown particle or property, and a property whose value is no number."""
        found = _PARTICLE.match(line.key)
        if found is None:
            raise line.refuse("expected `code:property = value`, for example `25:m0 = 60`.")
        code, channel, prop = int(found[1]), found[2], found[3]
        allowed = _PROPERTIES if channel is None else _CHANNEL
        if prop.lower() not in {name.lower() for name in allowed}:
            raise line.refuse(f"particles have no such property. {nearest(prop, allowed)}")
        if prop.lower() not in ("new", "all") and not self._pythia.particleData.isParticle(code):
            raise line.refuse(f"Pythia knows no particle with the code {code}.")
        if prop.lower() in _NUMERIC | {"bratio", "memode"}:
            try:
                float(line.value)
            except ValueError as error:
                raise line.refuse("expected a number, without a unit.") from error

    def is_process(self, line: _Line) -> bool:
        """Return whether a line switches a hard process on."""
        group, _, _ = line.key.partition(":")
        on = line.value.lower() in ("on", "true", "yes", "1", "ok")
        return on and line.key.lower() in self._flags and group.lower() in _PROCESS_GROUPS
