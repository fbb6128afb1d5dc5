"""Calibration of NPLM by counting: p-values of null toys, coverage, false alarms of the monitor, power, nuisances.

    python benchmarks/bench_nplm_calibration.py                # 300 toys: shows that it works, a minute of CPU
    python benchmarks/bench_nplm_calibration.py --toys 4000    # the recorded results

The exponential reference of arXiv:2408.12296: 200,000 events for 2,000 of the data, width 0.3, x scaled to e^-x. Every
number stands beside what it should be and its error; errors of powers include that of the null quantile. Nuisances are
measured at the width of EPJC 82:879, eight times as wide in these units.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest, norm
from threadpoolctl import threadpool_limits

from l1ad.validation.calibration import CalibratedNull, permute
from l1ad.validation.kernels import Floats
from l1ad.validation.monitor import Monitor
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nuisances import learn_scale
from l1ad.validation.nulls import gamma_model, gamma_threshold
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.toys import Generator, run_toys
from l1ad.validation.varied import varied

#: Signal events, mean and published P(Z >= 3) with its error (arXiv:2408.12296).
CELLS = ((10, 6.4, 0.232, 0.013), (18, 4.0, 0.098, 0.008), (90, 1.6, 0.634, 0.015))
SPREAD, WIDTH, SIGMA = 0.16, 0.3, 0.05
PARTS = ("default", "paper", "permutations", "nuisances")


@dataclass(frozen=True)
class Signal:
    """Exponential background with expected events in a Gaussian peak."""

    events: int
    mean: float

    @property
    def digest(self) -> str:
        return f"signal {self.events} {self.mean}"

    def draw(self, rng: np.random.Generator) -> Floats:
        peak = rng.normal(self.mean, SPREAD, (rng.poisson(self.events), 1))
        return np.concatenate([rng.exponential(1, (rng.poisson(2000), 1)), peak])


@dataclass(frozen=True)
class Scaled:
    """Exponential events multiplied by a factor."""

    factor: float

    @property
    def digest(self) -> str:
        return f"scaled {self.factor}"

    def draw(self, rng: np.random.Generator) -> Floats:
        return self.factor * rng.exponential(1, (rng.poisson(2000), 1))


BACKGROUND = Generator(lambda rng, n: rng.exponential(1, (n, 1)), 2000, "exponential")


def power(null: Floats, signal: Floats) -> tuple[float, float]:
    """Return P(Z >= 3) and its error, that of the null quantile included."""
    rate = float(norm.sf(3))
    seen = float((signal > gamma_threshold(null, rate)).mean())
    draws = np.random.default_rng(0).integers(0, len(null), (100, len(null)))
    shifts = np.std([(signal > gamma_threshold(null[d], rate)).mean() for d in draws])
    return seen, math.hypot(math.sqrt(seen * (1 - seen) / len(signal)), float(shifts))


def calibration(test: NplmTest, null: Floats, toys: int) -> list[dict[str, Any]]:
    """Return uniformity and coverage of fresh toys, and the false-alarm rate of a monitor."""
    fresh = run_toys(test, BACKGROUND, toys, seed=11)[:, 0]
    p = np.array([gamma_model(t, null).p for t in fresh])
    covered = float((p <= norm.sf(2)).mean())
    monitor = Monitor(test, CalibratedNull(test.names, null[:, None], (), "generator", test.digest), 0.01)
    alarms = float((fresh > monitor.threshold).mean())
    return [
        {"what": "KS p-value of Gamma p-values", "value": float(kstest(p, "uniform").pvalue), "goal": "> 0.01"},
        {"what": "share with Z >= 2", "value": covered, "error": _error(norm.sf(2), toys), "goal": "0.02275"},
        {"what": "alarms at a stated rate of 0.01", "value": alarms, "error": _error(0.01, toys), "goal": "0.01"},
    ]


def model_rows(name: str, reference: Floats, toys: int) -> list[dict[str, Any]]:
    """Return null and power of a setting; for the default the calibration as well."""
    model = (
        KernelNplm(width=WIDTH, standardize=False)
        if name == "default"
        else KernelNplm.paper(width=WIDTH, n_centers=1000, standardize=False)
    )
    test = NplmTest(make_reference(reference, expected=2000), model)
    null = run_toys(test, BACKGROUND, toys, seed=1)[:, 0]
    rows: list[dict[str, Any]] = [
        {"what": f"{name}: mean of the null", "value": null.mean(), "goal": "25.02 published"},
        {"what": f"{name}: its standard deviation", "value": null.std(), "goal": "6.84 published"},
    ]
    for events, mean, published, error in CELLS:
        value, spread = power(null, run_toys(test, Signal(events, mean), toys, seed=2)[:, 0])
        rows.append({"what": f"{name}: P(Z >= 3), {events} at {mean}", "value": value, "error": spread,
                     "goal": f"{published} +- {error} published"})  # fmt: skip
    return rows + (calibration(test, null, toys) if name == "default" else [])


def permutations(data_sets: int, toys: int = 99) -> dict[str, Any]:
    """Return whether permutation p-values of data sets are uniform."""
    rng, found = np.random.default_rng(3), []
    for _ in range(data_sets):
        test = NplmTest(make_reference(rng.normal(size=(1000, 1)), expected=200), KernelNplm(width=1.0, penalty=1e-4))
        found.append(permute(test, rng.normal(size=(200, 1)), toys=toys)[0].statistics[0].model("empirical").p)
    jittered = np.array(found) - rng.random(data_sets) / (toys + 1)
    value = float(kstest(jittered, "uniform").pvalue)
    return {"what": f"KS p-value of {data_sets} permutation p-values", "value": value, "goal": "> 0.01"}


def nuisances(reference: Floats, toys: int) -> list[dict[str, Any]]:
    """Return median Z of a scale shift of two sigma and of a signal, without and with the nuisance."""
    given, model = make_reference(reference, expected=2000), KernelNplm(width=8 * WIDTH, standardize=False)
    scale = (learn_scale(reference, SIGMA),)
    tests = {"no nuisance": (), "fixed": scale, "free": scale}
    sources = {"+2 sigma": Scaled(1 + 2 * SIGMA), "-2 sigma": Scaled(1 - 2 * SIGMA), "ten events": Signal(10, 6.4)}
    rows = []
    for name, known in tests.items():
        test = NplmTest(given, model, (), known, "free" if name == "free" else "fixed")
        null = run_toys(test, varied(BACKGROUND, known), toys, seed=1)[:, 0]
        for label, source in sources.items():
            z = [gamma_model(t, null).z for t in run_toys(test, source, toys, seed=2)[:, 0]]
            error = 1.2533 * float(np.std(z)) / math.sqrt(toys)
            rows.append({"what": f"median Z, scale {label}, {name}", "value": float(np.median(z)), "error": error})
    return rows


def _error(p: float, count: int) -> float:
    return math.sqrt(p * (1 - p) / count)


def show(row: dict[str, Any]) -> None:
    """Print a row."""
    error = f"+- {row['error']:.4f}" if "error" in row else ""
    print(f"{row['what']:<48}{row['value']:>9.4f} {error:<10} {row.get('goal', '')}", flush=True)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", type=int, default=300, help="null toys, and toys of every signal")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what is measured")
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    reference, toys = np.random.default_rng(12).exponential(1, (200_000, 1)), arguments.toys
    parts = {
        "default": lambda: model_rows("default", reference, toys),
        "paper": lambda: model_rows("paper", reference, max(toys // 4, 100)),
        "permutations": lambda: [permutations(max(2 * toys // 3, 20))],
        "nuisances": lambda: nuisances(reference, max(toys // 5, 60)),
    }
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        for part in arguments.parts:
            found = parts[part]()
            rows += found
            for row in found:
                show(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
