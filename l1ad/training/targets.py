"""What the decoder is asked to reconstruct, and what it is fed with, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.records import FixedType, Record

#: Events read at a time.
_CHUNK = 65_536
#: pT, eta, phi.
_QUANTITIES = 3
#: Largest share of the objects of an event that `disturb` gives noise.
_MOST_OBJECTS = 0.4


@dataclass(frozen=True)
class TargetScale(Record):
    """Offset and width of every target, derived from the training part.

    Attributes
    ----------
    kind : str
        ``whitened`` or ``paper``; ``inputs`` when the network reconstructs its own inputs, and nothing is scaled.
    offset, width : tuple of float, length 57
        Target = (feature - offset) / width, row-major in (row, quantity).
    """

    kind: str
    offset: tuple[float, ...]
    width: tuple[float, ...]

    def apply(self, particles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the targets of events, shape (N, 19, 3).

        ``whitened`` scales every feature, padding included: a third lepton, which is rare, counts as many
        deviations. ``paper`` scales pT of present objects and leaves zeros as zeros, eta and phi as they are
        (arXiv:2108.03986, section 3).
        """
        shape = particles.shape[1:]
        offset = np.asarray(self.offset, dtype=np.float32).reshape(shape)
        width = np.asarray(self.width, dtype=np.float32).reshape(shape)
        scaled = (particles - offset) / width
        if self.kind == "paper":
            scaled *= particles != 0
        return np.asarray(scaled, dtype=np.float32)


def derive_scale(particles: NDArray[np.float32], kind: str) -> TargetScale:
    """Derive the scale of the targets from the training part.

    Parameters
    ----------
    particles : ndarray of float32, shape (N, 19, 3)
        pT in GeV, eta, phi in rad; zeros are padding.
    kind : str
        ``whitened`` or ``paper``.

    Raises
    ------
    DataError
        When there are no events.
    """
    if len(particles) == 0:
        raise DataError("training part: no events. Give more background events or a larger train_fraction.")
    if kind == "whitened":
        offset, width = _mean_and_deviation(particles)
    else:
        offset, width = _present_pt(particles)
    width[width == 0] = 1.0
    return TargetScale(kind, tuple(offset.ravel().tolist()), tuple(width.ravel().tolist()))


def _mean_and_deviation(particles: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of every feature, in two passes over chunks so that the events stay on disk."""
    starts = range(0, len(particles), _CHUNK)
    total = np.zeros(particles.shape[1:])
    for start in starts:
        total += np.sum(particles[start : start + _CHUNK], axis=0, dtype=np.float64)
    mean = total / len(particles)
    squares = np.zeros(particles.shape[1:])
    for start in starts:
        squares += np.square(particles[start : start + _CHUNK] - mean).sum(axis=0)
    return mean, np.sqrt(squares / len(particles))


def _present_pt(particles: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of pT of present objects per row; 0 and 1 for eta and phi."""
    offset, width = np.zeros(particles.shape[1:]), np.ones(particles.shape[1:])
    for row in range(particles.shape[1]):
        pt = particles[:, row, 0]
        present = pt[pt > 0]
        if len(present) > 1:
            offset[row, 0], width[row, 0] = present.mean(dtype=np.float64), present.std(dtype=np.float64)
    return offset, width


@dataclass(frozen=True)
class EventBatches:
    """Turns events, mapped from disk, into batches of inputs and targets.

    Attributes
    ----------
    inputs : ndarray of int, shape (N, 57)
        Raw inputs as firmware sees them.
    particles : ndarray of float32, shape (N, 19, 3)
    input_type : FixedType
    shape : tuple of int
        Shape of one event at the network.
    scale : TargetScale
    input_bits : tuple of int or None
        Bits left of the point, without the sign, that each input can reach; None: all that the type has.
    """

    inputs: NDArray[np.signedinteger]
    particles: NDArray[np.float32]
    input_type: FixedType
    shape: tuple[int, ...]
    scale: TargetScale
    input_bits: tuple[int, ...] | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, index: NDArray[np.int64] | slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return network inputs and targets of the events at `index`; an autoencoder's targets are its inputs."""
        raw = np.asarray(self.inputs[index], dtype=np.float32)
        x = (raw * np.float32(2.0**-self.input_type.fraction)).reshape(-1, *self.shape)
        if self.scale.kind == "inputs":
            return x, x
        return x, self.scale.apply(np.asarray(self.particles[index]))

    def epoch(self, order: NDArray[np.int64], batch_size: int, blocks: int = 256) -> Any:
        """Yield (inputs, targets) of whole batches in `order`, `blocks` batches at a time."""
        steps = len(order) // batch_size
        for begin in range(0, steps, blocks):
            end = min(begin + blocks, steps)
            yield self.take(order[begin * batch_size : end * batch_size])


def disturb(
    inputs: NDArray[np.float32],
    share: float,
    input_type: FixedType,
    rng: np.random.Generator,
    input_bits: tuple[int, ...] | None = None,
) -> NDArray[np.float32]:
    """Return network inputs with Gaussian noise on some objects of some events.

    The score teacher knows the score of any input, and a student that only sees background learns it there alone:
    on the embedded sample, events with four leptons, of which the training part has next to none, then get too small
    a score. Noise of one unit of the inputs shows the student what lies around the background.

    Parameters
    ----------
    inputs : ndarray of float32, shape (N, 57) or (N, 19, 3, 1)
    share : float
        Share of the events that are disturbed. In each of them up to `_MOST_OBJECTS` of the objects are.
    input_type : FixedType
        The noisy inputs stay in its range.
    rng : numpy.random.Generator
    input_bits : tuple of int, length 57, optional
        The noisy inputs stay in the range of so many bits left of the point, the sign not counted.

    Returns
    -------
    ndarray of float32, shape of `inputs`
    """
    if share == 0:
        return inputs
    found = inputs.reshape(len(inputs), -1, _QUANTITIES).copy()
    chosen = np.flatnonzero(rng.random(len(found)) < share)
    objects = rng.random((len(chosen), found.shape[1], 1)) < rng.uniform(0, _MOST_OBJECTS, (len(chosen), 1, 1))
    found[chosen] += objects * rng.standard_normal((len(chosen), *found.shape[1:]), dtype=np.float32)
    step = 2.0**-input_type.fraction
    if input_bits is not None:
        limits = np.exp2(np.reshape(input_bits, found.shape[1:]))
        found = np.clip(found, -limits, limits - step)
    clipped = np.clip(found, input_type.minimum * step, input_type.maximum * step)
    return np.asarray(clipped.reshape(inputs.shape), dtype=np.float32)
