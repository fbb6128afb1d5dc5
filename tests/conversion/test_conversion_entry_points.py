"""alkaid finds our handlers by the entry points of the installed package, without being told."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys

import numpy as np

#: Traces a saved model with alkaid alone; the module of our handlers is not imported by name.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from l1ad.networks.firmware_model import load_model
folder = Path(sys.argv[1])
model, inputs = load_model(folder / "model.keras"), np.load(folder / "x.npy")
from alkaid.converter import trace_model
from alkaid.trace import HWConfig, trace
assert "l1ad.conversion.alkaid_handlers" not in sys.modules
program = trace(*trace_model(model, HWConfig(1, 1, -1), {"hard_dc": 2}, inputs_kif=(1, 3, 6)), keep_dead_inputs=True)
assert "l1ad.conversion.alkaid_handlers" in sys.modules
np.save(folder / "found.npy", np.rint(program.predict(inputs * 2.0**-6) * 2**4).astype(np.int64))
"""


def test_entry_points_name_our_handlers() -> None:
    found = {point.name: point for point in importlib.metadata.entry_points(group="alkaid_keras")}
    for name in ("l1ad", "qkeras"):
        assert found[name].value == "l1ad.conversion.alkaid_handlers:register"
        assert callable(found[name].load())


def test_registering_again_changes_nothing(conversion) -> None:
    from alkaid.converter.builtin.keras.layers._base import _registry
    from hls4ml.converters.keras_v3._base import registry

    from l1ad.conversion import alkaid_handlers, hls4ml_handlers

    for register, table in ((alkaid_handlers.register, _registry), (hls4ml_handlers.register, registry)):
        register()
        before = dict(table)
        register()
        assert dict(table) == before


def test_alkaid_traces_without_our_registration(examples, tmp_path) -> None:
    from l1ad.networks.firmware_model import save_model

    example = examples("cnn_vae", "rz")
    save_model(example.model, tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", example.inputs)
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert np.array_equal(np.load(tmp_path / "found.npy"), example.keras.score)
