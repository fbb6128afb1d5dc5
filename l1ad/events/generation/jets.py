"""Jets: anti-kT with R = 0.4 from FastJet, for many events at once."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Radius of the jets.
RADIUS = 0.4
#: Smallest pT in GeV and largest |eta| of a jet (ADC2021, arXiv:2107.02157, section 3).
JET_PT_GEV = 15.0
JET_MAX_ETA = 4.0


def cluster_jets(
    offsets: NDArray[np.int64], constituents: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cluster the constituents of every event.

    Parameters
    ----------
    offsets : ndarray of int64, shape (events + 1,)
    constituents : ndarray, shape (n, 4)
        px, py, pz, E in GeV.

    Returns
    -------
    offsets : ndarray of int64, shape (events + 1,)
    jets : ndarray, shape (jets, 3)
        pT, eta, phi of the jets above 15 GeV with |eta| below 4, in no order.
    """
    import awkward

    fastjet = _fastjet()
    fields = {name: constituents[:, i] for i, name in enumerate(("px", "py", "pz", "E"))}
    events = awkward.unflatten(awkward.zip(fields, with_name="Momentum4D"), np.diff(offsets))
    with quiet_output():
        sequence = fastjet.ClusterSequence(events, fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS))
        found = sequence.inclusive_jets(min_pt=JET_PT_GEV)
    flat = awkward.flatten(found)
    px, py, pz = (awkward.to_numpy(flat[name]) for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    jets = np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px)], axis=1)
    inside = np.abs(jets[:, 1]) < JET_MAX_ETA
    event = np.repeat(np.arange(len(offsets) - 1), awkward.to_numpy(awkward.num(found)))
    counts = np.bincount(event[inside], minlength=len(offsets) - 1)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), jets[inside]


@functools.cache
def _fastjet():  # type: ignore[no-untyped-def]
    """Import FastJet and the vector behaviours that it needs."""
    import fastjet
    import vector

    vector.register_awkward()
    return fastjet


@contextlib.contextmanager
def quiet_output() -> Iterator[None]:
    """Send what C++ writes to the standard output nowhere: FastJet's banner, Pythia's complaints about a card."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
