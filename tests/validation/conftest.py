"""One BLAS thread a test: threads that wait for each other on a busy machine cost more than they give."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield
