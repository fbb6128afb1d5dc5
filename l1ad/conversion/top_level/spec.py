"""From an input contract and a score to the record of the top level; what does not fit together is refused."""

from __future__ import annotations

from collections.abc import Sequence

from l1ad.errors import ConversionError, DataError
from l1ad.events.contract import InputContract
from l1ad.hardware.trigger import N_THRESHOLDS, TriggerInput, TriggerSpec, check_thresholds
from l1ad.records import FixedType


def check_trigger(contract: InputContract, input_type: FixedType, n_inputs: int, score: FixedType,
                  thresholds: Sequence[int]) -> None:  # fmt: skip
    """Refuse a contract that is not that of the network, and thresholds that the score cannot have.

    Parameters
    ----------
    contract : InputContract
        Of the events.
    input_type : FixedType
        Type of the network's inputs.
    n_inputs : int
        How many there are.
    score : FixedType
        Type of the score.
    thresholds : sequence of int
        Raw thresholds after a reset.

    Raises
    ------
    ConversionError
        Naming the number that does not fit.
    """
    if len(contract.inputs) != n_inputs:
        raise ConversionError(
            f"inputs.json: {len(contract.inputs)} inputs; the network has {n_inputs}. "
            "Use the contract that the network was trained with."
        )
    if contract.type != input_type:
        raise ConversionError(
            f"inputs.json: inputs of type {contract.type}; the network takes {input_type}. "
            "Use the contract that the network was trained with."
        )
    try:
        check_thresholds(thresholds, score)
    except DataError as error:
        raise ConversionError(f"conversion.thresholds: {error}") from error


def trigger_spec(network: str, contract: InputContract, score: FixedType, thresholds: Sequence[int],
                 network_latency: int) -> TriggerSpec:  # fmt: skip
    """Return the record of the top level.

    Parameters
    ----------
    network : str
        Module or function of the network.
    contract : InputContract
        How events become inputs.
    score : FixedType
        Type of the score.
    thresholds : sequence of int
        Raw thresholds after a reset, each with a prescale of 1. What is left stays at the largest score with a
        prescale of 0: it never fires before it is written.
    network_latency : int
        Clocks of the network; 0 where a call returns the score.
    """
    closed = N_THRESHOLDS - len(thresholds)
    return TriggerSpec(
        network=network,
        inputs=tuple(TriggerInput(i.name, i.signed, i.width, i.offset, i.shift) for i in contract.inputs),
        input_type=contract.type,
        score_type=score,
        thresholds=(*thresholds, *[score.maximum] * closed),
        prescales=(*[1] * len(thresholds), *[0] * closed),
        network_latency=network_latency,
        contract=contract.digest,
    )


def wide_bits(item: TriggerInput, input_type: FixedType) -> int:
    """Return the bits of a signed integer that holds every value on the way from `item` to its raw input.

    Examples
    --------
    >>> wide_bits(TriggerInput("met_pt", False, 12, 72, 6), FixedType(True, 10, 4))
    19
    """
    left = input_type.fraction + max(-item.shift, 0)
    extremes = [(limit - item.offset) << left for limit in (item.type.minimum, item.type.maximum)]
    extremes += [input_type.minimum, input_type.maximum, item.offset, item.type.minimum, item.type.maximum]
    # The one that the limits are made of is shifted by the width of the input.
    extremes.append(1 << (input_type.width - int(input_type.signed)))
    return max((value if value >= 0 else ~value).bit_length() for value in extremes) + 1
