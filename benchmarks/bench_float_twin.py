"""AUC of the score of a quantized network, beside its float twin: same shape, seed, data and number of epochs.

    python benchmarks/bench_float_twin.py                              # a short training, to see that it works
    python benchmarks/bench_float_twin.py models/dense_vae/config.yaml --full --seeds 1 2 3

The goal, with --full, is a difference of at most 0.005 on each signal.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from _bench import NO_PRUNING, ROOT, few_epochs, median, parser, show, write_json

from l1ad.config import load_config
from l1ad.pipeline.run import run_stages
from l1ad.pipeline.run_folder import create_run
from l1ad.records import EvaluationReport, SignalResult

GOAL = 0.005
#: Fields of a short training.
SHORT = few_epochs(6)


def evaluate(config: Path, folder: Path, *overrides: str) -> dict[str, SignalResult]:
    """Train, evaluate, and return signal -> result."""
    run = create_run(load_config(config, overrides), folder)
    run_stages(run, ("data", "train", "evaluate"))
    report = EvaluationReport.read(run.stage("evaluate") / "metrics.json")
    return {signal.signal: signal for signal in report.signals}


def twins(config: Path, folder: Path, seed: int, overrides: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return signal -> AUC of both, their errors, and quantized minus float."""
    options = load_config(config, overrides).training
    epochs = f"training.epochs={options.float_epochs + options.epochs}"
    quantized = evaluate(config, folder, *overrides, f"seed={seed}", f"name=quantized_{seed}")
    floating = evaluate(
        config, folder, *overrides, epochs, NO_PRUNING, f"seed={seed}", f"name=float_{seed}", "network.frontend=float"
    )
    return {
        name: {
            "quantized": result.auc,
            "quantized_error": result.auc_error,
            "float": floating[name].auc,
            "float_error": floating[name].auc_error,
            "difference": result.auc - floating[name].auc,
        }
        for name, result in quantized.items()
    }


def main() -> None:
    """Train both for each seed and compare."""
    options = parser(__doc__)
    options.add_argument("config", type=Path, nargs="?", default=ROOT / "models" / "dense_vae" / "config.yaml")
    options.add_argument("--seeds", type=int, nargs="+", default=[1])
    options.add_argument("--full", action="store_true", help="train as the configuration says")
    options.add_argument("--set", "-s", action="append", default=[], help="change a field, as in `l1ad run -s`")
    options.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    arguments = options.parse_args()
    overrides = (*(() if arguments.full else SHORT), *arguments.set)
    found: dict[int, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for seed in arguments.seeds:
            found[seed] = twins(arguments.config, arguments.runs or Path(name), seed, overrides)
    rows = [
        [
            signal,
            seed,
            f"{r['quantized']:.4f} ± {r['quantized_error']:.4f}",
            f"{r['float']:.4f} ± {r['float_error']:.4f}",
            f"{r['difference']:+.4f}",
        ]
        for seed, results in found.items()
        for signal, r in results.items()
    ]
    show("AUC of the score", ["signal", "seed", "quantized", "float", "difference"], rows)
    for signal in next(iter(found.values())):
        typical = median([results[signal]["difference"] for results in found.values()])
        print(f"{signal}: median difference {typical:+.4f}, goal within {GOAL:g}")
    write_json(arguments.json, {"goal": GOAL, "overrides": overrides, "seeds": found})


if __name__ == "__main__":
    main()
