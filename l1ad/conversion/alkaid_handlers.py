"""Teaches alkaid's Keras tracer the layers of QKeras and of l1ad.

alkaid loads this module through its entry-point group ``alkaid_keras`` and calls `register`. The classes below
subclass alkaid's replay classes; their creation enters them into alkaid's table, which is alkaid's seam for
outsiders.
"""

from __future__ import annotations

import logging
from typing import Any

from l1ad.provenance import library_version
from l1ad.records import FixedType

_log = logging.getLogger(__name__)

#: Ranges of fewer steps than this are rounded by `_round_exact` (measured over 6,000 random affine values).
_NARROW = 4

#: Most entries of a table of squares; from there on a product is smaller.
_LARGEST_TABLE = 256


def register() -> None:
    """Enter the handlers of l1ad's layers, and of QKeras's when it is installed, into alkaid's table."""
    from alkaid.converter.builtin.keras.layers._base import _registry

    from l1ad.scores.layers import LatentScore

    if LatentScore not in _registry:
        _register_own()
    if library_version("hgq2") is not None:
        # The plugin of HGQ2 registers its own layers when it is asked to.
        from hgq._alkaid_keras_plugin import register as register_hgq

        register_hgq()
    # Asked by distribution: hgq2 also brings a module qkeras, which is another library.
    if library_version("qkeras-v3") is None:
        _log.debug("qkeras-v3 is not installed; its layers are not registered")
        return
    import qkeras

    if qkeras.QDense not in _registry:
        _register_qkeras()


