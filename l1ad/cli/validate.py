"""The verbs `validate reference` and `validate quantized`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.options import RunArgument
from l1ad.cli.terminal import note, progress, say, show_table
from l1ad.errors import CheckFailedError, ConfigurationError

if TYPE_CHECKING:
    from l1ad.validation.calibration import Assessment, CalibratedNull

app = typer.Typer(no_args_is_help=True, help="Compare samples: reference and data, float and firmware.")

Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
PoolFile = Annotated[
    Path | None, typer.Option(help="Events like the reference and disjoint from it, for the toys; none: permute.")
]
Expected = Annotated[
    float | None, typer.Option(help="Data events that the reference predicts; default: as many as there are.")
]

_COLUMNS = ("statistic", "value", "model of the null", "p", "Z")


@app.command()
def reference(
    reference: Annotated[Path, typer.Argument(help="Reference events (.npy, or .csv with a line of names).")],
    data: Annotated[Path, typer.Argument(help="Data events, same features in the same order.")],
    pool: PoolFile = None,
    expected: Expected = None,
    widths: Annotated[str | None, typer.Option(help="Kernel widths in standard units, such as 0.3,1,3.")] = None,
    toys: Annotated[int, typer.Option(min=10, help="Null toys.")] = 300,
    workers: Workers = 1,
    seed: Annotated[int, typer.Option(help="Seed of the toys.")] = 0,
    paper: Annotated[bool, typer.Option("--paper", help="Uniform centers and one Newton step.")] = False,
    save: Annotated[Path | None, typer.Option(help="Keep reference and null in this folder, for `monitor`.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw null and observed value (.png, .pdf, .svg).")] = None,
    fail_above: Annotated[float | None, typer.Option(help="Exit with code 1 when Z is above this.")] = None,
) -> None:
    """Test with NPLM whether a reference describes data.

    With --pool the toys are drawn from the pool, without it they are permutations of the pooled sample.
    """
    from l1ad.validation.calibration import calibrate, permute, run
    from l1ad.validation.nplm import KernelNplm
    from l1ad.validation.reference import NplmTest, make_reference
    from l1ad.validation.samples import read_sample
    from l1ad.validation.store import save_test

    if save is not None and pool is None:
        raise ConfigurationError("--save: a null by permutation holds for these data only. Give --pool.")
    x, y = read_sample(reference), read_sample(data)
    model = KernelNplm.paper() if paper else KernelNplm()
    test = NplmTest(make_reference(x.x, expected=expected or len(y.x), names=x.names), model, _widths(widths))
    if pool is None:
        if expected is not None:
            raise ConfigurationError(
                "--expected: permutations test the shape only. Give --pool as well, or leave it out."
            )
        found, null = permute(test, y.x, toys=toys, seed=seed, workers=workers, names=y.names)
    else:
        with progress("toys", toys) as update:
            events = read_sample(pool).x
            tell = functools.partial(_tell, update)
            null = calibrate(test, "pool", pool=events, toys=toys, seed=seed, workers=workers, progress=tell)
        found = run(test, y.x, null, names=y.names)
    show_assessment(found, f"NPLM, {found.toys} toys ({found.mode})")
    if save is not None:
        save_test(test, null, save)
        note(f"reference and null: {save}")
    if plot is not None:
        _draw(null, found, plot)
    largest = max(item.quoted.z for item in found.statistics)
    if fail_above is not None and largest > fail_above:
        raise CheckFailedError(
            f"{data}: Z = {largest:.2f} is above {fail_above:g}; the reference does not describe it."
        )


@app.command()
def quantized(
    run: RunArgument,
    toys: Annotated[int, typer.Option(min=10, help="Null toys of every test.")] = 300,
    workers: Workers = 1,
) -> None:
    """Compare the firmware model of a run with its float models: bits, paired scores, distributions."""
    from l1ad.pipeline.quantized import QUANTIZED_FILE, VALIDATE, validate_quantized
    from l1ad.pipeline.run_folder import open_run

    opened = open_run(run)
    report = validate_quantized(opened, toys=toys, workers=workers, progress=note)
    state = {True: "every rung agrees with Keras", False: "a rung DIFFERS", None: "not emulated"}[report.bits_passed]
    say(f"bits: {state}")
    rows = [
        [name, str(p.events), str(p.equal_events), f"{p.mean_difference:.4g}", f"{p.largest_difference:.4g}",
         str(p.overflows), str(p.saturated)]
        for name, p in report.paired.items()
    ]  # fmt: skip
    columns = ("float model", "events", "equal", "mean difference", "largest", "overflows", "saturated")
    show_table("Scores of the same events, firmware minus float", columns, rows, numeric=columns[1:])
    for name, found in report.scores.items():
        show_assessment(found, f"Score, disjoint events, against {name}")
    for name, found in report.latent.items():
        show_assessment(found, f"Latent space, disjoint events, against {name}")
    say(str(opened.stage(VALIDATE) / QUANTIZED_FILE))
    if report.bits_passed is False:
        raise CheckFailedError(f"{opened.path}: a rung of the ladder differs from Keras.")


def show_assessment(found: Assessment, title: str) -> None:
    """Show every model of the null of every statistic as a table."""
    rows = [
        [item.name, f"{item.value:.3f}", model.model, f"{model.p:.3g}", str(model)]
        for item in found.statistics
        for model in item.models
    ]
    rows += [["combined", "", model.model, f"{model.p:.3g}", str(model)] for model in found.combined]
    show_table(title, _COLUMNS, rows, numeric=("value", "p"))


def _tell(update: Callable[..., None], done: int, total: int) -> None:
    """Move the progress bar."""
    update(done)


def _hold(found: Assessment, limit: float | None) -> None:
    """Raise when a significance is above the limit, if there is one."""
    largest = max(item.quoted.z for item in found.statistics)
    if limit is not None and largest > limit:
        raise CheckFailedError(f"Z = {largest:.2f} is above {limit:g}: the reference does not describe the data.")


def _draw(null: CalibratedNull, found: Assessment, path: Path | None) -> None:
    """Draw the null with the observed value, if there is a place for it."""
    if path is None:
        return
    from l1ad.validation.plots import plot_null, save_figure

    save_figure(plot_null(null, found), path)


def _widths(text: str | None) -> tuple[float, ...]:
    """Return the numbers of ``0.3,1,3``."""
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--widths {text}: expected numbers with commas, such as 0.3,1,3.") from error
