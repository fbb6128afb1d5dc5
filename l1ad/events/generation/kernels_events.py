"""Kernels that overlay underlying event and pile-up, and reconstruct leptons, missing energy and jet constituents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.compiled import compiled
from l1ad.events.generation.kernels_decays import grown
from l1ad.events.generation.kernels_detector import (
    EM,
    HAD,
    N_ETA,
    N_PHI,
    N_REGION_ETA,
    N_REGION_PHI,
    N_SIDE,
    REGION_SIDE,
    TOWER_EDGES,
    TRACKED,
    add_pileup,
    ecal_sigma,
    hcal_sigma,
    measured,
    see_particle,
    tower_eta,
)
from l1ad.events.generation.particles import ELECTRON, MUON

#: Selection of the ADC2021 data (arXiv:2107.02157, section 3).
TRIGGER_PT_GEV = 23.0
LEPTON_PT_GEV = 3.0
ELECTRON_MAX_ETA, MUON_MAX_ETA = 3.0, 2.1
MAX_ISOLATION = 0.45
#: Cone and smallest pT of the isolation (Delphes CMS card, ElectronIsolation and MuonIsolation).
CONE = 0.5
CONE_MIN_PT_GEV = 0.5
#: Share of the energy of neutral pile-up that is left in jets and isolation, tuned on the jet multiplicity of the
#: published background.
NEUTRAL_PILEUP_KEPT = 0.2
#: Towers with less transverse energy in GeV, the pile-up scaled, are no jet constituents: nearly all of them are
#: pile-up alone, and they would be most of what FastJet has to cluster.
CONSTITUENT_MIN_PT_GEV = 0.25
#: Nor are towers that no jet inside |eta| 4 can reach.
CONSTITUENT_MAX_ETA = 4.5
#: Thresholds of a tower: energy in GeV and multiples of its resolution (Delphes CMS card, ECal and HCal).
EM_LEAST_GEV, EM_SIGNIFICANCE = 0.5, 2.0
HAD_LEAST_GEV, HAD_SIGNIFICANCE = 1.0, 1.0
MAX_TRACKS, MAX_LEPTONS = 8192, 32
#: Rows of one event in the lepton array: 4 electrons, 4 muons.
LEPTON_ROWS = 8


@compiled
def keep_lepton(track: NDArray[Any], kind: int) -> bool:
    """Return whether a track of a signal lepton is inside the acceptance."""
    pt = math.hypot(track[0], track[1])
    if pt < LEPTON_PT_GEV:
        return False
    return abs(math.asinh(track[2] / pt)) < (ELECTRON_MAX_ETA if kind == ELECTRON else MUON_MAX_ETA)


@compiled
def see_event(
    p4: NDArray[Any],
    kind: NDArray[Any],
    charge: NDArray[Any],
    grid: NDArray[Any],
    tracks: NDArray[Any],
    leptons: NDArray[Any],
    lepton_kind: NDArray[Any],
    rng: Any,
) -> tuple[int, int]:
    """Let the detector see an event without pile-up; return the numbers of tracks and of leptons."""
    n_tracks, n_leptons = 0, 0
    for i in range(len(p4)):
        if not see_particle(p4[i], kind[i], charge[i], grid, tracks[n_tracks], rng):
            continue
        if kind[i] in (ELECTRON, MUON) and n_leptons < MAX_LEPTONS and keep_lepton(tracks[n_tracks], kind[i]):
            leptons[n_leptons], lepton_kind[n_leptons] = n_tracks, kind[i]
            n_leptons += 1
        n_tracks = min(n_tracks + 1, MAX_TRACKS - 1)
    return n_tracks, n_leptons


@compiled
def add_underlying(
    offsets: NDArray[Any],
    p4: NDArray[Any],
    kind: NDArray[Any],
    charge: NDArray[Any],
    grid: NDArray[Any],
    tracks: NDArray[Any],
    n_tracks: int,
    rng: Any,
) -> int:
    """Add one underlying event of the library, turned and perhaps reflected; return the number of tracks."""
    event = int(rng.random() * (len(offsets) - 1))
    angle, sign = 2 * math.pi * rng.random(), (1.0 if rng.random() < 0.5 else -1.0)
    cosine, sine = math.cos(angle), math.sin(angle)
    p = np.empty(4)
    for i in range(offsets[event], offsets[event + 1]):
        p[0], p[1] = cosine * p4[i, 0] - sine * p4[i, 1], sine * p4[i, 0] + cosine * p4[i, 1]
        p[2], p[3] = sign * p4[i, 2], p4[i, 3]
        if see_particle(p, kind[i], charge[i], grid, tracks[n_tracks], rng):
            n_tracks = min(n_tracks + 1, MAX_TRACKS - 1)
    return n_tracks


@compiled
def trigger_pt(tracks: NDArray[Any], leptons: NDArray[Any], n: int) -> float:
    """Return the largest pT in GeV of `n` leptons."""
    largest = 0.0
    for i in range(n):
        largest = max(largest, math.hypot(tracks[leptons[i], 0], tracks[leptons[i], 1]))
    return largest


@compiled
def read_towers(
    hard: NDArray[Any], pileup: NDArray[Any], out: NDArray[Any], n: int, met: NDArray[Any], rng: Any
) -> int:
    """Measure every tower; append jet constituents to `out` from row `n` on and add all energy to `met`.

    Returns the number of rows of `out` that are filled.
    """
    for row in range(N_ETA):
        middle = tower_eta(row)
        size = abs(middle)
        for column in range(N_PHI):
            em = hard[EM, row, column] + pileup[EM, row, column]
            had = hard[HAD, row, column] + pileup[HAD, row, column]
            if em + had <= 0.0:
                continue
            em_seen = measured(em, ecal_sigma(em, size), EM_LEAST_GEV, EM_SIGNIFICANCE, rng)
            had_seen = measured(had, hcal_sigma(had, size), HAD_LEAST_GEV, HAD_SIGNIFICANCE, rng)
            if em_seen + had_seen <= 0.0:
                continue
            edge = row - N_SIDE if row >= N_SIDE else N_SIDE - 1 - row
            eta = TOWER_EDGES[edge] + (TOWER_EDGES[edge + 1] - TOWER_EDGES[edge]) * rng.random()
            eta = eta if row >= N_SIDE else -eta
            phi = 2 * math.pi * (column + rng.random()) / N_PHI
            per_energy = 1.0 / math.cosh(eta)
            px, py, sinh = per_energy * math.cos(phi), per_energy * math.sin(phi), per_energy * math.sinh(eta)
            met[0] -= (em_seen + had_seen) * px
            met[1] -= (em_seen + had_seen) * py
            energy = 0.0
            if em_seen > 0:
                energy += em_seen / em * (hard[EM, row, column] + NEUTRAL_PILEUP_KEPT * pileup[EM, row, column])
            if had_seen > 0:
                energy += had_seen / had * (hard[HAD, row, column] + NEUTRAL_PILEUP_KEPT * pileup[HAD, row, column])
            if size < CONSTITUENT_MAX_ETA and energy * per_energy > CONSTITUENT_MIN_PT_GEV:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = energy * px, energy * py, energy * sinh, energy
                n += 1
    return n


@compiled
def isolation(lepton: int, out: NDArray[Any], n: int) -> float:
    """Return the sum of pT in the cone around a lepton over the lepton's pT."""
    own = math.hypot(out[lepton, 0], out[lepton, 1])
    eta, phi, total = math.asinh(out[lepton, 2] / own), math.atan2(out[lepton, 1], out[lepton, 0]), 0.0
    for i in range(n):
        pt = math.hypot(out[i, 0], out[i, 1])
        if i == lepton or pt < CONE_MIN_PT_GEV:
            continue
        turn = abs(math.atan2(out[i, 1], out[i, 0]) - phi)
        turn = min(turn, 2 * math.pi - turn)
        if turn < CONE and (math.asinh(out[i, 2] / pt) - eta) ** 2 + turn * turn < CONE * CONE:
            total += pt
    return total / own


