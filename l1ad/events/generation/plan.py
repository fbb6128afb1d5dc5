"""Which chunks make up which samples: mixtures, strata of a process, whole numbers of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from l1ad.errors import ConfigurationError
from l1ad.events.generation.processes import BACKGROUND, SIGNALS, Process, Stratum, find_process

BACKGROUND_NAME = "background"
DEFAULT_PROCESSES = (BACKGROUND_NAME, *SIGNALS)


@dataclass(frozen=True)
class Stream:
    """The events of one stratum in one sample.

    Attributes
    ----------
    process : Process
    stratum : Stratum
    number : int
        Index of the stratum in its process.
    events : int
        Events wanted.
    """

    process: Process
    stratum: Stratum
    number: int
    events: int

    @property
    def name(self) -> str:
        """Name of the stream, usable as a folder."""
        return f"{self.process.name}_{self.stratum.name.replace(' ', '_')}"

    def chunks(self) -> list[int]:
        """Return the events of every chunk; only the last one may be smaller."""
        size = self.stratum.chunk_events
        whole, rest = divmod(self.events, size)
        return [size] * whole + ([rest] if rest else [])


def apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Return whole numbers in proportion to `shares` that add up to `total` (largest remainders).

    Examples
    --------
    >>> apportion(1000, (0.592, 0.338, 0.067, 0.003))
    [592, 338, 67, 3]
    >>> apportion(10, (1, 1, 1))
    [4, 3, 3]
    """
    scale = total / sum(shares)
    counts = [int(scale * share + 1e-9) for share in shares]
    remainders = [scale * share - count for share, count in zip(shares, counts, strict=True)]
    by_remainder = sorted(range(len(shares)), key=lambda i: -round(remainders[i], 9))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def plan_samples(
    names: Sequence[str], events: int, signal_events: int, card: Process | None = None
) -> dict[str, tuple[Stream, ...]]:
    """Return sample name -> its streams.

    Parameters
    ----------
    names : sequence of str
        Processes, signals, and ``background`` for the mixture at the published fractions.
    events : int
        Events of the background and of every process that is not a signal.
    signal_events : int
        Events of every signal.
    card : Process or None, optional
        A user's card; a sample of its own with `events`.

    Raises
    ------
    ConfigurationError
        When a name is not known or named twice, or a number is not positive.
    """
    if events < 1 or signal_events < 1:
        raise ConfigurationError(f"events: {events} and {signal_events} of a signal; expected at least 1.")
    samples: dict[str, tuple[Stream, ...]] = {}
    for name in names:
        if name in samples:
            raise ConfigurationError(f"process {name}: named twice.")
        if name == BACKGROUND_NAME:
            samples[name] = _mixture(BACKGROUND, events)
        else:
            process = find_process(name)
            samples[name] = _streams(process, signal_events if name in SIGNALS else events)
    for name in set(BACKGROUND) & set(samples) if BACKGROUND_NAME in samples else ():
        raise ConfigurationError(f"process {name}: is part of the background; generate it into another folder.")
    if card is not None:
        if card.name in samples:
            raise ConfigurationError(f"card {card.name}: a process of this name is generated too; rename the card.")
        samples[card.name] = _streams(card, events)
    if not samples:
        raise ConfigurationError("nothing to generate: give --process or --card.")
    return samples


def _mixture(fractions: Mapping[str, float], events: int) -> tuple[Stream, ...]:
    """Return the streams of a mixture of processes."""
    counts = apportion(events, list(fractions.values()))
    pairs = zip(fractions, counts, strict=True)
    return tuple(stream for name, count in pairs if count for stream in _streams(find_process(name), count))


def _streams(process: Process, events: int) -> tuple[Stream, ...]:
    """Return the streams of a process: its strata by their shares."""
    counts = apportion(events, [stratum.share for stratum in process.strata])
    numbered = enumerate(zip(process.strata, counts, strict=True))
    return tuple(Stream(process, stratum, number, count) for number, (stratum, count) in numbered if count)
