"""Trains every family float, quantized and rounded, and the paper's recipe in plain Keras; writes docs/families.md.

    python benchmarks/make_family_table.py                         # all that is not there yet
    python benchmarks/make_family_table.py --only dense_vae        # one family
    python benchmarks/make_family_table.py --take runs/dense_vae   # the row of a run that is finished; trains nothing
    python benchmarks/make_family_table.py --draw                  # only write the page from finished rows

A finished row is kept as JSON below --runs, with the digest of what it was made from, and is not measured again.
All rows are on the same events: training, validation and test part of the embedded sample, seed 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _bench import LIBRARIES, NO_PRUNING, ROOT, configuration

from l1ad.config import EvaluationConfig, RunConfig
from l1ad.evaluation.evaluate import evaluate_scores
from l1ad.events.content import evaluated_events
from l1ad.events.dataset import load_dataset
from l1ad.hardware.fixed_point import quantize
from l1ad.hardware.project import RECORD
from l1ad.pipeline.run import run_stages
from l1ad.pipeline.run_folder import RunFolder, create_run, open_run
from l1ad.provenance import value_digest, versions, write_text
from l1ad.provenance import write_json as write_whole
from l1ad.records import EvaluationReport, FirmwareProject, FixedType
from l1ad.training.record import TEACHER_FILE, TRAINING_FILE, TrainingRecord

PAGE = ROOT / "docs" / "families.md"
BEGIN, END = "<!-- made by benchmarks/make_family_table.py: begin -->", "<!-- end -->"
FAMILIES = ("dense_ae", "dense_vae", "cnn_ae", "cnn_vae")
FORMS = ("paper", "float", "sparse", "start", "qat", "ptq")
#: Forms whose network is float.
FLOAT_FORMS = ("float", "sparse")
SIGNALS = {"Ato4l": "A → 4l", "LQbtau": "LQ → bτ", "htautau": "h⁰ → ττ", "hchtaunu": "h± → τν"}
FORM_NAMES = {
    "paper": "paper's recipe, plain Keras, float",
    "float": "l1ad, float",
    "sparse": "l1ad, float, pruned as the quantized one",
    "start": "l1ad, float, where the quantized one starts",
    "qat": "l1ad, trained with quantization",
    "ptq": "l1ad, rounded after the training",
}
#: Type in which float scores are ordered.
FLOAT_SCORE = FixedType(signed=False, width=48, integer=24)


def overrides(config: RunConfig, form: str) -> tuple[str, ...]:
    """Return what a form changes in the configuration of its family."""
    common = ("conversion.backends=[verilog]",)
    if form in FLOAT_FORMS:
        # As many epochs as the quantized network has in its two phases.
        epochs = config.training.float_epochs + config.training.epochs
        pruning = () if form == "sparse" else (NO_PRUNING,)
        return (*common, "network.frontend=float", f"training.epochs={epochs}", *pruning)
    # Pruning belongs to quantized epochs, which a rounded network has not.
    return (*common, "quantization.training=post", NO_PRUNING) if form == "ptq" else common


def measured(report: EvaluationReport) -> dict[str, Any]:
    """Return AUC and TPR with errors of every signal."""
    return {s.signal: [s.auc, s.auc_error, s.tpr, s.tpr_error] for s in report.signals}


def row_of_run(family: str, form: str, folder: Path, epochs: list[str]) -> list[dict[str, Any]]:
    """Train, evaluate and convert one family in one form."""
    config = configuration(family, *overrides(configuration(family, *epochs), form), *epochs, f"name={family}_{form}")
    run = create_run(config, folder)
    twin = folder / f"{family}_qat" / "train" / "checkpoint_float.npz"
    if form == "ptq" and twin.is_file() and not run.stage("train").exists():
        # The float phase is the same; its checkpoint carries the key of its configuration and data.
        run.stage("train").mkdir(parents=True)
        shutil.copyfile(twin, run.stage("train") / twin.name)
    stages = ("data", "train", "evaluate") + (() if form in FLOAT_FORMS else ("convert",))
    run_stages(run, stages)
    return [row_of(run, family, form)]


def row_of(run: RunFolder, family: str, form: str) -> dict[str, Any]:
    """Return the row of a finished run."""
    report = EvaluationReport.read(run.stage("evaluate") / "metrics.json")
    return {
        "family": family,
        "form": form,
        "score": report.score,
        "signals": measured(report),
        "background_events": report.background_events,
        "cost": None if form in FLOAT_FORMS else cost(run),
    }


def take(path: Path, folder: Path) -> None:
    """Keep the row of a run that was made elsewhere, when it is what the table would make."""
    run = open_run(path)
    family, options = run.config.network.architecture, run.config
    form = "ptq" if options.quantization.training == "post" else "qat"
    if options.network.frontend == "float":
        form = "sparse" if options.training.pruning.target > 0 else "float"
    expected = configuration(family, *overrides(configuration(family), form))
    for section in ("seed", "data", "inputs", "network", "score", "training", "quantization"):
        if getattr(expected, section) != getattr(options, section):
            raise SystemExit(f"{path}: {section} is not that of models/{family}")
    content = {"key": row_key(configuration(family), form, 0), "seconds": None, "versions": run.manifest().versions}
    write_whole(folder / "rows" / f"{family}_{form}.json", {**content, "rows": [row_of(run, family, form)]})
    if form == "qat" and (run.stage("train") / TEACHER_FILE).is_file():
        write_whole(folder / "rows" / f"{family}_start.json", {**content, "rows": [start_row(run, family)]})


def row_key(config: RunConfig, form: str, epochs: int) -> str:
    """Return the digest of what a row is made from."""
    return value_digest([config.model_dump(mode="json"), form, epochs])


def start_row(run: RunFolder, family: str) -> dict[str, Any]:
    """Return the row of the float model from whose weights the quantized network of a run starts."""
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import float_scores

    data = load_dataset(run.stage("data"))
    record = TrainingRecord.read(run.stage("train") / TRAINING_FILE)
    model = load_model(run.stage("train") / TEACHER_FILE)
    samples = {"background": data.inputs["test"], **data.signals}
    scores = {
        name: quantize(float_scores(model, np.asarray(x), data.contract.type, record.score), FLOAT_SCORE)
        for name, x in samples.items()
    }
    background = scores.pop("background")
    kind, source = record.score.kind, data.record.source_tag
    report = evaluate_scores(background, scores, kind, FLOAT_SCORE, source, None, EvaluationConfig())
    events = report.background_events
    found = {"family": family, "form": "start", "score": kind, "signals": measured(report)}
    return {**found, "background_events": events, "cost": None}


def cost(run: RunFolder) -> float | None:
    """Return the LUT cost that alkaid computes, of network and score; None when the run was not converted."""
    path = run.stage("convert") / "verilog" / RECORD
    if not path.is_file():
        return None
    project = FirmwareProject.read(path)
    return next(m.value for m in project.estimates if m.name == "cost")


def rows_of_paper(family: str, folder: Path, epochs: int, changes: list[str]) -> list[dict[str, Any]]:
    """Train the paper's recipe and evaluate its scores."""
    from paper_recipe import train

    # The events of the run are those of the family's configuration, which all families share.
    config = configuration(family, *changes, f"name={family}_paper")
    run = create_run(config, folder)
    run_stages(run, ("data",))
    data = load_dataset(run.stage("data"))
    parts = {part: np.asarray(data.particles[part]) for part in ("train", "validation")}
    score = train(family, parts["train"], parts["validation"], epochs, config.seed)
    found: dict[str, dict[str, list[Any]]] = {}
    for name, particles, _ in evaluated_events(config.data):
        for kind, values in score(np.asarray(particles[:, :, :3], dtype=np.float32)).items():
            found.setdefault(kind, {}).setdefault(name, []).append(quantize(values, FLOAT_SCORE))
    rows = []
    for kind, samples in found.items():
        scores = {name: np.concatenate(chunks) for name, chunks in samples.items()}
        background = scores.pop("background")
        source = data.record.source_tag
        report = evaluate_scores(background, scores, kind, FLOAT_SCORE, source, None, EvaluationConfig())
        events = report.background_events
        signals = measured(report)
        rows.append(
            {"family": family, "form": "paper", "score": kind, "signals": signals, "background_events": events,
             "cost": None}
        )  # fmt: skip
    return rows


