"""Libraries that many events share: underlying events, pile-up, decays. Built once, in pieces, and kept on the disk."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.particles import ELECTRON
from l1ad.events.generation.pieces import derived_seed, piece_record, pythia_seed, read_arrays, write_piece
from l1ad.events.generation.pythia import COMMON, UNDERLYING, PythiaRun, one_at_a_time
from l1ad.provenance import library_version, value_digest

#: Events of a library.
DEFAULT_EVENTS = 10_000
#: Events of a piece. Pythia needs ten seconds to prepare multi-parton interactions in diffraction: fewer, larger ones.
PIECE_EVENTS = {"underlying": 500, "pileup": 2_500}
#: Decays of each species.
DEFAULT_DECAYS = 4_000
#: Libraries do not depend on the seed of the user: every sample shares them.
_SEED = 20_210_702
_UNDERLYING_SETTINGS = (
    "WeakSingleBoson:ffbar2gmZ = on",
    "WeakZ0:gmZmode = 2",
    "23:onMode = off",
    "23:onIfAny = 12 14 16",
)
_PILEUP_SETTINGS = ("SoftQCD:inelastic = on",)
#: Hadrons with bottom or charm that decay weakly, and the tau (PDG numbering scheme).
SPECIES = (15, 411, 421, 431, 4122, 4132, 4232, 4332, 511, 521, 531, 541, 5122, 5132, 5232, 5332)
_TAU = 15
#: Momentum in GeV of a tau along z, so that its helicity has a direction.
_TAU_PZ_GEV = 50.0
#: Helicity -1 of every tau-, as in W- -> tau- nu (Pythia: TauDecays:mode = 3).
_DECAY_SETTINGS = ("TauDecays:mode = 3", "TauDecays:tauPolarization = -1")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class LibrarySpec:
    """What a library is made of.

    Attributes
    ----------
    name : str
        ``underlying``, ``pileup`` or ``decays``.
    events : int
        Events, or decays of each species.
    """

    name: str
    events: int

    @property
    def pieces(self) -> int:
        """Number of pieces it is built from."""
        return len(SPECIES) if self.name == "decays" else -(-self.events // PIECE_EVENTS[self.name])

    @property
    def key(self) -> str:
        """Digest of everything that the content depends on."""
        settings = (*COMMON, *_UNDERLYING_SETTINGS, *_PILEUP_SETTINGS, *_DECAY_SETTINGS)
        versions = {name: library_version(name) for name in ("pythia8mc", "numpy")}
        return value_digest([self.name, self.events, _SEED, SPECIES, settings, versions])

    def path(self, cache: Path) -> Path:
        """Return the file of the library in the folder `cache`."""
        return cache / f"{self.name}_{self.key[:16]}.npz"


def build_piece(name: str, index: int, events: int) -> Arrays:
    """Make one piece of a library; the result depends on the arguments alone.

    Parameters
    ----------
    name : str
        ``underlying``, ``pileup`` or ``decays``.
    index : int
        Number of the piece; for decays, of the species.
    events : int
        Events or decays in it.
    """
    builders: dict[str, Callable[[int, int], Arrays]] = {
        "underlying": _underlying_piece,
        "pileup": _pileup_piece,
        "decays": _decay_piece,
    }
    return builders[name](index, events)


def _visible(run: PythiaRun, events: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Generate events and return offsets, p4, kind and charge of their visible particles."""
    from l1ad.events.generation.kernels_particles import sort_particles

    record = run.batch(events)
    return sort_particles(record.offsets, record.pdg, record.status, record.mother, record.p4, np.zeros(0, np.int64))


def _underlying_piece(index: int, events: int) -> Arrays:
    """Make underlying events: Z -> nu nu with multi-parton interactions and no radiation of the Z's own."""
    seed = derived_seed(_SEED, "underlying", index)
    offsets, p4, kind, charge = _visible(PythiaRun(_UNDERLYING_SETTINGS, pythia_seed(seed), UNDERLYING), events)
    return {"sizes": np.diff(offsets), "p4": p4.astype(np.float32), "kind": kind, "charge": charge}


def _pileup_piece(index: int, events: int) -> Arrays:
    """Make minimum-bias events, as the towers that they fill and the momentum of their tracks."""
    from l1ad.events.generation.kernels_detector import sparse_towers

    seed = derived_seed(_SEED, "pileup", index)
    particles = _visible(PythiaRun(_PILEUP_SETTINGS, pythia_seed(seed)), events)
    offsets, cells, energy, momentum = sparse_towers(*particles, np.random.default_rng(seed))
    return {"sizes": np.diff(offsets), "cells": cells, "energy": energy, "momentum": momentum}


