"""Writes a finished run as a reference model: configuration, card, weights, contract, thresholds, digests."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.config import dump_config, load_config
from l1ad.errors import ConfigurationError, RunFolderError
from l1ad.evaluation.content import ContentReport, ScoredSample, describe_content
from l1ad.events.content import evaluated_events, event_content, first_events
from l1ad.events.contract import InputContract
from l1ad.events.dataset import CONTRACT_FILE, DATASET_FILE, DatasetRecord
from l1ad.events.sample import open_sample
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.pipeline.keys import current
from l1ad.pipeline.reference.check import ReferenceCheck, check_reference, weight_digests
from l1ad.pipeline.reference.record import (
    CARD_FILE,
    CONFIG_FILE,
    CONTENT_FILE,
    KIND,
    MANIFEST_FILE,
    METRICS_FILE,
    THRESHOLDS_FILE,
    TRAINED_FILES,
    VECTORS_FILE,
    ReferenceManifest,
    Vectors,
    is_reference,
)
from l1ad.pipeline.run_folder import Manifest, RunFolder
from l1ad.pipeline.stages import CONVERT, DATA, EMULATE, EVALUATE, REPORT, TRAIN, stages_of
from l1ad.pipeline.summary import gather, headline
from l1ad.provenance import folder_digests, write_json, write_text
from l1ad.records import EvaluationReport
from l1ad.reporting.card import CardFacts, render_card
from l1ad.training.record import FIRMWARE_FILE

#: Recorded events of the background and of each signal.
_BACKGROUND, _SIGNAL = 64, 16
#: Sections of the configuration that decide what a reference model is.
_DECIDES = ("seed", "data", "inputs", "network", "score", "training", "quantization", "evaluation")


def export_model(run: RunFolder, folder: Path) -> ReferenceCheck:
    """Write a finished run as a reference model, and check what was written before it appears.

    Parameters
    ----------
    run : RunFolder
        Trained and evaluated; what `convert`, `emulate` and `synth` measured goes onto the card as far as it is there.
    folder : Path
        New, empty, with nothing but the ``config.yaml`` of the run, or a former reference model, which is replaced
        as a whole.

    Raises
    ------
    ConfigurationError
        When the run has no quantized network, or started from a reference model itself, or ``config.yaml`` of the
        folder is another model.
    RunFolderError
        When the run is not evaluated, or the folder holds something else or cannot be written.
    DataError, CheckFailedError
        See `check_reference`.
    """
    manifest = current(run, run.manifest())
    _check_run(run, manifest)
    recipe = _recipe(run, folder)
    with _whole_folder(folder) as work:
        write_text(work / CONFIG_FILE, recipe)
        _copy_files(run, work)
        vectors = _vectors(run)
        write_text(work / VECTORS_FILE, vectors.to_json())
        content = _content(run)
        write_json(work / CONTENT_FILE, content.to_dict())
        report = gather(run, manifest)
        write_json(work / METRICS_FILE, headline(report))
        made = _manifest(run, manifest, folder)
        facts = CardFacts(made.name, made.created, made.commands, made.versions, _ones(run))
        write_text(work / CARD_FILE, render_card(report, content, facts))
        write_json(work / MANIFEST_FILE, dataclasses.replace(made, files=folder_digests(work)).to_dict())
        return check_reference(work)


def _check_run(run: RunFolder, manifest: Manifest) -> None:
    """Refuse a run that cannot be a reference model."""
    network = run.config.network
    if network.frontend == "float":
        raise ConfigurationError(f"{run.path}: network.frontend is float; a reference model is one for firmware.")
    if network.reference is not None:
        raise ConfigurationError(f"{run.path}: its weights are those of {network.reference} already.")
    for name in (DATA, TRAIN, EVALUATE):
        if name not in manifest.stages:
            raise RunFolderError(f"{run.path}: stage {name} has not finished. Run `l1ad run` or `l1ad evaluate` first.")


def _recipe(run: RunFolder, folder: Path) -> str:
    """Return the text of ``config.yaml``: the one that stands in the folder, or else the resolved configuration."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return dump_config(run.config)
    there = load_config(path)
    for section in _DECIDES:
        if getattr(there, section) != getattr(run.config, section):
            raise ConfigurationError(
                f"{path}: section {section} is not that of {run.path}. Train this configuration, or choose another "
                "folder."
            )
    return path.read_text(encoding="utf-8")


def _copy_files(run: RunFolder, work: Path) -> None:
    """Copy what the stages wrote."""
    shutil.copyfile(run.stage(DATA) / CONTRACT_FILE, work / CONTRACT_FILE)
    shutil.copyfile(run.stage(EVALUATE) / THRESHOLDS_FILE, work / THRESHOLDS_FILE)
    for name in TRAINED_FILES:
        if (run.stage(TRAIN) / name).is_file():
            shutil.copyfile(run.stage(TRAIN) / name, work / name)


