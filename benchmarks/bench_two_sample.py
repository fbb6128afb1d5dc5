"""Null quantiles of the two-sample distances and the smallest shifts they exclude, beside published ones.

    python benchmarks/bench_two_sample.py                      # 40 null pairs: shows that it works
    python benchmarks/bench_two_sample.py --toys 1000          # the comparison, ten minutes of CPU
    python benchmarks/bench_two_sample.py --parameters d20.npz --events 10000

Correlated Gaussians of arXiv:2409.16336 at five features, or those of an .npz file with the arrays mean, covariance and
direction. Columns: 95 % quantile of the null with its error, smallest shift along the direction that the mean statistic
excludes at 95 % with its error, the published numbers, CPU milliseconds of one value.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from l1ad.validation.deformation import Scan, shift_along
from l1ad.validation.two_sample import STATISTICS

TESTS = ("sliced_wasserstein", "ks", "sliced_ks", "frechet_extrapolated", "mmd")
#: 95 % quantile and smallest excluded mean shift at d = 5, n = m = 10,000 (arXiv:2409.16336).
PUBLISHED = {
    "sliced_wasserstein": (1.6086, 0.0962),
    "ks": (1.1285, 0.0823),
    "sliced_ks": (1.1361, 0.0996),
    "frechet_extrapolated": (0.01056, 0.0950),
    "mmd": (83.0, 0.1197),
}
MEAN = np.array([-1.64198171, -2.16873971, -1.66604024, 4.4580132, 0.73881358])
COVARIANCE = np.array(
    [
        [3.76370446, 0.67547358, -0.12772116, -2.40993316, 1.54514204],
        [0.67547358, 3.58431083, 0.56297988, -5.97596561, -0.448385],
        [-0.12772116, 0.56297988, 0.58473929, -0.94510225, -0.19347806],
        [-2.40993316, -5.97596561, -0.94510225, 11.57775045, 0.25875715],
        [1.54514204, -0.448385, -0.19347806, 0.25875715, 1.52080437],
    ]
)


@dataclass(frozen=True)
class Gaussians:
    """Correlated Gaussian numbers."""

    mean: np.ndarray
    root: np.ndarray

    def __call__(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.mean + rng.normal(size=(n, len(self.mean))) @ self.root.T


def row(name: str, scan: Scan, direction: np.ndarray) -> dict[str, Any]:
    """Return quantile and excluded shift of one test."""
    start = time.process_time()
    null = scan.null(name)
    milliseconds = 1000 * (time.process_time() - start) / scan.toys
    draws = np.random.default_rng(0).integers(0, scan.toys, (200, scan.toys))
    found = scan.exclude(name, shift_along(direction), null, largest=1.0)
    return {
        "test": name,
        "quantile": float(np.quantile(null, 0.95)),
        "quantile_error": float(np.quantile(null[draws], 0.95, axis=1).std()),
        "shift": found.size,
        "shift_error": found.size_error,
        "ms": milliseconds,
    }


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", type=int, default=40, help="null pairs")
    parser.add_argument("--repetitions", type=int, default=10, help="pairs at each shift")
    parser.add_argument("--events", type=int, default=10_000, help="events of each sample")
    parser.add_argument("--tests", nargs="+", default=TESTS, choices=sorted(STATISTICS))
    parser.add_argument("--parameters", type=Path, help="mean, covariance and direction (.npz)")
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    mean, covariance, direction = MEAN, COVARIANCE, MEAN / 5
    if arguments.parameters:
        with np.load(arguments.parameters, allow_pickle=False) as stored:
            mean, covariance, direction = stored["mean"], stored["covariance"], stored["direction"]
    generator = Gaussians(mean, np.linalg.cholesky(covariance))
    scan = Scan(generator, arguments.events, arguments.toys, arguments.repetitions)
    known = PUBLISHED if arguments.parameters is None and arguments.events == 10_000 else {}
    print(f"{'test':<22}{'95 % quantile':>20}{'published':>11}{'excluded shift':>18}{'published':>11}{'ms':>8}")
    rows = []
    with threadpool_limits(1):
        for name in arguments.tests:
            r = row(name, scan, direction)
            rows.append(r)
            published = [f"{value:.5g}" for value in known.get(name, ())] or ["-", "-"]
            line = f"{name:<22}{r['quantile']:>11.5g} +- {r['quantile_error']:<5.2g}{published[0]:>11}"
            print(f"{line}{r['shift']:>10.4f} +- {r['shift_error']:<5.1g}{published[1]:>10}{r['ms']:>8.1f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
