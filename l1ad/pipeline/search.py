"""A search for the best score at the least logic: trials on workers, kept so that an interrupted search goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import yaml

from l1ad import __version__
from l1ad.config import RunConfig
from l1ad.errors import CheckFailedError, ConfigurationError, DataError, RunFolderError, nearest
from l1ad.events.dataset import DATASET_FILE, DatasetRecord
from l1ad.events.prepare import prepare_dataset
from l1ad.pipeline.preflight import check_config
from l1ad.pipeline.run_folder import RunFolder, locked
from l1ad.pipeline.search_space import check_space, search_space, with_values
from l1ad.pipeline.search_study import Study, load_optuna
from l1ad.pipeline.search_trial import DATA, run_trial
from l1ad.provenance import check_name, value_digest, versions, write_text
from l1ad.records.search import FAILED, SearchRecord, TrialRecord
from l1ad.reporting.search import SEARCH_FILE, write_search
from l1ad.workers import open_executor

_log = logging.getLogger(__name__)

#: Where searches are, relative to the working folder.
SEARCHES = Path("searches")

#: What a budget may limit.
BUDGETS = ("lut", "logic_ns")

#: Background events that must fire at the false positive rate of the objective: an error of 30 %.
_LEAST_FIRED = 10

_SECTIONS = ("name", "seed", "data", "inputs", "network", "score", "training", "quantization")
_LIBRARIES = ("numpy", "tensorflow", "keras", "qkeras-v3", "hgq2", "alkaid", "optuna")

#: Called with a line, the trials that have finished, and all trials.
Progress = Callable[[str, int, int], None]


def search(
    config: RunConfig, folder: Path, *, workers: int = 1, dask: str | None = None, progress: Progress | None = None
) -> SearchRecord:
    """Run the trials of a search that are not yet there, and write its tables and its plot.

    Parameters
    ----------
    config : RunConfig
        Section `search` says what is varied; the others are those of every trial.
    folder : Path
        Gets ``journal.log``, the dataset, float models, one folder a trial, ``search.json``, ``trials.csv``,
        ``pareto.json``, ``pareto.csv`` and ``pareto.png``.
    workers, dask
        See `l1ad.workers.open_executor`. With one worker the same seed gives the same trials, interrupted or not.
    progress : callable, optional
        Told what is being done.

    Returns
    -------
    SearchRecord

    Raises
    ------
    ConfigurationError
        When the space is no space, or the objective cannot be measured on these events.
    ToolMissingError
        When Optuna is not installed.
    RunFolderError
        When the folder holds another search, or cannot be written.
    CheckFailedError
        When no trial has a measurement.
    """
    tell = progress or (lambda text, done, total: None)
    load_optuna()
    check_config(config)
    _check_frontend(config)
    check_space(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    with locked(RunFolder(folder, config)) as log:
        log(f"search of {config.search.trials} trials begins")
        _claim(config, folder)
        data = _events(config, folder, tell)
        study = Study(config, folder)
        if _missing(config, study) > 0:
            _run(config, folder, study, workers, dask, tell)
        record = _record(config, data, study.records())
        write_search(record, folder)
    if not record.complete:
        reason = record.trials[0].reason if record.trials else "no trial ran"
        raise CheckFailedError(f"{folder}: every trial failed. The first: {reason}")
    return record


def best_under(record: SearchRecord, budget: Mapping[str, float]) -> TrialRecord:
    """Return the trial with the best objective within a budget; of equals, the cheapest.

    Parameters
    ----------
    record : SearchRecord
    budget : mapping of str to float
        ``lut`` or ``logic_ns`` -> largest value.

    Raises
    ------
    CheckFailedError
        When no trial is within it; the nearest is named.
    """
    within = [t for t in record.complete if all(getattr(t, name) <= limit for name, limit in budget.items())]
    if within:
        return max(within, key=lambda trial: (trial.objective, -(trial.lut or 0.0)))
    asked = ", ".join(f"{name} {limit:g}" for name, limit in budget.items())
    lowest = {name: min(getattr(trial, name) for trial in record.complete) for name in budget}
    least = ", ".join(f"{name} {value:.0f}" for name, value in lowest.items())
    raise CheckFailedError(
        f"no trial is within {asked}; the lowest of {len(record.complete)} trials: {least}. "
        "Give a larger budget, smaller values in search.space, or more search.trials."
    )


def parse_budget(text: str) -> dict[str, float]:
    """Return a budget such as ``lut=20000`` or ``lut=20000,logic_ns=40``.

    Raises
    ------
    ConfigurationError
        When it is none.

    Examples
    --------
    >>> parse_budget("lut=20000,logic_ns=40")
    {'lut': 20000.0, 'logic_ns': 40.0}
    """
    found = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in BUDGETS:
            raise ConfigurationError(f"budget {part!r}: expected lut=20000. {nearest(name, BUDGETS)}")
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = float("nan")
        if not 0 < found[name] < float("inf"):
            raise ConfigurationError(f"budget {part!r}: {number!r} is no number above 0.")
    return found


def best_config(config: RunConfig, trial: TrialRecord, name: str) -> RunConfig:
    """Return the configuration of a trial with the full training of `config`, under another name."""
    return with_values(config, {**trial.values, "name": check_name(name, "run name")}, f"trial {trial.number}")


def write_config(config: RunConfig, path: Path) -> None:
    """Write a configuration that `l1ad run` takes, without its search."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json", exclude={"search"}), sort_keys=False))