@compiled
def fill_leptons(
    out: NDArray[Any], n: int, leptons: NDArray[Any], lepton_kind: NDArray[Any], n_leptons: int, rows: NDArray[Any]
) -> bool:
    """Fill the isolated leptons of an event by falling pT; return whether one of them triggers."""
    rows[:] = 0
    good = np.zeros(MAX_LEPTONS)
    for i in range(n_leptons):
        if isolation(leptons[i], out, n) < MAX_ISOLATION:
            good[i] = math.hypot(out[leptons[i], 0], out[leptons[i], 1])
    for kind, start in ((ELECTRON, 0), (MUON, LEPTON_ROWS // 2)):
        for place in range(LEPTON_ROWS // 2):
            best = -1
            for i in range(n_leptons):
                if lepton_kind[i] == kind and good[i] > 0 and (best < 0 or good[i] > good[best]):
                    best = i
            if best < 0:
                break
            p = out[leptons[best]]
            rows[start + place, 0] = good[best]
            rows[start + place, 1] = math.asinh(p[2] / good[best])
            rows[start + place, 2] = math.atan2(p[1], p[0])
            good[best] = 0.0
    return bool(max(rows[0, 0], rows[LEPTON_ROWS // 2, 0]) > TRIGGER_PT_GEV)


@compiled
def fill_regions(hard: NDArray[Any], pileup: NDArray[Any], regions: NDArray[Any], rng: Any) -> None:
    """Sum the transverse energy in GeV of all towers, tracks or not, over regions of 4 x 4 towers, |eta| below 3."""
    for row in range(N_SIDE - REGION_SIDE, N_SIDE + REGION_SIDE):
        size = abs(tower_eta(row))
        per_energy = 1.0 / math.cosh(size)
        for column in range(N_PHI):
            em = hard[EM, row, column] + pileup[EM, row, column]
            had = hard[HAD, row, column] + pileup[HAD, row, column]
            had += hard[TRACKED, row, column] + pileup[TRACKED, row, column]
            seen = measured(em, ecal_sigma(em, size), EM_LEAST_GEV, EM_SIGNIFICANCE, rng)
            seen += measured(had, hcal_sigma(had, size), HAD_LEAST_GEV, HAD_SIGNIFICANCE, rng)
            regions[column // 4, (row - N_SIDE + REGION_SIDE) // 4] += seen * per_energy


@compiled
def balance(tracks: NDArray[Any], n: int, charged: NDArray[Any], met: NDArray[Any]) -> None:
    """Start the missing energy with all tracks: `n` of the event, and the sum of those of pile-up."""
    met[0], met[1] = -charged[0], -charged[1]
    for i in range(n):
        met[0] -= tracks[i, 0]
        met[1] -= tracks[i, 1]


@compiled
def detect(
    offsets: NDArray[Any],
    p4: NDArray[Any],
    kind: NDArray[Any],
    charge: NDArray[Any],
    ue_offsets: NDArray[Any],
    ue_p4: NDArray[Any],
    ue_kind: NDArray[Any],
    ue_charge: NDArray[Any],
    pu_offsets: NDArray[Any],
    pu_cells: NDArray[Any],
    pu_energy: NDArray[Any],
    pu_momentum: NDArray[Any],
    mean_pileup: float,
    with_regions: bool,
    rng: Any,
    region_rng: Any,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Run the detector and the trigger over proposed events.

    Returns, for the accepted ones: their index, leptons (n, 8, 3) as pT, eta, phi, missing px and py (n, 2), offsets
    and momenta (px, py, pz, E) of the jet constituents, and the regions (n, 18, 14) in GeV, empty unless asked for.
    """
    events, n, used = len(offsets) - 1, 0, 0
    index, leptons_out = np.empty(events, np.int64), np.zeros((events, LEPTON_ROWS, 3))
    met_out, out_offsets = np.zeros((events, 2)), np.zeros(events + 1, np.int64)
    regions = np.zeros((events if with_regions else 0, N_REGION_PHI, N_REGION_ETA))
    constituents = np.empty((65536, 4))
    hard, pileup = np.zeros((3, N_ETA, N_PHI), np.float32), np.zeros((3, N_ETA, N_PHI), np.float32)
    out, met, charged = np.empty((MAX_TRACKS + N_ETA * N_PHI, 4)), np.zeros(2), np.zeros(2)
    leptons, lepton_kind = np.empty(MAX_LEPTONS, np.int64), np.empty(MAX_LEPTONS, np.int8)
    for event in range(events):
        own = slice(offsets[event], offsets[event + 1])
        hard[:], pileup[:], met[:], charged[:] = 0, 0, 0, 0
        rows, n_leptons = see_event(p4[own], kind[own], charge[own], hard, out, leptons, lepton_kind, rng)
        if trigger_pt(out, leptons, n_leptons) < TRIGGER_PT_GEV:
            continue
        if len(ue_offsets) > 1:
            rows = add_underlying(ue_offsets, ue_p4, ue_kind, ue_charge, hard, out, rows, rng)
        if mean_pileup > 0:
            add_pileup(pileup, charged, rng.poisson(mean_pileup), pu_offsets, pu_cells, pu_energy, pu_momentum, rng)
        balance(out, rows, charged, met)
        rows = read_towers(hard, pileup, out, rows, met, rng)
        if not fill_leptons(out, rows, leptons, lepton_kind, n_leptons, leptons_out[n]):
            continue
        index[n], met_out[n] = event, met
        constituents = grown(constituents, used + rows)
        constituents[used : used + rows] = out[:rows]
        used += rows
        out_offsets[n + 1] = used
        if with_regions:
            fill_regions(hard, pileup, regions[n], region_rng)
        n += 1
    return index[:n], leptons_out[:n], met_out[:n], out_offsets[: n + 1], constituents[:used], regions[:n]
