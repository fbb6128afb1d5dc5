"""Samples of events, from a request to HDF5 files and their manifest."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from l1ad import units
from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import CHUNK_ROWS, PARTICLES, PROCESS, EventChunk, write_events
from l1ad.events.generation.chunks import (
    GENERATOR_VERSION,
    Progress,
    StreamReader,
    StreamResult,
    make_chunks,
    mixed,
    summarize_stream,
)
from l1ad.events.generation.libraries import DEFAULT_DECAYS, DEFAULT_EVENTS, LibrarySpec, build_library
from l1ad.events.generation.pieces import derived_seed
from l1ad.events.generation.plan import BACKGROUND_NAME, DEFAULT_PROCESSES, Stream, plan_samples
from l1ad.events.generation.processes import BACKGROUND, PROCESSES
from l1ad.events.generation.pythia import LIBRARIES, require_libraries
from l1ad.events.generation.simulate import Conditions
from l1ad.events.sample import MANIFEST_VERSION
from l1ad.provenance import file_digest, value_digest, versions, write_json
from l1ad.workers import open_executor

_log = logging.getLogger(__name__)

SOURCE_TAG = "l1ad-gen"
MANIFEST = "MANIFEST.json"
CHUNK_FOLDER = "chunks"
#: Peak luminosity of LHC Run 2, to turn cross sections into events a crossing.
LUMINOSITY_PER_CM2_S = 2e34
_NB_IN_CM2 = 1e-33


@dataclass(frozen=True)
class Request:
    """What to generate.

    Attributes
    ----------
    out : Path
        Folder for the files.
    events : int
        Events of the background, or of every process or card.
    signal_events : int or None
        Events of every signal; None: a twentieth of `events`.
    processes : tuple of str
        Names of processes; ``background`` is the mixture at the published fractions.
    card : Path or None
        A Pythia card.
    seed : int
        Same seed, same events.
    pileup : float
        Mean number of pile-up collisions.
    full : bool
        Multi-parton interactions in every event.
    regions : bool
        Write the sums of calorimeter regions.
    cache : Path or None
        Folder of the libraries; None: ``l1ad/generation`` in the user's cache folder.
    library_events, library_decays : int
        Size of the libraries: events, and decays of each species.
    max_hard_events : int
        Give up on a process when so many hard events gave no accepted one.
    keep_chunks : bool
        Leave the chunks in the folder, so that a larger sample can go on from them.
    """

    out: Path
    events: int
    signal_events: int | None = None
    processes: tuple[str, ...] = DEFAULT_PROCESSES
    card: Path | None = None
    seed: int = 1
    pileup: float = 20.0
    full: bool = False
    regions: bool = False
    cache: Path | None = None
    library_events: int = DEFAULT_EVENTS
    library_decays: int = DEFAULT_DECAYS
    max_hard_events: int = 20_000
    keep_chunks: bool = False


def default_cache() -> Path:
    """Return the folder of libraries: ``l1ad/generation`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "l1ad" / "generation"


def generate(
    request: Request,
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    library_progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Make the samples of a request; what is there already is kept.

    Parameters
    ----------
    request : Request
    workers : int, optional
        Processes on this machine, or jobs in a batch queue.
    dask : str or None, optional
        Address of a Dask scheduler or name of a batch queue, see `l1ad.workers.open_executor`. Its workers must see
        `request.cache` under the same path.
    progress, library_progress : callable, optional
        Told how far events and libraries are.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ToolMissingError
        When Pythia, FastJet or Numba is not installed.
    ConfigurationError
        When the request, or a line of the card, cannot be carried out.
    DataError
        When a process gives no accepted event.
    RunFolderError
        When a file cannot be written; finished chunks stay.
    """
    require_libraries()
    _check(request)
    samples = _plan(request)
    manifest, key = request.out / MANIFEST, _request_key(request, samples)
    if _is_finished(manifest, key):
        return manifest
    streams = [stream for found in samples.values() for stream in found]
    with open_executor(workers, dask) as executor:
        conditions = _conditions(request, streams, executor, workers, library_progress)
        chunks = request.out / CHUNK_FOLDER
        make_chunks(streams, chunks, conditions, executor, workers=workers, progress=progress)
    results = {stream.name: summarize_stream(stream, chunks, conditions) for stream in streams}
    entries = {name: [_write_sample(request, name, found)] for name, found in samples.items()}
    write_json(manifest, _manifest(request, key, samples, results, entries))
    if not request.keep_chunks:
        shutil.rmtree(chunks)
    return manifest


def _check(request: Request) -> None:
    """Refuse numbers that make no sense."""
    if not 0 <= request.pileup <= 200:
        raise ConfigurationError(f"--pileup {request.pileup}: expected 0 to 200 collisions.")
    if request.seed < 0:
        raise ConfigurationError(f"--seed {request.seed}: expected 0 or more.")
    for option, value in (
        ("--library-events", request.library_events),
        ("--library-decays", request.library_decays),
        ("--max-trials", request.max_hard_events),
    ):
        if value < 1:
            raise ConfigurationError(f"{option} {value}: expected at least 1.")


def _plan(request: Request) -> dict[str, tuple[Stream, ...]]:
    """Return sample name -> streams, the card read."""
    card = None
    if request.card is not None:
        from l1ad.events.generation.cards import read_card

        card = read_card(request.card)
    signal_events = request.signal_events if request.signal_events is not None else max(request.events // 20, 1)
    return plan_samples(request.processes, request.events, signal_events, card)


def _request_key(request: Request, samples: dict[str, tuple[Stream, ...]]) -> str:
    """Return the digest of everything that the samples depend on, folders left out."""
    values = asdict(replace(request, out=Path(), cache=None, card=None, keep_chunks=False))
    streams = {
        name: [asdict(stream.stratum) | {"n": stream.events} for stream in found] for name, found in samples.items()
    }
    return value_digest([GENERATOR_VERSION, values, streams, versions(LIBRARIES)])


def _is_finished(manifest: Path, key: str) -> bool:
    """Return whether a manifest of the same request stands there and its files are the ones that it lists."""
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        files = [entry for entries in found["samples"].values() for entry in entries]
        if found["request_key"] != key:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    for entry in files:
        path = manifest.parent / entry["file"]
        if not path.is_file() or file_digest(path) != entry["sha256"]:
            _log.warning("%s: missing or changed; the sample is made again.", path)
            return False
    return True


def _conditions(
    request: Request,
    streams: list[Stream],
    executor: Executor,
    workers: int,
    progress: Callable[[int, int, str], None] | None,
) -> Conditions:
    """Make the libraries that the streams need and return the conditions with their paths."""
    needed = {
        "underlying": not request.full,
        "pileup": request.pileup > 0,
        "decays": any(stream.stratum.decays != "pythia" for stream in streams),
    }
    cache = (request.cache or default_cache()).absolute()
    paths: dict[str, Path | None] = {}
    for name, wanted in needed.items():
        size = request.library_decays if name == "decays" else request.library_events
        spec = LibrarySpec(name, size)
        paths[name] = build_library(spec, cache, executor, workers, progress) if wanted else None
    return Conditions(
        seed=request.seed,
        pileup=request.pileup,
        full=request.full,
        regions=request.regions,
        max_hard_events=request.max_hard_events,
        underlying=paths["underlying"],
        minimum_bias=paths["pileup"],
        decays=paths["decays"],
    )


def _write_sample(request: Request, name: str, streams: tuple[Stream, ...]) -> dict[str, Any]:
    """Write the file of a sample and return its entry in the manifest."""
    path = request.out / f"{name}.h5"
    attributes = {
        "processes": ", ".join(f"{code} {title}" for code, title in _codes(streams).items()),
        "generator": _generator(request),
        "seed": str(request.seed),
    }
    events = write_events(path, _chunks(request, name, streams), source_tag=SOURCE_TAG, attributes=attributes)
    return {"file": path.name, "sha256": file_digest(path), "bytes": path.stat().st_size, "events": events}


def _chunks(request: Request, name: str, streams: tuple[Stream, ...]) -> Iterator[EventChunk]:
    """Yield the events of a sample, its streams mixed at random so that any part of it is a fair one."""
    labels = np.repeat(np.arange(len(streams)), [stream.events for stream in streams])
    np.random.default_rng(derived_seed(request.seed, name, "order")).shuffle(labels)
    readers = {label: StreamReader(stream, request.out / CHUNK_FOLDER) for label, stream in enumerate(streams)}
    codes = np.array([stream.process.code for stream in streams], np.uint8)
    for part, arrays in mixed(readers, labels, CHUNK_ROWS):
        particles = arrays.pop("Particles")
        yield EventChunk(particles, {PROCESS: codes[part], **arrays})


def _codes(streams: tuple[Stream, ...]) -> dict[int, str]:
    """Return the number of each process in the dataset ``Process`` and its name."""
    return {stream.process.code: stream.process.name for stream in streams}


def _generator(request: Request) -> str:
    """Return how the events were made, in one line."""
    found = versions(LIBRARIES)
    underlying = "in every event" if request.full else "from a library of underlying events"
    return (
        f"Pythia {found.get('pythia8mc')} (leading order), multi-parton interactions {underlying}, pile-up "
        f"Poisson({request.pileup:g}), parametrised CMS-like detector (Delphes card formulae), anti-kT R=0.4 FastJet "
        f"{found.get('fastjet')}, trigger lepton pT > 23 GeV, relative isolation < 0.45, |eta| < 3 (e) / 2.1 (mu); "
        "leptons pT > 3, jets pT > 15, |eta| < 4"
    )


def _manifest(
    request: Request,
    key: str,
    samples: dict[str, tuple[Stream, ...]],
    results: dict[str, StreamResult],
    entries: dict[str, list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return the manifest: the form of the sample that ships with l1ad, and how the events came about."""
    manifest: dict[str, Any] = {
        "version": MANIFEST_VERSION,
        "what": "Simulated 13 TeV pp events in the ADC2021 layout, made by `l1ad data generate`. "
        "A stand-in: never quote a result on it as a result on ADC2021.",
        "source_tag": SOURCE_TAG,
        "generator": _generator(request),
        "request_key": key,
        "request": {**asdict(request), "out": None, "cache": None, "card": request.card and request.card.name},
        "versions": versions((*LIBRARIES, "numpy", "h5py")),
        "variant": PARTICLES,
        "process": {str(code): name for found in samples.values() for code, name in _codes(found).items()},
        "samples": entries,
        "strata": {
            name: [
                {
                    "process": stream.process.name,
                    "stratum": stream.stratum.name,
                    "share_of_sample": stream.events / sum(other.events for other in found),
                    "settings": stream.stratum.card(request.full),
                    **asdict(results[stream.name]),
                }
                for stream in found
            ]
            for name, found in samples.items()
        },
    }
    if BACKGROUND_NAME in samples:
        manifest["mixture"] = {"fractions": BACKGROUND, "source": "arXiv:2107.02157, table 1"}
        manifest["acceptance"] = _acceptance(results)
    return manifest


def _acceptance(results: dict[str, StreamResult]) -> dict[str, Any]:
    """Return the events of the background a bunch crossing, from the cross section of W."""
    w_nb = sum(
        results[f"W_{stratum.name}"].accepted_nb for stratum in PROCESSES["W"].strata if f"W_{stratum.name}" in results
    )
    crossings_per_s = units.BUNCH_CROSSING_RATE_KHZ * 1e3
    rate_hz = w_nb / BACKGROUND["W"] * _NB_IN_CM2 * LUMINOSITY_PER_CM2_S
    return {
        "events_per_crossing": rate_hz / crossings_per_s,
        "formula": "w_cross_section_nb / w_fraction * 1e-33 cm2/nb * luminosity_per_cm2_s / crossings_per_s",
        "w_cross_section_nb": w_nb,
        "w_fraction": BACKGROUND["W"],
        "luminosity_per_cm2_s": LUMINOSITY_PER_CM2_S,
        "crossings_per_s": crossings_per_s,
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest that `generate` wrote.

    Raises
    ------
    DataError
        When the file is not one.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}); expected the manifest of `l1ad data generate`.") from error
    if not isinstance(found, dict) or "strata" not in found:
        raise DataError(f"{path}: not a manifest of `l1ad data generate`: it lists no strata.")
    return found