def finished(path: Path, key: str) -> dict[str, Any] | None:
    """Return a kept row of the same configuration, or None."""
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept if kept["key"] == key else None


def measure(family: str, form: str, arguments: argparse.Namespace) -> None:
    """Measure a row unless it is there."""
    config = configuration(family, *arguments.set)
    key = row_key(config, form, arguments.paper_epochs if form == "paper" else 0)
    path = arguments.runs / "rows" / f"{family}_{form}.json"
    if finished(path, key) is not None:
        print(f"{family}, {form}: there")
        return
    start = time.perf_counter()
    if form == "paper":
        rows = rows_of_paper(family, arguments.runs, arguments.paper_epochs, arguments.set)
    else:
        rows = row_of_run(family, form, arguments.runs, arguments.set)
    seconds = round(time.perf_counter() - start)
    write_whole(path, {"key": key, "seconds": seconds, "versions": versions(LIBRARIES), "rows": rows})
    print(f"{family}, {form}: {seconds} s", flush=True)


def kept_rows(folder: Path) -> list[dict[str, Any]]:
    """Return all finished rows in the order of the table."""
    paths = [folder / "rows" / f"{family}_{form}.json" for family in FAMILIES for form in FORMS]
    return [row for path in paths if path.exists() for row in json.loads(path.read_text())["rows"]]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    head = ["family", "form", "score", *(f"AUC {name}" for name in SIGNALS.values()), "LUT cost"]
    rates = ["family", "form", "score", *(f"TPR {name}, %" for name in SIGNALS.values())]
    first, second = [head, ["---"] * len(head)], [rates, ["---"] * len(rates)]
    for row in rows:
        start = [row["family"], FORM_NAMES[row["form"]], row["score"]]
        values = [row["signals"][name] for name in SIGNALS]
        price = "" if row["cost"] is None else f"{row['cost']:,.0f}"
        first.append([*start, *(f"{v[0]:.3f} ± {v[1]:.3f}" for v in values), price])
        second.append([*start, *(f"{100 * v[2]:.3f} ± {100 * v[3]:.3f}" for v in values)])
    text = ["\n".join("| " + " | ".join(line) + " |" for line in lines) for lines in (first, second)]
    events = rows[0]["background_events"] if rows else 0
    middle = (
        f"True positive rate at a false positive rate of 1e-5, with binomial errors. The test part has {events:,} "
        f"background events, so {events * 1e-5:.0f} of them stands above the threshold: the rates say little more than "
        "their order of magnitude."
    )
    return f"{text[0]}\n\n{middle}\n\n{text[1]}"


