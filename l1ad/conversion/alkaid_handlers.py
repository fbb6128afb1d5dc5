"""Teaches alkaid's Keras tracer the layers of QKeras and of l1ad.

alkaid loads this module through its entry-point group ``alkaid_keras`` and calls `register`. The classes below
subclass alkaid's replay classes; their creation enters them into alkaid's table, which is alkaid's seam for
outsiders.
"""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger(__name__)


def register() -> None:
    """Enter the handlers of l1ad's layers, and of QKeras's when it is installed, into alkaid's table."""
    from alkaid.converter.builtin.keras.layers._base import _registry

    from l1ad.scores.layers import LatentScore

    if LatentScore not in _registry:
        _register_own()
    try:
        import qkeras
    except ModuleNotFoundError:
        _log.debug("qkeras is not installed; its layers are not registered")
        return
    if qkeras.QDense not in _registry:
        _register_qkeras()


def _register_own() -> None:
    """Define the replay classes of `SumPooling` and `LatentScore`."""
    import numpy as np
    from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase

    from l1ad.networks.layers import SumPooling
    from l1ad.scores.layers import LatentScore

    class ReplaySumPooling(ReplayOperationBase):
        handles = (SumPooling,)

        def call(self, inputs: Any) -> Any:
            batch, rows, columns, channels = inputs.shape
            size = self.op.size
            return np.sum(inputs.reshape(batch, rows // size, size, columns, channels), axis=2)

    class ReplayLatentScore(ReplayOperationBase):
        handles = (LatentScore,)

        def call(self, mean: Any, log_variance: Any = None) -> Any:
            return _score(self.op.spec, mean, log_variance)


def _score(spec: Any, mean: Any, log_variance: Any) -> Any:
    """Replay the score of `l1ad.scores.integer` on symbolic values: square, table, sum, cut, saturate."""
    import numpy as np
    from alkaid.trace.ops import quantize

    from l1ad.scores.integer import inverse_variance_table

    terms = mean * mean
    if spec.kind == "rz":
        table = inverse_variance_table(spec.log_variance, spec.table) * 2.0**-spec.table.fraction
        scale, mask = 2.0**spec.log_variance.fraction, (1 << spec.log_variance.width) - 1

        def look_up(values: Any) -> Any:
            return table[np.rint(np.asarray(values) * scale).astype(np.int64) & mask]

        weights = log_variance.apply(look_up).quantize(0, spec.table.integer, spec.table.fraction)
        terms = terms * weights
    total = np.sum(terms, axis=-1, keepdims=True)
    return quantize(total, 0, spec.score.integer, spec.score.fraction, overflow_mode="SAT", round_mode="TRN")


def _register_qkeras() -> None:
    """Define the replay classes of QKeras's layers."""
    import qkeras
    from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase
    from alkaid.converter.builtin.keras.layers.conv import ReplayConv
    from alkaid.converter.builtin.keras.layers.dense import ReplayDense
    from alkaid.trace.ops import quantize

    from l1ad.networks.qkeras_frontend import quantized_weight, quantizer_type

    class ReplayQDense(ReplayDense):
        handles = (qkeras.QDense,)

        def _load_weight(self, name: str) -> Any:
            return quantized_weight(self.op, name)

        def call(self, inputs: Any) -> Any:
            import numpy as np

            return np.einsum("...c,cC->...C", inputs, self._load_weight("kernel")) + self._load_weight("bias")

    class ReplayQConv2D(ReplayConv):
        handles = (qkeras.QConv2D,)

        def _load_weight(self, name: str) -> Any:
            return quantized_weight(self.op, name)

    class ReplayQActivation(ReplayOperationBase):
        __activation_handled__ = True
        handles = (qkeras.QActivation,)

        def call(self, inputs: Any) -> Any:
            fixed = quantizer_type(self.op.activation, self.op.name)
            sign = int(fixed.signed)
            return quantize(
                inputs, sign, fixed.integer - sign, fixed.fraction, overflow_mode="SAT", round_mode="RND_CONV"
            )
