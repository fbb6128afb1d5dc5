"""Kernels that make several events of one: unstable particles decay again and again, drawn from a library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.events.generation.compiled import compiled
from l1ad.events.generation.kernels_particles import (
    LOOSE_ISOLATION,
    TAU_ANTI_W,
    TAU_ANY,
    TAU_PDG,
    TAU_SCALAR,
    TAU_Z,
    TAU_Z_SHARE,
    boosted,
    cone_sum,
    helicity_frame,
    passes_lepton,
    random_rotation,
)
from l1ad.events.generation.particles import UNSTABLE

#: An unstable particle below gives no lepton of 20.5 GeV: the boost of its mass adds less than the difference.
UNSTABLE_MIN_PT_GEV = 19.5
#: Unstable particles of one event, and particles of one decay, that are looked at.
MAX_UNSTABLE = 64
MAX_DECAY = 128


@compiled
def grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """Return `array`, or one of at least `needed` rows with the same beginning."""
    if needed <= len(array):
        return array
    larger = np.empty((max(needed, 2 * len(array)), array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger


@compiled
def tau_flips(mode: int, rng: Any) -> tuple[bool, bool]:
    """Return whether the first and the second tau have the helicity that W decays do not give."""
    if mode == TAU_ANTI_W:
        return True, True
    if mode == TAU_SCALAR:
        first = rng.random() < 0.5
        return first, not first
    if mode == TAU_ANY:
        return rng.random() < 0.5, rng.random() < 0.5
    if mode == TAU_Z:
        flip = rng.random() >= TAU_Z_SHARE
        return flip, flip
    return False, False


@compiled
def find_unstable(p4: NDArray[Any], kind: NDArray[Any], unstable: NDArray[Any]) -> tuple[int, int]:
    """List the unstable particles of an event, those fast enough for a trigger lepton first; return both numbers."""
    n, n_fast = 0, 0
    for wanted in (True, False):
        for i in range(len(kind)):
            fast = math.hypot(p4[i, 0], p4[i, 1]) > UNSTABLE_MIN_PT_GEV
            if kind[i] >= UNSTABLE and fast == wanted and n < MAX_UNSTABLE:
                unstable[n], n = i, n + 1
                n_fast += 1 if fast else 0
    return n_fast, n


@compiled
def draw_decays(
    unstable: NDArray[Any], start: int, n: int, kind: NDArray[Any], first: NDArray[Any], chosen: NDArray[Any], rng: Any
) -> None:
    """Choose a decay of the library for the unstable particles `start` to `n`."""
    for u in range(start, n):
        s = kind[unstable[u]] - UNSTABLE
        chosen[u] = first[s] + int(rng.random() * (first[s + 1] - first[s]))


@compiled
def set_frame(species: int, p: NDArray[Any], flip: bool, rng: Any, matrix: NDArray[Any]) -> None:
    """Turn the rest frame: along the flight for a tau, anyhow for a hadron."""
    if species == TAU_PDG:
        helicity_frame(rng, p, flip, matrix)
    else:
        random_rotation(rng, matrix)


@compiled
def decay_triggers(
    parent: NDArray[Any],
    matrix: NDArray[Any],
    rest: NDArray[Any],
    kinds: NDArray[Any],
    others: NDArray[Any],
    other_kinds: NDArray[Any],
    scratch: NDArray[Any],
) -> bool:
    """Return whether a decay holds a lepton that may pass the trigger, loosely isolated."""
    n, fast = min(len(rest), MAX_DECAY), False
    for i in range(n):
        boosted(matrix, rest[i], parent, scratch[i])
        fast = fast or passes_lepton(kinds[i], scratch[i])
        if not fast and kinds[i] < 5:
            # Leptons come first: none of this decay is fast enough.
            return False
    for i in range(n):
        if not passes_lepton(kinds[i], scratch[i]):
            continue
        pt = math.hypot(scratch[i, 0], scratch[i, 1])
        around = cone_sum(scratch[i], others, other_kinds, 0, len(others))
        if around + cone_sum(scratch[i], scratch, kinds, 0, n) < LOOSE_ISOLATION * pt:
            return True
    return False


@compiled
def stable_triggers(p4: NDArray[Any], kinds: NDArray[Any]) -> bool:
    """Return whether a lepton that was there before any decay may pass the trigger, loosely isolated."""
    for i in range(len(p4)):
        if passes_lepton(kinds[i], p4[i]):
            pt = math.hypot(p4[i, 0], p4[i, 1])
            if cone_sum(p4[i], p4, kinds, 0, len(p4)) < LOOSE_ISOLATION * pt:
                return True
    return False


@compiled
def any_decay_triggers(
    p4: NDArray[Any],
    kind: NDArray[Any],
    unstable: NDArray[Any],
    n: int,
    species: NDArray[Any],
    flips: tuple[bool, bool],
    decay_offsets: NDArray[Any],
    rest: NDArray[Any],
    rest_kind: NDArray[Any],
    leptons: NDArray[Any],
    chosen: NDArray[Any],
    frames: NDArray[Any],
    framed: NDArray[Any],
    scratch: NDArray[Any],
    rng: Any,
) -> bool:
    """Return whether one of the chosen decays has a lepton that may pass the trigger; frames are set as needed."""
    taus = 0
    found = False
    for u in range(n):
        i, d = unstable[u], chosen[u]
        code = species[kind[i] - UNSTABLE]
        flip = flips[taus % 2]
        taus += 1 if code == TAU_PDG else 0
        framed[u] = leptons[d] > 0 or found
        if not framed[u]:
            continue
        set_frame(code, p4[i], flip, rng, frames[u])
        if leptons[d] > 0 and not found:
            part = slice(decay_offsets[d], decay_offsets[d + 1])
            found = decay_triggers(p4[i], frames[u], rest[part], rest_kind[part], p4, kind, scratch)
    return found


@compiled
def propose(
    offsets: NDArray[Any],
    p4: NDArray[Any],
    kind: NDArray[Any],
    charge: NDArray[Any],
    trials: NDArray[Any],
    tau_mode: int,
    species: NDArray[Any],
    decay_first: NDArray[Any],
    decay_offsets: NDArray[Any],
    rest: NDArray[Any],
    rest_kind: NDArray[Any],
    rest_charge: NDArray[Any],
    leptons: NDArray[Any],
    rng: Any,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Let the unstable particles of every event decay `trials` times; keep what may pass the trigger.

    Returns offsets, p4, kind, charge and parent of the events that are kept.
    """
    out_p4, out_labels = np.empty((4096, 4)), np.empty((4096, 2), np.int8)
    out_events, n_events, n_particles = np.zeros((256, 2), np.int64), 0, 0
    numbers, scratch = np.empty((2, MAX_UNSTABLE), np.int64), np.empty((MAX_DECAY, 4))
    unstable, chosen = numbers[0], numbers[1]
    frames, framed = np.empty((MAX_UNSTABLE, 3, 3)), np.zeros(MAX_UNSTABLE, np.bool_)
    for event in range(len(offsets) - 1):
        a, b = offsets[event], offsets[event + 1]
        own_p4, own_kind = p4[a:b], kind[a:b]
        n_fast, n = find_unstable(own_p4, own_kind, unstable)
        ready = stable_triggers(own_p4, own_kind)
        if not ready and n_fast == 0:
            continue
        for _ in range(trials[event]):
            draw_decays(unstable, 0, n_fast, own_kind, decay_first, chosen, rng)
            flips = tau_flips(tau_mode, rng)
            framed[:n] = False
            decays_pass = any_decay_triggers(
                own_p4, own_kind, unstable, n_fast, species, flips, decay_offsets, rest, rest_kind, leptons, chosen,
                frames, framed, scratch, rng,
            )  # fmt: skip
            if not (ready or decays_pass):
                continue
            draw_decays(unstable, n_fast, n, own_kind, decay_first, chosen, rng)
            complete_frames(own_p4, own_kind, unstable, n, species, flips, frames, framed, rng)
            out_p4 = grown(out_p4, n_particles + (b - a) + n * MAX_DECAY)
            out_labels = grown(out_labels, n_particles + (b - a) + n * MAX_DECAY)
            n_particles = write_event(
                own_p4, own_kind, charge[a:b], unstable, n, chosen, frames, decay_offsets, rest, rest_kind,
                rest_charge, out_p4, out_labels, n_particles,
            )  # fmt: skip
            out_events = grown(out_events, n_events + 1)
            out_events[n_events, 0], out_events[n_events, 1] = n_particles, event
            n_events += 1
    return packed(out_p4[:n_particles], out_labels[:n_particles], out_events[:n_events])


