"""Kernels that sort the particles of Pythia into kinds and let unstable ones decay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.compiled import compiled
from l1ad.events.generation.particles import (
    CHARGED_HADRON,
    ELECTRON,
    INVISIBLE,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    SOFT_ELECTRON,
    SOFT_MUON,
    UNSTABLE,
)

#: A lepton below is never accepted: 2.5 GeV under the trigger threshold, ten times the resolution of a lepton there.
LEPTON_MIN_PT_GEV = 20.5
#: Edge of the electron acceptance, 3.0, and something for the boundary.
LEPTON_MAX_ETA = 3.05
#: Loose isolation before the detector, against 0.45 after it.
LOOSE_ISOLATION = 0.8
ISOLATION_RADIUS = 0.5
#: How the helicities of taus are drawn: as in a W decay, opposite to it, of two taus of a scalar, of two of a Z, each
#: at random.
TAU_W, TAU_ANTI_W, TAU_SCALAR, TAU_Z, TAU_ANY = range(5)
#: Share of Z -> tau tau in which the helicities are those of W decays: (1 - P) / 2 with the polarisation P = -0.15
#: of the tau at the Z (LEP, Phys. Rept. 427 (2006) 257, section 4).
TAU_Z_SHARE = 0.575
TAU_PDG = 15


@compiled
def has_heavy_quark(pdg: int) -> bool:
    """Return whether the PDG code is that of a hadron with a charm or bottom quark (PDG numbering scheme)."""
    code = abs(pdg)
    if code < 100 or code > 1_000_000_000:
        return False
    code = code % 10000
    thousands, hundreds, tens = code // 1000, (code // 100) % 10, (code // 10) % 10
    return thousands in (4, 5) or hundreds in (4, 5) or tens in (4, 5)


@compiled
def is_signal_lepton(index: int, first: int, pdg: NDArray[Any], mother: NDArray[Any]) -> bool:
    """Return whether a lepton comes from a boson, a tau, a heavy hadron or a quark line, through its copies."""
    code = abs(pdg[first + index])
    above = mother[first + index]
    while above > 0 and abs(pdg[first + above]) == code:
        above = mother[first + above]
    if above <= 0:
        return False
    source = abs(pdg[first + above])
    boson = 23 <= source <= 42 or 1_000_000 < source < 1_000_000_000
    return source == 15 or source <= 6 or boson or has_heavy_quark(source)


@compiled
def kind_of(index: int, first: int, pdg: NDArray[Any], mother: NDArray[Any]) -> int:
    """Return the kind of a final particle; what no detector sees, or what is not known, is `INVISIBLE`."""
    code = abs(pdg[first + index])
    if code == 22:
        return PHOTON
    if code in (211, 321, 2212, 3112, 3222, 3312, 3334):
        return CHARGED_HADRON
    if code in (130, 2112, 310, 3122, 3322):
        return NEUTRAL_HADRON
    if code == 11:
        return ELECTRON if is_signal_lepton(index, first, pdg, mother) else SOFT_ELECTRON
    if code == 13:
        return MUON if is_signal_lepton(index, first, pdg, mother) else SOFT_MUON
    return INVISIBLE


@compiled
def charge_of(pdg: int, kind: int) -> int:
    """Return the charge of a particle of a visible kind."""
    if kind in (PHOTON, NEUTRAL_HADRON, INVISIBLE):
        return 0
    positive = pdg > 0
    # Codes of negative particles are positive for leptons and for Sigma-, Xi-, Omega-.
    if abs(pdg) in (11, 13, 3112, 3312, 3334):
        positive = not positive
    return 1 if positive else -1


@compiled
def sort_particles(
    offsets: NDArray[Any],
    pdg: NDArray[Any],
    status: NDArray[Any],
    mother: NDArray[Any],
    p4: NDArray[Any],
    species: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Keep the final visible particles and those of `species`; return offsets, p4, kind and charge."""
    total, events = len(pdg), len(offsets) - 1
    new_offsets = np.zeros(events + 1, np.int64)
    new_p4 = np.empty((total, 4))
    kinds, charges = np.empty(total, np.int8), np.empty(total, np.int8)
    n = 0
    for event in range(events):
        first = offsets[event]
        for i in range(offsets[event + 1] - first):
            row = first + i
            if status[row] <= 0:
                continue
            kind = kind_of(i, first, pdg, mother)
            charge = charge_of(pdg[row], kind)
            if kind == INVISIBLE:
                for s in range(len(species)):
                    if abs(pdg[row]) == species[s]:
                        kind = UNSTABLE + s
                        charge = 1 if pdg[row] > 0 else -1
            if kind != INVISIBLE:
                new_p4[n] = p4[row]
                kinds[n], charges[n] = kind, charge
                n += 1
        new_offsets[event + 1] = n
    return new_offsets, new_p4[:n].copy(), kinds[:n].copy(), charges[:n].copy()


