"""Splits of files: stable when files are added, no event in two parts, and a leak that is made is seen."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.config import RunConfig
from l1ad.errors import ConfigurationError
from l1ad.events.adc2021 import EventChunk, EventFile, EventSource, write_events
from l1ad.events.prepare import prepare_dataset
from l1ad.events.sample import open_sample
from l1ad.events.splitting import survey_split, write_parts


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample(verify=False).background.paths[0]) as file:
        return file[0:6000]


def write(path, events, parents=None):
    columns = {} if parents is None else {"Parent": np.asarray(parents, dtype=np.int64)}
    write_events(path, [EventChunk(events, columns)], source_tag="mine")
    return path


def test_parts_do_not_change_when_files_are_added(events, tmp_path):
    first = write(tmp_path / "a.h5", events[:3000])
    second = write(tmp_path / "b.h5", events[3000:])
    before = write_parts(EventSource((first,)), tmp_path / "one", 0.4, 0.1)
    after = write_parts(EventSource((second, first)), tmp_path / "two", 0.4, 0.1)
    for name in before:
        old, new = read(before[name]), read(after[name])
        assert len(new) > len(old) > 0
        np.testing.assert_array_equal(new[-len(old) :], old)


def read(path):
    with EventFile(path) as file:
        return file[:]


def test_the_same_event_in_two_files_is_in_one_part(events, tmp_path):
    paths = (write(tmp_path / "a.h5", events[:3000]), write(tmp_path / "b.h5", events[2000:4000][::-1]))
    summary = survey_split(EventSource(paths), 0.4, 0.1)
    assert (summary.repeated, summary.leaked) == (1000, 0)
    assert sum(summary.events.values()) == 5000
    assert summary.parents == {}
    paths = write_parts(EventSource(paths), tmp_path / "parts", 0.4, 0.1)
    train, test = ({event.tobytes() for event in read(paths[name])} for name in ("train", "test"))
    assert not train & test


def test_a_leak_that_is_made_is_seen(events, tmp_path, capsys):
    # The same events with two sets of parents: an importer that numbers parents anew for a copy would do this.
    first = write(tmp_path / "a.h5", events[:3000], np.arange(3000))
    second = write(tmp_path / "b.h5", events[:3000], np.arange(3000) + 10_000)
    summary = survey_split(EventSource((first, second)), 0.4, 0.1)
    assert summary.repeated == 3000
    assert 1000 < summary.leaked < 2500
    assert main(["data", "split", str(first), str(second), "--out", str(tmp_path / "parts")]) == 1
    assert "equal one of a part before" in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()
    assert main(["data", "split", str(first)]) == 0


def test_parents_are_counted_and_kept(events, tmp_path):
    parents = np.arange(6000) // 5
    path = write(tmp_path / "a.h5", events, parents)
    summary = survey_split(EventSource((path,)), 0.4, 0.1)
    assert sum(summary.parents.values()) == 1200
    paths = write_parts(EventSource((path,)), tmp_path / "parts", 0.4, 0.1)
    found = {}
    for name, part in paths.items():
        with EventFile(part) as file:
            found[name] = set(file.column("Parent", slice(None)).tolist())
            assert len(found[name]) == summary.parents[name]
            assert file.source_tag == "mine"
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]


def test_a_run_splits_by_parents(events, tmp_path):
    path = write(tmp_path / "a.h5", events, np.arange(6000) // 5)
    plain = write(tmp_path / "b.h5", events)
    counts = {}
    for name, background in (("parents", path), ("alone", plain)):
        data = {"background": str(background), "signals": {"s": str(plain)}}
        counts[name] = prepare_dataset(RunConfig.model_validate({"data": data}), tmp_path / name).counts
    assert counts["parents"] == survey_split(EventSource((path,)), 0.4, 0.1).events
    assert counts["alone"] == survey_split(EventSource((plain,)), 0.4, 0.1).events
    assert counts["parents"] != counts["alone"]


def test_limit_across_files_with_a_column(events, tmp_path):
    source = EventSource(
        (write(tmp_path / "a.h5", events[:100], np.arange(100)), write(tmp_path / "b.h5", events[100:]))
    )
    found = list(source.iter_with("Parent", rows=64, limit=150))
    assert [len(chunk) for chunk, _ in found] == [64, 36, 50]
    assert found[1][1].tolist() == list(range(64, 100))
    assert found[2][1] is None
    np.testing.assert_array_equal(np.concatenate([chunk for chunk, _ in found]), events[:150])
    assert len(list(source.iter_with("Parent", rows=64, limit=100))) == 2


def test_command_says_what_the_test_can_measure(capsys, events, tmp_path):
    path = write(tmp_path / "a.h5", events)
    assert main(["data", "split", str(path), "--out", str(tmp_path / "parts")]) == 0
    text, notes = capsys.readouterr()
    assert "needs 10,000,000 background events; there are" in text
    assert "the smallest FPR to 10 % with these events: 0.03" in text
    assert "test events more are needed" in notes
    assert str(tmp_path / "parts" / "test.h5") in text
    assert main(["data", "split", str(path), "--fpr", "0.5", "--error", "0.5"]) == 0
    assert "the smallest FPR" not in capsys.readouterr().out


def test_wrong_use(capsys, events, tmp_path):
    path = write(tmp_path / "a.h5", events[:50])
    assert main(["data", "split", str(path), "--train", "0.9", "--validation", "0.1"]) == 2
    assert main(["data", "split", str(path), "--fpr", "0"]) == 2
    assert main(["data", "split", str(tmp_path / "none.h5")]) == 2
    capsys.readouterr()
    parts = tmp_path / "parts"
    write_parts(EventSource((path,)), parts, 0.4, 0.1)
    with pytest.raises(ConfigurationError, match="exists already"):
        write_parts(EventSource((path,)), parts, 0.4, 0.1)
    write_parts(EventSource((path,)), parts, 0.4, 0.1, force=True)
