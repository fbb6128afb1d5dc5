"""The score of a configuration, with the types of its network."""

from __future__ import annotations

import math

from l1ad.config import RunConfig
from l1ad.errors import ConfigurationError
from l1ad.events.contract import InputContract
from l1ad.networks.event_shape import ETA_BOUNDS, QUANTITIES, ROWS
from l1ad.networks.quantizers import parse_quantizer
from l1ad.records import FixedType
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import FEATURE_ERROR, RECONSTRUCTION, UNUSED, ReconstructionSpec
from l1ad.scores.spec import ScoreSpec, score_spec


def network_score(
    config: RunConfig, contract: InputContract | None = None
) -> ScoreSpec | OutputSpec | ReconstructionSpec:
    """Return the score of a configuration with the types of its network.

    Parameters
    ----------
    config : RunConfig
        Sections inputs, network and score are used.
    contract : InputContract, optional
        How events become inputs; the reconstruction error takes type and padding from it. Without it the type is that
        of the configuration and padding is taken to be 0, which is enough to check the types.

    Raises
    ------
    ConfigurationError
        When the score cannot be computed exactly.
    """
    network = config.network
    types = {
        field: parse_quantizer(getattr(network, field), f"network.{field}").fixed_type
        for field in ("mean", "log_variance", "reconstruction", "feature")
    }
    if config.score.kind == "output":
        return _output_score(config)
    if not network.reconstructs:
        return score_spec(config.score, network.latent, types["mean"], types["log_variance"])
    prediction, width = types["reconstruction"], config.score.error_width
    score = FixedType(signed=False, width=config.score.width, integer=config.score.integer)
    error = FixedType(signed=False, width=width, integer=width - prediction.fraction)
    if config.score.kind == FEATURE_ERROR:
        weights = (0,) * network.features
        return ReconstructionSpec(FEATURE_ERROR, types["feature"], prediction, error, weights, (), score)
    own = FixedType(config.inputs.signed, config.inputs.width, config.inputs.integer)
    inputs = own if contract is None else contract.type
    padding = (0,) * ROWS if contract is None else padding_of_rows(contract)
    return ReconstructionSpec(
        kind=RECONSTRUCTION,
        inputs=inputs,
        prediction=prediction,
        error=error,
        exponents=_exponents(config.score.weights),
        padding=padding,
        score=score,
    )


def _output_score(config: RunConfig) -> OutputSpec:
    """Return the score of a student: what `network.output` gives."""
    found = parse_quantizer(config.network.output, "network.output").fixed_type
    wanted = FixedType(signed=False, width=config.score.width, integer=config.score.integer)
    if found != wanted:
        raise ConfigurationError(
            f"network.output: gives {found}; the score is {wanted}. Give both the same bits: score.width="
            f"{found.width}, score.integer={found.integer}, without a sign."
        )
    return OutputSpec("output", wanted)


def padding_of_rows(contract: InputContract) -> tuple[int, ...]:
    """Return the raw pT of padding in each row: what a hardware 0 becomes."""
    import numpy as np

    raw = contract.apply(np.zeros((1, len(contract.inputs)), dtype=np.int64))[0]
    return tuple(int(value) for value in raw[::QUANTITIES])


def _exponents(weights: tuple[float, ...]) -> tuple[int, ...]:
    """Return the weight exponent of every input; the missing energy has no eta."""
    of_quantity = [UNUSED if weight == 0 else -round(math.log2(weight)) for weight in weights]
    found = []
    for row in range(ROWS):
        for quantity, exponent in enumerate(of_quantity):
            absent = quantity == 1 and ETA_BOUNDS[row] == 0
            found.append(UNUSED if absent else exponent)
    return tuple(found)