@compiled
def random_rotation(rng: Any, matrix: NDArray[Any]) -> None:
    """Fill `matrix` with a rotation that is uniform over all rotations, from a random unit quaternion."""
    a, b, c, d = rng.standard_normal(), rng.standard_normal(), rng.standard_normal(), rng.standard_normal()
    norm = 1.0 / math.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a * norm, b * norm, c * norm, d * norm
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = 1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = 2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = 2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)


@compiled
def helicity_frame(rng: Any, p: NDArray[Any], flip: bool, matrix: NDArray[Any]) -> None:
    """Fill `matrix` with the rotation that brings z onto the flight direction of `p`, with a random azimuth.

    `flip` reflects z: the decay of the other helicity (parity).
    """
    length = math.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]) + 1e-12
    x, y, z = p[0] / length, p[1] / length, p[2] / length
    phi, turn = math.atan2(y, x), 2 * math.pi * rng.random()
    cos_p, sin_p, sin_t = math.cos(phi), math.sin(phi), math.sqrt(max(0.0, 1 - z * z))
    cos_a, sin_a, sign = math.cos(turn), math.sin(turn), (-1.0 if flip else 1.0)
    ax, ay, az = z * cos_p, z * sin_p, -sin_t
    bx, by = -sin_p, cos_p
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = ax * cos_a + bx * sin_a, -ax * sin_a + bx * cos_a, sign * x
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = ay * cos_a + by * sin_a, -ay * sin_a + by * cos_a, sign * y
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = az * cos_a, -az * sin_a, sign * z


@compiled
def boosted(matrix: NDArray[Any], rest: NDArray[Any], parent: NDArray[Any], out: NDArray[Any]) -> None:
    """Rotate `rest`, a momentum in the rest frame of a particle, and boost it by the momentum `parent` of that one."""
    mass2 = parent[3] ** 2 - parent[0] ** 2 - parent[1] ** 2 - parent[2] ** 2
    mass = math.sqrt(max(mass2, 1e-12))
    x = matrix[0, 0] * rest[0] + matrix[0, 1] * rest[1] + matrix[0, 2] * rest[2]
    y = matrix[1, 0] * rest[0] + matrix[1, 1] * rest[1] + matrix[1, 2] * rest[2]
    z = matrix[2, 0] * rest[0] + matrix[2, 1] * rest[1] + matrix[2, 2] * rest[2]
    along = parent[0] * x + parent[1] * y + parent[2] * z
    energy = (parent[3] * rest[3] + along) / mass
    factor = (energy + rest[3]) / (parent[3] + mass)
    out[0], out[1], out[2] = x + factor * parent[0], y + factor * parent[1], z + factor * parent[2]
    out[3] = energy


@compiled
def passes_lepton(kind: int, p: NDArray[Any]) -> bool:
    """Return whether a particle can be the lepton that triggers, before its momentum is smeared."""
    if kind not in (ELECTRON, MUON):
        return False
    pt2 = p[0] * p[0] + p[1] * p[1]
    if pt2 < LEPTON_MIN_PT_GEV * LEPTON_MIN_PT_GEV:
        return False
    return math.asinh(abs(p[2]) / math.sqrt(pt2)) < LEPTON_MAX_ETA


@compiled
def cone_sum(p: NDArray[Any], others: NDArray[Any], kinds: NDArray[Any], first: int, last: int) -> float:
    """Return the sum of pT around `p` of the visible particles `first` to `last`, those at `p` itself left out."""
    pt = math.sqrt(p[0] * p[0] + p[1] * p[1])
    eta, phi, total = math.asinh(p[2] / pt), math.atan2(p[1], p[0]), 0.0
    for i in range(first, last):
        if kinds[i] < PHOTON or kinds[i] >= UNSTABLE:
            continue
        q = others[i]
        qt = math.sqrt(q[0] * q[0] + q[1] * q[1])
        if qt < 0.5:
            continue
        turn = abs(math.atan2(q[1], q[0]) - phi)
        turn = min(turn, 2 * math.pi - turn)
        distance2 = (math.asinh(q[2] / qt) - eta) ** 2 + turn * turn
        if 1e-10 < distance2 < ISOLATION_RADIUS * ISOLATION_RADIUS:
            total += qt
    return total