def _check_frontend(config: RunConfig) -> None:
    """Refuse what has no bits to search or is not trained here."""
    if config.network.frontend == "float" or config.network.architecture == "imported":
        raise ConfigurationError(
            "l1ad search trains quantized networks: set network.frontend to qkeras, and no imported architecture."
        )
    if config.network.regresses:
        raise ConfigurationError(
            f"l1ad search shares the float model between trials, which {config.network.architecture} has not: its "
            "teacher is of another shape. Vary network.layers by hand."
        )
    if config.quantization.training == "post" and config.training.float_epochs == 0:
        raise ConfigurationError("quantization.training: post needs a float model; give training.float_epochs.")


def _key(config: RunConfig) -> str:
    """Return the digest of everything but the number of trials that decides the trials."""
    values = config.model_dump(mode="json")
    part = {name: values[name] for name in _SECTIONS}
    part["search"] = {name: value for name, value in values["search"].items() if name != "trials"}
    part["extra_adder_levels"] = config.conversion.extra_adder_levels
    part["space"] = {path: dimension.model_dump(mode="json") for path, dimension in search_space(config).items()}
    return value_digest({"version": __version__, **part})


def _claim(config: RunConfig, folder: Path) -> None:
    """Take a folder for a search, or go on in one that holds the same search."""
    path, key = folder / SEARCH_FILE, _key(config)
    if path.is_file():
        if SearchRecord.read(path).key != key:
            raise RunFolderError(
                f"{folder}: holds a search with another configuration. Choose another folder with --out, or delete it."
            )
        return
    empty = SearchRecord(
        config.name, key, config.seed, config.search.objective, config.search.fpr, config.search.signals, 0,
        config.search.epochs, config.search.float_epochs, versions(_LIBRARIES),
    )  # fmt: skip
    write_search(empty, folder)
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _events(config: RunConfig, folder: Path, tell: Progress) -> DatasetRecord:
    """Return the dataset of the search, prepared when it is not there."""
    path = folder / DATA / DATASET_FILE
    if not path.is_file():
        tell("events", 0, config.search.trials)
        prepare_dataset(config, folder / DATA)
    data = DatasetRecord.read(path)
    for name in config.search.signals:
        if name not in data.signals:
            raise ConfigurationError(f"search.signals: no signal {name!r}. {nearest(name, data.signals)}")
    if not data.signals:
        raise DataError(f"{path}: no signal; the objective of a search needs one.")
    if config.search.objective == "tpr" and config.search.fpr * data.counts["validation"] < _LEAST_FIRED:
        raise ConfigurationError(
            f"search.fpr {config.search.fpr:g}: fewer than {_LEAST_FIRED} of the {data.counts['validation']} "
            "validation events fire. Give a larger fpr or more events."
        )
    return data


def _missing(config: RunConfig, study: Study) -> int:
    """Return how many trials are still to finish."""
    return config.search.trials - len(study.records())


def _run(config: RunConfig, folder: Path, study: Study, workers: int, dask: str | None, tell: Progress) -> None:
    """Draw trials and run them on workers until all have finished."""
    document, total = config.model_dump(mode="json"), config.search.trials
    waiting = study.interrupted()
    with open_executor(workers, dask) as executor:
        running: dict[Future[TrialRecord], int] = {}
        while True:
            while len(running) < workers and len(running) < _missing(config, study):
                number, values = waiting.pop(0) if waiting else study.draw()
                running[executor.submit(run_trial, document, number, values, str(folder))] = number
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: running[f]):
                del running[future]
                record = future.result()
                study.tell(record)
                tell(_line(record), total - _missing(config, study), total)


def _line(record: TrialRecord) -> str:
    """Return one line about a trial."""
    if record.state == FAILED:
        return f"trial {record.number} failed: {record.reason}"
    return f"trial {record.number}: {record.objective:.4f} at LUT cost {record.lut:.0f}"


def _record(config: RunConfig, data: DatasetRecord, trials: tuple[TrialRecord, ...]) -> SearchRecord:
    """Return the record of a search."""
    options = config.search
    return SearchRecord(
        name=config.name,
        key=_key(config),
        seed=config.seed,
        objective=options.objective,
        fpr=options.fpr,
        signals=options.signals or tuple(data.signals),
        background_events=data.counts["validation"],
        epochs=options.epochs,
        float_epochs=options.float_epochs,
        versions=versions(_LIBRARIES),
        trials=trials,
    )
