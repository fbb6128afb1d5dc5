"""The reconstruction error of an autoencoder as exact integer arithmetic, and in floating point.

    e_j = min(|floor(x_j) - y_j|, largest),   score = (sum_j present_j * (e_j^2 << a_j)) >> shift, saturated

with x_j the raw input, floor its cut to the unit of the decoder's output y_j, and a_j the weight of the input, a power
of two. present_j is 0 where the object of input j is padding: where the raw pT of its row is that of hardware 0. This
is the masked squared error of arXiv:2108.03986, section 3, on the numbers that firmware has anyway. The inputs of the
contract have about one deviation for a unit, so that no further scale is needed. Cutting instead of rounding costs no
adder, and the decoder learns the cut values. An error of six bits addresses one LUT for each bit of its square.

The score ``feature_error`` is the same with learned features for x_j: they have no padding, so present_j is 1, every
weight is 1, and where features and prediction have one unit nothing is cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, DataError
from l1ad.records import FixedType, Record
from l1ad.scores.spec import ACCUMULATOR_BITS, check_score_type

#: Score of an autoencoder of the inputs, and of one of learned features.
RECONSTRUCTION, FEATURE_ERROR = "reconstruction", "feature_error"
#: Weight exponent of an input that does not count.
UNUSED = -1
#: Smallest weight is 2**-_FINEST.
_FINEST = 12
#: Widest error.
_ERROR_BITS = 16


@dataclass(frozen=True)
class ReconstructionSpec(Record):
    """A reconstruction error, down to the bit.

    Attributes
    ----------
    kind : str
        ``reconstruction``, or ``feature_error``, where the features stand in place of the inputs.
    inputs : FixedType
        Type of the network's inputs, or of its features.
    prediction : FixedType
        Type of the decoder's outputs; not finer than the inputs.
    error : FixedType
        Unsigned type of an error; larger errors saturate. Its unit is that of the prediction.
    exponents : tuple of int
        One for each input: its squared error counts 2**-exponent; `UNUSED` when it does not count.
    padding : tuple of int
        One for each row of the event: raw pT, the first input of the row, of padding. Empty for features.
    score : FixedType
        Unsigned type of the score. Lower bits are dropped, larger sums saturate.

    Raises
    ------
    ConfigurationError
        When the score cannot be computed exactly.
    """

    kind: str
    inputs: FixedType
    prediction: FixedType
    error: FixedType
    exponents: tuple[int, ...]
    padding: tuple[int, ...]
    score: FixedType

    def __post_init__(self) -> None:
        if self.kind not in (RECONSTRUCTION, FEATURE_ERROR):
            raise ConfigurationError(
                f"score.kind: {self.kind!r}; an autoencoder has the score {RECONSTRUCTION} or {FEATURE_ERROR}."
            )
        if self.kind == FEATURE_ERROR and self.padding:
            raise ConfigurationError(f"score: {len(self.padding)} rows with padding; features have none.")
        if (self.masked and len(self.exponents) % len(self.padding)) or self.masked != (self.kind == RECONSTRUCTION):
            raise ConfigurationError(
                f"score: {len(self.exponents)} inputs in {len(self.padding)} rows; expected equal rows."
            )
        if not self.counted:
            raise ConfigurationError("score.weights: no input counts. Give one quantity a weight.")
        if max(self.exponents) > _FINEST or min(self.exponents) < UNUSED:
            raise ConfigurationError(f"score.weights: expected 0, or 1 down to 2**-{_FINEST}.")
        _check_types(self)
        check_score_type(self.score)
        width = self.accumulator.width + max(-self.shift, 0)
        if width > ACCUMULATOR_BITS:
            raise ConfigurationError(
                f"score: the exact sum needs {width} bits, more than {ACCUMULATOR_BITS}. Reduce score.error_width."
            )

    @property
    def masked(self) -> bool:
        """Whether rows of padding are left out."""
        return bool(self.padding)

    @property
    def rows(self) -> int:
        """Rows of the event; features are one row."""
        return max(len(self.padding), 1)

    @property
    def row_size(self) -> int:
        """Inputs of a row."""
        return len(self.exponents) // self.rows

    @property
    def counted(self) -> tuple[int, ...]:
        """Inputs that count."""
        return tuple(j for j, exponent in enumerate(self.exponents) if exponent != UNUSED)

    @property
    def left(self) -> tuple[int, ...]:
        """Shift to the left of each squared error; 0 for inputs that do not count."""
        return tuple(max(self.exponents) - e if e != UNUSED else 0 for e in self.exponents)

    @property
    def accumulator(self) -> FixedType:
        """Unsigned type of the exact sum."""
        largest = sum(self.error.maximum**2 << self.left[j] for j in self.counted)
        fraction = 2 * self.error.fraction + max(self.exponents)
        return FixedType(signed=False, width=largest.bit_length(), integer=largest.bit_length() - fraction)

    @property
    def shift(self) -> int:
        """Bits dropped from the accumulator to reach the score's fraction; negative: bits appended."""
        return self.accumulator.fraction - self.score.fraction


