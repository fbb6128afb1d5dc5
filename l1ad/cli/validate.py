"""The verbs `validate reference` and `validate quantized`; `validate generator` is in a file of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.generator import generator
from l1ad.cli.options import RunArgument
from l1ad.cli.terminal import note, progress, say, show_table
from l1ad.errors import CheckFailedError, ConfigurationError

if TYPE_CHECKING:
    from l1ad.validation.calibration import Assessment, CalibratedNull
    from l1ad.validation.kernels import Floats
    from l1ad.validation.reference import NplmTest
    from l1ad.validation.samples import SampleFile

app = typer.Typer(no_args_is_help=True, help="Compare samples: reference and data, float and firmware, generators.")
app.command()(generator)

Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Dask = Annotated[
    str | None, typer.Option(help="Dask scheduler (tcp://host:8786) or batch queue (slurm, htcondor) for the toys.")
]
PoolFile = Annotated[
    Path | None, typer.Option(help="Events like the reference and disjoint from it, for the toys; none: permute.")
]
Expected = Annotated[
    float | None, typer.Option(help="Data events that the reference predicts; default: as many as there are.")
]
Nuisances = Annotated[
    list[str] | None,
    typer.Option(
        "--nuisance",
        help="Systematic uncertainty: scale=0.05, scale:FEATURE=0.05, normalisation=0.02, NAME=UP,DOWN (files), "
        "or a .yaml file. Repeat for more.",
    ),
]

_COLUMNS = ("statistic", "value", "model of the null", "p", "Z")


@app.command()
def reference(
    reference: Annotated[Path, typer.Argument(help="Reference events (.npy, .csv or an event file .h5).")],
    data: Annotated[Path, typer.Argument(help="Data events, same features in the same order.")],
    pool: PoolFile = None,
    expected: Expected = None,
    widths: Annotated[str | None, typer.Option(help="Kernel widths in standard units, such as 0.3,1,3.")] = None,
    nuisance: Nuisances = None,
    nuisance_fit: Annotated[str, typer.Option(help="fixed, or free as published.")] = "fixed",
    toys: Annotated[int, typer.Option(min=10, help="Null toys.")] = 300,
    workers: Workers = 1,
    dask: Dask = None,
    seed: Annotated[int, typer.Option(help="Seed of the toys.")] = 0,
    paper: Annotated[bool, typer.Option("--paper", help="Uniform centers and one Newton step.")] = False,
    network: Annotated[
        bool, typer.Option("--network", help="A neural network instead of kernels, for comparison: minutes.")
    ] = False,
    save: Annotated[Path | None, typer.Option(help="Keep reference and null in this folder, for `monitor`.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw null and observed value (.png, .pdf, .svg).")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Draw null, widths and the ratio of every feature into a folder.")
    ] = None,
    fail_above: Annotated[float | None, typer.Option(help="Exit with code 1 when Z is above this.")] = None,
) -> None:
    """Test with NPLM whether a reference describes data.

    With --pool the toys are drawn from the pool, without it they are permutations of the pooled sample.
    """
    from l1ad.validation.samples import read_sample
    from l1ad.validation.store import save_test

    if pool is None and (save is not None or nuisance or expected is not None):
        raise ConfigurationError(
            "--save, --nuisance and --expected need --pool: a null by permutation holds for these data only, tests "
            "the shape only, and knows no uncertainty."
        )
    x, y = read_sample(reference), read_sample(data)
    if network:
        _with_network(x, y, pool, expected, toys=toys, seed=seed, fail_above=fail_above, data_file=data)
        return
    test = _test(x, expected or len(y.x), paper, _widths(widths), nuisance or [], nuisance_fit)
    found, null = _assess(test, y, pool, toys=toys, seed=seed, workers=workers, dask=dask)
    show_assessment(found, f"NPLM, {found.toys} toys ({found.mode})")
    if test.nuisances:
        _show_pulls(test, y.x)
    if save is not None:
        save_test(test, null, save)
        note(f"reference and null: {save}")
    _draw(plot, plots, test, null, found, y)
    _hold(found, fail_above, data)


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


def _test(
    sample: SampleFile,
    expected: float,
    paper: bool,
    widths: tuple[float, ...],
    nuisances: list[str],
    nuisance_fit: str,
) -> NplmTest:
    """Return the test of data against a reference."""
    from l1ad.validation.nplm import KernelNplm
    from l1ad.validation.reference import NplmTest, make_reference
    from l1ad.validation.systematics import read_nuisances

    model = KernelNplm.paper() if paper else KernelNplm()
    known = read_nuisances(nuisances, sample)
    given = make_reference(sample.x, expected=expected, names=sample.names)
    return NplmTest(given, model, widths, known, nuisance_fit)


def _with_network(
    reference: SampleFile,
    data: SampleFile,
    pool: Path | None,
    expected: float | None,
    *,
    toys: int,
    seed: int,
    fail_above: float | None,
    data_file: Path,
) -> None:
    """Calibrate and test with a network."""
    from l1ad.pipeline.network_test import NetworkTest
    from l1ad.validation.calibration import calibrate, run
    from l1ad.validation.reference import make_reference
    from l1ad.validation.samples import read_sample

    if pool is None:
        raise ConfigurationError("--network: give --pool; a network has no permutations here.")
    test = NetworkTest(make_reference(reference.x, expected=expected or len(data.x), names=reference.names))
    with progress("toys", toys) as update:
        null = calibrate(
            test, "pool", pool=read_sample(pool).x, toys=toys, seed=seed, progress=functools.partial(_tell, update)
        )
    found = run(test, data.x, null, names=data.names)
    show_assessment(found, f"NPLM with a network, {found.toys} toys ({found.mode})")
    _hold(found, fail_above, data_file)


def _assess(
    test: NplmTest, data: SampleFile, pool: Path | None, *, toys: int, seed: int, workers: int, dask: str | None
) -> tuple[Assessment, CalibratedNull]:
    """Calibrate and test: with toys from a pool, or by permutation."""
    from l1ad.validation.calibration import calibrate, permute, run
    from l1ad.validation.samples import read_sample

    with progress("toys", toys) as update:
        tell = functools.partial(_tell, update)
        if pool is None:
            return permute(test, data.x, toys=toys, seed=seed, workers=workers, executor=dask, names=data.names,
                           progress=tell)  # fmt: skip
        events = read_sample(pool)
        test.check(events.x, events.names)
        null = calibrate(
            test, "pool", pool=events.x, toys=toys, seed=seed, workers=workers, executor=dask, progress=tell
        )
    return run(test, data.x, null, names=data.names), null


def _tell(update: Callable[..., None], done: int, total: int) -> None:
    """Move the progress bar."""
    update(done)


def _show_pulls(test: NplmTest, data: Floats) -> None:
    """Show what the data say about the nuisance parameters, at the first width."""
    profile = test.profiles(data)[0]
    rows = [
        [nuisance.name, f"{alone:+.2f}", f"{both:+.2f}"]
        for nuisance, alone, both in zip(test.nuisances, profile.pulls, profile.pulls_with_f, strict=True)
    ]
    columns = ("nuisance", "pull without f", "pull with f")
    show_table(f"tau = {profile.tau:.2f}, Delta = {profile.delta:.2f}; pulls in standard deviations", columns, rows,
               numeric=columns[1:])  # fmt: skip


def _hold(found: Assessment, limit: float | None, data: Path) -> None:
    """Raise when a significance is above the limit, if there is one."""
    largest = max(item.quoted.z for item in found.statistics)
    if limit is not None and largest > limit:
        raise CheckFailedError(f"{data}: Z = {largest:.2f} is above {limit:g}; the reference does not describe it.")


def _draw(
    plot: Path | None, plots: Path | None, test: NplmTest, null: CalibratedNull, found: Assessment, data: SampleFile
) -> None:
    """Draw what was asked for."""
    if plot is not None:
        from l1ad.validation.plots import plot_null, save_figure

        save_figure(plot_null(null, found), plot)
    if plots is not None:
        from l1ad.validation.pictures import draw_all

        for path in draw_all(plots, test, null, found, data.x):
            note(str(path))


def _widths(text: str | None) -> tuple[float, ...]:
    """Return the numbers of ``0.3,1,3``."""
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--widths {text}: expected numbers with commas, such as 0.3,1,3.") from error
