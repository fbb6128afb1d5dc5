"""Runs that start from a reference model: its weights and its input contract are taken, nothing is trained."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from l1ad.config import RunConfig, load_config
from l1ad.errors import ConfigurationError, RunFolderError
from l1ad.events.dataset import CONTRACT_FILE
from l1ad.pipeline.reference.record import CONFIG_FILE, TRAINED_FILES, find_reference, read_manifest
from l1ad.provenance import whole_file

if TYPE_CHECKING:
    from l1ad.pipeline.run_folder import RunFolder

_log = logging.getLogger(__name__)

#: What the name of a run that starts from a reference model ends with, so that it leaves a run of the recipe alone.
SUFFIX = "_reference"


def run_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration at `path`: a YAML file, or the folder of a reference model.

    Raises
    ------
    ConfigurationError
        When there is no configuration, or the folder holds no weights.
    """
    folder = find_reference(path)
    if folder is not None:
        return reference_config(folder, overrides)
    if (path / CONFIG_FILE).is_file():
        raise ConfigurationError(
            f"{path}: holds a configuration and no weights. Train with: l1ad run {path / CONFIG_FILE}"
        )
    return load_config(path, overrides)


def reference_config(folder: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration of a run that starts from the reference model in `folder`."""
    name = load_config(folder / CONFIG_FILE).name
    start = (
        f"name={name}{SUFFIX}",
        f"network.reference={folder}",
        f"inputs.contract={folder / CONTRACT_FILE}",
    )
    return load_config(folder / CONFIG_FILE, (*start, *overrides))


def open_reference(folder: Path, runs: Path) -> RunFolder:
    """Return the run that starts from the reference model in `folder`, made when there is none.

    Raises
    ------
    RunFolderError
        When the run of that name is another one.
    DataError, CheckFailedError
        When the model is not as its manifest says.
    """
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import RunFolder, create_run
    from l1ad.pipeline.stages import DATA, TRAIN

    config = reference_config(folder)
    path = runs / config.name
    if (path / CONFIG_FILE).is_file():
        found = load_config(path / CONFIG_FILE)
        if found.network.reference is None or Path(found.network.reference).resolve() != folder.resolve():
            raise RunFolderError(f"{path}: another run. Rename it, or use: l1ad run {folder} -s name=NAME")
        run = RunFolder(path, found)
    else:
        run = create_run(config, runs)
    _log.info("%s: events and weights of %s", run.path, folder)
    run_stages(run, (DATA, TRAIN))
    return run


def take_reference(config: RunConfig, folder: Path) -> None:
    """Copy the trained files of the reference model of a configuration into the folder of the stage train.

    Raises
    ------
    ConfigurationError
        When the configuration asks for another network or score.
    DataError, CheckFailedError
        When the model is not as its manifest says.
    """
    source = Path(config.network.reference or "")
    manifest = read_manifest(source)
    own = load_config(source / CONFIG_FILE)
    wanted = {"network": config.network.model_copy(update={"reference": None}), "score": config.score}
    for section, values in wanted.items():
        if values != getattr(own, section):
            changed = sorted(k for k, v in values.model_dump().items() if v != getattr(own, section).model_dump()[k])
            raise ConfigurationError(
                f"{section}.{changed[0]}: a run that starts from {source} has the network and the score of that model. "
                f"To train another one, use: l1ad run {source / CONFIG_FILE} -s {section}.{changed[0]}=..."
            )
    if folder.exists():
        shutil.rmtree(folder)
    for name in TRAINED_FILES:
        if name in manifest.files:
            with (source / name).open("rb") as stream, whole_file(folder / name) as target:
                shutil.copyfileobj(stream, target)