def _check_types(spec: ReconstructionSpec) -> None:
    """Check signs, units and widths of the types on the way."""
    if spec.prediction.fraction > spec.inputs.fraction:
        source = "inputs" if spec.masked else "features"
        raise ConfigurationError(
            f"network.reconstruction: {spec.prediction} has {spec.prediction.fraction} bits right of the point, the "
            f"{source} {spec.inputs} have {spec.inputs.fraction}. Give it as many or fewer."
        )
    if spec.error.signed or spec.error.fraction != spec.prediction.fraction:
        raise ConfigurationError(f"score: the type of the error is {spec.error}; expected unsigned, in units of y.")
    if not 1 <= spec.error.width <= _ERROR_BITS:
        raise ConfigurationError(f"score.error_width: {spec.error.width}; expected 1 to {_ERROR_BITS} bits.")
    wrong = [p for p in spec.padding if not spec.inputs.minimum <= p <= spec.inputs.maximum]
    if wrong:
        raise ConfigurationError(f"score: padding {wrong[0]} is outside the inputs {spec.inputs}.")


def reconstruction_raw(
    inputs: NDArray[np.integer], prediction: NDArray[np.integer], spec: ReconstructionSpec
) -> NDArray[np.int64]:
    """Return the raw integer score of events. This is the definition; everything else must agree with it.

    Parameters
    ----------
    inputs, prediction : integer ndarray, shape (N, n)
        Raw inputs, or features, in ``spec.inputs`` and raw outputs of the decoder in ``spec.prediction``.
    spec : ReconstructionSpec

    Returns
    -------
    ndarray of int64, shape (N,)
        Raw scores in ``spec.score``.

    Raises
    ------
    DataError
        When shapes are wrong or differ, or a value does not fit its type.

    Examples
    --------
    >>> byte, short = FixedType(True, 8, 4), FixedType(True, 6, 4)
    >>> error, score = FixedType(False, 4, 2), FixedType(False, 12, 8)
    >>> spec = ReconstructionSpec("reconstruction", byte, short, error, (0, 1), (-20,), score)
    >>> reconstruction_raw(np.array([[8, 5], [-20, 5]]), np.array([[0, 0], [0, 0]]), spec)
    array([4, 0])
    """
    x = _checked(inputs, spec.inputs, spec, "inputs")
    y = _checked(prediction, spec.prediction, spec, "prediction")
    if len(x) != len(y):
        raise DataError(f"score: {len(x)} events of inputs, {len(y)} of the prediction.")
    cut = x >> (spec.inputs.fraction - spec.prediction.fraction)
    error = np.minimum(np.abs(cut - y), spec.error.maximum)
    squares = np.where(_present(x, spec), (error * error) << np.array(spec.left), 0)
    total = squares[:, list(spec.counted)].sum(axis=1)
    shifted = total >> spec.shift if spec.shift >= 0 else total << -spec.shift
    return np.minimum(shifted, spec.score.maximum)


def reconstruction_float(
    inputs: NDArray[np.generic], prediction: NDArray[np.floating], spec: ReconstructionSpec
) -> NDArray[np.float64]:
    """Return the score of a decoder without quantization: the same cut, weights, mask and largest error.

    Parameters
    ----------
    inputs : ndarray, shape (N, n)
        Raw inputs in ``spec.inputs``; of ``feature_error`` the features as floats, which are not cut.
    prediction : float ndarray, shape (N, n)
    spec : ReconstructionSpec

    Returns
    -------
    ndarray of float64, shape (N,)
    """
    unit = 2.0**-spec.prediction.fraction
    weights = np.array([0.0 if e == UNUSED else 2.0**-e for e in spec.exponents])
    if spec.masked:
        x = _checked(inputs, spec.inputs, spec, "inputs")
        compared = (x >> (spec.inputs.fraction - spec.prediction.fraction)) * unit
        weights = weights * _present(x, spec)
    else:
        compared = np.asarray(inputs, dtype=np.float64)
    error = np.minimum(np.abs(compared - prediction), spec.error.maximum * unit)
    return np.asarray((np.square(error) * weights).sum(axis=1), dtype=np.float64)


def _present(x: NDArray[np.int64], spec: ReconstructionSpec) -> NDArray[np.bool_]:
    """Return which raw inputs belong to an object, shape (N, n)."""
    if not spec.masked:
        return np.ones(x.shape, dtype=np.bool_)
    return np.repeat(x[:, :: spec.row_size] != np.array(spec.padding), spec.row_size, axis=1)


def _checked(values: NDArray[np.generic], fixed: FixedType, spec: ReconstructionSpec, name: str) -> NDArray[np.int64]:
    """Return `values` as int64 after checking shape and range."""
    size = len(spec.exponents)
    if values.ndim != 2 or values.shape[1] != size:
        raise DataError(f"score: {name} has shape {values.shape}; expected (N, {size}).")
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"score: {name} has type {values.dtype}; expected raw integers of {fixed}.")
    if values.size and (values.min() < fixed.minimum or values.max() > fixed.maximum):
        raise DataError(f"score: {name} spans {values.min()} to {values.max()}, outside {fixed}.")
    return values.astype(np.int64)