def _register_own() -> None:
    """Define the replay classes of `SumPooling`, of the scores, and of Keras's `Reshape`."""
    import keras
    import numpy as np
    from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase

    from l1ad.networks.layers import SumPooling
    from l1ad.scores.layers import LatentScore, OutputScore, ReconstructionScore

    class ReplaySumPooling(ReplayOperationBase):
        handles = (SumPooling,)

        def call(self, inputs: Any) -> Any:
            """Replay the layer on symbolic values."""
            batch, rows, columns, channels = inputs.shape
            size = self.op.size
            return np.sum(inputs.reshape(batch, rows // size, size, columns, channels), axis=2)

    class ReplayLatentScore(ReplayOperationBase):
        handles = (LatentScore,)

        def call(self, mean: Any, log_variance: Any = None) -> Any:
            """Replay the layer on symbolic values."""
            return _score(self.op.spec, mean, log_variance)

    class ReplayOutputScore(ReplayOperationBase):
        handles = (OutputScore,)

        def call(self, inputs: Any) -> Any:
            """Replay the layer on symbolic values: the quantizer in front has rounded and limited them."""
            return inputs

    class ReplayReconstructionScore(ReplayOperationBase):
        handles = (ReconstructionScore,)

        def call(self, prediction: Any, inputs: Any) -> Any:
            """Replay the layer on symbolic values."""
            return _reconstruction(self.op.spec, prediction, inputs)

    class ReplayReshape(ReplayOperationBase):
        # The class of alkaid 0.8.2 for this layer loses the axis of the batch, as its Flatten does.
        handles = (keras.layers.Reshape,)

        def call(self, inputs: Any) -> Any:
            """Replay the layer on symbolic values."""
            return inputs.reshape(-1, *self.op.target_shape)


def _score(spec: Any, mean: Any, log_variance: Any = None) -> Any:
    """Replay the score of `l1ad.scores.integer` on symbolic values: square, table, sum, cut, saturate."""
    import numpy as np
    from alkaid.trace.ops import quantize

    from l1ad.scores.integer import score_table

    terms = mean * mean
    if spec.reads_log_variance:
        table = score_table(spec) * 2.0**-spec.table.fraction
        scale, mask = 2.0**spec.log_variance.fraction, (1 << spec.log_variance.width) - 1

        def look_up(values: Any) -> Any:
            return table[np.rint(np.asarray(values) * scale).astype(np.int64) & mask]

        entries = log_variance.apply(look_up).quantize(0, spec.table.integer, spec.table.fraction)
        terms = terms * entries if spec.kind == "rz" else (terms + entries) * 0.5
    total = np.sum(terms, axis=-1, keepdims=True)
    return quantize(total, 0, spec.score.integer, spec.score.fraction, overflow_mode="SAT", round_mode="TRN")


def _reconstruction(spec: Any, prediction: Any, inputs: Any) -> Any:
    """Replay the score of `l1ad.scores.reconstruction` on symbolic values."""
    import numpy as np
    from alkaid.trace import FVArray
    from alkaid.trace.ops import quantize

    batch, size = inputs.shape[0], spec.row_size
    x = inputs.reshape(batch, -1)
    y = prediction.reshape(batch, -1)

    def summed(values: list[Any]) -> Any:
        return np.sum(FVArray(np.array(values), inputs.solver_options, hwconf=inputs.hwconf))

    totals = []
    for event in range(batch):
        of_rows = []
        for row in range(spec.rows):
            places = [j for j in range(row * size, (row + 1) * size) if j in spec.counted]
            terms = [_squared_error(spec, x[event, j], y[event, j]) * 2.0 ** -spec.exponents[j] for j in places]
            if terms and spec.masked:
                present = x[event, row * size]._ne(spec.padding[row] * 2.0**-spec.inputs.fraction)
                of_rows.append(present.msb_mux(summed(terms), 0.0))
            elif terms:
                of_rows.append(summed(terms))
        totals.append(summed(of_rows))
    scores = FVArray(np.array(totals).reshape(batch, 1), inputs.solver_options, hwconf=inputs.hwconf)
    return quantize(scores, 0, spec.score.integer, spec.score.fraction, overflow_mode="SAT", round_mode="TRN")


def _squared_error(spec: Any, x: Any, y: Any) -> Any:
    """Return the squared error of one input: cut, subtract, take the magnitude, limit, look the square up.

    A table of 64 entries is one LUT for each bit of the square; a product costs half as much again (measured).
    """
    import numpy as np

    sign = int(spec.inputs.signed)
    cut = x.quantize(sign, spec.inputs.integer - sign, spec.prediction.fraction)
    error = abs(cut - y).min_of(spec.error.maximum * 2.0**-spec.error.fraction)
    entries = round((error.high - error.low) / error.step) + 1
    if not 1 < entries <= _LARGEST_TABLE:
        return error * error
    return error.lookup(np.square(error.low + np.arange(entries) * error.step))


def _round(values: Any, fixed: FixedType) -> Any:
    """Bring symbolic values to `fixed`: nearest even, saturating."""
    import numpy as np
    from alkaid.trace import FVArray

    found = [_round_one(value, fixed) for value in np.asarray(values).ravel()]
    return FVArray(np.array(found).reshape(values.shape), values.solver_options, hwconf=values.hwconf)


def _round_one(value: Any, fixed: FixedType) -> Any:
    """Round one value to `fixed`.

    alkaid 0.8.2 rounds to nearest even with one adder less than `_round_exact`, but it is wrong for a constant, such
    as a latent variable that collapsed to its bias, for a range of a few steps, and for values whose lowest bit is
    always set, because the half that it adds clears that bit (FVariable.quantize, RND_CONV).
    """
    from alkaid.trace.fixed_variable import FVariable

    sign, step = int(fixed.signed), 2.0**-fixed.fraction
    lowest, highest = fixed.minimum * step, fixed.maximum * step
    if value.low == value.high:
        constant = min(max(round(value.low / step) * step, lowest), highest)
        return FVariable.from_const(float(constant), hwconf=value.hwconf)
    cleared = (value + step / 2).kif[2] != value.kif[2]
    if value.step < step and (cleared or value.high - value.low < _NARROW * step):
        return _round_exact(value, fixed)
    return value.quantize(sign, fixed.integer - sign, fixed.fraction, overflow_mode="SAT", round_mode="RND_CONV")


def _round_exact(value: Any, fixed: FixedType) -> Any:
    """Round x to steps s by floor((x + s/2 - u + odd u) / s), with u the unit of x.

    ``odd`` is the lowest bit of floor(x / s): a tie goes down to an even floor and up from an odd one.
    """
    sign, fraction = int(fixed.signed), fixed.fraction
    step, unit = 2.0**-fraction, float(value.step)
    limited = value.max_of(fixed.minimum * step).min_of(fixed.maximum * step)
    odd = value.quantize(0, 1 - fraction, fraction)
    raised = limited + (step / 2 - unit) + odd * (unit / step)
    return raised.quantize(sign, fixed.integer - sign, fraction)


def _register_qkeras() -> None:
    """Define the replay classes of QKeras's layers."""
    import qkeras
    from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase
    from alkaid.converter.builtin.keras.layers.conv import ReplayConv
    from alkaid.converter.builtin.keras.layers.dense import ReplayDense

    from l1ad.networks.qkeras_frontend import quantized_weight, quantizer_type

    class ReplayQDense(ReplayDense):
        handles = (qkeras.QDense,)

        def _load_weight(self, name: str) -> Any:
            return quantized_weight(self.op, name)

        def call(self, inputs: Any) -> Any:
            """Replay the layer on symbolic values."""
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
            """Replay the layer on symbolic values."""
            return _round(inputs, quantizer_type(self.op.activation, self.op.name))
