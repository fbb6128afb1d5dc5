"""Toys that fluctuate within the systematic uncertainties of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from l1ad.errors import DataError
from l1ad.provenance import value_digest
from l1ad.validation.kernels import Floats
from l1ad.validation.nuisances import Nuisance, deltas
from l1ad.validation.toys import Generator, Pool

#: A toy from a generator is thinned from so many times its expected events; larger ratios are cut off there.
_HEADROOM = 4.0


@dataclass
class Varied:
    """A source whose density moves with nuisance parameters drawn from their auxiliary measurements.

    Each toy has its own ``nu ~ N(0, 1)`` and the density of the source times ``e^(sum nu delta(x))``. A toy in which
    the auxiliary measurement fluctuates instead has the same statistic.

    Attributes
    ----------
    source : Pool or Generator
    nuisances : tuple of Nuisance
    """

    source: Pool | Generator
    nuisances: tuple[Nuisance, ...]
    _pool_deltas: Floats | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Leave the columns of the pool out: they are computed again where the source arrives."""
        return {**self.__dict__, "_pool_deltas": None}

    @property
    def digest(self) -> str:
        """SHA-256 of the source and the nuisances."""
        return value_digest(["varied", self.source.digest, [n.digest for n in self.nuisances]])

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return the events of one toy."""
        nu = rng.normal(size=len(self.nuisances))
        if isinstance(self.source, Pool):
            if self._pool_deltas is None:
                self._pool_deltas = deltas(self.nuisances, self.source.x)
            return _from_pool(rng, self.source, _ratio(nu, self._pool_deltas))
        source = self.source
        x = np.asarray(source.function(rng, int(rng.poisson(_HEADROOM * source.expected))), dtype=np.float64)
        kept = rng.random(len(x)) < _ratio(nu, deltas(self.nuisances, x)) / _HEADROOM
        if not kept.any():
            raise DataError(f"generator {source.name}: a varied toy has no event. Raise the expected number.")
        return x[kept]


def varied(source: Pool | Generator, nuisances: Sequence[Nuisance]) -> Pool | Generator | Varied:
    """Return the source, varied when there are nuisances."""
    return Varied(source, tuple(nuisances)) if nuisances else source


def _ratio(nu: Floats, rows: Floats) -> Floats:
    """Return the factor of the density at events whose ``delta`` are `rows`, shape (k, n)."""
    return np.asarray(np.exp(np.minimum(nu @ rows, np.log(_HEADROOM))))


def _from_pool(rng: np.random.Generator, pool: Pool, ratio: Floats) -> Floats:
    """Draw events without replacement with chances in proportion to `ratio`.

    References
    ----------
    Efraimidis and Spirakis, Inf. Process. Lett. 97 (2006) 181 (the smallest of exponential numbers over weights).
    """
    count = max(int(rng.poisson(pool.expected * float(ratio.mean()))), 1)
    if count >= len(pool.x):
        raise DataError(f"pool: {len(pool.x)} events, a varied toy needs {count}. Give a larger pool.")
    keys = rng.exponential(size=len(pool.x)) / ratio
    return pool.x[np.sort(np.argpartition(keys, count)[:count])]
