"""Checks of the samples a user gives; each message names the sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats

#: Reference events a data event below which the fluctuation of the reference itself is visible.
REFERENCE_RATIO = 10
#: Share of data rows found in the reference above which the two are not independent.
_SHARED_ROWS = 0.01


def as_events(x: Any, name: str) -> Floats:
    """Return `x` as a float64 array of shape (n, d).

    Raises
    ------
    DataError
        When it is empty, is not numeric, has more than two axes, or holds NaN or infinite values.

    Examples
    --------
    >>> as_events([1, 2], "data").shape
    (2, 1)
    """
    try:
        values = np.ascontiguousarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: not numeric ({error}). Expected an array of shape (events, features).") from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"{name}: shape {values.shape}; expected (events, features) with at least one of each.")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(
            f"{name}: {len(bad)} of {len(values)} events hold NaN or infinity, first event {bad[0]}. Remove them."
        )
    return values


def as_weights(weights: Any, events: int, name: str, *, negative: bool = False) -> Floats:
    """Return event weights as a float64 array of shape (events,); None gives ones.

    Raises
    ------
    DataError
        When the length differs, a weight is not finite, one is negative although `negative` is false, or their sum
        is not positive.
    """
    if weights is None:
        return np.ones(events)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (events,):
        raise DataError(f"{name}: weights of shape {values.shape}; expected ({events},), one an event.")
    if not np.isfinite(values).all():
        raise DataError(f"{name}: a weight is NaN or infinite.")
    if not negative and (values < 0).any():
        raise DataError(
            f"{name}: {int((values < 0).sum())} negative weights. Only the reference of NPLM may have negative weights."
        )
    if values.sum() <= 0:
        raise DataError(f"{name}: the weights sum to {values.sum():g}; expected a positive sum.")
    return values


def check_columns(
    reference: Floats, data: Floats, names: Sequence[str] | None, data_names: Sequence[str] | None
) -> None:
    """Check that both samples have the same features in the same order.

    Raises
    ------
    DataError
        When the number, the names or the order of the features differ.
    """
    if reference.shape[1] != data.shape[1]:
        raise DataError(f"data: {data.shape[1]} features; the reference has {reference.shape[1]}.")
    for given, sample in ((names, reference), (data_names, data)):
        if given is not None and len(given) != sample.shape[1]:
            raise DataError(f"{len(given)} feature names for {sample.shape[1]} features.")
    if names is None or data_names is None or list(names) == list(data_names):
        return
    if sorted(names) == sorted(data_names):
        raise DataError(
            f"data: the features stand in another order, {', '.join(data_names)}; the reference has "
            f"{', '.join(names)}. Reorder the columns."
        )
    raise DataError(f"data: features {', '.join(data_names)}; the reference has {', '.join(names)}.")


def sample_warnings(
    reference: Floats, data_events: int, constant: Sequence[int], names: Sequence[str] | None
) -> list[str]:
    """Return what is doubtful about a reference: its size, and features that are constant in it."""
    found = []
    if len(reference) < REFERENCE_RATIO * data_events:
        found.append(
            f"the reference has {len(reference)} events for {data_events} of the data, less than {REFERENCE_RATIO} "
            "times: its own fluctuation counts, so take the null from a disjoint pool or by permutation."
        )
    for column in constant:
        label = names[column] if names is not None else f"number {column}"
        found.append(f"feature {label} is constant in the reference; it is compared in its own unit.")
    return found


def shared_rows(reference: Floats, data: Floats) -> int:
    """Return how many data rows are, bit for bit, rows of a reference whose rows are otherwise distinct.

    Values that repeat within the reference, such as integers, give 0: equal rows mean nothing there.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> shared_rows(x, x[:7]), shared_rows(x.round(), x[:7].round())
    (7, 0)
    """
    keys = _row_keys(reference)
    if len(np.unique(keys)) < 0.99 * len(keys):
        return 0
    return int(np.isin(_row_keys(data), keys).sum())


def check_independent(reference: Floats, data: Floats) -> None:
    """Check that the data are not taken from the reference.

    Raises
    ------
    DataError
        When more than 1 % of the data rows are rows of the reference.
    """
    shared = shared_rows(reference, data)
    if shared > max(_SHARED_ROWS * len(data), 1):
        raise DataError(
            f"{shared} of {len(data)} data events are also in the reference: the samples are not independent, and "
            "no calibration holds. Split the sample into disjoint parts."
        )


def _row_keys(x: Floats) -> NDArray[np.void] | Floats:
    """Return one comparable value a row."""
    rows = np.ascontiguousarray(x + 0.0)
    if rows.shape[1] == 1:
        return rows[:, 0]
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
