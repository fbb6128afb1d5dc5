"""The seam to Pythia 8 (``pythia8mc``): settings in, flat arrays of particles out."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, ToolMissingError
from l1ad.events.generation.particles import EventRecord

LIBRARIES = ("pythia8mc", "fastjet", "numba")
#: Largest seed that Pythia takes (Random:seed).
MAX_SEED = 900_000_000
#: Collisions of two protons at 13 TeV, as in the ADC2021 data; Pythia writes nothing but errors.
COMMON = ("Print:quiet = on", "Beams:eCM = 13000.")
#: Filters that end an event before the expensive steps.
LEPTON, CREATION, SPLITTING, UNDERLYING = "lepton", "creation", "splitting", "underlying"
#: pT of a parton or lepton below which no lepton of 23 GeV can come of it, and the edge in |eta|.
_LEPTON_PT_GEV, _QUARK_PT_GEV = 20.5, 20.0
_LEPTON_ETA, _QUARK_ETA = 3.05, 3.3
#: Evolution scale in GeV below which a gluon no longer splits into heavy quarks: pT^2 = z (1 - z) m^2 with m above
#: 2 m(c) leaves only splittings in which one quark takes nearly everything.
_SPLITTING_SCALE_GEV = 1.0


def require_libraries() -> None:
    """Check that the libraries of the generator are installed.

    Raises
    ------
    ToolMissingError
        Naming what is missing and how to get it.
    """
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise ToolMissingError(
            f"{', '.join(missing)}: not installed. Events are generated with Pythia 8, FastJet and Numba: "
            "pip install 'l1ad[generate]'."
        )


def _lepton_filter(pythia: Any) -> Any:
    """Drop an event after its showers when no electron, muon or tau can pass the trigger."""

    class LeptonFilter(pythia.UserHooks):  # type: ignore[misc]
        def canVetoPartonLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            for i in range(event.size() - 1, 4, -1):
                particle = event[i]
                if particle.idAbs() not in (11, 13, 15) or not particle.isFinal():
                    continue
                if particle.pT() > _LEPTON_PT_GEV and abs(particle.eta()) < _LEPTON_ETA:
                    return False
            return True

    return LeptonFilter()


def _heavy_flavour_filter(pythia: Any, in_process: bool) -> Any:
    """Keep events with a heavy quark in the hard process, or those without one in which the shower makes one."""

    class HeavyFlavourFilter(pythia.UserHooks):  # type: ignore[misc]
        def canVetoProcessLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoProcessLevel(self, process: Any) -> bool:  # noqa: N802
            heavy = any(process[i].idAbs() in (4, 5) for i in (3, 4, 5, 6))
            return heavy != in_process

        def canVetoPT(self) -> bool:  # noqa: N802
            return not in_process

        def scaleVetoPT(self) -> float:  # noqa: N802
            return _SPLITTING_SCALE_GEV

        def doVetoPT(self, position: int, event: Any) -> bool:  # noqa: N802
            return self._is_light(event)

        def canVetoPartonLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            return self._is_light(event)

        @staticmethod
        def _is_light(event: Any) -> bool:
            for i in range(event.size() - 1, 4, -1):
                parton = event[i]
                if parton.idAbs() not in (4, 5) or not parton.isFinal():
                    continue
                if parton.pT() > _QUARK_PT_GEV and abs(parton.eta()) < _QUARK_ETA:
                    return False
            return True

    return HeavyFlavourFilter()


def _underlying_filter(pythia: Any) -> Any:
    """Forbid initial-state radiation of the hard system, so that what is left is the underlying event."""

    class UnderlyingFilter(pythia.UserHooks):  # type: ignore[misc]
        def canVetoISREmission(self) -> bool:  # noqa: N802
            return True

        def doVetoISREmission(self, size: int, event: Any, system: int) -> bool:  # noqa: N802
            return system == 0

    return UnderlyingFilter()


class PythiaRun:
    """Pythia, set up for one process.

    Parameters
    ----------
    settings : sequence of str
        Lines of a Pythia card, after `COMMON`.
    seed : int
        1 to `MAX_SEED`.
    event_filter : str or None, optional
        ``lepton``, ``creation``, ``splitting`` or ``underlying``.

    Raises
    ------
    ToolMissingError
        When ``pythia8mc`` is not installed.
    ConfigurationError
        When Pythia refuses a line or cannot be initialized with them.
    """

    def __init__(self, settings: Sequence[str], seed: int, event_filter: str | None = None) -> None:
        require_libraries()
        import pythia8mc

        self._pythia = pythia8mc.Pythia("", False)
        for line in (*COMMON, *settings, "Random:setSeed = on", f"Random:seed = {seed}"):
            if not self._pythia.readString(line):
                raise ConfigurationError(f"Pythia does not accept {line!r}.")
        # Pythia keeps a pointer: the filter has to live as long as it.
        self._filter = self._make_filter(pythia8mc, event_filter)
        if self._filter is not None:
            self._pythia.setUserHooksPtr(self._filter)
        if not self._pythia.init():
            raise ConfigurationError(
                "Pythia cannot start with these settings; its own message stands above. Check the card: "
                f"{'; '.join(settings)}"
            )

    @staticmethod
    def _make_filter(pythia: Any, name: str | None) -> Any:
        """Return the filter `name`, or None."""
        if name == LEPTON:
            return _lepton_filter(pythia)
        if name in (CREATION, SPLITTING):
            return _heavy_flavour_filter(pythia, name == CREATION)
        return _underlying_filter(pythia) if name == UNDERLYING else None

    @property
    def cross_section_mb(self) -> float:
        """Cross section in mb of what passed the filters so far."""
        return float(self._pythia.infoPython().sigmaGen())

    @property
    def raw(self) -> Any:
        """The Pythia object itself."""
        return self._pythia

    def batch(self, events: int) -> EventRecord:
        """Return the records of `events` new events that pass the filter.

        Fewer come when Pythia gives up on some of them.
        """
        import awkward

        found = self._pythia.nextBatch(events)
        particles = found.prt
        flat = awkward.flatten(particles)
        offsets = np.zeros(len(particles) + 1, np.int64)
        np.cumsum(_array(awkward.num(particles), np.int64), out=offsets[1:])
        p4 = np.stack([_array(getattr(flat.p, name), np.float64) for name in ("px", "py", "pz", "e")], axis=1)
        pt_hat = np.sqrt(_array(found.info.pT2Hat, np.float64))
        pdg, status, mother = (_array(getattr(flat, name), np.int32) for name in ("id", "status", "mother1"))
        return EventRecord(offsets, pdg, status, mother, p4, pt_hat)


def _array(values: Any, dtype: Any) -> NDArray[Any]:
    """Return an awkward array without options as NumPy."""
    import awkward

    return np.ascontiguousarray(awkward.to_numpy(values), dtype=dtype)


def one_at_a_time(settings: Sequence[str], seed: int) -> Any:
    """Return a Pythia without collisions that lets single particles decay."""
    return PythiaRun(("ProcessLevel:all = off", *settings), seed).raw
