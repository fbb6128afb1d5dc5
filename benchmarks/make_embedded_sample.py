"""Makes the sample that ships with l1ad: python benchmarks/make_embedded_sample.py SOURCE_FOLDER [OUTPUT_FOLDER].

The source folder holds background_for_training.h5, one file a signal, and MANIFEST.json. Every background event and
the first 20,000 events of each signal are written as float32 in the ADC2021 layout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from l1ad import units
from l1ad.events.adc2021 import CHUNK_ROWS, PARTICLES, PROCESS, EventChunk, EventFile, write_events
from l1ad.events.sample import MANIFEST_VERSION
from l1ad.provenance import file_digest, write_json

SIGNALS = ("Ato4l", "LQbtau", "htautau", "hchtaunu")
SIGNAL_EVENTS = 20_000
SOURCE_BACKGROUND = "background_for_training.h5"
LARGEST_FILE_BYTES = 5_000_000
LARGEST_SAMPLE_BYTES = 20_000_000
BACKGROUND_FILE_EVENTS = 102_400

W_CROSS_SECTION_NB = 12.8
W_FRACTION = 0.592
LUMINOSITY_PER_CM2_S = 2e34
NB_IN_CM2 = 1e-33


def acceptance() -> dict[str, Any]:
    """Return the events of the sample a bunch crossing and how the number comes about."""
    crossings_per_s = units.BUNCH_CROSSING_RATE_KHZ * 1e3
    rate_hz = W_CROSS_SECTION_NB / W_FRACTION * NB_IN_CM2 * LUMINOSITY_PER_CM2_S
    return {
        "events_per_crossing": rate_hz / crossings_per_s,
        "formula": "w_cross_section_nb / w_fraction * 1e-33 cm2/nb * luminosity_per_cm2_s / crossings_per_s",
        "w_cross_section_nb": W_CROSS_SECTION_NB,
        "w_cross_section_source": "accepted W -> e nu, mu nu after the selection, our generator, leading order",
        "w_fraction": W_FRACTION,
        "luminosity_per_cm2_s": LUMINOSITY_PER_CM2_S,
        "crossings_per_s": crossings_per_s,
        "notes": [
            "Rate of events that pass the selection of the sample (a lepton above 23 GeV), not of all crossings.",
            "The luminosity is the peak of LHC Run 2; the pile-up of the sample, 20, belongs to a lower one.",
        ],
    }


def chunks(source: EventFile, start: int, stop: int) -> Iterator[EventChunk]:
    """Yield the events of `source` in [start, stop) with their process where there is one."""
    for first in range(start, stop, CHUNK_ROWS):
        rows = slice(first, min(first + CHUNK_ROWS, stop))
        columns = {PROCESS: source.column(PROCESS, rows)} if source.has(PROCESS) else {}
        yield EventChunk(source[rows], columns)


def write_part(source: EventFile, start: int, stop: int, path: Path, tag: str) -> dict[str, Any]:
    """Write one file of the sample and return its entry in the manifest."""
    write_events(path, chunks(source, start, stop), source_tag=tag, attributes={"licence": "Apache-2.0"})
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise SystemExit(f"{path}: {size} bytes; expected at most {LARGEST_FILE_BYTES}. Lower BACKGROUND_FILE_EVENTS.")
    print(f"{path.name}: {stop - start} events, {size} bytes")
    return {
        "file": path.name,
        "sha256": file_digest(path),
        "bytes": size,
        "events": stop - start,
        "source": source.path.name,
        "source_rows": [start, stop],
    }


def write_sample(folder: Path, output: Path, tag: str) -> dict[str, list[dict[str, Any]]]:
    """Write all files and return sample name -> entries."""
    samples: dict[str, list[dict[str, Any]]] = {}
    with EventFile(folder / SOURCE_BACKGROUND) as source:
        starts = range(0, len(source), BACKGROUND_FILE_EVENTS)
        samples["background"] = [
            write_part(
                source, start, min(start + BACKGROUND_FILE_EVENTS, len(source)), output / f"background_{i}.h5", tag
            )
            for i, start in enumerate(starts)
        ]
    for name in SIGNALS:
        with EventFile(folder / f"{name}.h5") as source:
            events = min(SIGNAL_EVENTS, len(source))
            samples[name] = [write_part(source, 0, events, output / f"{name}.h5", tag)]
    return samples


def main() -> None:
    """Write the sample and its manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=Path(__file__).parents[1] / "l1ad/events/sample")
    arguments = parser.parse_args()
    origin = json.loads((arguments.source / "MANIFEST.json").read_text())
    for name, entry in origin["files"].items():
        if file_digest(arguments.source / name) != entry["sha256"]:
            raise SystemExit(f"{arguments.source / name}: differs from its manifest.")
    samples = write_sample(arguments.source, arguments.output, origin["source_tag"])
    total = sum(entry["bytes"] for entries in samples.values() for entry in entries)
    if total > LARGEST_SAMPLE_BYTES:
        raise SystemExit(f"{total} bytes in all; expected at most {LARGEST_SAMPLE_BYTES}.")
    manifest = {
        "version": MANIFEST_VERSION,
        "what": origin["what"],
        "licence": origin["licence"],
        "source_tag": origin["source_tag"],
        "generator": origin["generator"],
        "mixture": origin["mixture"],
        "notes": origin["notes"],
        "made_by": "benchmarks/make_embedded_sample.py",
        "variant": PARTICLES,
        "source_files": {name: entry["sha256"] for name, entry in origin["files"].items()},
        "process": {"0": "W", "1": "QCD", "2": "Z", "3": "ttbar"},
        "samples": samples,
        "acceptance": acceptance(),
    }
    write_json(arguments.output / "MANIFEST.json", manifest)
    print(f"{total} bytes in all")


if __name__ == "__main__":
    main()
