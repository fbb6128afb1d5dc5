"""Event files with calorimeter regions, drawn from the objects of the embedded sample.

Every object puts its pT into the region that it points to, and every region gets an energy of its own, as pile-up
does. The generator makes real ones; these need no extra library and a second of time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from l1ad.events.adc2021 import EventChunk, write_events
from l1ad.events.regions import REGION_MAXIMUM, REGIONS
from l1ad.events.sample import open_sample

#: Mean energy of an empty region, in units of 0.5 GeV.
_FLOOR = 6.0


def regions_of(particles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the regions of events, shape (N, 18, 14), in units of 0.5 GeV."""
    units = rng.exponential(_FLOOR, (len(particles), 18, 14))
    pt, eta, phi = (particles[:, 1:, column] for column in range(3))
    event, row = np.nonzero((pt > 0) & (np.abs(eta) < 3))
    azimuth = np.floor((phi[event, row] % (2 * np.pi)) / (2 * np.pi) * 18).astype(int) % 18
    np.add.at(units, (event, azimuth, np.floor((eta[event, row] + 3) / 6 * 14).astype(int)), 2 * pt[event, row])
    return np.minimum(units, REGION_MAXIMUM).astype(np.uint16)


def write_region_files(folder: Path, background: int, signal: int, names: tuple[str, ...] = ("Ato4l", "hchtaunu")):
    """Write background.h5 and the signals; return the section `data` of a configuration."""
    sample, rng = open_sample(), np.random.default_rng(3)
    sources = {"background": (sample.background, background)}
    sources |= {name: (sample.signals[name], signal) for name in names}
    for name, (source, events) in sources.items():
        particles = np.concatenate(list(source.iter_chunks(limit=events)))
        chunk = EventChunk(particles, {REGIONS: regions_of(particles, rng)})
        write_events(folder / f"{name}.h5", [chunk], source_tag="test-regions")
    signals = {name: str(folder / f"{name}.h5") for name in names}
    return {"background": str(folder / "background.h5"), "signals": signals}
