"""The verb `monitor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.terminal import say, show_table
from l1ad.errors import CheckFailedError


def monitor(
    folder: Annotated[Path, typer.Argument(help="Folder that `validate reference --save` wrote.")],
    batches: Annotated[list[Path], typer.Argument(help="Batches (.npy, .csv, .h5), in the order of time.")],
    false_alarm_rate: Annotated[float, typer.Option(help="Alarms a batch when nothing has changed.")] = 1e-3,
    overflow: Annotated[
        float | None, typer.Option(help="Value at which the firmware saturates; events at or above it are counted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a batch instead of a table.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the control chart (.png, .pdf, .svg).")] = None,
) -> None:
    """Test batches of data against a stored null, and name the feature that moved.

    The exit code is 1 when a batch raises an alarm.
    """
    from l1ad.validation.monitor import Monitor
    from l1ad.validation.samples import read_sample
    from l1ad.validation.store import load_test

    guard = Monitor(*load_test(folder), false_alarm_rate, overflow)
    results = []
    for path in batches:
        sample = read_sample(path)
        results.append(guard.check(sample.x, sample.names))
        if as_json:
            say(json.dumps({"file": str(path), **results[-1].to_dict()}))
    if not as_json:
        rows = [
            [path.name, str(r.events), f"{max(r.statistics):.2f}", f"{r.z:.2f}", "ALARM" if r.alarm else "",
             r.feature, f"{r.feature_p:.2g}", str(r.overflows) if overflow is not None else "-"]
            for path, r in zip(batches, results, strict=True)
        ]  # fmt: skip
        columns = ("batch", "events", "t", "Z", "alarm", "feature that differs most", "its p", "overflows")
        show_table(
            f"False-alarm rate {false_alarm_rate:g} a batch", columns, rows, numeric=("events", "t", "Z", "overflows")
        )
    if plot is not None:
        from l1ad.validation.plots import plot_control_chart, save_figure

        save_figure(plot_control_chart(results, guard), plot)
    alarms = sum(result.alarm for result in results)
    if alarms:
        raise CheckFailedError(f"{alarms} of {len(results)} batches raise an alarm.")