@compiled
def packed(
    p4: NDArray[Any], labels: NDArray[Any], events: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return offsets, p4, kind, charge and parent from the rows that were written."""
    offsets = np.zeros(len(events) + 1, np.int64)
    offsets[1:] = events[:, 0]
    return offsets, p4.copy(), labels[:, 0].copy(), labels[:, 1].copy(), events[:, 1].copy()


@compiled
def complete_frames(
    p4: NDArray[Any],
    kind: NDArray[Any],
    unstable: NDArray[Any],
    n: int,
    species: NDArray[Any],
    flips: tuple[bool, bool],
    frames: NDArray[Any],
    framed: NDArray[Any],
    rng: Any,
) -> None:
    """Turn the rest frames that `any_decay_triggers` did not need."""
    taus = 0
    for u in range(n):
        i = unstable[u]
        code = species[kind[i] - UNSTABLE]
        flip = flips[taus % 2]
        taus += 1 if code == TAU_PDG else 0
        if not framed[u]:
            set_frame(code, p4[i], flip, rng, frames[u])


@compiled
def write_event(
    p4: NDArray[Any],
    kind: NDArray[Any],
    charge: NDArray[Any],
    unstable: NDArray[Any],
    n: int,
    chosen: NDArray[Any],
    frames: NDArray[Any],
    decay_offsets: NDArray[Any],
    rest: NDArray[Any],
    rest_kind: NDArray[Any],
    rest_charge: NDArray[Any],
    out_p4: NDArray[Any],
    out_labels: NDArray[Any],
    at: int,
) -> int:
    """Write the stable particles and the decay products from row `at` on; return the row after the last one."""
    for i in range(len(p4)):
        if kind[i] < UNSTABLE:
            out_p4[at] = p4[i]
            out_labels[at, 0], out_labels[at, 1] = kind[i], charge[i]
            at += 1
    for u in range(n):
        sign = charge[unstable[u]]
        for j in range(decay_offsets[chosen[u]], decay_offsets[chosen[u] + 1]):
            boosted(frames[u], rest[j], p4[unstable[u]], out_p4[at])
            out_labels[at, 0], out_labels[at, 1] = rest_kind[j], sign * rest_charge[j]
            at += 1
    return at
