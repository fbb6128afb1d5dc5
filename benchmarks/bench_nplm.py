"""Times NPLM beside scikit-learn's Nystroem + LogisticRegression on the same events, in the same run.

    python benchmarks/bench_nplm.py                 # EXPO-1D, dimuon size, monitoring batch; no peer for dimuon
    python benchmarks/bench_nplm.py --peer          # with the peer, which takes minutes of CPU
    python benchmarks/bench_nplm.py --power 800     # P(Z >= 3) with so many null and signal toys as well
    python benchmarks/bench_nplm.py --network 40    # kernels beside a network: time, null, Z of ten signal events
    python benchmarks/bench_nplm.py --json table.json

CPU seconds of this process with one BLAS thread. The floor is the time of the multiplications and exponentials that
the method cannot avoid, at the rates measured on this machine in the same run. The smallest of three runs counts.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from l1ad.provenance import versions
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nulls import gamma_model, gamma_threshold
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.toys import Generator, run_toys

RUNS = 3
PEER_CENTERS = 1000
GOALS_S = {"EXPO-1D": 0.15, "EXPO-1D, x of e^-x": 0.15, "dimuon size": 3.0, "monitoring batch": 0.015}


def cpu_seconds(function: Callable[[], Any], runs: int = RUNS) -> float:
    """Return the smallest CPU time of some runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def rates() -> tuple[float, float]:
    """Return multiply-adds and exponentials a second of this machine, one thread, in double precision."""
    a, x = np.random.default_rng(0).random((1000, 1000)), np.random.default_rng(0).random(4096 * 16)
    out = np.empty_like(x)
    gemm = 2e9 / cpu_seconds(lambda: a @ a)
    exponentials = 20 * x.size / cpu_seconds(lambda: [np.exp(x, out=out) for _ in range(20)])
    return gemm, exponentials


def floor_seconds(events: int, rank: int, gemm: float, exponentials: float) -> float:
    """Return the time of the kernel, the whitening (n r^2) and one Gram matrix (n r^2)."""
    return events * rank / exponentials + 2 * events * rank**2 / gemm


def peer_seconds(reference: np.ndarray, data: np.ndarray, width: float) -> float:
    """Return the CPU time of Nystroem + LogisticRegression with 1000 centers, once."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression

    x, y = np.vstack([reference, data]), np.r_[np.zeros(len(reference)), np.ones(len(data))]
    weights = np.where(y == 0, len(data) / len(reference), 1.0)

    def run() -> None:
        features = Nystroem(gamma=0.5 / width**2, n_components=PEER_CENTERS, random_state=0).fit_transform(x)
        LogisticRegression(C=1 / (1e-6 * len(x)), fit_intercept=False, max_iter=200).fit(features, y, weights)

    return cpu_seconds(run, 1)


def problems() -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Return name -> reference, data and kernel width."""
    rng = np.random.default_rng(0)
    muons = rng.normal(size=(120_000, 5))
    muons[:, 0] = rng.exponential(1, len(muons))
    return {
        "EXPO-1D": (rng.exponential(1 / 8, (200_000, 1)), rng.exponential(1 / 8, (2000, 1)), 0.3),
        "EXPO-1D, x of e^-x": (rng.exponential(1, (200_000, 1)), rng.exponential(1, (2000, 1)), 0.3),
        "dimuon size": (muons[:100_000], muons[100_000:], 3.1),
    }


def measure(peer: bool) -> list[dict[str, Any]]:
    """Return one row a problem."""
    gemm, exponentials = rates()
    rows = []
    for name, (reference, data, width) in problems().items():
        model = KernelNplm(width=width, standardize=False)
        seconds = cpu_seconds(lambda m=model, r=reference, d=data: m.fit_samples(r, d))
        row = {"problem": name, "events": len(reference) + len(data), "rank": model.basis_.rank, "cpu_s": seconds}
        row["floor_s"] = floor_seconds(row["events"], row["rank"], gemm, exponentials)
        if peer:
            row["peer_s"] = peer_seconds(reference, data, width)
        rows.append(row)
    rng = np.random.default_rng(1)
    for events in (2000, 10_000):
        test = NplmTest(make_reference(rng.normal(size=(events, 4)), expected=1000), KernelNplm(width=4.5))
        batch = rng.normal(size=(1000, 4))
        test.statistics(batch)
        prepared = test.prepared()[0]
        row = {"problem": "monitoring batch", "events": events + 1000, "rank": prepared.basis.rank}
        row["cpu_s"] = cpu_seconds(lambda t=test, b=batch: t.statistics(b))
        row["floor_s"] = floor_seconds(1000, row["rank"], gemm, exponentials)
        rows.append(row)
    return rows


