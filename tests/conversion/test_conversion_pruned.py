"""The zeros of a pruned kernel reach what the converters write, and cost nothing there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

#: Kernels of the small network, in the order in which firmware multiplies by them.
KERNELS = ("dense_1", "dense_2", "dense_mean", "dense_log_variance")


@pytest.fixture(scope="module")
def pair(conversion):
    """A firmware model, and the same with the smaller half of every kernel at zero."""
    whole, pruned = conversion.firmware("dense_vae"), conversion.firmware("dense_vae")
    for name in KERNELS:
        kernel = pruned.get_layer(name).kernel
        values = np.asarray(kernel)
        kernel.assign(np.where(np.abs(values) > np.median(np.abs(values)), values, 0.0))
    return whole, pruned


def zeros(model) -> dict[str, tuple[int, int]]:
    """Return zeros and weights of every kernel of a model."""
    kernels = {name: np.asarray(model.get_layer(name).kernel) for name in KERNELS}
    return {name: (int((values == 0).sum()), values.size) for name, values in kernels.items()}


def written_zeros(folder: Path) -> list[tuple[int, int]]:
    """Return zeros and weights of every kernel in the headers that hls4ml wrote, smallest kernel last."""
    found = []
    for path in folder.rglob("weights/w*.h"):
        body = re.search(r"\{([^{}]*)\}", path.read_text())
        if body is not None:
            values = [float(v) for v in body.group(1).split(",")]
            found.append((sum(v == 0 for v in values), len(values)))
    return sorted(found)


def test_the_hls_project_has_the_zeros_of_the_model(pair, conversion, examples, tmp_path):
    from l1ad.conversion.base import convert

    inputs, score = examples("dense_vae").inputs, examples("dense_vae").keras.score
    written = []
    for number, model in enumerate(pair):
        convert(model, conversion.job("vitis", inputs, score), tmp_path / str(number))
        written.append(written_zeros(tmp_path / str(number)))
        assert written[-1] == sorted(zeros(model).values())
    # Negative control: the network that was not pruned has fewer zeros in every kernel.
    assert all(whole < pruned for (whole, _), (pruned, _) in zip(*written, strict=True))
    assert all(2 * count >= size for count, size in written[1])


def test_zeros_cost_nothing_in_rtl(pair, conversion):
    from l1ad.conversion.verilog import trace

    whole, pruned = (trace(model, conversion.input_type).cost for model in pair)
    assert 0 < pruned < 0.8 * whole
