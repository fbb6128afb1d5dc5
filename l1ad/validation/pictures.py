"""Draws all pictures of a comparison into one folder."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from l1ad.validation import plots
from l1ad.validation.calibration import Assessment, CalibratedNull
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest
from l1ad.validation.samples import SampleFile

#: Events of the sample and of the reference that the learned ratio of `draw_features` sees.
_EVENTS, _REFERENCE = 5000, 50_000


def draw_all(folder: Path, test: NplmTest, null: CalibratedNull, found: Assessment, data: Floats) -> list[Path]:
    """Draw the null of every statistic, Z against the width, and the ratio of every feature.

    Parameters
    ----------
    folder : Path
        Where the ``.png`` files go.
    test : NplmTest
    null : CalibratedNull
    found : Assessment
        Of `data` with `null`.
    data : ndarray of float64, shape (m, d)

    Returns
    -------
    list of Path
    """
    paths = []
    for index in range(len(found.statistics)):
        paths.append(folder / f"null_{index}.png")
        plots.save_figure(plots.plot_null(null, found, index), paths[-1])
    if len(found.statistics) > 1:
        paths.append(folder / "widths.png")
        plots.save_figure(plots.plot_widths(found), paths[-1])
    reference = test.reference
    width = test.widths[0] if test.widths else test.model.width
    model = KernelNplm(**{**test.model.get_params(), "width": width})
    model.fit_samples(reference.x, data, expected=reference.expected, weights=reference.weights)
    names = reference.names or tuple(str(k) for k in range(reference.x.shape[1]))
    return paths + _ratios(folder, model, reference.x, data, names, reference.event_weights)


def draw_features(folder: Path, reference: SampleFile, sample: SampleFile, seed: int = 0) -> list[Path]:
    """Draw the ratio of every feature of two samples with the learned density ratio."""
    rng = np.random.default_rng(seed)
    x, y = (
        sample.x[rng.choice(len(sample.x), min(len(sample.x), count), replace=False)]
        for sample, count in ((reference, _REFERENCE), (sample, _EVENTS))
    )
    model = KernelNplm().fit_samples(x, y)
    names = reference.names or tuple(str(k) for k in range(x.shape[1]))
    return _ratios(folder, model, x, y, names, np.full(len(x), len(y) / len(x)))


def _ratios(
    folder: Path, model: KernelNplm, x: Floats, y: Floats, names: tuple[str, ...], weights: Floats
) -> list[Path]:
    """Draw the ratio of every feature."""
    paths = []
    for feature, name in enumerate(names):
        label = re.sub(r"[^A-Za-z0-9_]+", "_", name)
        paths.append(folder / f"ratio_{feature}_{label}.png")
        plots.save_figure(plots.plot_ratio(model, x, y, feature, name=name, weights=weights), paths[-1])
    return paths
