"""Random views of events for VICReg, made of physical events and brought to integers by the input contract."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.config import AugmentationConfig
from l1ad.events.contract import InputContract
from l1ad.events.layout import BLOCKS, ETA, PHI, PT
from l1ad.records import FixedType
from l1ad.training.targets import EventBatches

#: Events of the order that seed the views of an epoch.
_SEEDING = 8
#: Most events whose objects `overlay` adds to one.
_MOST_ADDED = 3


def augment(
    particles: NDArray[np.float32], options: AugmentationConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return random views of events: what a detector may change without changing what happened.

    Objects are lost, pT and angles are smeared, all azimuths of an event are turned by one angle, and eta is mirrored
    in half of the events. Turning and mirroring are symmetries of the collision and of the detector, and
    arXiv:2301.04660 learns representations of such events from turned and smeared copies as well. Objects stay in the
    order of their pT within each block, with padding behind them, as in every event of the layout.

    Parameters
    ----------
    particles : ndarray of float32, shape (N, 19, 3)
        pT in GeV, eta, phi in rad; zeros are padding.
    options : AugmentationConfig
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (N, 19, 3)

    Examples
    --------
    >>> event = np.zeros((1, 19, 3), dtype=np.float32)
    >>> event[0, 9], event[0, 10] = (40.0, 1.0, 0.5), (20.0, -1.0, 2.0)
    >>> same = AugmentationConfig(drop=0.0, pt=0.0, angle=0.0, turn=False)
    >>> bool((augment(event, same, np.random.default_rng(1)) == event).all())
    True
    """
    found = particles.astype(np.float32, copy=True)
    shape = found.shape[:2]
    if options.pt:
        # A pT that would not be positive keeps a trace, so that the object is there.
        factor = 1.0 + options.pt * rng.standard_normal(shape, dtype=np.float32)
        found[:, :, PT] *= np.maximum(factor, 0.05)
    if options.angle:
        found[:, :, ETA:] += options.angle * rng.standard_normal((*shape, 2), dtype=np.float32)
    if options.turn:
        found[:, :, PHI] += rng.uniform(-math.pi, math.pi, (len(found), 1)).astype(np.float32)
        found[:, :, ETA] *= rng.choice(np.array([-1.0, 1.0], dtype=np.float32), (len(found), 1))
    present = particles[:, :, PT] > 0
    if options.drop:
        kept = rng.random(shape, dtype=np.float32) >= options.drop
        kept[:, BLOCKS[0].rows] = True
        present &= kept
    found[~present] = 0.0
    return _ordered(found)


def overlay(particles: NDArray[np.float32], share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return events of which some have the objects of up to three others as well.

    The background has next to no events with three leptons, and features that are learned from it alone need not see
    them: what rarely varies adds nothing to a variance. Both views are made of the event with its added objects, so the
    features have to tell it from others. arXiv:2301.04660 changes multiplicities for the same reason.

    Parameters
    ----------
    particles : ndarray of float32, shape (N, 19, 3)
    share : float
        Share of the events that get objects.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (N, 19, 3)
        Missing energies are added as vectors; of each block the objects of the largest pT are kept.
    """
    if share == 0:
        return particles
    found = particles.astype(np.float32, copy=True)
    chosen = np.flatnonzero(rng.random(len(found)) < share)
    number = rng.integers(1, _MOST_ADDED, len(chosen), endpoint=True)
    for step in range(_MOST_ADDED):
        places = chosen[number > step]
        found[places] = _merged(found[places], particles[rng.integers(0, len(particles), len(places))])
    return found


def _merged(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the events of `first` with the objects of `second`."""
    found = np.zeros_like(first)
    vector = sum(event[:, 0, PT] * np.exp(1j * event[:, 0, PHI]) for event in (first, second))
    found[:, 0, PT], found[:, 0, PHI] = np.abs(vector), np.angle(vector)
    for block in BLOCKS[1:]:
        rows = np.concatenate([first[:, block.rows], second[:, block.rows]], axis=1)
        order = np.argsort(-rows[:, :, PT], axis=1, kind="stable")[:, : block.count]
        found[:, block.rows] = np.take_along_axis(rows, order[:, :, None], axis=1)
    return found


def _ordered(particles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return events with the objects of each block in the order of their pT, padding behind them."""
    for block in BLOCKS:
        rows = particles[:, block.rows]
        order = np.argsort(-rows[:, :, PT], axis=1, kind="stable")
        particles[:, block.rows] = np.take_along_axis(rows, order[:, :, None], axis=1)
    return particles


@dataclass(frozen=True)
class ViewBatches:
    """Turns events into batches of two views, both of them raw integers that the contract allows.

    The epoch loop takes it in place of `EventBatches`: the second view stands where the targets stand.

    Attributes
    ----------
    events : EventBatches
        Events without augmentation.
    contract : InputContract
        Turns an augmented event into the integers that firmware would see of it.
    options : AugmentationConfig
    seed : int
    """

    events: EventBatches
    contract: InputContract
    options: AugmentationConfig
    seed: int

    def __len__(self) -> int:
        return len(self.events)

    @property
    def input_type(self) -> FixedType:
        """Type of the inputs."""
        return self.events.input_type

    @property
    def input_bits(self) -> tuple[int, ...] | None:
        """Bits that each input can reach, where they are fewer than the type has."""
        return self.events.input_bits

    def take(self, index: NDArray[np.int64] | slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the events at `index` twice, without augmentation."""
        inputs, _ = self.events.take(index)
        return inputs, inputs

    def epoch(self, order: NDArray[np.int64], batch_size: int, blocks: int = 64) -> Any:
        """Yield (first view, second view) of whole batches in `order`, `blocks` batches at a time.

        The views depend on seed and order alone, so a training that resumes sees those of one that was not
        interrupted, and a fixed order, such as that of the validation, has the same views in every epoch.
        """
        rng = np.random.default_rng([self.seed, *(int(place) for place in order[:_SEEDING])])
        steps = len(order) // batch_size
        for begin in range(0, steps, blocks):
            chosen = order[begin * batch_size : min(begin + blocks, steps) * batch_size]
            particles = overlay(np.asarray(self.events.particles[chosen]), self.options.overlay, rng)
            yield self._view(particles, rng), self._view(particles, rng)

    def _view(self, particles: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return network inputs of one random view, shape (N, *shape)."""
        raw = self.contract.encode(augment(particles, self.options, rng)).astype(np.float32)
        return (raw * np.float32(2.0**-self.input_type.fraction)).reshape(-1, *self.events.shape)