def _decay_piece(index: int, events: int) -> Arrays:
    """Make decays of one species, in its rest frame, leptons first."""
    from l1ad.events.generation.kernels_particles import sort_particles

    code, seed = SPECIES[index], derived_seed(_SEED, "decays", index)
    pythia = one_at_a_time(_DECAY_SETTINGS, pythia_seed(seed))
    mass = float(pythia.particleData.m0(code))
    pz = _TAU_PZ_GEV if code == _TAU else 0.0
    energy = float(np.hypot(mass, pz))
    integers: list[tuple[int, int, int]] = []
    momenta: list[tuple[float, float, float, float]] = []
    offsets = [0]
    while len(offsets) <= events:
        pythia.event.reset()
        pythia.event.append(code, 1, 0, 0, 0.0, 0.0, pz, energy, mass)
        if not pythia.next():
            continue
        for i in range(pythia.event.size()):
            particle = pythia.event[i]
            integers.append((particle.id(), particle.status(), particle.mother1()))
            momenta.append((particle.px(), particle.py(), particle.pz(), particle.e()))
        offsets.append(len(integers))
    pdg, status, mother = (np.ascontiguousarray(column) for column in np.array(integers, np.int32).T)
    p4 = _at_rest(np.array(momenta), pz / energy)
    found = sort_particles(np.array(offsets, np.int64), pdg, status, mother, p4, np.zeros(0, np.int64))
    return _leptons_first(*found)


def _at_rest(p4: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Boost momenta along z from a frame that moves with `beta` to rest."""
    gamma = 1.0 / np.sqrt(1.0 - beta * beta)
    result = p4.copy()
    result[:, 2] = gamma * (p4[:, 2] - beta * p4[:, 3])
    result[:, 3] = gamma * (p4[:, 3] - beta * p4[:, 2])
    return result


def _leptons_first(
    offsets: NDArray[np.int64], p4: NDArray[np.float64], kind: NDArray[np.int8], charge: NDArray[np.int8]
) -> Arrays:
    """Order the particles of every decay with its electrons and muons first."""
    sizes = np.diff(offsets)
    event = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((kind < ELECTRON, event))
    leptons = np.bincount(event[kind >= ELECTRON], minlength=len(sizes))
    return {
        "sizes": sizes,
        "p4": p4[order],
        "kind": kind[order],
        "charge": charge[order],
        "leptons": leptons.astype(np.int8),
    }


def build_library(
    spec: LibrarySpec,
    cache: Path,
    executor: Executor,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Return the file of a library; what is not in `cache` yet is made, piece by piece.

    Parameters
    ----------
    spec : LibrarySpec
    cache : Path
        Folder for libraries; finished pieces of a build that was cut off are used.
    executor : concurrent.futures.Executor
        Where the work is done.
    workers : int, optional
        Pieces at once.
    progress : callable, optional
        Called with pieces done, pieces in all and a text.

    Raises
    ------
    RunFolderError
        When `cache` cannot be written.
    """
    from l1ad.workers import map_unordered

    path = spec.path(cache)
    if piece_record(path, spec.key) is not None:
        return path
    folder = path.with_suffix("")
    files = [folder / f"piece_{index:04d}.npz" for index in range(spec.pieces)]
    todo = {
        index: (spec.name, index, _piece_events(spec, index))
        for index, file in enumerate(files)
        if piece_record(file, spec.key) is None
    }
    done = spec.pieces - len(todo)
    for index, arrays in map_unordered(executor, build_piece, todo, workers=workers):
        write_piece(files[index], arrays, {"key": spec.key})
        done += 1
        if progress is not None:
            progress(done, spec.pieces, f"library {spec.name}")
    pieces = [read_arrays(file) for file in files]
    merged = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    merged["piece_events"] = np.array([len(piece["sizes"]) for piece in pieces])
    write_piece(path, merged, {"key": spec.key, "library": spec.name, "events": spec.events})
    for file in files:
        file.unlink()
        file.with_suffix(".json").unlink()
    folder.rmdir()
    return path


def _piece_events(spec: LibrarySpec, index: int) -> int:
    """Return the events of a piece."""
    if spec.name == "decays":
        return spec.events
    size = PIECE_EVENTS[spec.name]
    return min(size, spec.events - index * size)


@functools.lru_cache(maxsize=6)
def load_library(path: Path | None, name: str) -> tuple[NDArray[Any], ...]:
    """Return the arrays of a library as the kernels take them; without a path, those of an empty one.

    underlying: offsets, p4, kind, charge. pileup: offsets, cells, energy, momentum. decays: species, first decay of
    each, offsets, p4, kind, charge, leptons.
    """
    arrays = _empty(name) if path is None else read_arrays(path)
    offsets = np.concatenate([[0], np.cumsum(arrays["sizes"])]).astype(np.int64)
    if name == "pileup":
        return offsets, arrays["cells"], arrays["energy"], arrays["momentum"]
    if name == "underlying":
        return offsets, arrays["p4"], arrays["kind"], arrays["charge"]
    first = np.concatenate([[0], np.cumsum(arrays["piece_events"])]).astype(np.int64)
    species = np.array(SPECIES if path is not None else (), np.int64)
    return species, first, offsets, arrays["p4"], arrays["kind"], arrays["charge"], arrays["leptons"]


def _empty(name: str) -> Arrays:
    """Return the arrays of a library without events."""
    arrays: Arrays = {"sizes": np.zeros(0, np.int64), "piece_events": np.zeros(0, np.int64)}
    if name == "pileup":
        return arrays | {
            "cells": np.zeros((0, 2), np.uint8),
            "energy": np.zeros((0, 3), np.float32),
            "momentum": np.zeros((0, 2), np.float32),
        }
    dtype = np.float32 if name == "underlying" else np.float64
    labels = {part: np.zeros(0, np.int8) for part in ("kind", "charge", "leptons")}
    return arrays | labels | {"p4": np.zeros((0, 4), dtype)}
