"""The integer definition of the scores against Python's unbounded integers, and its table against decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from l1ad.config import ScoreConfig
from l1ad.errors import ConfigurationError, DataError
from l1ad.records import FixedType
from l1ad.scores.floating import score_float
from l1ad.scores.integer import divergence_table, inverse_variance_table, score_raw
from l1ad.scores.spec import ScoreSpec, score_spec

MEAN = FixedType(True, 10, 5)
LOG_VARIANCE = FixedType(True, 8, 4)
TABLE = FixedType(False, 10, 5)
SCORE = FixedType(False, 20, 14)


def slow_entry(address: int, log_variance: FixedType, table: FixedType, kind: str = "rz") -> int:
    """Return one entry of the table, computed with 60 decimals."""
    raw = address
    if log_variance.signed and address >= 1 << (log_variance.width - 1):
        raw -= 1 << log_variance.width
    with localcontext() as context:
        context.prec = 60
        value = Decimal(raw) * Decimal(2) ** -log_variance.fraction
        exact = ((-value).exp() if kind == "rz" else value.exp() - value - 1) * Decimal(2) ** table.fraction
        limit = Decimal(2) ** table.width - 1
        return int(min(exact, limit).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def slow_score(mean: list[int], log_variance: list[int], spec: ScoreSpec, table: list[int]) -> int:
    """Return the raw score of one event with unbounded integers."""
    if spec.kind == "kl":
        mask, unit = (1 << spec.log_variance.width) - 1, Fraction(2) ** spec.score.fraction
        terms = [Fraction(mu * mu) / Fraction(2) ** (2 * spec.mean.fraction) for mu in mean]
        terms += [Fraction(table[lv & mask]) / Fraction(2) ** spec.table.fraction for lv in log_variance]
        return min(int(sum(terms) / 2 * unit), 2**spec.score.width - 1)
    total = 0
    for mu, lv in zip(mean, log_variance, strict=True):
        weight = table[lv % (1 << spec.log_variance.width)] if spec.kind == "rz" else 1
        total += mu * mu * weight
    fraction = 2 * spec.mean.fraction + (spec.table.fraction if spec.kind == "rz" else 0)
    # Floor division by a power of two, or a product with one: no shift operator as in the code under test.
    numerator, denominator = (
        total * 2 ** max(spec.score.fraction - fraction, 0),
        2 ** max(fraction - spec.score.fraction, 0),
    )
    return min(numerator // denominator, 2**spec.score.width - 1)


def random_spec(rng: np.random.Generator) -> ScoreSpec | None:
    """Return a random score, or None when the drawn types have no exact sum."""

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high, endpoint=True))

    mean_width, address_width, table_width, score_width = draw(2, 20), draw(2, 9), draw(2, 18), draw(2, 24)
    try:
        return ScoreSpec(
            kind=str(rng.choice(["rz", "mu2", "kl"])),
            latent=draw(1, 9),
            mean=FixedType(True, mean_width, draw(-2, mean_width + 2)),
            log_variance=FixedType(bool(rng.integers(2)), address_width, draw(0, min(address_width, 5))),
            table=FixedType(False, table_width, draw(0, table_width)),
            score=FixedType(False, score_width, draw(0, 24)),
        )
    except ConfigurationError:
        return None


def random_latent(rng: np.random.Generator, fixed: FixedType, events: int, latent: int) -> np.ndarray:
    """Return random raw integers; one event in eight sits at the limits of the type."""
    values = rng.integers(fixed.minimum, fixed.maximum, (events, latent), endpoint=True)
    limits = rng.choice([fixed.minimum, fixed.maximum, 0], (events, latent))
    return np.where(rng.random((events, 1)) < 0.125, limits, values)


def test_random_types_and_values_equal_unbounded_integers():
    rng = np.random.default_rng(20)
    specs = [spec for spec in (random_spec(rng) for _ in range(220)) if spec is not None]
    saturated = negative_shifts = compared = 0
    for spec in specs:
        mean = random_latent(rng, spec.mean, 40, spec.latent)
        mean[0] = spec.mean.minimum
        log_variance = random_latent(rng, spec.log_variance, 40, spec.latent)
        log_variance[0] = spec.log_variance.minimum
        addresses = range(1 << spec.log_variance.width)
        table = [slow_entry(a, spec.log_variance, spec.table, spec.kind) for a in addresses]
        expected = [slow_score(m, v, spec, table) for m, v in zip(mean.tolist(), log_variance.tolist(), strict=True)]
        found = score_raw(mean, log_variance, spec)
        np.testing.assert_array_equal(found, expected, err_msg=str(spec))
        assert found.dtype == np.int64
        compared += len(found)
        saturated += sum(value == spec.score.maximum for value in expected)
        negative_shifts += spec.shift < 0
    # The draw reaches the corners that the comparison is for.
    assert compared > 4000
    assert 100 < saturated < compared - 100
    assert negative_shifts >= 5


def test_sum_of_the_extremes_fits_the_accumulator_exactly():
    for latent in (1, 2, 3, 4, 5, 8):
        spec = ScoreSpec("rz", latent, MEAN, LOG_VARIANCE, TABLE, SCORE)
        largest = latent * MEAN.minimum**2 * TABLE.maximum
        assert largest <= spec.accumulator.maximum
        # One bit fewer would not do for a power of two of latent variables at full table weight.
        assert largest > spec.accumulator.maximum >> 2
        mean = np.full((1, latent), MEAN.minimum)
        log_variance = np.full((1, latent), LOG_VARIANCE.minimum)
        assert score_raw(mean, log_variance, spec)[0] == min(largest >> spec.shift, SCORE.maximum)


@pytest.mark.parametrize("kind", ["rz", "mu2"])
def test_widest_sum_does_not_overflow(kind):
    # 62 bits: 2 * 24 - 1 + 13 + 2 for rz.
    whole = FixedType(False, 24, 24)
    spec = ScoreSpec(kind, 3, FixedType(True, 24, 24), FixedType(True, 4, 4), FixedType(False, 13, 13), whole)
    assert spec.accumulator.width == (62 if kind == "rz" else 49)
    mean = np.full((1, 3), spec.mean.minimum)
    log_variance = np.full((1, 3), spec.log_variance.minimum)
    table = [slow_entry(a, spec.log_variance, spec.table) for a in range(16)]
    expected = slow_score([spec.mean.minimum] * 3, [spec.log_variance.minimum] * 3, spec, table)
    assert score_raw(mean, log_variance, spec)[0] == expected == whole.maximum


def test_negative_shift_appends_zeros():
    spec = ScoreSpec("mu2", 1, FixedType(True, 6, 6), LOG_VARIANCE, TABLE, FixedType(False, 20, 14))
    assert spec.shift == -6
    assert score_raw(np.array([[-32], [3]]), None, spec).tolist() == [32 * 32 * 64, 9 * 64]


@pytest.mark.parametrize(
    ("log_variance", "table"),
    [
        (FixedType(True, 8, 4), FixedType(False, 10, 5)),
        (FixedType(True, 10, 5), FixedType(False, 18, 9)),
        (FixedType(False, 6, 3), FixedType(False, 8, 0)),
        (FixedType(True, 12, 12), FixedType(False, 18, 18)),
        (FixedType(True, 5, -1), FixedType(False, 12, 4)),
        (FixedType(True, 2, 1), FixedType(False, 2, 1)),
    ],
    ids=str,
)
def test_table_equals_sixty_decimals(log_variance, table):
    expected = [slow_entry(address, log_variance, table) for address in range(1 << log_variance.width)]
    np.testing.assert_array_equal(inverse_variance_table(log_variance, table), expected)


def test_table_saturates_and_so_puts_a_floor_on_sigma():
    table = inverse_variance_table(LOG_VARIANCE, TABLE)
    # exp(3.5) * 32 is above 1023, the next entry is below.
    assert table[-56 % 256] == TABLE.maximum
    assert table[-55 % 256] == slow_entry(-55 % 256, LOG_VARIANCE, TABLE) < TABLE.maximum
    spec = ScoreSpec("rz", 1, MEAN, LOG_VARIANCE, TABLE, SCORE)
    scores = score_raw(np.full((3, 1), 100), np.array([[-56], [-90], [-128]]), spec)
    assert len(set(scores.tolist())) == 1
    # Negative control: above the floor the score depends on sigma.
    assert score_raw(np.array([[100]]), np.array([[-55]]), spec)[0] < scores[0]


def test_one_changed_entry_of_the_table_is_seen(monkeypatch):
    spec = ScoreSpec("rz", 3, MEAN, LOG_VARIANCE, TABLE, SCORE)
    rng = np.random.default_rng(3)
    mean = random_latent(rng, MEAN, 2000, 3)
    log_variance = random_latent(rng, LOG_VARIANCE, 2000, 3)
    before = score_raw(mean, log_variance, spec)
    changed = inverse_variance_table(LOG_VARIANCE, TABLE)
    changed[7] ^= 1 << 4
    monkeypatch.setattr("l1ad.scores.integer.inverse_variance_table", lambda *_: changed)
    after = score_raw(mean, log_variance, spec)
    uses_it = (log_variance == 7).any(axis=1)
    assert (before != after).any()
    np.testing.assert_array_equal(before[~uses_it], after[~uses_it])


def test_table_of_the_divergence_against_decimals():
    table = divergence_table(LOG_VARIANCE, TABLE)
    assert table.tolist() == [slow_entry(a, LOG_VARIANCE, TABLE, "kl") for a in range(256)]
    assert (table[0], table.max(), table.min()) == (0, TABLE.maximum, 0)


def test_one_changed_entry_of_the_divergence_is_seen(monkeypatch):
    spec = ScoreSpec("kl", 3, MEAN, LOG_VARIANCE, TABLE, SCORE)
    rng = np.random.default_rng(3)
    mean = random_latent(rng, MEAN, 2000, 3)
    log_variance = random_latent(rng, LOG_VARIANCE, 2000, 3)
    before = score_raw(mean, log_variance, spec)
    changed = divergence_table(LOG_VARIANCE, TABLE)
    changed[20] ^= 1 << 4
    monkeypatch.setattr("l1ad.scores.integer.divergence_table", lambda *_: changed)
    after = score_raw(mean, log_variance, spec)
    uses_it = (log_variance == 20).any(axis=1)
    assert (before != after).any()
    np.testing.assert_array_equal(before[~uses_it], after[~uses_it])


def test_largest_divergence_fits_the_accumulator_and_its_type_is_no_bit_too_wide():
    spec = ScoreSpec("kl", 5, MEAN, LOG_VARIANCE, TABLE, SCORE)
    left = spec.aligned
    largest = 5 * ((MEAN.minimum**2 << left[0]) + (TABLE.maximum << left[1]))
    assert spec.accumulator.maximum >= largest > spec.accumulator.maximum >> 1
    # mu^2 counts units of 2**-10, an entry 2**-5; half of the sum counts 2**-11.
    assert (left, spec.accumulator.fraction, spec.shift) == ((0, 5), 11, 5)


@pytest.mark.parametrize("kind", ["rz", "mu2", "kl"])
def test_integer_score_converges_to_the_float_score(kind):
    mean_type, address = FixedType(True, 18, 4), FixedType(True, 12, 3)
    table, score = FixedType(False, 18, 6), FixedType(False, 24, 13)
    spec = ScoreSpec(kind, 3, mean_type, address, table, score)
    rng = np.random.default_rng(5)
    mean = rng.normal(0, 2, (5000, 3)).clip(-7, 7)
    log_variance = rng.normal(-1, 1, (5000, 3)).clip(-3.9, 3.9)
    exact = score_float(mean, log_variance, spec)
    raw = score_raw(
        np.rint(mean * 2.0**mean_type.fraction).astype(np.int64),
        np.rint(log_variance * 2.0**address.fraction).astype(np.int64),
        spec,
    )
    found = raw * 2.0**-score.fraction
    np.testing.assert_allclose(found, exact, rtol=2e-3, atol=2e-3)
    # Negative control: the score of the other kind is far away.
    other = ScoreSpec({"rz": "mu2", "mu2": "kl", "kl": "rz"}[kind], 3, mean_type, address, table, score)
    assert np.median(np.abs(score_float(mean, log_variance, other) - exact)) > 0.1


def test_float_score_has_the_ceiling_of_the_table():
    spec = ScoreSpec("rz", 1, MEAN, LOG_VARIANCE, TABLE, SCORE)
    ceiling = TABLE.maximum / 32
    scores = score_float(np.ones((3, 1)), np.array([[-4.0], [-900.0], [0.0]]), spec)
    np.testing.assert_allclose(scores, [ceiling, ceiling, 1.0])


def test_wrong_arrays_are_refused():
    spec = ScoreSpec("rz", 3, MEAN, LOG_VARIANCE, TABLE, SCORE)
    good = np.zeros((4, 3), dtype=np.int64)
    cases = [
        (good[:, :2], good, "mean has shape (4, 2); expected (N, 3)"),
        (good[0], good, "mean has shape (3,)"),
        (good, good[:, :2], "log_variance has shape"),
        (good, good[:1], "4 events of mean, 1 of log_variance"),
        (good.astype(np.float32), good, "mean has type float32"),
        (good, good.astype(bool), "log_variance has type bool"),
        (good + MEAN.maximum + 1, good, "outside fixed<10,5>"),
        (good, good + LOG_VARIANCE.minimum - 1, "outside fixed<8,4>"),
        (good, None, "log_variance is missing"),
    ]
    for mean, log_variance, message in cases:
        with pytest.raises(DataError) as caught:
            score_raw(mean, log_variance, spec)
        assert message in str(caught.value)
    assert score_raw(good, good, spec).tolist() == [0, 0, 0, 0]


def test_no_events_give_no_scores():
    spec = ScoreSpec("rz", 3, MEAN, LOG_VARIANCE, TABLE, SCORE)
    empty = np.zeros((0, 3), dtype=np.int64)
    assert score_raw(empty, empty, spec).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": FixedType(False, 10, 5)}, "unsigned"),
        ({"mean": FixedType(True, 24, 10), "table": FixedType(False, 18, 9)}, "needs 67 bits"),
        ({"mean": FixedType(True, 24, 24), "score": FixedType(False, 24, 0), "kind": "mu2"}, "needs 73 bits"),
        ({"mean": FixedType(True, 10, -25), "score": FixedType(False, 20, 20)}, "every score is 0"),
        ({"log_variance": FixedType(True, 13, 4)}, "addresses a table of 8192 entries"),
        ({"kind": "chi2"}, "score.kind: 'chi2'"),
        ({"kind": "kl", "mean": FixedType(True, 24, 0), "score": FixedType(False, 24, -50)}, "needs 80 bits"),
        ({"latent": 0}, "network.latent: 0"),
        ({"score": FixedType(False, 25, 14)}, "score.width: 25"),
        ({"table": FixedType(True, 10, 5)}, "expected unsigned"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_scores_that_are_not_exact_are_refused(changes, message):
    fields = {"kind": "rz", "latent": 3, "mean": MEAN, "log_variance": LOG_VARIANCE, "table": TABLE, "score": SCORE}
    with pytest.raises(ConfigurationError, match=message):
        ScoreSpec(**(fields | changes))
    assert ScoreSpec(**fields).kind == "rz"


def test_mu2_needs_no_table():
    spec = ScoreSpec("mu2", 2, MEAN, FixedType(True, 24, 12), TABLE, SCORE)
    assert score_raw(np.array([[-512, 1]]), None, spec)[0] == (512 * 512 + 1) >> spec.shift


def test_spec_of_a_configuration_survives_json():
    config = ScoreConfig(kind="rz", table_width=9, table_integer=4, width=18, integer=12)
    spec = score_spec(config, 4, MEAN, LOG_VARIANCE)
    assert (str(spec.table), str(spec.score)) == ("ufixed<9,4>", "ufixed<18,12>")
    assert spec.accumulator == FixedType(False, 2 * 10 - 1 + 9 + 2, 2 * 10 - 1 + 9 + 2 - (2 * 5 + 5))
    assert spec.shift == 15 - 6
    assert ScoreSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(DataError, match="unknown field 'lattent'"):
        ScoreSpec.from_dict(spec.to_dict() | {"lattent": 3})
