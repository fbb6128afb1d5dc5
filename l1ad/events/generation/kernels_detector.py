"""Kernels of the parametrised detector: tracks, towers, leptons, isolation, missing energy.

Efficiencies and resolutions are those of the CMS card of Delphes 3 (cards/delphes_card_CMS.tcl, version 3.5.0;
JHEP 02 (2014) 057). The acceptance is that of the ADC2021 data: electrons to |eta| 3 with the efficiency of the endcap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.compiled import compiled
from l1ad.events.generation.particles import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    SOFT_ELECTRON,
    SOFT_MUON,
)

N_PHI = 72
#: Edges in |eta| of the trigger towers of CMS: 28 in barrel and endcap, 12 in the forward calorimeter
#: (CMS HCAL TDR, CERN/LHCC 97-31; the last endcap tower is one of the trigger, 2.65 to 3).
_EDGES = (
    0.0, 0.087, 0.174, 0.261, 0.348, 0.435, 0.522, 0.609, 0.696, 0.783, 0.870, 0.957, 1.044, 1.131, 1.218, 1.305, 1.392,
    1.479, 1.566, 1.653, 1.740, 1.830, 1.930, 2.043, 2.172, 2.322, 2.500, 2.650, 3.000, 3.139, 3.314, 3.489, 3.664,
    3.839, 4.013, 4.191, 4.363, 4.538, 4.716, 4.889, 5.191,
)  # fmt: skip
TOWER_EDGES = np.array(_EDGES)
N_SIDE = len(_EDGES) - 1
N_ETA = 2 * N_SIDE
#: Towers a side that the regions cover: |eta| below 3.
REGION_SIDE = 28
N_REGION_PHI, N_REGION_ETA = 18, 14
#: Layers of energy in a grid of towers: photons and electrons, hadrons, charged hadrons whose track is known.
EM, HAD, TRACKED = range(3)
#: pT in GeV that a track needs to reach the calorimeter: 0.3 B R / 2 with B = 3.8 T and R = 1.29 m (Delphes card).
REACH_PT_GEV = 0.3 * 3.8 * 1.29 / 2
#: Half length of the tracking volume over its radius: at what sinh(eta) a straight track leaves through the endcap.
ENDCAP_SINH = 3.0 / 1.29
TRACKER_MAX_ETA = 2.5
#: A tower with less energy in GeV passes no threshold: it would have to fluctuate up by a factor of five and more.
FAINT_GEV = 0.1


@compiled
def track_efficiency(kind: int, pt: float, eta: float) -> float:
    """Return the probability that a charged particle leaves a track (Delphes: *TrackingEfficiency)."""
    lepton = kind in (ELECTRON, MUON)
    if pt < 0.1 or eta > (3.0 if kind == ELECTRON else TRACKER_MAX_ETA):
        return 0.0
    barrel, soft = eta <= 1.5, pt <= 1.0
    if kind in (ELECTRON, SOFT_ELECTRON):
        value = (0.73 if barrel else 0.50) if soft else (0.95 if barrel else 0.83)
        if pt > 100:
            value = 0.99 if barrel else 0.90
    elif kind in (MUON, SOFT_MUON):
        value = (0.75 if barrel else 0.70) if soft else (0.99 if barrel else 0.98)
        if pt > 1000:
            value *= math.exp(0.5 - 5e-4 * pt)
    else:
        value = (0.70 if barrel else 0.60) if soft else (0.95 if barrel else 0.85)
    # Identification: ElectronEfficiency and MuonEfficiency. Below 10 GeV the card has none; the data do.
    if lepton and kind == ELECTRON:
        value *= 0.95 if barrel else 0.85
    elif lepton:
        value *= 0.95
    return value


@compiled
def track_resolution(kind: int, pt: float, eta: float) -> float:
    """Return sigma(pT) / pT of a track (Delphes: *MomentumSmearing)."""
    region = 0 if eta <= 0.5 else (1 if eta <= 1.5 else 2)
    if kind in (ELECTRON, SOFT_ELECTRON):
        constant, slope = (0.03, 0.05, 0.15)[region], (1.3e-3, 1.7e-3, 3.1e-3)[region]
    elif kind in (MUON, SOFT_MUON):
        constant, slope = (0.01, 0.015, 0.025)[region], (1.0e-4, 1.5e-4, 3.5e-4)[region]
    else:
        constant, slope = (0.06, 0.10, 0.25)[region], (1.3e-3, 1.7e-3, 3.1e-3)[region]
    return math.sqrt(constant * constant + slope * slope * pt * pt)


@compiled
def ecal_sigma(energy: float, eta: float) -> float:
    """Return sigma(E) in GeV of the electromagnetic calorimeter (Delphes: ECal, ResolutionFormula)."""
    if eta > 2.5:
        return math.sqrt(energy * energy * 0.107 * 0.107 + energy * 2.08 * 2.08)
    base = math.sqrt(energy * energy * 0.008 * 0.008 + energy * 0.11 * 0.11 + 0.40 * 0.40)
    if eta <= 1.5:
        return (1 + 0.64 * eta * eta) * base
    return (2.16 + 5.6 * (eta - 2) * (eta - 2)) * base


@compiled
def hcal_sigma(energy: float, eta: float) -> float:
    """Return sigma(E) in GeV of the hadronic calorimeter (Delphes: HCal, ResolutionFormula)."""
    constant, stochastic = (0.05, 1.50) if eta <= 3.0 else (0.13, 2.70)
    return math.sqrt(energy * energy * constant * constant + energy * stochastic * stochastic)


@compiled
def measured(energy: float, sigma: float, least: float, significance: float, rng: Any) -> float:
    """Return the energy that a tower shows: log-normal as in Delphes (Calorimeter), 0 below the thresholds."""
    if energy < FAINT_GEV:
        return 0.0
    spread2 = math.log(1.0 + (sigma / energy) ** 2)
    value = energy * math.exp(math.sqrt(spread2) * rng.standard_normal() - 0.5 * spread2)
    return value if value > least and value > significance * sigma else 0.0


@compiled
def eta_index(eta: float) -> int:
    """Return the row of a tower, 0 at eta = -5.191, or -1 outside."""
    size = abs(eta)
    if size >= TOWER_EDGES[N_SIDE]:
        return -1
    low, high = 0, N_SIDE
    while high - low > 1:
        middle = (low + high) // 2
        if size >= TOWER_EDGES[middle]:
            low = middle
        else:
            high = middle
    return N_SIDE + low if eta >= 0 else N_SIDE - 1 - low


@compiled
def tower_eta(index: int) -> float:
    """Return the eta of the middle of a row of towers."""
    side = index - N_SIDE if index >= N_SIDE else N_SIDE - 1 - index
    middle: float = 0.5 * (TOWER_EDGES[side] + TOWER_EDGES[side + 1])
    return middle if index >= N_SIDE else -middle


@compiled
def bend(pt: float, eta: float, charge: int) -> float:
    """Return the change of azimuth of a charged particle on its way to the calorimeter; 99 when it curls up before."""
    half = REACH_PT_GEV / pt
    climb = abs(math.sinh(eta))
    if climb > ENDCAP_SINH:
        half *= ENDCAP_SINH / climb
    if half >= 1.0:
        # The track turns back before the barrel; with enough slope it meets the endcap first, elsewhere it is lost.
        return 99.0 if climb < 1.0 else 0.0
    return -charge * math.asin(half)


@compiled
def deposit(grid: NDArray[Any], layer: int, energy: float, eta: float, phi: float) -> None:
    """Add an energy to its tower."""
    row = eta_index(eta)
    if row < 0:
        return
    column = int((phi + 4 * math.pi) / (2 * math.pi) * N_PHI) % N_PHI
    grid[layer, row, column] += energy


@compiled
def see_particle(p: NDArray[Any], kind: int, charge: int, grid: NDArray[Any], track: NDArray[Any], rng: Any) -> bool:
    """Let the detector see one particle: fill `track` and return True, or put its energy into a tower."""
    pt = math.sqrt(p[0] * p[0] + p[1] * p[1])
    if pt < 1e-3:
        return False
    eta, phi = math.asinh(p[2] / pt), math.atan2(p[1], p[0])
    if kind in (PHOTON, NEUTRAL_HADRON):
        deposit(grid, EM if kind == PHOTON else HAD, p[3], eta, phi)
        return False
    size = abs(eta)
    seen = rng.random() < track_efficiency(kind, pt, size)
    turn = bend(pt, eta, charge)
    if seen:
        scale = 1.0 + track_resolution(kind, pt, size) * rng.standard_normal()
        scale = scale if scale > 0.01 else 0.01
        track[0], track[1], track[2], track[3] = scale * p[0], scale * p[1], scale * p[2], scale * p[3]
        if turn < 90 and kind not in (MUON, SOFT_MUON):
            deposit(grid, TRACKED, p[3], eta, phi + turn)
        return True
    if turn < 90 and kind == CHARGED_HADRON:
        deposit(grid, HAD, p[3], eta, phi + turn)
    elif turn < 90 and kind in (ELECTRON, SOFT_ELECTRON):
        deposit(grid, EM, p[3], eta, phi + turn)
    return False


@compiled
def add_pileup(
    grid: NDArray[Any],
    charged: NDArray[Any],
    n: int,
    offsets: NDArray[Any],
    cells: NDArray[Any],
    energy: NDArray[Any],
    momentum: NDArray[Any],
    rng: Any,
) -> None:
    """Add `n` minimum-bias events of the library, each turned by whole towers and reflected or not.

    `charged` receives px and py of their tracks.
    """
    events = len(offsets) - 1
    for _ in range(n):
        event = int(rng.random() * events)
        turn, reflected = int(rng.random() * N_PHI), rng.random() < 0.5
        angle = 2 * math.pi * turn / N_PHI
        charged[0] += momentum[event, 0] * math.cos(angle) - momentum[event, 1] * math.sin(angle)
        charged[1] += momentum[event, 0] * math.sin(angle) + momentum[event, 1] * math.cos(angle)
        for i in range(offsets[event], offsets[event + 1]):
            row, column = cells[i, 0], (cells[i, 1] + turn) % N_PHI
            if reflected:
                row = N_ETA - 1 - row
            grid[EM, row, column] += energy[i, EM]
            grid[HAD, row, column] += energy[i, HAD]
            grid[TRACKED, row, column] += energy[i, TRACKED]


@compiled
def sparse_towers(
    offsets: NDArray[Any], p4: NDArray[Any], kind: NDArray[Any], charge: NDArray[Any], rng: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the filled towers of many events: offsets, cells, energies, and px, py of the tracks of each event."""
    events = len(offsets) - 1
    new_offsets, momentum = np.zeros(events + 1, np.int64), np.zeros((events, 2), np.float32)
    cells, energy = np.empty((len(kind) + 1, 2), np.uint8), np.empty((len(kind) + 1, 3), np.float32)
    grid, track, n = np.zeros((3, N_ETA, N_PHI), np.float32), np.empty(4), 0
    for event in range(events):
        grid[:] = 0
        for i in range(offsets[event], offsets[event + 1]):
            if see_particle(p4[i], kind[i], charge[i], grid, track, rng):
                momentum[event, 0] += track[0]
                momentum[event, 1] += track[1]
        for row in range(N_ETA):
            for column in range(N_PHI):
                if grid[EM, row, column] + grid[HAD, row, column] + grid[TRACKED, row, column] > 0:
                    cells[n, 0], cells[n, 1] = row, column
                    for layer in range(3):
                        energy[n, layer] = grid[layer, row, column]
                    n += 1
        new_offsets[event + 1] = n
    return new_offsets, cells[:n].copy(), energy[:n].copy(), momentum
