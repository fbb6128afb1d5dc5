"""Magnitude pruning of kernels on Keras 3: zeros that stay zeros through the training and into firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.config import PruningConfig
from l1ad.errors import CheckFailedError
from l1ad.networks.quantized import integer_weights


def share_at(options: PruningConfig, epoch: int) -> float:
    """Return the share of pruned weights in an epoch.

    target (1 - (1 - t)^3) with t from 0 at `start_epoch` to 1 at `end_epoch`: arXiv:1710.01878, eq. 1, from zero.

    Parameters
    ----------
    options : PruningConfig
    epoch : int
        Finished epochs of the phase.

    Examples
    --------
    >>> half = PruningConfig(target=0.5, start_epoch=5, end_epoch=15)
    >>> [share_at(half, epoch) for epoch in (0, 5, 10, 15, 40)]
    [0.0, 0.0, 0.4375, 0.5, 0.5]
    """
    passed = (epoch - options.start_epoch) / (options.end_epoch - options.start_epoch)
    return options.target * (1.0 - (1.0 - min(max(passed, 0.0), 1.0)) ** 3)


class KernelMasks:
    """Holds weights of the kernels of an encoder at zero.

    The masks are variables of the trained model, so a checkpoint holds them. The optimizer multiplies each kernel by
    its mask after every step.

    Parameters
    ----------
    model : keras.Model
        The model that is trained, before it is built; it gets one variable a kernel.
    encoder : keras.Model
        Its kernels are pruned, those of its latent layers included; biases are not.
    """

    def __init__(self, model: Any, encoder: Any) -> None:
        self._masked = []
        for layer in encoder.layers:
            kernel = getattr(layer, "kernel", None)
            if kernel is None:
                continue
            mask = model.add_weight(
                name=f"{layer.name}_mask", shape=kernel.shape, initializer="ones", trainable=False, dtype="float32"
            )
            kernel.constraint = _Mask(mask, kernel.constraint)
            self._masked.append((layer, mask))

    def prune(self, share: float) -> None:
        """Hold at least `share` of the weights of every kernel at zero: the smallest behind the quantizer."""
        for layer, mask in self._masked:
            mask.assign(keep_largest(layer, np.asarray(mask), share))
            layer.kernel.assign(layer.kernel * mask)


class _Mask:
    """What the optimizer applies to a kernel after each step."""

    def __init__(self, mask: Any, before: Any) -> None:
        self._mask, self._before = mask, before

    def __call__(self, kernel: Any) -> Any:
        return (kernel if self._before is None else self._before(kernel)) * self._mask


def keep_largest(layer: Any, mask: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return the mask of a kernel with `share` of its weights at zero, the pruned ones of `mask` first.

    Weights are ordered by their quantized magnitude, and those of one magnitude by the value that is trained.
    """
    trained = np.abs(np.asarray(layer.kernel, dtype=np.float64)).ravel()
    quantized = np.abs(integer_weights(layer).get("kernel", (trained, None))[0]).ravel()
    # The last key is the first that counts.
    order = np.lexsort((trained, quantized, mask.ravel() != 0))
    found = mask.ravel().copy()
    found[order[: round(share * found.size)]] = 0.0
    return found.reshape(mask.shape)


def zero_shares(model: Any) -> dict[str, float]:
    """Return layer -> share of zeros in its kernel."""
    kernels = {layer.name: getattr(layer, "kernel", None) for layer in model.layers}
    return {name: float((np.asarray(k) == 0).mean()) for name, k in kernels.items() if k is not None}


def check_zeros(model: Any, target: float, path: Path) -> None:
    """Hold the share of zeros in every kernel of a saved model against the target of the pruning.

    Raises
    ------
    CheckFailedError
        When a kernel has fewer zeros; the layer is named.
    """
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        values = np.asarray(kernel)
        zeros, wanted = int((values == 0).sum()), round(target * values.size)
        if zeros < wanted:
            raise CheckFailedError(
                f"{path}: layer {layer.name} has {zeros} zeros in {values.size} weights; "
                f"training.pruning.target {target:g} asks for {wanted}. Train again with --force."
            )
