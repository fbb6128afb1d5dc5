"""One trial of a search: a short training, its firmware score, and the cost of its logic.

What needs Keras is imported in the functions: the process that draws the trials does without.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.config import RunConfig
from l1ad.config.load import parse_config
from l1ad.errors import L1adError, RunFolderError, ToolMissingError
from l1ad.evaluation.evaluate import check_scores, evaluate_signal
from l1ad.evaluation.roc import count_scores
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.pipeline.search_space import trial_config
from l1ad.provenance import value_digest, write_json
from l1ad.records.search import COMPLETE, FAILED, TrialRecord

_log = logging.getLogger(__name__)

#: Folders and files of a search.
DATA, FLOATS, TRIALS = "data", "floats", "trials"
RESULT_FILE = "result.json"

#: What ends the search and not the trial alone: another trial would meet it as well.
_FATAL = (RunFolderError, ToolMissingError, OSError, MemoryError)


def run_trial(config_values: dict[str, Any], number: int, values: dict[str, Any], folder: str) -> TrialRecord:
    """Train and measure one trial; what went wrong in it is its result.

    A function of the worker processes. An interrupted training goes on at its checkpoint.

    Parameters
    ----------
    config_values : dict
        Configuration of the search.
    number : int
    values : dict of str to object
        Field -> value of this trial.
    folder : str
        Folder of the search, on a disk that all workers share.

    Returns
    -------
    TrialRecord
        Also written to ``trials/<number>/result.json``.

    Raises
    ------
    RunFolderError, ToolMissingError
        When the disk is full or a library is missing.
    """
    root, start = Path(folder), time.perf_counter()
    place = root / TRIALS / str(number)
    try:
        measured = _measure(parse_config(config_values, "search"), number, values, root)
        state, reason = COMPLETE, None
    except _FATAL:
        raise
    except Exception as error:  # Keras and alkaid raise many types; the search goes on and keeps the reason.
        measured, state = {}, FAILED
        reason = str(error) if isinstance(error, L1adError) else f"{type(error).__name__}: {error}"
        _log.warning("trial %d failed: %s", number, reason)
    record = TrialRecord(
        number=number,
        state=state,
        values=values,
        seconds=round(time.perf_counter() - start, 3),
        reason=reason,
        **measured,
    )
    write_json(place / RESULT_FILE, record.to_dict())
    return record


def _measure(config: RunConfig, number: int, values: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return the measurements of a trial."""
    import keras

    from l1ad.conversion.verilog import trace
    from l1ad.networks.firmware_model import load_model
    from l1ad.training.fit import train
    from l1ad.training.record import FIRMWARE_FILE

    # A worker builds many networks; TensorFlow takes that for a mistake and says so.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.backend.clear_session()
    place = root / TRIALS / str(number)
    trial = trial_config(config, values, f"trial {number}")
    floats = float_model(trial, root, number) if trial.training.float_epochs else None
    train(trial, root / DATA, place, float_folder=floats)
    for path in place.glob("checkpoint_*.npz"):
        path.unlink()
    data, model = load_dataset(root / DATA), load_model(place / FIRMWARE_FILE)
    logic = trace(model, data.contract.type, config.conversion.extra_adder_levels)
    return {"lut": float(logic.cost), "logic_ns": float(logic.latency[1]), **_score(config, data, model)}


def _score(config: RunConfig, data: Dataset, model: Any) -> dict[str, Any]:
    """Return AUC and TPR of every signal against the validation background, and the objective."""
    from l1ad.networks.inference import run_firmware_model

    def scores(inputs: Any, name: str) -> Any:
        found = run_firmware_model(model, np.asarray(inputs), data.contract.type)
        return count_scores(check_scores(found.score[:, 0], name, found.score_type))

    background = scores(data.inputs["validation"], "background")
    options = config.search
    found = {
        name: evaluate_signal(name, background, scores(inputs, name), options.fpr)
        for name, inputs in data.signals.items()
    }
    auc, tpr = ({name: getattr(result, kind) for name, result in found.items()} for kind in ("auc", "tpr"))
    wanted = {"auc": auc, "tpr": tpr}[options.objective]
    objective = float(np.mean([wanted[name] for name in options.signals or wanted]))
    return {"auc": auc, "tpr": tpr, "objective": objective}


def float_model(trial: RunConfig, root: Path, number: int) -> Path:
    """Return the folder of the float model of a trial; trials of one shape share it.

    Two workers may train the same one at once: the first to finish keeps it, and both have the same numbers.
    """
    from l1ad.training.fit import float_twin, train
    from l1ad.training.record import TRAINING_FILE

    twin = float_twin(trial)
    parts = {name: getattr(twin, name).model_dump(mode="json") for name in ("network", "training")}
    key = value_digest({"seed": twin.seed, "score": twin.score.kind, **parts})[:16]
    place = root / FLOATS / key
    if (place / TRAINING_FILE).is_file():
        return place
    work = root / FLOATS / f".{key}-{number}"
    train(twin, root / DATA, work)
    try:
        work.rename(place)
    except OSError:
        if not (place / TRAINING_FILE).is_file():
            raise
        shutil.rmtree(work, ignore_errors=True)
    return place
