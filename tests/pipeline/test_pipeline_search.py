"""A search: its space, the same trials from the same seed whatever interrupts it, and what it writes."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest
import yaml

from l1ad.config import RunConfig, load_config
from l1ad.config.load import parse_config
from l1ad.errors import CheckFailedError, ConfigurationError, RunFolderError, ToolMissingError
from l1ad.events.prepare import prepare_dataset
from l1ad.pipeline import search as room
from l1ad.pipeline.search import best_config, best_under, parse_budget, search, write_config
from l1ad.pipeline.search_space import check_space, search_space, trial_config, with_values
from l1ad.pipeline.search_study import mend
from l1ad.pipeline.search_trial import run_trial
from l1ad.provenance import write_json
from l1ad.records.search import SearchRecord, TrialRecord

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("optuna", reason="Optuna is not installed")

SPACE = {
    "network.hidden.0": {"low": 4, "high": 8, "step": 4},
    "network.layers.dense_1.kernel": {"low": 3, "high": 6, "text": "quantized_bits({},0,alpha=1)"},
    "network.activation": ["quantized_relu(5,3)", "quantized_relu(6,3)"],
    "training.quantized_learning_rate": {"low": 5e-4, "high": 5e-3, "log": True},
}


def configuration(trials: int = 6, seed: int = 3, space: dict | None = None, **options: object) -> RunConfig:
    values = {
        "name": "tiny",
        "seed": seed,
        "data": {"max_background": 4000, "max_signal": 200},
        "network": {"hidden": [8, 6], "latent": 2},
        "training": {"batch_size": 256, "xla": False},
        "search": {
            "trials": trials, "startup_trials": 3, "float_epochs": 1, "epochs": 2, "space": space or SPACE, **options
        },
    }  # fmt: skip
    return parse_config(values, "test")


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    prepare_dataset(configuration(), folder)
    return folder


@pytest.fixture
def place(events, tmp_path):
    """Return a new folder of a search that has its events."""

    def make(name: str) -> Path:
        shutil.copytree(events, tmp_path / name / "data")
        return tmp_path / name

    return make


class Here(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, function, /, *arguments, **named):
        future: Future = Future()
        future.set_result(function(*arguments, **named))
        return future


@pytest.fixture
def quick(monkeypatch):
    """Trials that take no time: more bits and a larger layer score better and cost more."""
    calls: list[int] = []
    faults: dict[int, BaseException] = {}

    def trial(document, number, values, folder) -> TrialRecord:
        calls.append(number)
        if number in faults:
            raise faults.pop(number)
        config = trial_config(parse_config(document, "test"), values, "test")
        bits, size = int(config.network.layers["dense_1"].kernel[15]), config.network.hidden[0]
        rate = config.training.quantized_learning_rate
        if bits == 3:
            record = TrialRecord(number, "failed", values, reason="layer dense_1: too few bits")
        else:
            auc = 0.5 + 0.05 * bits + 0.01 * size - rate
            record = TrialRecord(
                number, "complete", values, auc, 1000.0 * bits * size, 30.0, {"Ato4l": auc}, {"Ato4l": 0.1}
            )
        write_json(Path(folder) / "trials" / str(number) / "result.json", record.to_dict())
        return record

    monkeypatch.setattr(room, "run_trial", trial)
    monkeypatch.setattr(room, "open_executor", lambda *_: contextlib.nullcontext(Here()))
    return calls, faults


def seen(record: SearchRecord) -> list[tuple[dict, float | None]]:
    return [(trial.values, trial.objective) for trial in record.trials]


def test_the_same_seed_gives_the_same_trials(quick, place):
    first, second = (search(configuration(10), place(name)) for name in ("a", "b"))
    assert seen(first) == seen(second)
    assert len({json.dumps(trial.values) for trial in first.trials}) > 3
    # Negative control: another seed draws other trials.
    assert seen(search(configuration(10, seed=4), place("c"))) != seen(first)


def test_an_interrupted_search_ends_with_the_same_trials(quick, place):
    calls, faults = quick
    whole = search(configuration(8), place("whole"))
    calls.clear()
    folder = place("stopped")
    for number in (2, 5):
        faults[number] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            search(configuration(8), folder)
        # A killed process leaves the lock of the journal and a line that is not whole.
        journal = folder / "journal.log"
        journal.write_bytes(journal.read_bytes() + b'{"op_code": 5, "worker')
        (folder / "journal.log.lock").symlink_to(journal)
    assert seen(search(configuration(8), folder)) == seen(whole)
    # Trials 2 and 5 began twice; no finished trial was repeated.
    assert calls == [0, 1, 2, 2, 3, 4, 5, 5, 6, 7]
    calls.clear()
    assert seen(search(configuration(8), folder)) == seen(whole)
    assert calls == []


def test_a_result_that_the_journal_does_not_have_is_entered(quick, place, monkeypatch):
    calls, _ = quick
    folder, tell = place("killed"), room.Study.tell

    def killed(self, record):
        if record.number == 1:
            raise KeyboardInterrupt
        tell(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(room.Study, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            search(configuration(3), folder)
    assert seen(search(configuration(3), folder)) == seen(search(configuration(3), place("whole")))
    assert calls[:3] == [0, 1, 2]


def test_more_trials_go_on_where_the_search_ended(quick, place):
    calls, _ = quick
    folder = place("grown")
    search(configuration(3), folder)
    grown = search(configuration(7), folder)
    assert seen(grown) == seen(search(configuration(7), place("whole")))
    assert calls[:7] == list(range(7))


def test_a_failed_trial_keeps_its_reason_and_has_no_number(quick, place):
    folder = place("failing")
    record = search(configuration(14), folder)
    failed = [trial for trial in record.trials if trial.state == "failed"]
    assert failed
    assert {trial.reason for trial in failed} == {"layer dense_1: too few bits"}
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    assert len(rows) == 14
    for row, trial in zip(rows, record.trials, strict=True):
        assert (row["lut"] == "") == (trial.state == "failed")
        assert row["objective"] == ("" if trial.objective is None else str(trial.objective))
    assert not {trial.number for trial in failed} & {trial.number for trial in record.front}
    assert SearchRecord.read(folder / "search.json") == record


def test_only_failed_trials_are_an_error(quick, place):
    space = SPACE | {"network.layers.dense_1.kernel": ["quantized_bits(3,0,alpha=1)"]}
    with pytest.raises(CheckFailedError, match=r"every trial failed\. The first: layer dense_1: too few bits"):
        search(configuration(2, space=space), place("all"))


def test_what_is_not_the_fault_of_a_trial_ends_the_search(quick, place):
    _, faults = quick
    faults[1] = RunFolderError("disk full")
    folder = place("full")
    with pytest.raises(RunFolderError, match="disk full"):
        search(configuration(4), folder)
    assert len(search(configuration(4), folder).trials) == 4


def test_another_search_does_not_take_the_folder(quick, place):
    folder = place("taken")
    search(configuration(2), folder)
    with pytest.raises(RunFolderError, match="holds a search with another configuration"):
        search(configuration(2, seed=9), folder)


def test_a_damaged_journal_is_an_error(quick, place):
    folder = place("damaged")
    search(configuration(2), folder)
    (folder / "journal.log").write_text("no journal\n")
    with pytest.raises(RunFolderError, match=r"journal\.log: damaged"):
        search(configuration(3), folder)


def test_mending_keeps_whole_lines(tmp_path):
    journal = tmp_path / "journal.log"
    journal.write_bytes(b"one\ntwo\nthr")
    mend(journal)
    assert journal.read_bytes() == b"one\ntwo\n"
    mend(journal)
    assert journal.read_bytes() == b"one\ntwo\n"


def record_of(*places: tuple[float, float]) -> SearchRecord:
    trials = tuple(
        TrialRecord(i, "complete", {}, y, x, 30.0 + i, {"s": y}, {"s": y}) for i, (x, y) in enumerate(places)
    )
    lost = TrialRecord(len(places), "failed", {}, reason="why")
    return SearchRecord("r", "k", 1, "auc", 1e-3, ("s",), 100, 2, 1, {}, (*trials, lost))


def test_the_front_holds_what_no_other_trial_beats():
    record = record_of((3, 0.8), (1, 0.5), (2, 0.8), (2, 0.7), (4, 0.79), (5, 0.9), (1, 0.4))
    assert [trial.number for trial in record.front] == [1, 2, 5]
    brute = [
        t.number
        for t in record.complete
        if not any(
            (o.lut <= t.lut and o.objective >= t.objective and (o.lut, o.objective) != (t.lut, t.objective))
            for o in record.complete
        )
    ]
    assert sorted(brute) == [1, 2, 5]


def test_the_best_trial_within_a_budget():
    record = record_of((1000, 0.5), (2000, 0.8), (1500, 0.8), (5000, 0.9))
    assert best_under(record, {"lut": 2000}).number == 2
    assert best_under(record, {"lut": 2000, "logic_ns": 31}).number == 1
    assert best_under(record, {"lut": 1e6}).number == 3
    with pytest.raises(CheckFailedError, match=r"no trial is within lut 999; the lowest of 4 trials: lut 1000\."):
        best_under(record, {"lut": 999})


@pytest.mark.parametrize("text", ["lut", "lut=", "lut=many", "lut=-1", "lut=nan", "lut=inf", "dsp=3", "", "lut=1,x=2"])
def test_a_budget_that_is_none(text):
    with pytest.raises(ConfigurationError, match="budget "):
        parse_budget(text)


@pytest.mark.parametrize("architecture", ["dense_vae", "cnn_vae", "dense_ae", "cnn_ae", "feature_ae"])
def test_the_default_space_is_one(architecture):
    kinds = {"dense_ae": "reconstruction", "cnn_ae": "reconstruction", "feature_ae": "feature_error"}
    score = {"kind": kinds.get(architecture, "rz")}
    config = parse_config({"network": {"architecture": architecture}, "score": score}, "test")
    check_space(config)
    assert {"network.latent_kernel", "training.pruning.target"} < set(search_space(config))


@pytest.mark.parametrize(("architecture", "hidden"), [("dense_ae", (8, 6, 4)), ("cnn_ae", (32, 16))])
def test_the_default_space_of_an_autoencoder_has_every_kernel(architecture, hidden):
    from l1ad.networks.architectures import build_encoder
    from l1ad.networks.base import load_frontend

    network = {"architecture": architecture, "hidden": hidden}
    config = parse_config({"network": network, "score": {"kind": "reconstruction"}}, "test")
    space = search_space(config)
    lowest = {path: space[path].text.format(4) for path in space if path.startswith("network.layers.")}
    trial = with_values(config, lowest, "test").network
    # A layer that the network does not have is refused here.
    layers = build_encoder(trial, load_frontend(trial)).layers
    kernels = {layer.name for layer in layers if getattr(layer, "kernel", None) is not None} - {"dense_mean"}
    rectifiers = {layer.name for layer in layers if "relu" in layer.name}
    assert {path.split(".")[2] for path in lowest} == kernels | rectifiers
    assert any(name.startswith("decoder_") for name in kernels)


@pytest.mark.parametrize(
    ("space", "match"),
    [
        ({"network.layer.dense_1.kernel": ["quantized_bits(3,0,alpha=1)"]}, "Did you mean layers"),
        ({"network.layers.dense_1.krenel": ["quantized_bits(3,0,alpha=1)"]}, "Did you mean kernel"),
        ({"network.kernel": {"low": 1, "high": 4, "text": "quantized_bits({},0,alpha=1)"}}, "one signed bit"),
        ({"network.hidden.2": [4, 8]}, "'2' is no place in a list of 2"),
        ({"network.latent.0": [4]}, r"network\.latent has no fields"),
        ({"network.latent": {"low": 3, "high": 80}}, "less than or equal to 64"),
        ({"inputs.width": [8, 10]}, "only what trains on the same events"),
        ({"network.frontend": ["qkeras", "float"]}, "a float network has no LUT cost"),
        ({"training.pruning.target": {"low": 0.5, "high": 1.5}}, "less than 1"),
    ],
)
def test_a_space_that_is_none_is_refused_before_anything_is_trained(space, match, tmp_path):
    with pytest.raises(ConfigurationError, match=match):
        search(configuration(space=space), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("dimension", "match"),
    [
        ({"low": 4, "high": 3}, "must be below high"),
        ({"low": 4}, "give a list of choices, or low and high"),
        ([], "give a list of choices, or low and high"),
        ({"choices": [1], "low": 1, "high": 2}, "give a list of choices, or low and high"),
        ({"low": 0, "high": 2, "log": True}, "log needs low above 0"),
        ({"low": 1, "high": 2, "text": "quantized_relu(4,3)"}, "must hold {} once"),
        ({"low": 1, "high": 4, "step": 0.5}, "must be whole"),
        ({"low": 1, "hihg": 4}, "Did you mean high"),
    ],
)
def test_a_dimension_that_is_none(dimension, match):
    with pytest.raises(ConfigurationError, match=match):
        configuration(space={"network.latent": dimension})


def test_an_objective_that_these_events_cannot_measure(quick, place):
    with pytest.raises(ConfigurationError, match="validation events fire"):
        search(configuration(2, objective="tpr", fpr=1e-3), place("few"))
    with pytest.raises(ConfigurationError, match=r"no signal 'Ato4'\. Did you mean Ato4l"):
        search(configuration(2, signals=["Ato4"]), place("other"))


def test_a_float_network_is_not_searched(tmp_path):
    config = with_values(configuration(), {"network.frontend": "float"}, "test")
    with pytest.raises(ConfigurationError, match="trains quantized networks"):
        search(config, tmp_path / "float")


def test_the_epochs_of_the_pruning_shrink_with_the_training():
    config = parse_config({"search": {"epochs": 5}}, "test")
    trial = trial_config(config, {"training.pruning.target": 0.5}, "test")
    assert (trial.training.epochs, trial.training.float_epochs) == (5, 10)
    assert (trial.training.pruning.start_epoch, trial.training.pruning.end_epoch) == (0, 2)


def test_the_best_configuration_is_one_that_run_takes(tmp_path):
    values = {"network.hidden": [4, 3], "network.layers.dense_1.kernel": "quantized_bits(4,0,alpha=1)"}
    trial = TrialRecord(4, "complete", values, 0.9, 5000.0, 30.0)
    write_config(best_config(configuration(), trial, "tiny_lut6000"), tmp_path / "best.yaml")
    assert "search" not in yaml.safe_load((tmp_path / "best.yaml").read_text())
    found = load_config(tmp_path / "best.yaml")
    assert (found.name, found.network.hidden) == ("tiny_lut6000", (4, 3))
    assert found.network.layers["dense_1"].kernel == "quantized_bits(4,0,alpha=1)"
    # The full training, not that of the trials.
    assert found.training == configuration().training


def test_without_optuna_the_exit_code_is_3(monkeypatch, tmp_path, capsys):
    import sys

    from l1ad.cli.main import main

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ToolMissingError, match=r"l1ad\[search\]"):
        search(configuration(), tmp_path / "s")
    (tmp_path / "c.yaml").write_text("name: tiny\n")
    assert main(["search", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "s")]) == 3
    assert "Optuna is not installed" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_trial_is_trained_and_measured(events, tmp_path):
    """A real trial: its cost and score are those of its firmware model."""
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.conversion.verilog import trace
    from l1ad.events.dataset import load_dataset
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import run_firmware_model

    shutil.copytree(events, tmp_path / "data")
    config = configuration()
    values = {"network.hidden.0": 4, "network.layers.dense_1.kernel": "quantized_bits(4,0,alpha=1)"}
    record = run_trial(config.model_dump(mode="json"), 0, values, str(tmp_path))
    assert (record.state, record.reason) == ("complete", None)
    data, model = load_dataset(tmp_path / "data"), load_model(tmp_path / "trials" / "0" / "firmware.keras")
    assert record.lut == trace(model, data.contract.type).cost > 0

    def scores(inputs):
        return run_firmware_model(model, np.asarray(inputs), data.contract.type).score[:, 0]

    background, signal = scores(data.inputs["validation"])[:, None], scores(data.signals["Ato4l"])[None]
    assert record.auc["Ato4l"] == pytest.approx(((signal > background) + 0.5 * (signal == background)).mean())
    assert record.objective == pytest.approx(np.mean(list(record.auc.values())))
    assert np.asarray(model.get_layer("dense_1").kernel).shape == (57, 4)


def test_a_trial_that_cannot_be_trained_says_why(events, tmp_path):
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    shutil.copytree(events, tmp_path / "data")
    document = configuration().model_dump(mode="json")
    for values, reason in (
        ({"training.batch_size": 100_000}, "fewer than a batch"),
        ({"network.layers.dense_9.kernel": "quantized_bits(4,0,alpha=1)"}, "no layer 'dense_9'"),
    ):
        record = run_trial(document, 1, values, str(tmp_path))
        assert (record.state, record.lut, record.objective) == ("failed", None, None)
        assert reason in (record.reason or "")
        assert TrialRecord.read(tmp_path / "trials" / "1" / "result.json") == record


@pytest.mark.heavy
def test_sharing_the_float_model_changes_no_bit(events, tmp_path):
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.networks.firmware_model import load_model
    from l1ad.training.fit import train

    shutil.copytree(events, tmp_path / "data")
    config, values = configuration(), {"network.hidden.0": 4, "training.pruning.target": 0.5}
    run_trial(config.model_dump(mode="json"), 0, values, str(tmp_path))
    train(trial_config(config, values, "test"), tmp_path / "data", tmp_path / "alone")
    found, alone = (load_model(tmp_path / p / "firmware.keras").get_weights() for p in ("trials/0", "alone"))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, alone, strict=True))


@pytest.mark.heavy
def test_a_killed_search_ends_with_the_same_trials(events, tmp_path):
    """SIGKILL of the command and its worker, twice; the end is that of a search that nobody killed."""
    import signal
    import subprocess
    import sys
    import time

    from l1ad.config import dump_config

    pytest.importorskip("qkeras", reason="QKeras is not installed")
    (tmp_path / "c.yaml").write_text(dump_config(configuration(3)))
    results = {}
    for name, kills in (("killed", 2), ("whole", 0)):
        folder = tmp_path / name
        shutil.copytree(events, folder / "data")
        command = [sys.executable, "-m", "l1ad", "search", str(tmp_path / "c.yaml"), "--out", str(folder)]
        command += ["--best-under", "lut=100000"]
        for number in range(kills):
            process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
            while process.poll() is None and len(list(folder.glob("trials/*/result.json"))) < number + 1:
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "Pareto front of 3 trials" in done.stdout
        assert "best within lut 100000" in done.stdout
        results[name] = seen(SearchRecord.read(folder / "search.json"))
        assert load_config(folder / "best.yaml").name == "tiny_lut100000"
        assert (folder / "pareto.png").stat().st_size > 1000
    assert results["killed"] == results["whole"]


def test_the_configuration_in_the_guide_is_a_search():
    text = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    configs = [parse_config(yaml.safe_load(block), "docs/search.md") for block in blocks]
    assert any("network.hidden" in config.search.space for config in configs)
    for config in configs:
        check_space(config)
