"""One chunk of events: hard process, decays, overlay, detector, jets, selection. A pure function of its arguments."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.generation.jets import cluster_jets
from l1ad.events.generation.libraries import load_library
from l1ad.events.generation.particles import EventRecord, ParticleSet
from l1ad.events.generation.pieces import derived_seed, pythia_seed
from l1ad.events.generation.processes import BIAS_PT_HAT_GEV, Stratum
from l1ad.events.generation.pythia import PythiaRun
from l1ad.events.generation.selection import fill_layout
from l1ad.units import PT_LSB_GEV

#: Hard events that Pythia makes at once.
BATCH = 250
#: Region sums have 10 bits, as the inputs of CICADA (CMS Layer-1 calorimeter trigger).
REGION_MAX = 1023


@dataclass(frozen=True)
class Conditions:
    """What holds for every event of a sample.

    Attributes
    ----------
    seed : int
        The user's seed.
    pileup : float
        Mean number of pile-up collisions.
    full : bool
        Multi-parton interactions in every event, instead of the library of underlying events.
    regions : bool
        Write the calorimeter regions.
    max_hard_events : int
        Give up when so many hard events gave no accepted one.
    underlying, minimum_bias, decays : Path or None
        Files of the libraries; None for one that is not needed.
    """

    seed: int
    pileup: float = 20.0
    full: bool = False
    regions: bool = False
    max_hard_events: int = 20_000
    underlying: Path | None = None
    minimum_bias: Path | None = None
    decays: Path | None = None


@dataclass(frozen=True)
class Chunk:
    """Accepted events and how they came about.

    Attributes
    ----------
    arrays : dict of str to ndarray
        ``Particles``, ``Particles_lepjets`` (n, 19, 4) float32; ``Parent`` (n,) int64, the hard event inside the chunk;
        ``Regions`` (n, 18, 14) uint16 in units of 0.5 GeV when asked for.
    hard_events, trials : int
        Hard events that passed the filter; decays that were tried, which is the same number without a library.
    accepted : int
        Accepted events before the chunk was cut to its size.
    cross_section_mb : float
        Of what passed the filter.
    generator_s, total_s : float
        CPU seconds in Pythia and in all.
    """

    arrays: dict[str, NDArray[Any]]
    hard_events: int
    trials: int
    accepted: int
    cross_section_mb: float
    generator_s: float
    total_s: float

    def record(self) -> dict[str, Any]:
        """Return everything but the arrays as JSON values."""
        values = {name: getattr(self, name) for name in ("hard_events", "trials", "accepted", "cross_section_mb")}
        return {"events": len(self.arrays["Parent"]), **values, "total_s": self.total_s}


def simulate_chunk(process: str, stratum: Stratum, index: int, events: int, conditions: Conditions) -> Chunk:
    """Make the chunk `index` of a stratum.

    Parameters
    ----------
    process : str
        Name of the process, part of the seed.
    stratum : Stratum
        What to generate.
    index : int
        Number of the chunk, part of the seed.
    events : int
        Accepted events wanted. A smaller number gives the beginning of the same chunk.
    conditions : Conditions

    Raises
    ------
    DataError
        When `conditions.max_hard_events` hard events gave no accepted one.
    """
    start = time.process_time()
    seed = derived_seed(conditions.seed, process, stratum.name, index)
    detector = Detector(stratum, conditions, seed)
    run = PythiaRun(stratum.card(conditions.full), pythia_seed(seed), stratum.event_filter)
    generator_s = time.process_time() - start
    found: list[dict[str, NDArray[Any]]] = []
    hard = trials = accepted = 0
    while accepted < events:
        before = time.process_time()
        record = run.batch(BATCH)
        generator_s += time.process_time() - before
        arrays, tried = detector.accept(record)
        found.append(arrays | {"Parent": arrays["Parent"] + hard})
        hard, trials, accepted = hard + len(record), trials + tried, accepted + len(arrays["Parent"])
        if accepted == 0 and hard >= conditions.max_hard_events:
            raise DataError(
                f"{process}, {stratum.name}: none of {hard} generated events passed the selection (an isolated "
                "electron or muon above 23 GeV). Check the process and its decays, or raise --max-trials."
            )
    merged = {name: np.concatenate([part[name] for part in found])[:events] for name in found[0]}
    return Chunk(
        merged, hard, trials, accepted, run.cross_section_mb, generator_s, time.process_time() - start
    )  # fmt: skip


class Detector:
    """From hard events to accepted ones, with the libraries and random numbers of one chunk.

    Parameters
    ----------
    stratum : Stratum
    conditions : Conditions
    seed : numpy.random.SeedSequence
        Seed of the chunk.
    """

    def __init__(self, stratum: Stratum, conditions: Conditions, seed: np.random.SeedSequence) -> None:
        self._stratum, self._conditions = stratum, conditions
        streams = [np.random.default_rng(child) for child in seed.spawn(4)]
        self._rng, self._trial_rng, self._decay_rng, self._region_rng = streams
        self._underlying = load_library(None if conditions.full else conditions.underlying, "underlying")
        self._pileup = load_library(conditions.minimum_bias if conditions.pileup > 0 else None, "pileup")
        self._decays = load_library(conditions.decays if stratum.decays != "pythia" else None, "decays")

    def accept(self, record: EventRecord) -> tuple[dict[str, NDArray[Any]], int]:
        """Return the accepted events of a batch as arrays, and the number of trials behind them."""
        proposed, trials = self.propose(record)
        arrays = self.detect(proposed)
        return arrays, trials

    def propose(self, record: EventRecord) -> tuple[ParticleSet, int]:
        """Return the events that may pass the trigger, unstable particles decayed, and the number of trials."""
        from l1ad.events.generation.kernels_decays import propose
        from l1ad.events.generation.kernels_particles import sort_particles

        species = self._decays[0]
        particles = sort_particles(record.offsets, record.pdg, record.status, record.mother, record.p4, species)
        trials = self._trials(record)
        kernel: Any = propose
        events = kernel(*particles, trials, self._stratum.tau_mode, *self._decays, self._decay_rng)
        return ParticleSet(*events), int(trials.sum())

    def _trials(self, record: EventRecord) -> NDArray[np.int64]:
        """Return how often the unstable particles of each event decay: in proportion to its weight."""
        expected = np.full(len(record), float(self._stratum.trials))
        if self._stratum.bias > 0:
            expected *= (BIAS_PT_HAT_GEV / record.pt_hat_gev) ** self._stratum.bias
        # Rounded up or down at random, so that the mean is exact.
        return np.floor(expected + self._trial_rng.random(len(record))).astype(np.int64)

    def detect(self, proposed: ParticleSet) -> dict[str, NDArray[Any]]:
        """Return the accepted ones of the proposed events in the ADC2021 layout."""
        from l1ad.events.generation.kernels_events import detect

        kernel: Any = detect
        index, leptons, met, offsets, constituents, regions = kernel(
            proposed.offsets, proposed.p4, proposed.kind, proposed.charge, *self._underlying, *self._pileup,
            self._conditions.pileup, self._conditions.regions, self._rng, self._region_rng,
        )  # fmt: skip
        cleaned, kept = fill_layout(leptons, met, *cluster_jets(offsets, constituents))
        arrays = {"Particles": cleaned, "Particles_lepjets": kept, "Parent": proposed.parent[index]}
        if self._conditions.regions:
            arrays["Regions"] = np.minimum(np.floor(regions / PT_LSB_GEV), REGION_MAX).astype(np.uint16)
        return arrays
