"""The calibrated null of a test: toys or theory, p-values of an observation, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import file_digest, versions, whole_file, write_json
from l1ad.records import Record
from l1ad.validation.aggregate import aggregate
from l1ad.validation.checks import as_events, check_independent
from l1ad.validation.kernels import Floats
from l1ad.validation.nulls import Significance, significances
from l1ad.validation.permutation import PermutationTest, Relabelling
from l1ad.validation.reference import NplmTest, Reference
from l1ad.validation.toys import Generator, Source, TwoSampleTest, make_pool, run_toys
from l1ad.validation.varied import varied

NULL_FILE, TOYS_FILE = "null.json", "toys.npy"
#: Toys that the publications take for a Gamma model.
DEFAULT_TOYS = 300


class ReferencedTest(TwoSampleTest, Protocol):
    """A two-sample test that knows its reference, with kernels or with a network."""

    @property
    def reference(self) -> Reference:
        """What the data are compared with."""

    def check(self, data: ArrayLike, names: Sequence[str] | None = None) -> Floats:
        """Return `data` as events of the reference, or raise."""


@dataclass(frozen=True)
class StatisticResult(Record):
    """One statistic of an observation with the models of its null."""

    name: str
    value: float
    models: tuple[Significance, ...]

    def model(self, name: str) -> Significance:
        """Return a model by its name.

        Raises
        ------
        DataError
            When there is no such model.
        """
        for model in self.models:
            if model.model == name:
                return model
        raise DataError(f"{self.name}: no model {name!r}. Known: {', '.join(m.model for m in self.models)}.")

    @property
    def quoted(self) -> Significance:
        """The significance to quote: the Gamma model of the toys, else what there is."""
        return next((m for name in ("gamma", "weighted_chi2") for m in self.models if m.model == name), self.models[0])


@dataclass(frozen=True)
class Assessment(Record):
    """What a test says about a data sample.

    Attributes
    ----------
    statistics : tuple of StatisticResult
        One a kernel width.
    combined : tuple of Significance
        Combinations of several widths; empty for one.
    toys : int
    mode : str
        How the null was made.
    """

    statistics: tuple[StatisticResult, ...]
    combined: tuple[Significance, ...]
    toys: int
    mode: str


@dataclass(frozen=True)
class CalibratedNull:
    """The null distribution of a test.

    Attributes
    ----------
    names : tuple of str
        Names of the statistics.
    toys : ndarray of float64, shape (N, statistics)
        Statistics of null toys; N is 0 for the analytic null.
    analytic : tuple of ndarray
        Weights of the analytic null, one array a statistic; may be empty.
    mode : str
        ``pool``, ``generator``, ``permutation`` or ``analytic``.
    test_digest : str
        SHA-256 of reference and settings the null belongs to.
    details : dict
        Seed, digest of the source, versions.
    """

    names: tuple[str, ...]
    toys: Floats
    analytic: tuple[Floats, ...]
    mode: str
    test_digest: str
    details: dict[str, Any] = field(default_factory=dict)

    def assess(self, values: Floats) -> Assessment:
        """Return p-values and significances of observed statistics.

        Parameters
        ----------
        values : ndarray of float64, shape (statistics,)

        Raises
        ------
        DataError
            When their number differs from that of the null, or one is not finite.
        """
        if values.shape != (len(self.names),):
            raise DataError(f"{values.shape} statistics; the null has {len(self.names)}: {', '.join(self.names)}.")
        results = []
        for column, (name, value) in enumerate(zip(self.names, values, strict=True)):
            weights = self.analytic[column] if self.analytic else None
            toys = self.toys[:, column] if len(self.toys) else np.empty(0)
            results.append(StatisticResult(name, float(value), significances(float(value), toys, weights)))
        combined: tuple[Significance, ...] = ()
        if len(self.names) > 1 and len(self.toys):
            combined = tuple(
                Significance(a.method, s.log_p, s.z, s.z_error, s.is_bound)
                for a in aggregate(values, self.toys)
                for s in (a.significance,)
            )
        return Assessment(tuple(results), combined, len(self.toys), self.mode)

    def check_belongs(self, test: TwoSampleTest) -> None:
        """Check that the null was made for `test`.

        Raises
        ------
        DataError
            When reference or settings differ.
        """
        if test.digest != self.test_digest:
            raise DataError(
                "the null belongs to another reference or other settings (its digest differs). Calibrate again."
            )

    def save(self, folder: Path) -> None:
        """Write the null as ``null.json`` and ``toys.npy``, whole or not at all."""
        with whole_file(folder / TOYS_FILE) as stream:
            np.save(stream, self.toys, allow_pickle=False)
        write_json(
            folder / NULL_FILE,
            {
                "names": list(self.names),
                "mode": self.mode,
                "test": self.test_digest,
                "toys": file_digest(folder / TOYS_FILE),
                "analytic": [weights.tolist() for weights in self.analytic],
                "details": self.details,
            },
        )


def load_null(folder: Path) -> CalibratedNull:
    """Read a null that `CalibratedNull.save` wrote.

    Raises
    ------
    DataError
        When a file is absent, damaged, or not the one the other belongs to.
    """
    path = folder / NULL_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        digest = file_digest(folder / TOYS_FILE)
        if digest != values["toys"]:
            raise DataError(f"{folder / TOYS_FILE}: not the file that {path} describes. Calibrate again.")
        return CalibratedNull(
            tuple(values["names"]),
            np.load(folder / TOYS_FILE, allow_pickle=False),
            tuple(np.array(weights, dtype=np.float64) for weights in values["analytic"]),
            values["mode"],
            values["test"],
            values["details"],
        )
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file; expected a calibrated null.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not readable as a calibrated null ({error}).") from error


def calibrate(
    test: TwoSampleTest,
    mode: Literal["pool", "generator", "analytic"] = "pool",
    *,
    expected: float | None = None,
    pool: ArrayLike | None = None,
    generator: Generator | None = None,
    toys: int = DEFAULT_TOYS,
    seed: int = 0,
    workers: int = 1,
    executor: Executor | str | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibratedNull:
    """Return the null of a test against a fixed reference.

    Parameters
    ----------
    test : TwoSampleTest
        For example `l1ad.validation.reference.NplmTest`.
    mode : {"pool", "generator", "analytic"}, optional
        ``pool``: toys are drawn from events disjoint from the reference; ``generator``: from a function; ``analytic``:
        no toys, the weighted chi-squared of the Gram spectrum. For toys by permutation see `permute`.
    expected : float, optional
        Mean number of events of a toy from the pool; by default that of the reference.
    pool : array of shape (n, d), optional
    generator : Generator, optional
    toys, seed, workers, executor, folder, progress : optional
        See `l1ad.validation.toys.run_toys`.

    Raises
    ------
    DataError
        When the pool is the reference, or shares events with it.
    ConfigurationError
        When what the mode needs is missing.
    """
    analytic: tuple[Floats, ...] = ()
    if isinstance(test, NplmTest) and test.model.centers == "greedy" and not test.nuisances:
        analytic = tuple(test.analytic())
    if mode == "analytic":
        if not analytic:
            raise ConfigurationError(
                "the analytic null exists for NPLM with greedy centers only, without nuisances. Use toys."
            )
        return CalibratedNull(test.names, np.empty((0, len(analytic))), analytic, mode, test.digest, _details(None, 0))
    source = _source(test, mode, expected, pool, generator)
    values = run_toys(
        test, source, toys, seed=seed, workers=workers, executor=executor, folder=folder, progress=progress
    )
    return CalibratedNull(test.names, values, analytic, mode, test.digest, _details(source, seed))


def permute(
    test: NplmTest,
    data: ArrayLike,
    *,
    toys: int = DEFAULT_TOYS,
    seed: int = 0,
    workers: int = 1,
    executor: Executor | str | None = None,
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Assessment, CalibratedNull]:
    """Test data with the permutations of the pooled sample as the null.

    Exact for any size of the reference, and the one to take when there is no pool. The number of data events is
    kept, so only the shape is tested; the reference must be unweighted.

    Returns
    -------
    Assessment
    CalibratedNull
        Valid for these data only.
    """
    events = test.check(data, names)
    check_independent(test.reference.x, events)
    if test.reference.weights is not None:
        raise ConfigurationError(
            "a weighted reference cannot be permuted: its events are not exchangeable. Use a pool."
        )
    if test.nuisances:
        raise ConfigurationError("nuisances need toys that fluctuate within them: use a pool, not permutations.")
    pooled = PermutationTest(np.concatenate([test.reference.x, events]), len(test.reference.x), test.model, test.widths)
    source = Relabelling(len(pooled.x), len(events))
    values = run_toys(pooled, source, toys, seed=seed, workers=workers, executor=executor, progress=progress)
    null = CalibratedNull(pooled.names, values, (), "permutation", pooled.digest, _details(source, seed))
    return null.assess(pooled.observed()), null


def run(
    test: ReferencedTest,
    data: ArrayLike,
    null: CalibratedNull,
    *,
    names: Sequence[str] | None = None,
) -> Assessment:
    """Test data against the reference with a calibrated null.

    Parameters
    ----------
    test : ReferencedTest
    data : array of shape (m, d)
    null : CalibratedNull
        From `calibrate` or `load_null`.
    names : sequence of str, optional
        Feature names of the data; they must be those of the reference, in their order.

    Raises
    ------
    DataError
        When the data are not usable, are part of the reference, or the null belongs to another test.
    """
    null.check_belongs(test)
    events = test.check(data, names)
    check_independent(test.reference.x, events)
    return null.assess(test.statistics(events))


def _source(
    test: TwoSampleTest, mode: str, expected: float | None, pool: ArrayLike | None, generator: Generator | None
) -> Source:
    """Return where the data of the toys come from; with nuisances the toys fluctuate within them."""
    nuisances = test.nuisances if isinstance(test, NplmTest) else ()
    if mode == "generator":
        if generator is None:
            raise ConfigurationError("mode 'generator': give a Generator.")
        return varied(generator, nuisances)
    if mode != "pool":
        raise ConfigurationError(f"mode {mode!r}: expected 'pool', 'generator' or 'analytic'.")
    if pool is None:
        raise ConfigurationError("mode 'pool': give a pool of events that is disjoint from the reference.")
    reference = getattr(test, "reference", None)
    if reference is None:
        raise ConfigurationError("mode 'pool': the test has no reference to compare the pool with.")
    size = reference.expected if expected is None else expected
    return varied(make_pool(reference.x, as_events(pool, "pool"), size), nuisances)


def _details(source: Source | None, seed: int) -> dict[str, Any]:
    """Return what else a stored null says about itself."""
    return {
        "source": source.digest if source is not None else "",
        "seed": seed,
        "versions": versions(["numpy", "scipy", "scikit-learn"]),
    }
