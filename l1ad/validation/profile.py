"""The statistic with nuisance parameters: ``t = tau - Delta``, both fitted by the solver of the kernel.

``Delta`` fits the nuisance parameters alone. ``tau`` fits ``f`` as well, in one of two ways:

- ``fixed``: the nuisance parameters stay where ``Delta`` put them, and ``f`` is learned against the reference that
  they give. A shift within the uncertainty leaves nothing to ``f``.
- ``free``, as published: both are fitted together. ``f`` then also earns what the auxiliary measurements cost in
  ``Delta``, so data that pull a nuisance by two standard deviations raise ``t`` by up to 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from l1ad.errors import ConfigurationError
from l1ad.validation.kernels import Floats
from l1ad.validation.logistic import Fit, JoinedFeatures, Sample, StoredFeatures, extend_sample, fit, make_sample
from l1ad.validation.nuisances import Nuisance, deltas
from l1ad.validation.prepared import Pair, PreparedReference
from l1ad.validation.standardize import Standardizer

#: What the fit with ``f`` does with the nuisance parameters.
NUISANCE_FITS = ("fixed", "free")


@dataclass(frozen=True)
class Profile:
    """What the two fits found.

    Attributes
    ----------
    tau : float
        Twice the log likelihood ratio with ``f`` and the nuisance parameters free.
    delta : float
        The same with the nuisance parameters alone.
    pulls : ndarray of float64, shape (k,)
        Nuisance parameters of the fit without ``f``, in standard deviations.
    pulls_with_f : ndarray of float64, shape (k,)
        Those of the fit with ``f``; the same when they are fixed.
    """

    tau: float
    delta: float
    pulls: Floats
    pulls_with_f: Floats

    @property
    def statistic(self) -> float:
        """``t = tau - Delta``."""
        return self.tau - self.delta


@dataclass
class ProfiledReference:
    r"""A prepared reference with systematic uncertainties.

    The logarithm of the density ratio is :math:`u = f + \sum_k \nu_k \delta_k(x)`. The nuisance parameters are
    further coefficients of the same convex loss: the columns :math:`\delta_k` stand below the features of the kernel,
    and their penalty is the auxiliary measurement :math:`\nu_k^2/2`. Near the minimum the logistic loss is half the
    negative log likelihood, so the penalty in it is :math:`\nu_k^2/4`.

    Attributes
    ----------
    prepared : PreparedReference
    standardizer : Standardizer
    nuisances : sequence of Nuisance
    mode : {"fixed", "free"}

    References
    ----------
    D'Agnolo et al., EPJC 82 (2022) 275, arXiv:2111.13633, equations 20 to 28 (tau and Delta); with kernels and their
    convex loss here.
    """

    prepared: PreparedReference
    standardizer: Standardizer
    nuisances: Sequence[Nuisance]
    mode: str = "fixed"
    _columns: Floats | None = field(default=None, init=False, repr=False)
    _joined: tuple[Sample, Sample] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.prepared.settings.solver != "newton":
            raise ConfigurationError("nuisances need both fits at their minimum: use solver='newton'.")
        names = [nuisance.name for nuisance in self.nuisances]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"nuisances {', '.join(names)}: two have the same name.")

    def test(self, data: Floats, *, seed: int | None = None) -> Profile:
        """Fit data of shape (m, d) in standard units, with and without ``f``."""
        pair = self.prepared.against(data, seed=seed)
        more = deltas(self.nuisances, self.standardizer.restore(pair.x))
        reference, sample = self._reference(pair.reference), _join(pair.data, more)
        count = len(self.nuisances)
        auxiliary = np.full(count, 0.5 / pair.events)
        alone = fit(_last(reference, count), _last(sample, count), auxiliary, events=pair.events)
        delta = _likelihood(alone, alone.theta)
        if self.mode == "fixed":
            return Profile(delta + self._against_varied(pair, alone), delta, alone.theta, alone.theta)
        penalty = np.r_[np.full(pair.basis.rank, self.prepared.settings.penalty), auxiliary]
        both = fit(reference, sample, penalty, events=pair.events)
        pulls = both.theta[-count:]
        return Profile(_likelihood(both, pulls), delta, alone.theta, pulls)

    def _against_varied(self, pair: Pair, alone: Fit) -> float:
        """Return the statistic against the reference with the weights that the nuisance parameters give."""
        features = pair.reference.features
        varied = make_sample(features, pair.reference.weights * np.exp(alone.reference_values))
        return fit(varied, pair.data, self.prepared.settings.penalty, events=pair.events).statistic

    def _reference(self, sample: Sample) -> Sample:
        """Return the reference with the columns of the nuisances; kept as long as its basis is the same."""
        if self._columns is None:
            self._columns = deltas(self.nuisances, self.standardizer.restore(self.prepared.x))
        if self._joined is None or self._joined[0] is not sample:
            self._joined = (sample, _join(sample, self._columns))
        return self._joined[1]


def _join(sample: Sample, more: Floats) -> Sample:
    """Return a sample with further features, shape (k, n)."""
    return extend_sample(sample, len(more), lambda part, known: more[:, part])


def _last(sample: Sample, count: int) -> Sample:
    """Return the sample with the last features of joined ones alone."""
    features = sample.features
    if not isinstance(features, JoinedFeatures):
        raise ConfigurationError("the sample has no columns of nuisances.")
    gram, total = sample.gram[-count:, -count:], sample.total[-count:]
    return Sample(StoredFeatures(features.more), sample.weights, gram, total)


def _likelihood(found: Fit, pulls: Floats) -> float:
    """Return twice the log likelihood ratio, the auxiliary measurements included."""
    return found.statistic - float(pulls @ pulls)
