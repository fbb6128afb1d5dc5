"""The verb `search`: the best score at the least logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.options import ConfigFile, Overrides

if TYPE_CHECKING:
    from l1ad.config import RunConfig
    from l1ad.records.search import SearchRecord


def search(
    config: ConfigFile,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the search; by default searches/NAME.")
    ] = None,
    best_under: Annotated[
        str | None,
        typer.Option(metavar="BUDGET", help="Print the best trial within lut=20000 and write its configuration."),
    ] = None,
    best_to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where that is written; by default best.yaml of the search.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Trials at a time, each in a process of its own.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, or a batch queue such as slurm.")
    ] = None,
) -> None:
    """Train many small variations of a configuration and hold their firmware score against their LUT cost.

    Section search of the configuration says what is varied, how often, and which score counts. Trials that have
    finished are kept: the same command goes on after an interruption, or with a larger search.trials, and with a
    finished search it only prints. The Pareto front is a table and a plot in the folder, which is the last line.
    """
    from l1ad.cli.terminal import note, say
    from l1ad.config import load_config
    from l1ad.pipeline.search import SEARCHES, parse_budget
    from l1ad.pipeline.search import search as run_search

    budget = None if best_under is None else parse_budget(best_under)
    settings = load_config(config, overrides or ())
    folder = out if out is not None else SEARCHES / settings.name
    record = run_search(
        settings,
        folder,
        workers=workers,
        dask=dask,
        progress=lambda text, done, total: note(f"{done}/{total} {text}"),
    )
    _show_front(record)
    if budget is not None:
        _show_best(settings, record, budget, best_to or folder / "best.yaml")
    say(str(folder))


def _show_front(record: SearchRecord) -> None:
    """Show the Pareto front, and how many trials failed."""
    from l1ad.cli.terminal import note, show_table
    from l1ad.reporting.search import front_rows

    columns, rows = front_rows(record, record.front)
    show_table(f"Pareto front of {len(record.complete)} trials", columns, rows, numeric=columns[:-1])
    failed = [trial for trial in record.trials if trial not in record.complete]
    if failed:
        note(f"warning: {len(failed)} trials failed, the first because: {failed[0].reason}")


def _show_best(config: RunConfig, record: SearchRecord, budget: dict[str, float], path: Path) -> None:
    """Show the best trial within a budget and write its configuration."""
    from l1ad.cli.terminal import note, show_table
    from l1ad.pipeline.search import best_config, best_under, write_config
    from l1ad.reporting.search import front_rows

    trial = best_under(record, budget)
    asked = ", ".join(f"{name} {limit:g}" for name, limit in budget.items())
    columns, rows = front_rows(record, [trial])
    show_table(f"best within {asked}", columns, rows, numeric=columns[:-1])
    suffix = "_".join(f"{name}{limit:g}" for name, limit in budget.items()).replace(".", "p").replace("+", "")
    write_config(best_config(config, trial, f"{config.name}_{suffix}"), path)
    note(f"written: {path}; train it with: l1ad run {path}")
