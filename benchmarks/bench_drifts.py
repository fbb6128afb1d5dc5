"""What NPLM sees of changes in a stream of integer scores: median Z, and the share of batches that raise an alarm.

    python benchmarks/bench_drifts.py                                         # gamma-distributed scores
    python benchmarks/bench_drifts.py --scores runs/dense_vae/evaluate/scores_background.npy
    python benchmarks/bench_drifts.py --toys 300 --batches 60                 # the recorded results

50,000 reference and 5,000 data scores with four fractional bits in ten, log(1 + score), three kernel widths, alarms by
min-p and the overflow counter at one in a hundred. `unchanged` is the false-alarm rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from l1ad.validation.calibration import calibrate
from l1ad.validation.kernels import Floats
from l1ad.validation.monitor import Monitor
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.toys import Generator

REFERENCE, BATCH, RATE = 50_000, 5000, 0.01
FRACTION, LARGEST = 4, 2**10 - 1

Change = Callable[[np.random.Generator, Floats], Floats]


def gamma_scores(rng: np.random.Generator, n: int) -> Floats:
    """Return float scores like those of a sum of squares of three latent variables."""
    return rng.gamma(1.5, 2.0, n)


def rounded(x: Floats) -> Floats:
    """Return raw integers as the firmware rounds and saturates."""
    return np.minimum(np.round(x * 2**FRACTION), LARGEST)


def _tail(rng: np.random.Generator, x: Floats, share: float) -> Floats:
    chosen = rng.random(len(x)) < share
    return rounded(np.where(chosen, x + 3 * x.std() + np.abs(rng.normal(0, x.std(), len(x))), x))


def _wrap(rng: np.random.Generator, x: Floats, share: float) -> Floats:
    return np.where(rng.random(len(x)) < share, rng.integers(0, LARGEST, len(x)), rounded(x))


CHANGES: dict[str, Change] = {
    "unchanged": lambda rng, x: rounded(x),
    "gain + 2 %": lambda rng, x: rounded(1.02 * x),
    "gain + 5 %": lambda rng, x: rounded(1.05 * x),
    "offset of one unit": lambda rng, x: rounded(x) + 1,
    "truncation at 4 bits": lambda rng, x: np.minimum(np.floor(x * 16), LARGEST),
    "rounding to 2 bits": lambda rng, x: 4 * np.round(rounded(x) / 4),
    "1 % in the tail": lambda rng, x: _tail(rng, x, 0.01),
    "0.2 % in the tail": lambda rng, x: _tail(rng, x, 0.002),
    "saturation at 255": lambda rng, x: np.minimum(rounded(x), 255),
    "wrap of 0.1 %": lambda rng, x: _wrap(rng, x, 0.001),
    "0.1 % at the maximum": lambda rng, x: np.where(rng.random(len(x)) < 0.001, LARGEST, rounded(x)),
}


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, help="integer scores of a run instead (.npy); 16 units are 1")
    parser.add_argument("--toys", type=int, default=200, help="null toys")
    parser.add_argument("--batches", type=int, default=20, help="batches of every change")
    arguments = parser.parse_args()
    draw = gamma_scores
    if arguments.scores:
        stored = np.load(arguments.scores, allow_pickle=False).ravel() / 2**FRACTION

        def draw(rng: np.random.Generator, n: int) -> Floats:
            return rng.choice(stored, n) + rng.uniform(-0.5, 0.5, n) / 2**FRACTION

    def events(rng: np.random.Generator, n: int) -> Floats:
        return np.log1p(rounded(draw(rng, n)))[:, None]

    with threadpool_limits(1):
        reference = make_reference(events(np.random.default_rng(0), REFERENCE), expected=BATCH)
        base = KernelNplm()
        base.prepare(reference.x, reference.event_weights)
        test = NplmTest(reference, KernelNplm(), tuple(factor * base.width_ for factor in (0.1, 0.3, 1.0)))
        null = calibrate(test, "generator", generator=Generator(events, BATCH, "scores"), toys=arguments.toys)
        monitor = Monitor(test, null, RATE if arguments.toys >= 200 else 0.05, overflow=float(np.log1p(LARGEST)))
        print(f"{'change':<24}{'largest median Z':>18}{'alarms':>9}{'overflows':>11}")
        for name, change in CHANGES.items():
            z, alarms, overflows = [], 0, 0
            for k in range(arguments.batches):
                rng = np.random.default_rng([1, k])
                batch = np.log1p(change(rng, draw(rng, BATCH)))[:, None]
                result = monitor.check(batch)
                found = null.assess(np.array(result.statistics))
                z.append([item.quoted.z for item in found.statistics])
                alarms += result.alarm
                overflows += result.overflows
            share = alarms / arguments.batches
            print(f"{name:<24}{np.median(z, axis=0).max():>18.2f}{share:>9.2f}{overflows / arguments.batches:>11.1f}")


if __name__ == "__main__":
    main()
