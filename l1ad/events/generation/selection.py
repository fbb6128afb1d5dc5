"""Events in the ADC2021 layout, from leptons, missing energy and jets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.jets import RADIUS
from l1ad.events.layout import BLOCKS, CLASS, ETA, N_COLUMNS, N_ROWS, PHI, PT

_MET, _ELECTRONS, _MUONS, _JETS = BLOCKS


def fill_layout(
    leptons: NDArray[np.float64],
    met: NDArray[np.float64],
    jet_offsets: NDArray[np.int64],
    jets: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the events with and without the jets that are leptons taken out.

    Parameters
    ----------
    leptons : ndarray, shape (N, 8, 3)
        pT, eta, phi of four electrons and four muons, by falling pT, 0 where there is none.
    met : ndarray, shape (N, 2)
        Missing px and py in GeV.
    jet_offsets, jets : ndarray, shapes (N + 1,) and (jets, 3)
        As `l1ad.events.generation.jets.cluster_jets` returns them.

    Returns
    -------
    cleaned, kept : ndarray of float32, shape (N, 19, 4)
        ``Particles`` and ``Particles_lepjets``. A jet within 0.4 of a lepton of the event is that lepton.
    """
    kept = np.zeros((len(leptons), N_ROWS, N_COLUMNS), np.float32)
    kept[:, 0, PT], kept[:, 0, PHI] = np.hypot(met[:, 0], met[:, 1]), np.arctan2(met[:, 1], met[:, 0])
    kept[:, 0, CLASS] = _MET.class_number
    for block, first in ((_ELECTRONS, 0), (_MUONS, _ELECTRONS.count)):
        kept[:, block.rows, :CLASS] = leptons[:, first : first + block.count]
        kept[:, block.rows, CLASS] = np.where(leptons[:, first : first + block.count, 0] > 0, block.class_number, 0)
    cleaned = kept.copy()
    event = np.repeat(np.arange(len(leptons)), np.diff(jet_offsets))
    _fill_jets(kept, event, jets)
    free = ~_overlaps(leptons[event], jets)
    _fill_jets(cleaned, event[free], jets[free])
    return cleaned, kept


def _overlaps(leptons: NDArray[np.float64], jets: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which jets lie within the jet radius of a lepton of their event; leptons of shape (jets, 8, 3)."""
    turn = np.abs(leptons[:, :, PHI] - jets[:, None, PHI])
    turn = np.minimum(turn, 2 * np.pi - turn)
    near = (leptons[:, :, ETA] - jets[:, None, ETA]) ** 2 + turn**2 < RADIUS**2
    result: NDArray[np.bool_] = (near & (leptons[:, :, PT] > 0)).any(axis=1)
    return result


def _fill_jets(particles: NDArray[np.float32], event: NDArray[np.int64], jets: NDArray[np.float64]) -> None:
    """Put the ten hardest jets of every event into its rows."""
    order = np.lexsort((-jets[:, PT], event))
    event, jets = event[order], jets[order]
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    fits = rank < _JETS.count
    rows = _JETS.first + rank[fits]
    particles[event[fits], rows, :CLASS] = jets[fits]
    particles[event[fits], rows, CLASS] = _JETS.class_number