def _vectors(run: RunFolder) -> Vectors:
    """Return the first events with their scores."""
    contract = InputContract.read(run.stage(DATA) / CONTRACT_FILE)
    events = first_events(run.config.data, _BACKGROUND, _SIGNAL, contract.kind.name)
    inputs = contract.encode(events).astype(np.int64)
    found = run_firmware_model(load_model(run.stage(TRAIN) / FIRMWARE_FILE), inputs, contract.type)
    return Vectors(_BACKGROUND, _SIGNAL, found.score_type, inputs, found.score[:, 0])


def _content(run: RunFolder) -> ContentReport:
    """Return what the score fires on, from the physical events that were evaluated."""
    content: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    processes: list[NDArray[np.integer]] = []
    known = True
    for name, particles, process in evaluated_events(run.config.data):
        columns = content.setdefault(name, {})
        for quantity, values in event_content(particles).items():
            columns.setdefault(quantity, []).append(values)
        if name == "background":
            known = known and process is not None
            processes += [] if process is None else [process]
    samples = {}
    for name, columns in content.items():
        file = "scores_background.npy" if name == "background" else f"scores_signal_{name}.npy"
        scores = np.load(run.stage(EVALUATE) / file, allow_pickle=False)
        joined = {quantity: np.concatenate(values) for quantity, values in columns.items()}
        process = np.concatenate(processes) if name == "background" and known else None
        samples[name] = ScoredSample(scores, joined, process)
    background = samples.pop("background")
    thresholds = EvaluationReport.read(run.stage(EVALUATE) / "metrics.json").thresholds
    return describe_content(background, samples, thresholds, _process_names(run))


def _process_names(run: RunFolder) -> dict[int, str]:
    """Return the names of the processes of the embedded sample, or what the generator wrote beside a file; or none."""
    if run.config.data.background is not None:
        return process_names(Path(run.config.data.background).with_name("MANIFEST.json"))
    return {int(number): name for number, name in open_sample(verify=False).manifest["process"].items()}


def process_names(path: Path) -> dict[int, str]:
    """Return number -> name of the processes that a manifest of `l1ad data generate` lists; none for another file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))["process"]
        return {int(number): str(name) for number, name in values.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _manifest(run: RunFolder, manifest: Manifest, folder: Path) -> ReferenceManifest:
    """Return the manifest, without the digests of the files."""
    dataset = DatasetRecord.read(run.stage(DATA) / DATASET_FILE)
    # An absolute path belongs to one machine.
    place = folder.as_posix() if not folder.is_absolute() and ".." not in folder.parts else folder.name
    return ReferenceManifest(
        KIND,
        run.config.name,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        dataset.source_tag,
        run.config.seed,
        _commands(run, manifest, place),
        manifest.versions,
        dataset.sources,
        weight_digests(load_model(run.stage(TRAIN) / FIRMWARE_FILE)),
        {},
    )


def _commands(run: RunFolder, manifest: Manifest, place: str) -> tuple[str, ...]:
    """Return what makes the model again, with the stages that the run went through."""
    name = f"runs/{run.config.name}"
    whole = set(stages_of(run.config.network.frontend, run.config.conversion.backends)) - {REPORT}
    if whole <= set(manifest.stages):
        made = [f"l1ad run {place}/{CONFIG_FILE}"]
    else:
        made = [f"l1ad train {place}/{CONFIG_FILE}"]
        made += [f"l1ad {stage} {name}" for stage in (EVALUATE, CONVERT, EMULATE) if stage in manifest.stages]
    return (*made, f"l1ad export model {name} --out {place}")


def _ones(run: RunFolder) -> tuple[int, int]:
    """Return how many quantized weights are not zero, and how many there are."""
    from l1ad.networks.quantized import integer_weights

    model = load_model(run.stage(TRAIN) / FIRMWARE_FILE)
    arrays = [raw for layer in model.layers for raw, _ in integer_weights(layer).values()]
    return sum(int(np.count_nonzero(raw)) for raw in arrays), sum(raw.size for raw in arrays)


@contextlib.contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder that takes the place of `folder` when the block ends without an error."""
    _check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        work, former = scratch / folder.name, scratch / "former"
        work.mkdir()
        yield work
        if folder.exists():
            folder.rename(former)
        try:
            work.rename(folder)
        except OSError:
            if former.exists():
                former.rename(folder)
            raise
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be written ({error.strerror or error}). Nothing was changed."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_target(folder: Path) -> None:
    """Raise RunFolderError when the folder holds what a reference model does not."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: not a folder; choose another place.")
    names = {path.name for path in folder.iterdir()}
    known = {CONFIG_FILE}
    if is_reference(folder):
        known |= {MANIFEST_FILE, *json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")).get("files", {})}
    if names - known:
        raise RunFolderError(
            f"{folder}: holds {sorted(names - known)[0]}, which is no file of a reference model; choose another folder."
        )