class Signal:
    """Exponential background with ten expected events in a peak in its tail."""

    digest = "bench_nplm signal"

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return the events of one toy."""
        peak = rng.normal(6.4, 0.16, (rng.poisson(10), 1))
        return np.concatenate([rng.exponential(1, (rng.poisson(2000), 1)), peak])


def power(toys: int) -> list[dict[str, Any]]:
    """Return P(Z >= 3) of ten signal events for the default and the paper's setting."""
    reference = make_reference(np.random.default_rng(12).exponential(1, (200_000, 1)), expected=2000)
    background = Generator(lambda rng, n: rng.exponential(1, (n, 1)), 2000, "bench_nplm background")
    models = {
        "default": KernelNplm(width=0.3, standardize=False),
        "paper": KernelNplm.paper(width=0.3, n_centers=1000, standardize=False),
    }
    rows = []
    for name, model in models.items():
        test = NplmTest(reference, model)
        null = run_toys(test, background, toys, seed=1)[:, 0]
        signal = run_toys(test, Signal(), toys, seed=2)[:, 0]
        seen = float((signal > gamma_threshold(null, 0.0013499)).mean())
        draws = np.random.default_rng(0).integers(0, toys, (100, toys))
        shifts = np.std([(signal > gamma_threshold(null[d], 0.0013499)).mean() for d in draws])
        error = math.hypot(math.sqrt(seen * (1 - seen) / toys), float(shifts))
        rows.append({"model": name, "null_mean": null.mean(), "null_sd": null.std(), "power": seen, "error": error})
    return rows


def network(toys: int) -> list[dict[str, Any]]:
    """Return time, null and median Z of ten signal events for kernels and a network, on the same 20,000 events."""
    from l1ad.networks.nplm_network import NplmNetwork
    from l1ad.pipeline.network_test import NetworkTest

    reference = make_reference(np.random.default_rng(12).exponential(1, (20_000, 1)), expected=2000)
    background = Generator(lambda rng, n: rng.exponential(1, (n, 1)), 2000, "bench_nplm background")
    tests = {
        "kernels": NplmTest(reference, KernelNplm(width=0.3, standardize=False)),
        "network 1-4-1": NetworkTest(reference, NplmNetwork()),
    }
    rows = []
    for name, test in tests.items():
        test.statistics(background.draw(np.random.default_rng(0)))
        start = time.process_time()
        null = run_toys(test, background, toys, seed=1)[:, 0]
        seconds = (time.process_time() - start) / toys
        signal = run_toys(test, Signal(), toys, seed=2)[:, 0]
        z = float(np.median([gamma_model(t, null).z for t in signal]))
        rows.append({"model": name, "cpu_s": seconds, "null_mean": null.mean(), "null_sd": null.std(), "z": z})
    return rows


def show(table: dict[str, Any]) -> None:
    """Print the rows."""
    print(f"{'problem':<22}{'events':>9}{'rank':>6}{'CPU s':>9}{'goal':>8}{'x floor':>9}{'peer s':>9}")
    for row in table["times"]:
        peer = f"{row['peer_s']:9.1f}" if "peer_s" in row else f"{'-':>9}"
        print(f"{row['problem']:<22}{row['events']:>9}{row['rank']:>6}{row['cpu_s']:>9.4f}{GOALS_S[row['problem']]:>8}"
              f"{row['cpu_s'] / row['floor_s']:>9.1f}{peer}")  # fmt: skip
    for row in table.get("network", ()):
        print(f"{row['model']}: {row['cpu_s']:.4f} CPU s a data set, null {row['null_mean']:.2f} / "
              f"{row['null_sd']:.2f}, median Z of ten signal events {row['z']:.2f}")  # fmt: skip
    for row in table.get("power", ()):
        print(f"{row['model']}: P(Z >= 3) = {row['power']:.3f} +- {row['error']:.3f}, null {row['null_mean']:.2f} / "
              f"{row['null_sd']:.2f}")  # fmt: skip


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="store_true", help="time scikit-learn as well")
    parser.add_argument("--power", type=int, default=0, help="toys for P(Z >= 3); 0: not measured")
    parser.add_argument("--network", type=int, default=0, help="toys of the comparison with a network; 0: none")
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        table: dict[str, Any] = {"times": measure(arguments.peer), "versions": versions(["numpy", "scikit-learn"])}
        if arguments.network:
            table["network"] = network(arguments.network)
        if arguments.power:
            table["power"] = power(arguments.power)
    show(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