def draw(rows: list[dict[str, Any]]) -> None:
    """Write the table between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    write_text(PAGE, f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", action="append", choices=FAMILIES, help="family; may be given several times")
    options.add_argument("--form", action="append", choices=FORMS, help="form; may be given several times")
    options.add_argument("--runs", type=Path, default=Path("runs") / "families", help="where runs and rows are kept")
    options.add_argument("--paper-epochs", type=int, default=60, help="most epochs of the paper's recipe")
    options.add_argument("--set", "-s", action="append", default=[], help="change a field, as in `l1ad run -s`")
    options.add_argument("--take", action="append", type=Path, default=[], help="a finished run")
    options.add_argument("--draw", action="store_true", help="measure nothing")
    arguments = options.parse_args()
    known = [name for name in arguments.only or FAMILIES if (ROOT / "models" / name / "config.yaml").is_file()]
    for path in arguments.take:
        take(path, arguments.runs)
    for family in () if arguments.draw or arguments.take else known:
        prunes = configuration(family).training.pruning.target > 0
        for form in arguments.form or FORMS:
            if form != "start" and (form != "sparse" or prunes):
                measure(family, form, arguments)
        if "start" in (arguments.form or FORMS) and not arguments.set:
            take(arguments.runs / f"{family}_qat", arguments.runs)
    rows = kept_rows(arguments.runs)
    print(table(rows))
    if not arguments.set:
        draw(rows)


if __name__ == "__main__":
    main()
