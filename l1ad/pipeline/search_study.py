"""The study of a search: Optuna's journal in a file, drawn from with seeds that do not depend on interruptions."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.config import RunConfig
from l1ad.errors import RunFolderError, ToolMissingError
from l1ad.pipeline.search_space import distributions, field_values, search_space
from l1ad.pipeline.search_trial import RESULT_FILE, TRIALS
from l1ad.records.search import COMPLETE, TrialRecord

JOURNAL_FILE = "journal.log"


class Study:
    """Trials of a search, kept in ``journal.log`` and in ``trials/<number>/result.json``.

    Parameters
    ----------
    config : RunConfig
    folder : Path
        Folder of the search; one process works on it at a time.

    Raises
    ------
    ToolMissingError
        When Optuna is not installed.
    RunFolderError
        When the journal is damaged.
    """

    def __init__(self, config: RunConfig, folder: Path) -> None:
        optuna = load_optuna()
        self._config, self._folder, self._optuna = config, folder, optuna
        self._space = search_space(config)
        self._distributions = distributions(self._space)
        journal = folder / JOURNAL_FILE
        mend(journal)
        try:
            storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
            self._study = optuna.create_study(
                storage=storage, study_name=config.name, directions=("maximize", "minimize"), load_if_exists=True
            )
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise RunFolderError(
                f"{journal}: damaged ({type(error).__name__}: {error}). Delete the file and the folder "
                f"{folder / TRIALS} to search from the start."
            ) from error
        self._settle()

    def records(self) -> tuple[TrialRecord, ...]:
        """Return the trials that have finished."""
        return tuple(record for record in map(self._record, self._numbers("COMPLETE", "FAIL")) if record is not None)

    def interrupted(self) -> list[tuple[int, dict[str, Any]]]:
        """Return number and values of the trials that were drawn and have no result."""
        running = [trial for trial in self._trials() if trial.state.name == "RUNNING"]
        return [(trial.number, field_values(self._space, trial.params)) for trial in running]

    def draw(self) -> tuple[int, dict[str, Any]]:
        """Return number and values of a new trial."""
        drawn = sum(1 for trial in self._trials() if self._whole(trial))
        seed = int(np.random.SeedSequence([self._config.seed, drawn]).generate_state(1)[0])
        # A sampler of its own for every trial: what it draws depends on the trials before, not on when it began.
        self._study.sampler = self._optuna.samplers.TPESampler(
            n_startup_trials=self._config.search.startup_trials, seed=seed
        )
        trial = self._study.ask(self._distributions)
        return trial.number, field_values(self._space, trial.params)

    def tell(self, record: TrialRecord) -> None:
        """Enter the result of a trial into the journal."""
        if record.state == COMPLETE:
            self._study.tell(record.number, values=(record.objective, record.lut))
        else:
            self._study.tell(record.number, state=self._optuna.trial.TrialState.FAIL)

    def _settle(self) -> None:
        """Tell results that the journal does not have, and give up trials that were not drawn to the end."""
        for trial in self._trials():
            if trial.state.name != "RUNNING":
                continue
            record = self._record(trial.number)
            if record is not None:
                self.tell(record)
            elif not self._whole(trial):
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def _whole(self, trial: Any) -> bool:
        """Return whether every field of a trial was drawn."""
        return set(trial.params) == set(self._space)

    def _trials(self) -> list[Any]:
        return list(self._study.get_trials(deepcopy=False))

    def _numbers(self, *states: str) -> list[int]:
        return [trial.number for trial in self._trials() if trial.state.name in states]

    def _record(self, number: int) -> TrialRecord | None:
        """Return the result of a trial; None when there is none."""
        path = self._folder / TRIALS / str(number) / RESULT_FILE
        return TrialRecord.read(path) if path.is_file() else None


def load_optuna() -> Any:
    """Return the library Optuna, which speaks of errors only.

    Raises
    ------
    ToolMissingError
        When it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ToolMissingError("Optuna is not installed. Install it with: pip install 'l1ad[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def mend(journal: Path) -> None:
    """Remove what a killed process left at a journal: its lock, and the end of a line that is not whole."""
    # The folder of the search is locked by this process, so nobody else holds the lock of the journal.
    with contextlib.suppress(FileNotFoundError):
        journal.with_name(journal.name + ".lock").unlink()
    if not journal.is_file():
        return
    try:
        with journal.open("r+b") as stream:
            text = stream.read()
            if text and not text.endswith(b"\n"):
                stream.truncate(text.rfind(b"\n") + 1)
    except OSError as error:
        raise RunFolderError(f"{journal}: cannot be mended ({error.strerror or error}).") from error
