"""Numbers of an event that show its physics: masses, missing energy, asymmetries."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from l1ad.events.layout import BLOCKS, ETA, PHI, PT

Events = NDArray[np.floating]
_MET, _ELECTRONS, _MUONS, _JETS = BLOCKS


def leptons(events: Events) -> Events:
    """Return electrons and muons, shape (N, 8, 4)."""
    return events[:, _ELECTRONS.first : _MUONS.first + _MUONS.count]


def lepton_counts(events: Events) -> NDArray[np.int64]:
    """Return the number of leptons of each event, shape (N,)."""
    result: NDArray[np.int64] = (leptons(events)[:, :, PT] > 0).sum(axis=1)
    return result


def jets(events: Events) -> Events:
    """Return the jets, shape (N, 10, 4)."""
    return events[:, _JETS.rows]


def missing_pt(events: Events) -> Events:
    """Return the missing energy, shape (N, 4)."""
    return events[:, 0]


def leading_leptons(events: Events) -> Events:
    """Return the largest lepton pT in GeV, shape (N,)."""
    result: Events = leptons(events)[:, :, PT].max(axis=1)
    return result


def transverse_masses(events: Events) -> Events:
    """Return the transverse mass in GeV of the leading lepton and the missing energy, shape (N,).

    m_T^2 = 2 pT(l) MET (1 - cos dphi) (PDG review "Kinematics", equation 49.44).
    """
    found = leptons(events)
    best = found[np.arange(len(found)), found[:, :, PT].argmax(axis=1)].astype(np.float64)
    met = missing_pt(events).astype(np.float64)
    result: Events = np.sqrt(2 * best[:, PT] * met[:, PT] * (1 - np.cos(best[:, PHI] - met[:, PHI])))
    return result


def dilepton_masses(events: Events) -> Events:
    """Return the mass in GeV of the two leading electrons, or muons, of the events that have two.

    m^2 = 2 pT1 pT2 (cosh deta - cos dphi) for massless particles.
    """
    masses = []
    for block in (_ELECTRONS, _MUONS):
        pair = events[:, block.first : block.first + 2].astype(np.float64)
        first, second = pair[pair[:, 1, PT] > 0].transpose(1, 0, 2)
        angles = np.cosh(first[:, ETA] - second[:, ETA]) - np.cos(first[:, PHI] - second[:, PHI])
        masses.append(np.sqrt(2 * first[:, PT] * second[:, PT] * angles))
    return np.concatenate(masses)


def histogram_peak(values: Events, low: float, high: float) -> tuple[float, float]:
    """Return where a distribution is highest between two values, and a statistical error.

    The position is the vertex of a parabola through the counts around the fullest of ten bins, each twice as wide as
    the step; the error comes from 20 samples drawn again with a fixed seed.
    """
    inside = values[(values > low) & (values < high)].astype(np.float64)
    if len(inside) < 20:
        return math.nan, math.nan
    rng = np.random.default_rng(0)
    again = [_vertex(rng.choice(inside, len(inside)), low, high) for _ in range(20)]
    return _vertex(inside, low, high), float(np.std(again))


def _vertex(values: Events, low: float, high: float) -> float:
    """Return the position of the maximum of a smoothed histogram."""
    counts, edges = np.histogram(values, bins=20, range=(low, high))
    smooth = np.convolve(counts, (0.25, 0.5, 0.25), mode="same")
    middle = 0.5 * (edges[:-1] + edges[1:])
    top = int(smooth.argmax())
    around = slice(max(top - 3, 0), min(top + 4, len(middle)))
    a, b, _ = np.polyfit(middle[around], smooth[around], 2)
    return float(-b / (2 * a)) if a < 0 else float(middle[top])


def forward_asymmetry(eta: Events) -> tuple[float, float]:
    """Return (n+ - n-) / (n+ + n-) and its error, n+ and n- the numbers with eta above and below 0."""
    n = max(len(eta), 1)
    value = float((eta > 0).sum() - (eta < 0).sum()) / n
    return value, 1 / math.sqrt(n)


def phi_modulation(phi: Events) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the means of cos phi and sin phi with their errors: both vanish when no direction is preferred."""
    n = max(len(phi), 1)
    error = 1 / math.sqrt(2 * n)
    return (float(np.cos(phi).sum()) / n, error), (float(np.sin(phi).sum()) / n, error)
