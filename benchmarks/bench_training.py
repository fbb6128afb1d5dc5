"""Training events per second of l1ad, beside the same networks in Keras's own fit.

    python benchmarks/bench_training.py
    python benchmarks/bench_training.py --architecture dense_vae --events 50000 --repeats 5

Rows: l1ad with quantization and a float teacher, as `l1ad train` does by default; l1ad without the teacher; l1ad's
float model; and two peers, the same quantized and the same float network in `keras.Model.fit` with Keras's defaults
and all events in memory. The time of an epoch of l1ad contains the validation, on a fourth as many events; that of the
peers does not. The first epoch, which compiles, is left out.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _bench import NO_PRUNING, configuration, median, parser, show, write_json

from l1ad.config import RunConfig
from l1ad.events.dataset import load_dataset
from l1ad.events.prepare import prepare_dataset
from l1ad.training.fit import train
from l1ad.training.targets import EventBatches, derive_scale


def settings(architecture: str, events: int, *overrides: str) -> RunConfig:
    """Return the configuration of an architecture; `events` are for training, a fourth of that for validation."""
    background = int(events / 0.4)
    common = (f"data.max_background={background}", "data.max_signal=100", "training.patience=1000", NO_PRUNING)
    return configuration(architecture, *common, *overrides)


def with_l1ad(config: RunConfig, data: Path, folder: Path) -> list[float]:
    """Train and return the events per second of the epochs of the last phase, without the first."""
    record = train(config, data, folder)
    phase = record.history[-1].phase
    seconds = [epoch.seconds for epoch in record.history if epoch.phase == phase][1:]
    return [len(load_dataset(data).inputs["train"]) / s for s in seconds]


def with_keras(config: RunConfig, data: Path, epochs: int) -> list[float]:
    """Train the same network with `keras.Model.fit` and its defaults; return the events per second of the epochs."""
    import keras

    from l1ad.networks.architectures import build_decoder, build_encoder, input_shape
    from l1ad.networks.base import load_frontend
    from l1ad.networks.vae import VariationalAutoencoder

    loaded, options = load_dataset(data), config.training
    scale = derive_scale(loaded.particles["train"], options.target)
    shape = input_shape(config.network)
    batches = EventBatches(loaded.inputs["train"], loaded.particles["train"], loaded.contract.type, shape, scale)
    x, y = batches.take(slice(None))
    keras.utils.set_random_seed(config.seed)
    encoder = build_encoder(config.network, load_frontend(config.network))
    decoder = build_decoder(config.network, bounded=options.target == "paper")
    model = VariationalAutoencoder(
        encoder,
        decoder,
        beta=options.beta,
        seed=config.seed,
        target=options.target,
        feature_weights=options.feature_weights,
    )
    model.compile(optimizer=keras.optimizers.Adam(options.learning_rate, amsgrad=True))
    times: list[float] = []
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: times.append(-time.perf_counter()))
    end = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(time.perf_counter()))
    model.fit(x, y, batch_size=options.batch_size, epochs=epochs + 1, verbose=0, callbacks=[begin, end])
    return [len(x) / s for s in (np.array(times).reshape(-1, 2).sum(axis=1)[1:]).tolist()]


def measure(architecture: str, events: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """Return row -> events per second of each epoch."""

    def quantized(teacher: int) -> RunConfig:
        return settings(architecture, events, f"training.epochs={repeats + 1}", f"training.float_epochs={teacher}")

    floating = settings(architecture, events, f"training.epochs={repeats + 1}", "network.frontend=float")
    data = folder / "data"
    prepare_dataset(floating, data)
    return {
        "l1ad, quantized with teacher": with_l1ad(quantized(1), data, folder / "teacher"),
        "l1ad, quantized": with_l1ad(quantized(0), data, folder / "quantized"),
        "Keras fit, quantized (peer)": with_keras(quantized(0), data, repeats),
        "l1ad, float": with_l1ad(floating, data, folder / "float"),
        "Keras fit, float (peer)": with_keras(floating, data, repeats),
    }


def main() -> None:
    """Measure the architectures one after the other."""
    options = parser(__doc__)
    options.add_argument("--architecture", choices=("dense_vae", "cnn_vae"), action="append")
    options.add_argument("--events", type=int, default=30_000, help="training events")
    arguments = options.parse_args()
    table: dict[str, Any] = {}
    for architecture in arguments.architecture or ["dense_vae", "cnn_vae"]:
        with tempfile.TemporaryDirectory() as name:
            table[architecture] = measure(architecture, arguments.events, arguments.repeats, Path(name))
        peer = median(table[architecture]["Keras fit, float (peer)"])
        rows = [[row, median(rates), median(rates) / peer] for row, rates in table[architecture].items()]
        show(f"{architecture}: training", ["training", "events/s", "of Keras fit, float"], rows)
    write_json(arguments.json, {"unit": "events/s", "rates": table})


if __name__ == "__main__":
    main()
