"""Times the generator beside Pythia alone on the same hard events, process by process, in the same run.

    python benchmarks/bench_generate.py                          # every process, 250 hard events each
    python benchmarks/bench_generate.py --hard 5000 --library-events 10000
    python benchmarks/bench_generate.py --processes W,QCD --full --json table.json

CPU seconds of this process. Peer: the same Pythia with the same settings, filter and seed, event by event, nothing
read out. The ratio is what l1ad adds: decays, underlying event, pile-up, detector, jets. Goal: below 1.5. The last
line is the time for one million background events and 50,000 of each signal at these rates.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _bench import median, show, write_json

from l1ad.events.generation.generate import default_cache
from l1ad.events.generation.libraries import LibrarySpec, build_library
from l1ad.events.generation.pieces import derived_seed
from l1ad.events.generation.plan import plan_samples
from l1ad.events.generation.processes import PROCESSES, SIGNALS, Stratum
from l1ad.events.generation.pythia import PythiaRun
from l1ad.events.generation.simulate import BATCH, Conditions, Detector
from l1ad.workers import open_executor

GOAL = 1.5


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result of a call."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def libraries(cache: Path, events: int, full: bool) -> Conditions:
    """Build what the processes share, or find it in the cache."""
    with open_executor(1) as executor:
        sizes = {"underlying": events, "pileup": events, "decays": min(events, 4_000)}
        paths = {name: build_library(LibrarySpec(name, n), cache, executor) for name, n in sizes.items()}
    conditions = Conditions(seed=1, full=full, underlying=paths["underlying"], minimum_bias=paths["pileup"])
    return replace(conditions, decays=paths["decays"])


def measure(name: str, stratum: Stratum, conditions: Conditions, hard: int, repeats: int) -> dict[str, Any]:
    """Time batches of one stratum with and without everything that follows Pythia, in turn."""
    seed = derived_seed(1, name, stratum.name)
    card = stratum.card(conditions.full)
    ours = PythiaRun(card, 11, stratum.event_filter)
    alone = PythiaRun(card, 11, stratum.event_filter)
    detector = Detector(stratum, conditions, seed)
    detector.accept(ours.batch(20))
    for _ in range(20):
        alone.raw.next()
    ratios, seconds, accepted, parents, done = [], 0.0, 0, 0, 0
    for _ in range(max(repeats, -(-hard // BATCH))):
        spent, found = timed(lambda: detector.accept(ours.batch(BATCH)))
        peer, _ = timed(lambda: [alone.raw.next() for _ in range(BATCH)])
        ratios.append(spent / peer)
        seconds, accepted, done = seconds + spent, accepted + len(found[0]["Parent"]), done + BATCH
        parents += len(np.unique(found[0]["Parent"]))
    return {
        "process": name,
        "stratum": stratum.name,
        "accepted_per_s": accepted / seconds,
        "hard_per_s": done / seconds,
        "reuse": accepted / max(parents, 1),
        "ratio": median(ratios),
    }


def core_hours(rows: list[dict[str, Any]]) -> float:
    """Return the CPU hours of one million background events and 50,000 of each signal at the measured rates."""
    rates = {(row["process"], row["stratum"]): row["accepted_per_s"] for row in rows}
    streams = [s for found in plan_samples(("background", *SIGNALS), 1_000_000, 50_000).values() for s in found]
    return sum(s.events / rates[s.process.name, s.stratum.name] for s in streams) / 3600


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", default=",".join(PROCESSES), help="comma-separated names")
    parser.add_argument("--hard", type=int, default=250, help="hard events of each stratum")
    parser.add_argument("--repeats", type=int, default=1, help="batches at least; the median of the ratios is shown")
    parser.add_argument("--full", action="store_true", help="multi-parton interactions in every event")
    parser.add_argument("--library-events", type=int, default=250, help="events of the libraries")
    parser.add_argument("--cache", type=Path, help="folder of the libraries")
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    chosen = arguments.processes.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        small = arguments.library_events < 10_000
        cache = arguments.cache or (Path(scratch) if small else default_cache())
        conditions = libraries(cache, arguments.library_events, arguments.full)
        rows = [measure(name, stratum, conditions, arguments.hard, arguments.repeats)
                for name in chosen for stratum in PROCESSES[name].strata]  # fmt: skip
    columns = ("process", "stratum", "accepted/s", "hard/s", "events/parent", "ours/Pythia", "goal")
    show("Generator", columns, [[*row.values(), GOAL] for row in rows])
    table: dict[str, Any] = {"rows": rows, "full": arguments.full}
    if set(chosen) == set(PROCESSES):
        table["core_hours"] = core_hours(rows)
        print(f"1,000,000 background and 50,000 of each signal: {table['core_hours']:.1f} core-hours")
    write_json(arguments.json, table)


if __name__ == "__main__":
    main()
