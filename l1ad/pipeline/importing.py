"""The configuration of a run whose model was trained elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from l1ad.config import RunConfig
from l1ad.config.load import apply_overrides, parse_config
from l1ad.events.contract import InputContract
from l1ad.events.layout import N_INPUTS
from l1ad.networks.quantizers import parse_quantizer
from l1ad.records import FixedType
from l1ad.training.imported import OpenedModel, check_ends, open_model


def run_name(file: Path) -> str:
    """Return a name of a run for a model file.

    Examples
    --------
    >>> run_name(Path("models/axol1tl-v4.keras")), run_name(Path("4.h5"))
    ('axol1tl_v4', 'model_4')
    """
    name = re.sub(r"\W", "_", file.stem, flags=re.ASCII)
    return name if name and not name[0].isdigit() else f"model_{name}"


def imported_config(
    file: Path,
    name: str,
    *,
    predictions: Path | None = None,
    contract: Path | None = None,
    score: str | None = None,
    round_bits: int | None = None,
    overrides: Sequence[str] = (),
) -> tuple[RunConfig, OpenedModel]:
    """Open a model file and return the configuration of a run with it.

    Parameters
    ----------
    file, predictions : Path
        See `l1ad.training.imported.open_model`.
    name : str
        Name of the run.
    contract : Path, optional
        ``inputs.json`` of the model. Without it the contract is derived from the training events, in the type to
        which the model itself brings its inputs.
    score : str, optional
        Kind of the score; by default ``rz`` for two outputs and ``mu2`` for one.
    round_bits : int, optional
        Bits of weights that have no exact fixed-point form; without it they are refused.
    overrides : sequence of str
        For example ``network.mean=quantized_bits(12,6,alpha=1)``.

    Raises
    ------
    DataError, ConfigurationError, CheckFailedError
        See `l1ad.training.imported.open_model`.
    """
    network: dict[str, Any] = {"architecture": "imported", "file": str(file), "round_bits": round_bits}
    if predictions is not None:
        network["predictions"] = str(predictions)
    values: dict[str, Any] = {"name": name, "network": network}
    draft = parse_config(apply_overrides(values, overrides), f"import of {file}")
    activation = parse_quantizer(draft.network.activation, "network.activation").fixed_type
    opened = open_model(file, predictions, round_bits=round_bits, activation=activation)
    kind = score or ("rz" if len(opened.network.model.outputs) == 2 else "mu2")
    values["score"] = {"kind": kind}
    network["latent"] = opened.latent
    fixed = opened.network.input_type
    if contract is not None:
        fixed = InputContract.read(contract).type
        values["inputs"] = {"contract": str(contract)}
    if fixed is not None:
        values["inputs"] = values.get("inputs", {}) | _inputs(fixed)
    config = parse_config(apply_overrides(values, overrides), f"import of {file}")
    check_ends(opened, config.score.kind, N_INPUTS)
    return config, opened


def _inputs(fixed: FixedType) -> dict[str, int]:
    """Return the section `inputs` for a type; every input of a contract is signed."""
    return {"width": fixed.width + int(not fixed.signed), "integer": fixed.integer + int(not fixed.signed)}
