"""The verb `emulate`: every integer of the firmware against Keras, or scores and rates of files of events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.options import Force, RunArgument

if TYPE_CHECKING:
    from l1ad.pipeline.rates import RateStudy
    from l1ad.pipeline.run_folder import RunFolder


def emulate(
    run: RunArgument,
    events: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER|FILE", help="Events to compare, kept in the run; or a file of events to score."),
    ] = None,
    rung: Annotated[
        str | None, typer.Option(help="What scores files: native (the default), interpreter, csim or rtl.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="HDF5 file for the raw scores of the files.")] = None,
    acceptance: Annotated[
        float | None, typer.Option(help="Events of the files a bunch crossing, for rates in kHz.")
    ] = None,
    mutations: Annotated[
        int | None,
        typer.Option(min=2, help="Flip so many bits of the firmware, one at a time, and count what is seen."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of these bits.")] = 1,
    force: Force = False,
) -> None:
    """Simulate the firmware of a run and compare every integer with Keras.

    Rungs: alkaid's interpreter, the native emulator, the C-simulation of the HLS, and Verilator on the Verilog, each
    with a negative control. The exit code is 1 when an integer differs or a control is not caught.

    With `--events FILE`, which may be repeated, nothing is compared: the events go through the input contract of the
    run and the native emulator, and the table shows how often each stored threshold fires. A file is HDF5 in the
    ADC2021 layout, or raw inputs as .npy with their inputs.json beside them.

    With `--mutations NUMBER` half of the bits are weights, biases and tables of the HLS project, half constants of the
    Verilog. The C-simulation and Verilator meet each on `--events` of the run's events, by default 2000. A bit that no
    event shows is listed with the reason.
    """
    from l1ad.errors import ConfigurationError
    from l1ad.pipeline.run_folder import open_run

    opened = open_run(run)
    count, files = _count_or_files(events or [])
    if files:
        if mutations is not None:
            raise ConfigurationError("--mutations: belongs to the events of the run; give --events a number.")
        if force:
            raise ConfigurationError("--force: belongs to the comparison; files are always scored.")
        _score(opened, files, rung or "native", out, acceptance)
        return
    if mutations is not None:
        from l1ad.cli.proofs import mutate

        mutate(run, mutations, seed, count or 2000)
        return
    for name, value in {"--rung": rung, "--out": out, "--acceptance": acceptance}.items():
        if value is not None:
            raise ConfigurationError(f"{name}: belongs to files of events; give them with --events FILE.")
    _compare(opened, count, force)


def _count_or_files(values: list[str]) -> tuple[int | None, list[Path]]:
    """Tell a number of events from files."""
    from l1ad.errors import ConfigurationError

    numbers = [value for value in values if value.lstrip("+-").isdigit()]
    if not numbers:
        return None, [Path(value) for value in values]
    if len(values) > 1:
        raise ConfigurationError(f"--events {numbers[0]}: give one number of events, or files.")
    if int(numbers[0]) < 1:
        raise ConfigurationError(f"--events {numbers[0]}: expected at least 1.")
    return int(numbers[0]), []


def _compare(run: RunFolder, events: int | None, force: bool) -> None:
    """Climb the ladder."""
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.errors import CheckFailedError
    from l1ad.pipeline.run import bit_failures, run_stages
    from l1ad.pipeline.run_folder import change_config
    from l1ad.records import BitReport

    opened = change_config(run, "emulation", {} if events is None else {"events": events})
    with Watcher() as watcher:
        run_stages(opened, ("emulate",), redo=("emulate",) if force else (), observer=watcher)
    show_results(opened, "ladder")
    path = opened.stage("emulate") / "bits.json"
    failures = bit_failures(BitReport.read(path))
    if failures:
        raise CheckFailedError(f"{path}: " + "; ".join(failures))
    say(str(path))


def _score(run: RunFolder, files: list[Path], rung: str, out: Path | None, acceptance: float | None) -> None:
    """Score files and show the rates."""
    from l1ad.cli.terminal import progress, say
    from l1ad.pipeline.rates import study_rates

    with progress("events", None) as update:
        study = study_rates(
            run,
            files,
            rung=rung,
            out=out,
            acceptance=acceptance,
            progress=lambda done, total: update(done, f"{done:,} of {total:,}", total),
        )
    _show(study)
    if out is not None:
        say(str(out))


def _show(study: RateStudy) -> None:
    """Write the table of a rate study."""
    from l1ad.cli.terminal import note, show_table

    columns = ("Target FPR", "Threshold", "Events", "Fraction", "Error", "Rate in kHz")
    rows = [
        (
            f"{rate.target_fpr:g}",
            str(rate.raw),
            f"{rate.events:,}",
            f"{rate.fraction:.4g}",
            f"{rate.fraction_error:.2g}",
            "not known" if rate.rate_khz is None else f"{rate.rate_khz:.4g}",
        )
        for rate in study.rates
    ]
    show_table(f"{study.events:,} events, score {study.score_type}, {study.engine}", columns, rows, numeric=columns)
    note(f"{study.events_per_second:,.0f} events a second in the emulator, without reading and encoding")
