"""LUT cost and AUC of learned bit widths, beside the same network of uniform 8 bits, rounded after its float training.

    VENV=.venv-hgq EXTRA=hgq make setup
    .venv-hgq/bin/python benchmarks/bench_learned_bits.py         # a short training, to see that it works
    .venv-hgq/bin/python benchmarks/bench_learned_bits.py --full  # all epochs
    .venv-hgq/bin/python benchmarks/bench_learned_bits.py models/cnn_vae_hgq/config.yaml --full

The goal, with --full, is a quarter of the cost of uniform 8 bits, each AUC within 0.01 of the float model, which is
trained for as many epochs. Without HGQ2 nothing is measured.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from _bench import ROOT, few_epochs, parser, show, write_json

from l1ad.config import load_config
from l1ad.pipeline.run import run_stages
from l1ad.pipeline.run_folder import create_run
from l1ad.provenance import library_version
from l1ad.records import EvaluationReport

GOAL = 0.25
#: Fields of a short training.
SHORT = (*few_epochs(6), "training.batch_size=256")
UNIFORM = (
    "quantization.training=post",
    *(f"network.{field}=quantized_bits(8,1,alpha=1)" for field in ("kernel", "latent_kernel")),
    "network.bias=quantized_bits(8,2,alpha=1)",
    "network.activation=quantized_relu(8,3)",
)


def measure(config: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    """Train, evaluate and trace; return the AUC of each signal, and cost and delay unless the network is float."""
    from l1ad.conversion.verilog import trace
    from l1ad.events.dataset import load_dataset
    from l1ad.networks.firmware_model import load_model

    run = create_run(load_config(config, overrides), folder)
    run_stages(run, ("data", "train", "evaluate"))
    report = EvaluationReport.read(run.stage("evaluate") / "metrics.json")
    found: dict[str, Any] = {signal.signal: signal.auc for signal in report.signals}
    model = run.stage("train") / "firmware.keras"
    if model.exists():
        levels = run.config.conversion.extra_adder_levels
        logic = trace(load_model(model), load_dataset(run.stage("data")).contract.type, levels)
        found |= {"cost": float(logic.cost), "logic_ns": float(logic.latency[1])}
    return found


def main() -> None:
    """Measure the three networks and compare."""
    flags = parser(__doc__)
    flags.add_argument("config", type=Path, nargs="?", default=ROOT / "models" / "dense_vae_hgq" / "config.yaml")
    flags.add_argument("--full", action="store_true", help="train all epochs")
    flags.add_argument("--set", "-s", action="append", default=[], help="change a field, as in `l1ad run -s`")
    flags.add_argument("--runs", type=Path, help="keep the runs here, and go on with those that are there")
    arguments = flags.parse_args()
    if library_version("hgq2") is None:
        print("hgq2 is not installed here, so nothing is measured: VENV=.venv-hgq EXTRA=hgq make setup")
        return
    common = (*(() if arguments.full else SHORT), *arguments.set)
    options = load_config(arguments.config, common).training
    epochs = options.float_epochs + options.epochs
    forms = {
        "float": ("network.frontend=float", f"training.epochs={epochs}"),
        "uniform 8 bits, rounded": UNIFORM,
        "learned": (),
    }
    with tempfile.TemporaryDirectory() as name:
        found = {
            form: measure(arguments.config, arguments.runs or Path(name), *common, *changes, f"name={form.split()[0]}")
            for form, changes in forms.items()
        }
    signals = [key for key in found["float"] if key not in ("cost", "logic_ns")]
    rows = [
        [form, *(f"{row[s]:.4f}" for s in signals), row.get("cost", "-"), row.get("logic_ns", "-")]
        for form, row in found.items()
    ]
    show("learned bit widths", ["network", *signals, "LUT cost", "logic ns"], rows)
    share = found["learned"]["cost"] / found["uniform 8 bits, rounded"]["cost"]
    worst = min(found["learned"][s] - found["float"][s] for s in signals)
    print(f"learned / uniform: {share:.2f}, goal {GOAL:g}; largest loss of AUC to float {-worst:.4f}, goal 0.01")
    write_json(arguments.json, {"goal": GOAL, "overrides": common, "rows": found})


if __name__ == "__main__":
    main()
