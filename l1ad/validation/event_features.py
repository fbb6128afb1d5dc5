"""Quantities of whole events in the 19 x 3 layout, for samples that are compared with NPLM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1ad.events.layout import BLOCKS, ETA, PHI, PT
from l1ad.validation.kernels import Floats

#: Columns of `event_features`. Momenta are ``log(1 + pT / GeV)``; an absent object has pT and eta 0.
EVENT_FEATURES = (
    "log_met", "log_ht", "n_jets", "n_electrons", "n_muons", "log_jet1_pt", "log_jet2_pt", "jet1_eta",
    "log_electron1_pt", "log_muon1_pt", "met_jet1_dphi",
)  # fmt: skip


def event_features(particles: NDArray[np.floating]) -> Floats:
    """Return quantities of events, shape (n, 11), columns in the order of `EVENT_FEATURES`.

    The 57 inputs of the network are mostly zeros and angles; these few say more about a generator.

    Parameters
    ----------
    particles : ndarray, shape (n, 19, 4)
        pT in GeV, eta, phi and class.

    Examples
    --------
    >>> event = np.zeros((1, 19, 4))
    >>> event[0, 0, 0], event[0, 9:11, 0] = 10.0, (50.0, 30.0)
    >>> dict(zip(EVENT_FEATURES, event_features(event)[0].round(3).tolist()))["log_ht"]
    4.394
    """
    x = np.asarray(particles, dtype=np.float64)
    met, electron, muon, jet = (x[:, block.rows] for block in BLOCKS)
    angle = np.abs(met[:, 0, PHI] - jet[:, 0, PHI])
    columns = [
        np.log1p(met[:, 0, PT]),
        np.log1p(jet[:, :, PT].sum(axis=1)),
        *((block[:, :, PT] > 0).sum(axis=1) for block in (jet, electron, muon)),
        np.log1p(jet[:, 0, PT]),
        np.log1p(jet[:, 1, PT]),
        jet[:, 0, ETA],
        np.log1p(electron[:, 0, PT]),
        np.log1p(muon[:, 0, PT]),
        np.where(jet[:, 0, PT] > 0, np.minimum(angle, 2 * np.pi - angle), 0.0),
    ]
    return np.stack(columns, axis=1).astype(np.float64)
