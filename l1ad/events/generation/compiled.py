"""Compiles the kernels with Numba where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a kernel on its first call and keep the result on the disk.

    Without Numba the function is returned as it is, so that the module can be imported and its documentation read;
    `l1ad.events.generation.pythia.require_libraries` refuses to generate then.
    """
    try:
        from numba import njit
    except ImportError:
        return function
    result: Kernel = njit(cache=True, error_model="numpy")(function)
    return result
