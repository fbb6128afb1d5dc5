"""What each score costs in LUTs and delay, and what AUC a smaller table of exp loses.

    python benchmarks/bench_scores.py                                    # the demo's run, or one with a short training
    python benchmarks/bench_scores.py models/dense_vae models/cnn_vae    # trained models

Cost and delay are alkaid's, of the score alone, on the latent types of the model. The peer of a table is the exact
exponential of the same quantized log sigma^2, in float64. AUC is that of all test events against each signal.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _bench import converted_run, parser, show, write_json
from numpy.typing import NDArray

from l1ad.config import ScoreConfig
from l1ad.conversion import alkaid_handlers
from l1ad.evaluation.roc import auc, count_scores
from l1ad.events.dataset import load_dataset
from l1ad.hardware.fixed_point import to_float
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.pipeline.run_folder import RunFolder, open_run
from l1ad.records import FixedType
from l1ad.scores.integer import score_raw
from l1ad.scores.spec import ScoreSpec
from l1ad.training.record import FIRMWARE_FILE, TRAINING_FILE, TrainingRecord

#: Bits of an entry and, of these, left of the point.
TABLES = ((3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8), (6, 4), (8, 6), (10, 8), (12, 10), (12, 8))
Latent = tuple[NDArray[np.int64], NDArray[np.int64]]


def logic(spec: Any, types: tuple[tuple[FixedType, int], ...]) -> tuple[float, float]:
    """Return LUT cost and delay in ns of a score whose inputs have `types`, each with a number of values."""
    from alkaid.trace import FVArrayInput, HWConfig, trace

    inputs = FVArrayInput(sum(count for _, count in types), HWConfig(1, 1, -1), {"hard_dc": 2})
    parts, begin = [], 0
    for fixed, count in types:
        sign = int(fixed.signed)
        values = inputs[begin : begin + count].quantize(sign, fixed.integer - sign, fixed.fraction)
        parts.append(values.reshape(1, -1))
        begin += count
    score = alkaid_handlers._score if isinstance(spec, ScoreSpec) else alkaid_handlers._reconstruction
    found = trace(inputs, score(spec, *parts).reshape(-1), keep_dead_inputs=True)
    return float(found.cost), float(found.latency[1])


def latent_space(run: RunFolder) -> tuple[dict[str, Latent], ScoreSpec]:
    """Return the raw latent integers of every sample, and the score."""
    data = load_dataset(run.stage("data"))
    spec = TrainingRecord.read(run.stage("train") / TRAINING_FILE).score
    model = load_model(run.stage("train") / FIRMWARE_FILE)
    found = {}
    for name, events in {"background": data.inputs["test"], **data.signals}.items():
        inputs = np.asarray(events, dtype=np.int64)
        layers = run_firmware_model(model, inputs, data.contract.type, layers=True).layers
        found[name] = (layers["mean"], layers["log_variance"])
    return found, spec


def areas(samples: dict[str, Latent], spec: ScoreSpec, *, exact: bool = False) -> dict[str, float]:
    """Return the AUC of each signal."""

    def scores(latent: Latent) -> NDArray[np.int64]:
        if not exact:
            return score_raw(*latent, spec)
        mean, value = to_float(latent[0], spec.mean), to_float(latent[1], spec.log_variance)
        terms = mean**2 * np.exp(-value) if spec.kind == "rz" else 0.5 * (mean**2 + np.expm1(value) - value)
        return np.rint(np.minimum(terms.sum(axis=1), 2.0**24) * 2.0**24).astype(np.int64)

    counted = {name: count_scores(scores(latent)) for name, latent in samples.items()}
    background = counted.pop("background")
    return {name: auc(background, signal) for name, signal in counted.items()}


def sizes(spec: ScoreSpec) -> list[list[Any]]:
    """Return the rows of cost and delay of all latent scores on the types of a model."""
    rows = []
    for kind in ("mu2", "kl", "rz"):
        changed = dataclasses.replace(spec, kind=kind)
        types = ((spec.mean, spec.latent), *([(spec.log_variance, spec.latent)] if kind != "mu2" else []))
        rows.append([kind, str(spec.latent), str(spec.mean), str(spec.log_variance), *logic(changed, types)])
    return rows


def tables(samples: dict[str, Latent], spec: ScoreSpec) -> list[list[Any]]:
    """Return the rows of a table each: cost, delay, and AUC minus that of the exact exponential."""
    exact = areas(samples, spec, exact=True)
    rows: list[list[Any]] = [[spec.kind, "exact, float64", "", "", *(f"{value:.4f}" for value in exact.values())]]
    types = ((spec.mean, spec.latent), (spec.log_variance, spec.latent))
    for kind in ("rz", "kl"):
        if kind != spec.kind:
            continue
        for width, integer in TABLES:
            changed = dataclasses.replace(spec, table=FixedType(False, width, integer))
            lost = [value - exact[name] for name, value in areas(samples, changed).items()]
            rows.append([kind, str(changed.table), *logic(changed, types), *(f"{value:+.4f}" for value in lost)])
    return rows


def measure(run: RunFolder) -> dict[str, Any]:
    """Measure one run and print its tables."""
    samples, spec = latent_space(run)
    default = ScoreConfig.model_fields
    print(f"{run.path}; default table: {default['table_width'].default} bits, {default['table_integer'].default} left")
    costs = sizes(spec)
    show("score alone", ["score", "latent", "mean", "log sigma^2", "LUT cost", "logic ns"], costs)
    found = tables(samples, spec) if spec.reads_log_variance else []
    if found:
        signals = [name for name in samples if name != "background"]
        show("table of exp", ["score", "entry", "LUT cost", "logic ns", *signals], found)
    return {"run": run.path.name, "score": spec.to_dict(), "sizes": costs, "tables": found}


def main() -> None:
    """Measure every run."""
    options = parser(__doc__)
    options.add_argument("runs", type=Path, nargs="*", help="trained runs, or folders of reference models")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        runs = [open_run(path) for path in arguments.runs] or [converted_run(None, Path(name))]
        write_json(arguments.json, {"runs": [measure(run) for run in runs]})


if __name__ == "__main__":
    main()
