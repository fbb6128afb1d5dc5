"""`data import` of foreign files as a user types it: what is printed, exit codes, and a full disk."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import uproot

from l1ad.cli.main import main
from l1ad.events.adc2021 import EventFile
from l1ad.events.importing import ImportRecord


@pytest.fixture
def array(tmp_path):
    """Random events, which do not compress: a few MB in a file."""
    generator = np.random.default_rng(1)
    events = np.zeros((20_000, 19, 3), dtype=np.float32)
    events[:, :, 0] = np.sort(generator.uniform(1, 500, (20_000, 19)), axis=1)[:, ::-1]
    events[:, 1:, 1] = generator.uniform(-2, 2, (20_000, 18))
    events[:, :, 2] = generator.uniform(-3, 3, (20_000, 19))
    path = tmp_path / "events.npy"
    np.save(path, events)
    return path, events


def test_format_settings_and_record(capsys, array, tmp_path):
    path, events = array
    out = tmp_path / "out.h5"
    assert main(["data", "import", str(path), "--out", str(out), "--source", "mine", "--batch", "7000"]) == 0
    text, notes = capsys.readouterr()
    assert "20000 events, source mine, from numpy" in text
    assert "format numpy: units pt in GeV" in notes
    with EventFile(out) as file:
        np.testing.assert_array_equal(file[:][:, :, :3], events)
        record = ImportRecord.from_dict(json.loads(file.attributes["import_record"]))
    assert (record.events, record.format, record.dropped["jet"]) == (20_000, "numpy", 0)


def test_full_disk_in_the_middle_leaves_the_old_file(array, tmp_path):
    # The limit on the size of a file stands in for the end of the disk.
    path, _ = array
    out = tmp_path / "made" / "out.h5"
    out.parent.mkdir()
    out.write_text("before")
    code = (
        "import resource, sys\n"
        "from l1ad.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["data", "import", str(path), "--out", str(out), "--source", "mine", "--force"]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "out.h5: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in out.parent.iterdir()] == ["out.h5"]
    assert out.read_text() == "before"
    # The negative control: without the limit the same command succeeds.
    assert main(options) == 0


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"\x00\x01\x02\x03 no format", [], "is no format that l1ad reads"),
        (b"", [], "empty file"),
        (b"root and nothing more", [], "cannot be read"),
        (b"CDF\x01\x00\x00", [], "is no format"),
        (b"\x89HDF\r\n\x1a\n cut", [], "not a whole HDF5 file"),
        (b"a,b\n1,2\n", [], "no column 'met_pt' for met"),
        (b"a,b\n1,2\n", ["--format", "nanoaod"], "not a ROOT file"),
        (b"a,b\n1,2\n", ["--format", "nano"], "Did you mean nanoaod"),
        (b"a,b\n1,2\n", ["--map", "met_pt=c"], "no column 'c' for met_pt"),
        (b"a,b\n1,2\n", ["--unit", "pt=GEV"], "unit of pt 'GEV': unknown"),
        (b"a,b\n1,2\n", ["--mapping", "none.yaml"], "none.yaml: not readable"),
    ],
)
def test_bad_files_and_options_are_exit_code_2(capsys, tmp_path, content, options, message):
    path, out = tmp_path / "file", tmp_path / "made" / "out.h5"
    path.write_bytes(content)
    assert main(["data", "import", str(path), "--out", str(out), "--source", "x", *options]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_root_file_without_the_tree(capsys, tmp_path):
    path = tmp_path / "x.root"
    with uproot.recreate(path) as file:
        file.mktree("Event", {"x": "float32"})
        file["Event"].extend({"x": np.ones(3, dtype=np.float32)})
    options = ["data", "import", str(path), "--out", str(tmp_path / "out.h5")]
    assert main(options) == 2
    assert "the trees Event; expected Events" in capsys.readouterr().err
    assert main([*options, "--format", "nanoaod"]) == 2
    assert "no tree Events. Did you mean Event?" in capsys.readouterr().err
