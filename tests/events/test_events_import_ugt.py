"""uGT test vectors: words packed here bit by bit are read back; lines that are wrong are named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.importers.base import ImportOptions, recognise
from l1ad.events.importing import import_events

CROSSINGS = 50


def calorimeter_word(pt, eta, phi, bits):
    """Pack et[bits-1:0], eta of 8 bits and phi of 8 bits above it."""
    return pt | (eta & 0xFF) << bits | phi << (bits + 8)


def muon_word(pt, eta, phi, quality=12, charge=1):
    """Pack phi[9:0] pt[18:10] quality[22:19] eta[31:23] charge[34] valid[35]."""
    return phi | pt << 10 | quality << 19 | (eta & 0x1FF) << 23 | charge << 34 | 1 << 35


@pytest.fixture(scope="module")
def crossings():
    """Objects of each crossing as integers: leading first, as the trigger sends them."""
    generator = np.random.default_rng(3)

    def draw(largest, pt_max, eta_max, turn, first=1):
        count = int(generator.integers(0, largest + 1))
        pts = sorted(generator.integers(first, pt_max + 1, count).tolist(), reverse=True)
        return [(pt, int(generator.integers(-eta_max, eta_max + 1)), int(generator.integers(0, turn))) for pt in pts]

    return [
        {
            "muon": draw(8, 511, 225, 576, first=2),
            "electron": draw(12, 511, 57, 144),
            "jet": draw(12, 2047, 115, 144),
            "etm": (int(generator.integers(0, 4096)), int(generator.integers(0, 144))),
            "etmhf": (int(generator.integers(0, 4096)), int(generator.integers(0, 144))),
        }
        for _ in range(CROSSINGS)
    ]


def line_of(number, objects, *, first_version=False):
    """Return one line of a test vector."""
    words = [f"{number:04d}"]
    muons = [f"{muon_word(*muon):016x}" for muon in objects["muon"]]
    words += muons + ["0" * 16] * (8 - len(muons))
    for block, bits in (("electron", 9), ("tau", 9), ("jet", 11)):
        own = [f"{calorimeter_word(*item, bits):08x}" for item in objects.get(block, [])]
        words += own + ["0" * 8] * ((8 if block == "tau" and first_version else 12) - len(own))
    etm, etmhf = (pt | phi << 12 for pt, phi in (objects["etm"], objects["etmhf"]))
    sums = [0x10000123, 0x20000456, 0x30000000 | etm, 0x40000789, etmhf, 0]
    words += [f"{word:08x}" for word in (sums[:4] if first_version else [*sums, *[0] * 6])]
    return " ".join([*words, "0" * 64, "f" * 128, "1"])


def write_vector(path, crossings, header="|name: sample\n|menu_name: L1Menu_Sample\n", **settings):
    lines = [line_of(number, objects, **settings) for number, objects in enumerate(crossings)]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def imported(path, out, **options):
    record = import_events([path], out, options=ImportOptions(**options))
    with EventFile(out) as file:
        return record, file[:], file.column("Hardware", slice(None)), file.column("BX", slice(None))


def expected_integers(crossings, met="etm"):
    integers = np.zeros((len(crossings), 19, 3), dtype=np.int32)
    for number, objects in enumerate(crossings):
        pt, phi = objects[met]
        integers[number, 0] = (pt, 0, phi) if pt else (0, 0, 0)
        for block, first, count in (("electron", 1, 4), ("muon", 5, 4), ("jet", 9, 10)):
            for index, item in enumerate(objects[block][:count]):
                integers[number, first + index] = item
    return integers


@pytest.mark.parametrize("first_version", [False, True])
def test_words_are_read_back(crossings, tmp_path, first_version):
    path = write_vector(tmp_path / "vector.dat", crossings, first_version=first_version)
    assert recognise(path) == "ugt"
    record, particles, integers, bunch = imported(path, tmp_path / "out.h5", batch=16)
    np.testing.assert_array_equal(integers, expected_integers(crossings))
    assert bunch.tolist() == list(range(CROSSINGS))
    assert record.source_tag == "cms-ugt"
    assert record.dropped == {
        "electron": sum(max(len(c["electron"]) - 4, 0) for c in crossings),
        "muon": sum(max(len(c["muon"]) - 4, 0) for c in crossings),
        "jet": sum(max(len(c["jet"]) - 10, 0) for c in crossings),
    }
    crossing = next(i for i, c in enumerate(crossings) if c["muon"] and c["jet"])
    pt, eta, phi = crossings[crossing]["muon"][0]
    angle = phi * 2 * math.pi / 576
    expected = ((pt - 1) * 0.5, eta * 0.010875, angle - 2 * math.pi * (angle > math.pi), 3)
    assert particles[crossing, 5].tolist() == pytest.approx(expected, abs=1e-5)
    pt, eta, _ = crossings[crossing]["jet"][0]
    assert particles[crossing, 9, :2].tolist() == pytest.approx((pt * 0.5, eta * 0.0435), abs=1e-5)


def test_other_missing_energy(crossings, tmp_path):
    path = write_vector(tmp_path / "v.txt", crossings)
    _, _, integers, _ = imported(path, tmp_path / "out.h5", met="etmhf")
    np.testing.assert_array_equal(integers, expected_integers(crossings, "etmhf"))
    assert (integers != expected_integers(crossings)).any()
    old = write_vector(tmp_path / "old.txt", crossings, first_version=True)
    assert "no ETMHF word" in failure(old, tmp_path, met="etmhf")
    assert "Did you mean etm" in failure(old, tmp_path, met="et")


def test_one_bit_is_seen(crossings, tmp_path):
    # The negative control: one flipped bit of one jet's eta.
    lines = [line_of(number, objects) for number, objects in enumerate(crossings)]
    place = next(i for i, c in enumerate(crossings) if c["jet"])
    words = lines[place].split()
    words[1 + 8 + 12 + 12] = f"{int(words[1 + 8 + 12 + 12], 16) ^ 1 << 12:08x}"
    lines[place] = " ".join(words)
    path = tmp_path / "v.txt"
    path.write_text("\n".join(lines))
    _, _, integers, _ = imported(path, tmp_path / "out.h5")
    assert np.argwhere(integers != expected_integers(crossings)).tolist() == [[place, 9, 1]]


def failure(path, tmp_path, **options):
    out = tmp_path / "made" / "out.h5"
    with pytest.raises((DataError, ConfigurationError)) as caught:
        import_events([path], out, options=ImportOptions(**options))
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:400], "columns, the first one 60. Is the file cut off"),
        (lambda line: line + " 00", "line 6 has 61 columns"),
        (lambda line: line.replace(line.split()[3], "00000000000000g0", 1), "line 6: invalid literal"),
        (lambda line: " ".join([*line.split()[:40], "123", *line.split()[41:]]), "'123' has 3 digits; expected 8"),
        (lambda line: line.replace("0005", "00x5", 1), "line 6: invalid literal"),
        (lambda line: line.replace("0", "\u00e9", 1), "not text"),
    ],
)
def test_wrong_lines_are_named(crossings, tmp_path, change, message):
    lines = [line_of(number, objects) for number, objects in enumerate(crossings)]
    lines[5] = change(lines[5])
    path = tmp_path / "v.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert message in failure(path, tmp_path)


def test_wrong_number_of_columns_from_the_start(crossings, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("\n".join(" ".join(line_of(n, c).split()[:-1]) for n, c in enumerate(crossings)))
    assert "line 1 has 59 columns; expected 60 or 48" in failure(path, tmp_path)


def test_no_line_at_all(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("|name: nothing\n")
    with pytest.raises(DataError, match="no event to write"):
        import_events([path], tmp_path / "out.h5", format_name="ugt")
    assert not (tmp_path / "out.h5").exists()
