"""Energy sums of the CMS L1 trigger."""

from __future__ import annotations

from l1ad.errors import ConfigurationError, nearest

#: ``--met`` -> type of the sum (CMSSW, DataFormats/L1Trigger, EtSum::EtSumType: kMissingEt, kMissingEtHF).
SUM_TYPES = {"etm": 2, "etmhf": 8}


def sum_type(met: str | None) -> tuple[str, int]:
    """Return name and type of the missing energy to read; ETM, without the forward calorimeter, by default.

    Raises
    ------
    ConfigurationError
        When `met` is no missing energy of the trigger.
    """
    name = met or "etm"
    if name not in SUM_TYPES:
        raise ConfigurationError(f"--met {name!r}: no missing energy of the L1 trigger. {nearest(name, SUM_TYPES)}")
    return name, SUM_TYPES[name]
