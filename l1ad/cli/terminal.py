"""What the verbs share on a terminal: results on the standard output, notes and progress on the standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

import typer

#: Width of a table when the output is a file or a pipe.
FILE_WIDTH = 160


def is_quiet() -> bool:
    """Return whether ``--quiet`` was given: warnings of l1ad are off."""
    return not logging.getLogger("l1ad").isEnabledFor(logging.WARNING)


def say(text: str) -> None:
    """Write a result on the standard output, as it is."""
    typer.echo(text)


def note(text: str) -> None:
    """Write what is going on to the standard error, unless ``--quiet`` was given."""
    if not is_quiet():
        typer.echo(text, err=True)


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[str] = ()
) -> None:
    """Write a table on the standard output.

    Parameters
    ----------
    title : str
        Line above the table; empty for none.
    columns : sequence of str
        Headings.
    rows : sequence of sequences of str
        Cells, one sequence a row, as many cells as there are columns.
    numeric : sequence of str, optional
        Headings of the columns that are aligned on the right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    for row in rows:
        # Text, not str: square brackets in a cell are no markup.
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else FILE_WIDTH)
    console.print(table)


@contextlib.contextmanager
def progress(description: str, total: float | None) -> Iterator[Callable[..., None]]:
    """Show a progress bar with the time left while the block runs.

    The bar is drawn on the standard error, on a terminal only, and not after ``--quiet``.

    Parameters
    ----------
    description : str
        What is being done.
    total : float or None
        The value of `completed` at the end; None when it is not known.

    Yields
    ------
    callable
        ``update(completed, text, total)``: how far the work is, what stands behind the bar, and the value at the
        end when it has changed. None for `completed` leaves the bar where it is.

    Examples
    --------
    >>> with progress("training", 2) as update:
    ...     update(1, "loss 0.5")
    ...     update(2, "loss 0.4")
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    shown = sys.stderr.isatty() and not is_quiet()
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(description, total=total, text="")

        def update(completed: float | None, text: str = "", total: float | None = None) -> None:
            bar.update(task, completed=completed, total=total, text=text)

        yield update
