"""Test vectors: what is written is read back, one wrong nibble is seen, and the lines are those of the boards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation.patterns import FORMATS, Column, PatternOptions, Vectors, load_format, read_vectors, write_vectors
from l1ad.emulation.patterns.links import EmpFormat
from l1ad.errors import CheckFailedError, ConfigurationError, DataError, L1adError, RunFolderError
from l1ad.events.contract import blank_inputs
from l1ad.records import FixedType

SCORE = FixedType(signed=False, width=20, integer=14)
NETWORK = FixedType(signed=True, width=10, integer=4)


def vectors(kind: str, events: int = 250) -> Vectors:
    """Return random network inputs, or hardware integers that reach the ends of every range."""
    random = np.random.default_rng(5)
    scores = random.integers(0, SCORE.maximum + 1, (events, 1))
    scores[:2, 0] = 0, SCORE.maximum
    output = (Column("score", SCORE),)
    thresholds = (1000, 500_000, SCORE.maximum)
    if kind != "ugt":
        inputs = random.integers(NETWORK.minimum, NETWORK.maximum + 1, (events, 57))
        columns = tuple(Column(f"x{i}", NETWORK) for i in range(57))
        return Vectors(inputs, scores, columns, output, thresholds)
    specs = blank_inputs()
    inputs = np.stack([random.integers(spec.minimum, spec.maximum + 1, events) for spec in specs], axis=1)
    inputs[0], inputs[1] = [spec.minimum for spec in specs], [spec.maximum for spec in specs]
    inputs[:, 1] = 0  # the eta of missing energy
    columns = tuple(Column(spec.name, FixedType(spec.signed, spec.width, spec.width)) for spec in specs)
    return Vectors(inputs, scores, columns, output, thresholds)


def write(kind: str, folder: Path, **options) -> Path:
    events = options.pop("events", 250)
    return write_vectors(kind, vectors(kind, events), folder, PatternOptions(**options), {"run": "x"})


def data_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "vectors.json")


@pytest.mark.parametrize("kind", list(FORMATS))
def test_what_is_written_is_read_back(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path / "out")
    wanted, found = vectors(kind), read_vectors(tmp_path / "out")
    assert path == tmp_path / "out" / "vectors.json"
    assert np.array_equal(found.inputs, wanted.inputs)
    assert np.array_equal(found.expected, wanted.expected)
    assert (found.input_columns, found.output_columns) == (wanted.input_columns, wanted.output_columns)
    assert len(np.unique(found.inputs)) > 500
    assert set(json.loads(path.read_text())["digests"]) == {p.name for p in data_files(tmp_path / "out")}


@pytest.mark.parametrize("kind", list(FORMATS))
def test_one_wrong_nibble_is_seen(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path / "out")
    wanted = vectors(kind)
    for path in data_files(tmp_path / "out"):
        text = path.read_text()
        # The last digit of the last long word that is not 0: it carries a value.
        words = [m for m in re.finditer(r"\b(?:0x)?([0-9a-fA-F]{5,})\b", text) if int(m[1], 16)]
        place = words[-1].end() - 1
        digit = f"{int(text[place], 16) ^ 1:x}"
        path.write_text(text[:place] + digit + text[place + 1 :])
        try:
            found = read_vectors(tmp_path / "out")
        except DataError:
            pass  # the two files of the uGT disagree
        else:
            assert not (np.array_equal(found.inputs, wanted.inputs) and np.array_equal(found.expected, wanted.expected))
        path.write_text(text)
    assert np.array_equal(read_vectors(tmp_path / "out").inputs, wanted.inputs)


def test_a_writer_that_loses_a_bit_is_caught(tmp_path: Path, monkeypatch) -> None:
    good = EmpFormat.lines
    monkeypatch.setattr(
        EmpFormat, "lines", lambda *a: (re.sub(r"([0-9a-f]{15})[0-9a-f]", r"\g<1>0", x) for x in good(*a))
    )
    with pytest.raises(CheckFailedError, match=r"test vectors: input 0 of event \d+ is -?\d+ and was read back as"):
        write("empv2", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_lines_of_emp_files(tmp_path: Path) -> None:
    write("empv2", tmp_path / "out", events=2, name="dense_vae", first_link=4)
    lines = (tmp_path / "out" / "inputs_0.txt").read_text().splitlines()
    assert lines[:3] == [
        "ID: dense_vae",
        "Metadata: (strobe,) start of orbit, start of packet, end of packet, valid",
        "",
    ]
    assert lines[3].split() == ["Link", "004", "005"]
    flags = [re.findall(r"([01]{4}) [0-9a-f]{16}", line) for line in lines[4:]]
    assert [f[0] for f in flags] == ["1101", *["0001"] * 7, "0011", "0101", *["0001"] * 7, "0011"]
    assert [line[:12] for line in lines[4:]] == [f"Frame {i:04d}  " for i in range(18)]
    first = vectors("empv2", 2).inputs[0]
    word = sum((int(value) & 1023) << (10 * i) for i, value in enumerate(first[:6]))
    assert lines[4].split()[3] == f"{word:016x}"


def test_lines_of_apx_files(tmp_path: Path) -> None:
    write("apx", tmp_path / "out", events=2)
    lines = (tmp_path / "out" / "inputs_0.txt").read_text().splitlines()
    assert lines[0] == "#Sideband ON"
    assert lines[1].split() == ["#LinkLabel", "LINK_00", "LINK_01"]
    assert lines[2] == "#BeginData"
    assert [line.split()[1] for line in lines[3:12]] == ["0x07", *["0x01"] * 7, "0x09"]
    assert [line.split()[0] for line in lines[3:]] == [f"0x{i:04x}" for i in range(18)]


def test_lines_of_ugt_files(tmp_path: Path) -> None:
    write("ugt", tmp_path / "out", events=3, first_bit=440)
    plain = (tmp_path / "out" / "TestVector.txt").read_text().splitlines()
    scored = (tmp_path / "out" / "TestVector_score.txt").read_text().splitlines()
    wanted = vectors("ugt", 3)
    for crossing, (line, with_score) in enumerate(zip(plain, scored, strict=True)):
        words = line.split(" ")
        assert words[0] == f"{crossing:04d}"
        assert [len(word) for word in words[1:]] == [16] * 8 + [8] * 48 + [64, 128, 1]
        assert with_score == f"{line} {wanted.expected[crossing, 0]:05X}"
        score = wanted.expected[crossing, 0]
        algorithms = int(words[58], 16)
        assert [algorithms >> (440 + i) & 1 for i in range(3)] == [int(score >= t) for t in wanted.thresholds]
        assert algorithms >> 443 == 0
        assert words[59] == str(int(score >= 1000))
    # Second event: the largest values. phi 71 of the calorimeters and 287 of the muons, eta 127 and 255.
    words = plain[1].split(" ")
    assert int(words[1], 16) == 287 | 511 << 10 | 255 << 23
    assert int(words[9], 16) == 511 | 127 << 9 | 71 << 17
    assert int(words[33], 16) == 2047 | 127 << 11 | 71 << 19
    assert int(words[47], 16) == 4095 | 71 << 12
    # First event: the smallest. phi -72 is 72 of 144 there, -288 is 288 of 576.
    words = plain[0].split(" ")
    assert int(words[1], 16) == 288 | 256 << 23
    assert int(words[9], 16) == 128 << 9 | 72 << 17


def test_lines_of_hex_files(tmp_path: Path) -> None:
    write("hex", tmp_path / "out", events=4)
    wanted = vectors("hex", 4)
    lines = (tmp_path / "out" / "inputs.hex").read_text().splitlines()
    for line, row in zip(lines, wanted.inputs, strict=True):
        assert len(line) == 143  # 570 bits
        assert int(line, 16) == sum((int(value) & 1023) << (10 * i) for i, value in enumerate(row))
    scores = (tmp_path / "out" / "expected.hex").read_text().split()
    assert [int(score, 16) for score in scores] == wanted.expected[:, 0].tolist()


def test_more_events_than_a_buffer_holds_go_into_further_files(tmp_path: Path) -> None:
    write("empv2", tmp_path / "out", events=250, frames=9, depth=1024)
    names = [path.name for path in data_files(tmp_path / "out")]
    assert names == [f"{what}_{i}.txt" for what in ("expected", "inputs") for i in range(3)]
    assert len((tmp_path / "out" / "inputs_0.txt").read_text().splitlines()) == 4 + 9 * 113
    write("apx", tmp_path / "one", events=250, frames=4, depth=1000)
    assert len(data_files(tmp_path / "one")) == 2


@pytest.mark.parametrize("kind", list(FORMATS))
@pytest.mark.parametrize("cut", [1, 30, 900])
def test_a_truncated_file_is_refused(kind: str, cut: int, tmp_path: Path) -> None:
    write(kind, tmp_path / "out")
    for path in data_files(tmp_path / "out"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-cut])
        with pytest.raises(DataError, match=re.escape(str(tmp_path / "out"))):
            read_vectors(tmp_path / "out")
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        ("empv2", "inputs_0.txt", "Metadata: ", "Meta: "),
        ("empv2", "inputs_0.txt", "Frame 0004", "Frame 0005"),
        ("empv2", "inputs_0.txt", "      Link  ", "      Lane  "),
        ("empv2", "expected_0.txt", "  0011 ", "  0001 "),
        ("empv2", "inputs_1.txt", " 0001 ", " 0000 "),
        ("apx", "inputs_0.txt", "#Sideband ON", "#Sideband OFF"),
        ("apx", "inputs_0.txt", "LINK_00", "LANE_00"),
        ("apx", "inputs_0.txt", "0x0003 ", "0x0007 "),
        ("apx", "expected_0.txt", "0x09", "0x0g"),
        ("ugt", "TestVector.txt", "0007 ", "0008 "),
        ("ugt", "TestVector_score.txt", " 1 FFFFF", " 0 FFFFF"),
        ("hex", "inputs.hex", "\n", "0\n"),
    ],
)
def test_a_line_that_is_not_of_the_format_is_named(kind, name, old, new, tmp_path: Path) -> None:
    write(kind, tmp_path / "out")
    path = tmp_path / "out" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=re.escape(str(path)) + "|do not hold the same"):
        read_vectors(tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("empv1", {}, r"format 'empv1' is not known\. Did you mean empv2"),
        ("empv2", {"frames": 0}, "frames 0; expected 1 to 1024"),
        ("apx", {"frames": 2000}, "frames 2000; expected 1 to 1024"),
        ("empv2", {"name": "a b"}, "name 'a b' is not usable"),
        ("ugt", {"events": 4000}, "events 4000; a vector file covers an orbit of 3564"),
        ("ugt", {"first_bit": 510}, "algorithm bits 510 to 512; expected 0 to 511"),
    ],
)
def test_options_that_cannot_be_carried_out(kind, options, message, tmp_path: Path) -> None:
    with pytest.raises(L1adError, match=message):
        write(kind if kind in FORMATS else "empv1", tmp_path / "out", **options) if kind in FORMATS else load_format(
            kind
        )
    assert not (tmp_path / "out").exists()


def test_vectors_that_do_not_fit_their_types(tmp_path: Path) -> None:
    good = vectors("hex", 5)
    wrong = good.inputs.copy()
    wrong[3, 7] = 512
    with pytest.raises(DataError, match=r"input x7 is 512, which fixed<10,4> cannot hold"):
        write_vectors("hex", Vectors(wrong, good.expected, good.input_columns, good.output_columns), tmp_path / "a",
                      PatternOptions(), {})  # fmt: skip
    with pytest.raises(DataError, match="is no quantity of a trigger object"):
        write_vectors("ugt", good, tmp_path / "a", PatternOptions(), {})
    objects = vectors("ugt", 5)
    objects.inputs[2, 1] = 3
    with pytest.raises(DataError, match="a quantity that the uGT does not have is 3"):
        write_vectors("ugt", objects, tmp_path / "a", PatternOptions(), {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="is not empty"):
        write("hex", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_a_folder_without_a_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not describe test vectors"):
        read_vectors(tmp_path)
    write("apx", tmp_path / "out")
    path = tmp_path / "out" / "vectors.json"
    document = json.loads(path.read_text())
    del document["layout"]["inputs"]
    path.write_text(json.dumps(document))
    with pytest.raises((DataError, ConfigurationError), match="the layout is incomplete"):
        read_vectors(tmp_path / "out")
