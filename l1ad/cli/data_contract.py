"""The verb `data contract`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.terminal import note, progress, say, show_table
from l1ad.errors import CheckFailedError, ConfigurationError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from l1ad.events.adc2021 import EventSource
    from l1ad.events.contract import InputContract
    from l1ad.events.contract_use import ContractUse

_SHOWN = 10


def contract(
    samples: Annotated[
        list[Path] | None, typer.Argument(help="Event files (HDF5); none: the embedded background.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Contract to write.")] = Path("inputs.json"),
    width: Annotated[int, typer.Option(min=2, max=18, help="Bits of every input, sign included.")] = 8,
    integer: Annotated[int, typer.Option(min=1, max=18, help="Of these, bits left of the point.")] = 4,
    form: Annotated[
        str, typer.Option(help="l1ad: pT in 0.5 GeV, signed azimuth; axol1tl: hwPt / 2, unsigned.")
    ] = "l1ad",
    rule: Annotated[str, typer.Option(help="Shift: least (least loss) or spread (about unit spread).")] = "least",
    given: Annotated[Path | None, typer.Option(help="Measure this contract instead of deriving one.")] = None,
    max_outside: Annotated[
        float | None, typer.Option(min=0, max=100, help="Fail when more % of the events have an input that saturates.")
    ] = None,
    scales_h: Annotated[
        Path | None, typer.Option("--scales-h", help="Write offsets and shifts as AXOL1TL's scales.h.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model in scales.h.")] = "model",
    variant: Annotated[str, typer.Option(help="Dataset to read.")] = "Particles",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing contract.")] = False,
) -> None:
    """Derive the input contract of a sample, or measure a given one on it.

    The contract says for each of the 57 inputs how pT, eta and phi become hardware integers, and which integer offset
    and power-of-two shift bring them to the width of the network's inputs. The table gives the quantization loss and
    the saturation of each. Data outside the contract are counted and named.
    """
    from l1ad.events.contract import InputContract
    from l1ad.events.contract_use import measure_contract

    source = _source(samples, variant)
    derived = _derive(source, out, width, integer, form, rule, force) if given is None else None
    chosen = derived or InputContract.read(given or out)
    use = measure_contract(chosen, _chunks(source, "measuring", chosen.kind.name))
    _show_inputs(chosen, use)
    _show_outside(use)
    if derived is not None:
        say(f"{out}: {chosen.type}, from {chosen.events} events of {chosen.source_tag}, digest {chosen.digest[:12]}")
    if scales_h is not None:
        _write_header(chosen, scales_h, model)
    if max_outside is not None and 100 * use.outside_share > max_outside:
        raise CheckFailedError(
            f"{use.outside} of {use.events} events ({100 * use.outside_share:.3g} %) have an input that saturates; "
            f"--max-outside is {max_outside:g} %."
        )


def _derive(
    source: EventSource, out: Path, width: int, integer: int, form: str, rule: str, force: bool
) -> InputContract:
    """Derive the contract of a sample and write it."""
    from l1ad.events.derivation import RULES, derive_contract
    from l1ad.events.input_kinds import OBJECTS
    from l1ad.events.scales import FORMS
    from l1ad.records import FixedType

    for option, value, known in (("--form", form, FORMS), ("--rule", rule, RULES)):
        if value not in known:
            raise ConfigurationError(f"{option} {value!r}: unknown. {nearest(value, known)}")
    if integer > width:
        raise ConfigurationError(f"--integer {integer} exceeds --width {width}.")
    if out.exists() and not force:
        raise ConfigurationError(f"{out}: exists already; give --force to replace it, or --out another name.")
    kind, tag = FixedType(True, width, integer), "+".join(source.source_tags())
    chosen = derive_contract(_chunks(source, "deriving", OBJECTS), kind, tag, form=form, rule=rule)
    chosen.write(out)
    return chosen


def _source(samples: list[Path] | None, variant: str) -> EventSource:
    """Return the files, or the embedded background."""
    from l1ad.events.adc2021 import EventSource
    from l1ad.events.sample import open_sample

    return EventSource(tuple(samples), variant) if samples else open_sample().background


def _chunks(source: EventSource, what: str, kind: str) -> Iterator[NDArray[np.floating]]:
    """Yield the events with a progress bar."""
    from l1ad.events.input_kinds import read_chunks

    total, done = len(source), 0
    with progress(what, total) as update:
        for chunk in read_chunks(source, kind):
            yield chunk.events
            done += len(chunk.events)
            update(done, f"{done} events")


def _write_header(chosen: InputContract, path: Path, model: str) -> None:
    """Write scales.h and read it back."""
    from l1ad.events.scales_header import check_scales_header, write_scales_header

    write_scales_header(chosen, path, model)
    check_scales_header(path, chosen)
    say(f"{path}: offsets and shifts, read back and equal")


def _show_inputs(chosen: InputContract, use: ContractUse) -> None:
    """Print scale, preprocessing, loss and saturation of each input."""
    rows = []
    for spec, loss, count in zip(chosen.inputs, use.loss, use.saturation, strict=True):
        values = max(count.values, 1)
        rows.append(
            [
                spec.name,
                f"{spec.lsb:.4g} {spec.unit}".strip(),
                f"{spec.minimum} .. {spec.maximum}",
                str(spec.offset),
                str(spec.shift),
                str(loss.values),
                f"{loss.rms:.3g}",
                f"{loss.largest:.3g}",
                f"{loss.spread:.2f}",
                f"{100 * count.hardware / values:.3g}",
                f"{100 * count.raw / values:.3g}",
            ]
        )
    columns = (
        "input", "unit", "hardware", "offset", "shift", "values", "rms loss", "largest", "spread", "hw sat. %",
        "sat. %",
    )  # fmt: skip
    show_table(f"Inputs as {chosen.type}; loss in GeV, 1, rad; spread in units of the network", columns, rows,
               numeric=columns[3:])  # fmt: skip


def _show_outside(use: ContractUse) -> None:
    """Print how many events saturate, and the inputs that do most often."""
    rows = [
        [item.name, str(item.events), f"{100 * item.events / use.events:.3g}", str(item.first_event),
         f"{item.value:.5g} {item.unit}".strip()]
        for item in use.outside_inputs[:_SHOWN]
    ]  # fmt: skip
    say(f"events with an input that saturates: {use.outside} of {use.events} ({100 * use.outside_share:.3g} %)")
    if rows:
        columns = ("input", "events", "% of events", "first event", "value there")
        show_table("", columns, rows, numeric=columns[1:])
    if len(use.outside_inputs) > _SHOWN:
        note(f"{len(use.outside_inputs) - _SHOWN} more inputs saturate less often; the table above has them.")
