"""Classifier tests: how well a classifier tells events it has not seen from the other sample.

Far weaker than NPLM for small signals, so they are a baseline and never the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import rankdata

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm


@dataclass(frozen=True)
class ClassifierStatistics:
    """Out-of-sample statistics of a classifier.

    Attributes
    ----------
    accuracy : float
        Mean of the two rates of right answers at threshold 0 of ``f``.
    best_accuracy : float
        The same, at the threshold where it is largest.
    auc : float
        Area under the ROC curve; 0.5 for equal samples.
    """

    accuracy: float
    best_accuracy: float
    auc: float


@dataclass(frozen=True)
class ClassifierTest:
    """Trains on one half of both samples and evaluates on the other.

    Attributes
    ----------
    model : KernelNplm
        The classifier; both samples get the same total weight.
    seed : int
        Seed of the split.
    """

    model: KernelNplm = field(default_factory=KernelNplm)
    seed: int = 0

    def statistics(self, reference: Floats, data: Floats) -> ClassifierStatistics:
        """Return the statistics of data of shape (m, d) against a reference of shape (n, d).

        Raises
        ------
        DataError
            When a sample has fewer than four events.

        References
        ----------
        Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017, arXiv:1610.06545.
        """
        if min(len(reference), len(data)) < 4:
            raise DataError("a classifier test needs at least four events of each sample.")
        rng = np.random.default_rng(self.seed)
        train_r, test_r = _halves(reference, rng)
        train_d, test_d = _halves(data, rng)
        model = KernelNplm(**self.model.get_params())
        weights = np.full(len(train_r), len(train_d) / len(train_r))
        prepared = model.prepare(train_r, weights)
        rule = model.standardizer_
        fitted = prepared.test(rule.transform(train_d))
        scores = [fitted.fit.theta @ fitted.basis.transform(rule.transform(x)) for x in (test_r, test_d)]
        return classifier_statistics(*scores)


def classifier_statistics(reference: Floats, data: Floats) -> ClassifierStatistics:
    """Return accuracy and AUC of scores of both samples; larger scores are called data.

    Parameters
    ----------
    reference, data : ndarray of float64, shapes (n,) and (m,)

    Examples
    --------
    >>> classifier_statistics(np.array([-1.0, -2.0]), np.array([1.0, -1.5]))
    ClassifierStatistics(accuracy=0.75, best_accuracy=0.75, auc=0.75)
    """
    n, m = len(reference), len(data)
    scores = np.concatenate([reference, data])
    auc = (rankdata(scores)[n:].sum() - m * (m + 1) / 2) / (n * m)
    thresholds = np.unique(scores)
    below = np.searchsorted(np.sort(reference), thresholds, side="left") / n
    above = 1 - np.searchsorted(np.sort(data), thresholds, side="left") / m
    accuracy = 0.5 * ((reference <= 0).mean() + (data > 0).mean())
    return ClassifierStatistics(float(accuracy), float(np.maximum(0.5 * (below + above), 0.5).max()), float(auc))


def _halves(x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return two random halves."""
    order = rng.permutation(len(x))
    return x[order[: len(x) // 2]], x[order[len(x) // 2 :]]
