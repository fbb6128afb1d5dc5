"""Does a generator describe a reference sample, feature by feature, as a whole, and how much could it be wrong?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from l1ad.errors import DataError
from l1ad.records import Record
from l1ad.validation.calibration import Assessment, permute
from l1ad.validation.checks import check_columns
from l1ad.validation.deformation import Exclusion, PoolDraw, Scan
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.samples import SampleFile
from l1ad.validation.two_sample import compare_samples

#: Events of the sample that are tested, and events of the reference that NPLM sees for each of them.
_EVENTS, _RATIO = 1000, 10
LEVELS = (0.95, 0.99)


@dataclass(frozen=True)
class FeatureComparison(Record):
    """One feature of both samples.

    Attributes
    ----------
    name : str
    shift : float
        Difference of the means, sample minus reference, in standard deviations of the reference.
    shift_error : float
    width_ratio : float
        Standard deviation of the sample over that of the reference; 1 when both are constant.
    ks_p : float
        p-value of the Kolmogorov-Smirnov test, not corrected for the number of features.
    """

    name: str
    shift: float
    shift_error: float
    width_ratio: float
    ks_p: float


@dataclass(frozen=True)
class GeneratorReport(Record):
    """What `compare_generators` found.

    Attributes
    ----------
    features : tuple of FeatureComparison
    nplm, distances : Assessment
        By permutation.
    exclusions : tuple of Exclusion
        Smallest deformations of the reference that the distances exclude with samples of `scan_events`; features in
        units of their standard deviation.
    reference_events, sample_events, scan_events : int
        Events that NPLM saw, and events of each sample of the scan.
    """

    features: tuple[FeatureComparison, ...]
    nplm: Assessment
    distances: Assessment
    exclusions: tuple[Exclusion, ...]
    reference_events: int
    sample_events: int
    scan_events: int


@dataclass(frozen=True)
class GeneratorSettings:
    """How two samples are compared.

    Attributes
    ----------
    events : int
        At most so many events of the sample; of the reference ten times as many for NPLM, as many for the distances.
    toys : int
        Permutations, and null pairs of the scan.
    tests : tuple of str
        Keys of `l1ad.validation.two_sample.STATISTICS`.
    deformations : tuple of str
        Keys of `l1ad.validation.deformation.DEFORMATIONS`; none: no scan.
    scan_tests : tuple of str
        Tests whose smallest excluded deformations are sought.
    repetitions : int
        Pairs of samples at each deformation.
    widths : tuple of float
        Kernel widths of NPLM.
    seed, workers : int
    """

    events: int = _EVENTS
    toys: int = 199
    tests: tuple[str, ...] = ("ks", "sliced_wasserstein", "mmd")
    deformations: tuple[str, ...] = ("feature_shift", "scale", "smear", "decorrelate")
    scan_tests: tuple[str, ...] = ("sliced_wasserstein", "mmd")
    repetitions: int = 10
    widths: tuple[float, ...] = ()
    seed: int = 0
    workers: int = 1


def compare_generators(
    reference: SampleFile,
    sample: SampleFile,
    settings: GeneratorSettings | None = None,
    progress: Callable[[str], None] | None = None,
) -> GeneratorReport:
    """Compare a generator's sample with a reference: another generator's, or data.

    Parameters
    ----------
    reference, sample : SampleFile
    settings : GeneratorSettings, optional
    progress : callable, optional
        Told what is being done.

    Raises
    ------
    DataError
        When the features differ, or there are too few events.
    """
    s = settings or GeneratorSettings()
    tell = progress or (lambda text: None)
    check_columns(reference.x, sample.x, reference.names, sample.names)
    names = reference.names or sample.names or tuple(str(k) for k in range(reference.x.shape[1]))
    tell("features")
    features = tuple(compare_feature(n, a, b) for n, a, b in zip(names, reference.x.T, sample.x.T, strict=True))
    rng = np.random.default_rng(s.seed)
    y = _part(sample.x, s.events, rng)
    x = _part(reference.x, _RATIO * len(y), rng)
    tell(f"NPLM, {s.toys} permutations")
    test = NplmTest(make_reference(x, expected=len(y)), KernelNplm(), s.widths)
    nplm, _ = permute(test, y, toys=s.toys, seed=s.seed, workers=s.workers)
    tell(f"distances, {s.toys} permutations")
    shift, scale = reference.x.mean(axis=0), _spread(reference.x)
    equal = (x[: len(y)] - shift) / scale
    distances = compare_samples(equal, (y - shift) / scale, s.tests, toys=s.toys, seed=s.seed, workers=s.workers)
    scan_events = min(s.events, len(reference.x) // 2)
    exclusions = _scan((reference.x - shift) / scale, scan_events, s, tell)
    return GeneratorReport(features, nplm, distances, exclusions, len(x), len(y), scan_events)


def compare_feature(name: str, reference: Floats, sample: Floats) -> FeatureComparison:
    """Compare one feature, arrays of shape (n,) and (m,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = compare_feature("pt", rng.normal(size=5000), rng.normal(1.0, 2.0, 5000))
    >>> round(found.shift, 1), round(found.width_ratio, 1), found.ks_p < 1e-9
    (1.0, 2.0, True)
    """
    spread, other = float(reference.std()), float(sample.std())
    unit = spread or 1.0
    error = float(np.sqrt(spread**2 / len(reference) + other**2 / len(sample)))
    ratio = other / spread if spread else (1.0 if other == 0 else float("inf"))
    p = float(ks_2samp(reference, sample, method="asymp").pvalue)
    return FeatureComparison(name, float(sample.mean() - reference.mean()) / unit, error / unit, ratio, p)


def _scan(x: Floats, events: int, s: GeneratorSettings, tell: Callable[[str], None]) -> tuple[Exclusion, ...]:
    """Return the smallest excluded deformation of every test, deformation and level."""
    if not s.deformations:
        return ()
    if events < 30:
        raise DataError(f"the reference: {len(x)} events, too few for a scan. Give at least 60, or no deformations.")
    scan = Scan(PoolDraw(x), events, s.toys, s.repetitions, s.seed)
    found: list[Exclusion] = []
    for test in s.scan_tests:
        tell(f"deformation scan, {test}")
        null = scan.null(test)
        for deformation in s.deformations:
            largest = 1.0 if deformation == "decorrelate" else 10.0
            found += scan.exclude_levels(test, deformation, null, LEVELS, largest=largest)
    return tuple(found)


def _part(x: Floats, events: int, rng: np.random.Generator) -> Floats:
    """Return at most so many events, drawn without replacement."""
    return x[rng.choice(len(x), min(len(x), events), replace=False)]


def _spread(x: Floats) -> Floats:
    """Return the standard deviation of every feature, 1 where it is constant."""
    spread = x.std(axis=0)
    return np.asarray(np.where(spread > 0, spread, 1.0))


def excluded(exclusions: Sequence[Exclusion], test: str, deformation: str, level: float) -> Exclusion:
    """Return the exclusion of a test, a deformation and a level.

    Raises
    ------
    DataError
        When the scan did not cover it.
    """
    for item in exclusions:
        if (item.test, item.deformation, item.level) == (test, deformation, level):
            return item
    raise DataError(f"the scan has no {test} of {deformation} at {level:g}.")
