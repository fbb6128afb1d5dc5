"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(help="Configuration, a YAML file such as models/dense_vae/config.yaml.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or its name below runs/.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="SECTION.KEY=VALUE", help="Change a field, for example training.epochs=3."),
]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder in which runs are kept.")]
Force = Annotated[bool, typer.Option("--force", help="Run the stage even when nothing has changed.")]
