"""Particles of many events in flat arrays: what Pythia hands over and what the kernels work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Kinds of particle that the detector tells apart. Leptons of W, Z, Higgs bosons, leptoquarks, taus and heavy hadrons
#: are signal leptons; those of light hadrons (Dalitz decays, decays in flight) never become a lepton of an event.
INVISIBLE, PHOTON, CHARGED_HADRON, NEUTRAL_HADRON, SOFT_ELECTRON, SOFT_MUON, ELECTRON, MUON = range(-1, 7)
#: A kind of `UNSTABLE` + i is a particle of the i-th species of a decay library, not decayed yet.
UNSTABLE = 10


@dataclass(frozen=True)
class EventRecord:
    """The event record of Pythia for a batch of events, particle by particle.

    Attributes
    ----------
    offsets : ndarray of int64, shape (events + 1,)
        Particles of event i are ``offsets[i]`` to ``offsets[i + 1]``.
    pdg, status, mother : ndarray of int32, shape (particles,)
        PDG code, status (positive: final) and index of the first mother inside the event.
    p4 : ndarray of float64, shape (particles, 4)
        px, py, pz, E in GeV.
    pt_hat_gev : ndarray of float64, shape (events,)
        Transverse momentum of the hard process; 0 for one that makes a single particle.
    """

    offsets: NDArray[np.int64]
    pdg: NDArray[np.int32]
    status: NDArray[np.int32]
    mother: NDArray[np.int32]
    p4: NDArray[np.float64]
    pt_hat_gev: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class ParticleSet:
    """Visible particles of many events.

    Attributes
    ----------
    offsets : ndarray of int64, shape (events + 1,)
    p4 : ndarray of float64, shape (particles, 4)
        px, py, pz, E in GeV.
    kind, charge : ndarray of int8, shape (particles,)
        Kind as above, and charge in units of e.
    parent : ndarray of int64, shape (events,)
        Index of the hard event that each one was made from.
    """

    offsets: NDArray[np.int64]
    p4: NDArray[np.float64]
    kind: NDArray[np.int8]
    charge: NDArray[np.int8]
    parent: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1
