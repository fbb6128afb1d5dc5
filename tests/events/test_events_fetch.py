"""Downloads against a server on this machine: resumed, checked, refused."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import ConfigurationError, DataError, RunFolderError, ToolMissingError
from l1ad.events import fetching
from l1ad.events.adc2021 import EventFile
from l1ad.events.fetching import fetch_files, select_files
from l1ad.events.importing import import_events
from l1ad.events.published import PUBLISHED, FetchRecord
from l1ad.events.sample import open_sample

ITEM = next(item for item in PUBLISHED if item.record == 7152590)
NAME = "Ato4l_lepFilter_13TeV_filtered.h5"


class Zenodo:
    """What the server has, what it does wrong, and what it was asked."""

    def __init__(self, content):
        self.content = content
        self.md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.etag = '"one"'
        self.cuts = []
        self.ranges = True
        self.asked = []
        self.status = 200

    def metadata(self, base):
        link = {"self": f"{base}/api/records/{ITEM.record}/files/{NAME}/content"}
        notes = {"key": "notes.txt", "size": 3, "checksum": "md5:0", "links": {"self": base}}
        file = {"key": NAME, "size": len(self.content), "checksum": f"md5:{self.md5}", "links": link}
        return json.dumps({"files": [notes, file]}).encode()


def handler(zenodo):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            base = f"http://{self.headers['Host']}"
            if self.path == f"/api/records/{ITEM.record}":
                self.answer(200, zenodo.metadata(base), {})
            elif self.path.endswith(f"{NAME}/content"):
                self.file()
            else:
                self.answer(404, b"{}", {})

        def file(self):
            wanted = self.headers.get("Range")
            zenodo.asked.append(wanted)
            if zenodo.status != 200:
                self.answer(zenodo.status, b"", {})
                return
            start = 0
            if wanted and zenodo.ranges and self.headers.get("If-Range") in (None, zenodo.etag):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start and start >= len(zenodo.content):
                self.answer(416, b"", {})
                return
            body = zenodo.content[start:]
            self.answer(206 if start else 200, body, {"ETag": zenodo.etag} if zenodo.etag else {})

        def answer(self, status, body, headers):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.path.endswith("content") and zenodo.cuts:
                self.wfile.write(body[: zenodo.cuts.pop(0)])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    return Handler


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / NAME
    with EventFile(open_sample(verify=False).signals["Ato4l"].paths[0]) as file, h5py.File(path, "w") as out:
        out["Particles"] = file[0:3000].astype(np.float64)
    return path.read_bytes()


@pytest.fixture
def zenodo(content):
    return Zenodo(content)


@pytest.fixture
def server(zenodo):
    served = ThreadingHTTPServer(("127.0.0.1", 0), handler(zenodo))
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()


def fetch(server, folder, **settings):
    return fetch_files([ITEM], folder, server=server, wait_s=0.0, **settings)


def test_file_and_its_record(zenodo, server, tmp_path):
    seen = []
    (record,) = fetch(server, tmp_path, progress=lambda *what: seen.append(what))
    assert (tmp_path / NAME).read_bytes() == zenodo.content
    assert record == FetchRecord.read(tmp_path / f"{NAME}.fetch.json")
    assert (record.version, record.doi, record.md5) == ("v2", "10.5281/zenodo.7152590", zenodo.md5)
    assert "metadata of the Zenodo record" in record.checksum_source
    assert seen[-1] == (NAME, len(zenodo.content), len(zenodo.content))
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.fetch.json"]
    fetch(server, tmp_path)
    assert zenodo.asked == [None]  # whole already: not asked for again


def test_a_cut_connection_is_resumed_in_the_same_call(zenodo, server, tmp_path):
    zenodo.cuts = [100_000, 50_000]
    fetch(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == zenodo.content
    assert zenodo.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_what_has_arrived_is_kept_for_the_next_call(zenodo, server, tmp_path):
    zenodo.cuts = [200_000, 0, 0, 0, 0, 0, 0]
    with pytest.raises(ToolMissingError, match=r"could not be reached .* 200,000 bytes are kept .* By hand"):
        fetch(server, tmp_path)
    assert (tmp_path / f"{NAME}.part").stat().st_size == 200_000
    assert not (tmp_path / NAME).exists()
    zenodo.cuts, zenodo.asked = [], []
    fetch(server, tmp_path)
    assert zenodo.asked == ["bytes=200000-"]
    assert (tmp_path / NAME).read_bytes() == zenodo.content
    assert not (tmp_path / f"{NAME}.part").exists()


def test_interrupt_keeps_the_part(zenodo, server, tmp_path):
    def stop(*what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=stop)
    kept = (tmp_path / f"{NAME}.part").stat().st_size
    assert kept > 0
    assert not (tmp_path / NAME).exists()
    fetch(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == zenodo.content


@pytest.mark.parametrize("case", ["no ranges", "another file", "no validator", "longer than the file"])
def test_parts_that_cannot_be_used(zenodo, server, tmp_path, case):
    zenodo.etag = "" if case == "no validator" else zenodo.etag
    zenodo.cuts = [90_000, 0, 0, 0, 0, 0]
    with pytest.raises(ToolMissingError):
        fetch(server, tmp_path)
    zenodo.cuts = []
    if case == "no ranges":
        zenodo.ranges = False
    elif case == "another file":
        zenodo.content = zenodo.content[::-1]
        zenodo.md5, zenodo.etag = hashlib.md5(zenodo.content, usedforsecurity=False).hexdigest(), '"two"'
    elif case == "longer than the file":
        (tmp_path / f"{NAME}.part").write_bytes(b"x" * (len(zenodo.content) + 5))
    fetch(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == zenodo.content


def test_wrong_checksum_is_refused(zenodo, server, tmp_path):
    zenodo.md5 = "0" * 32
    with pytest.raises(DataError, match="has not the MD5 0000"):
        fetch(server, tmp_path)
    assert not (tmp_path / NAME).exists()
    assert not (tmp_path / f"{NAME}.fetch.json").exists()


def test_one_changed_byte_is_refused(zenodo, server, tmp_path):
    zenodo.content = zenodo.content[:1000] + bytes([zenodo.content[1000] ^ 1]) + zenodo.content[1001:]
    with pytest.raises(DataError, match="has not the MD5"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "error", "message"), [(404, DataError, "HTTP status 404"), (503, ToolMissingError, "503")]
)
def test_status_of_the_server(zenodo, server, tmp_path, status, error, message):
    zenodo.status = status
    with pytest.raises(error, match=message):
        fetch(server, tmp_path)
    assert len(zenodo.asked) == (1 if status == 404 else 5)


def test_record_that_is_none(zenodo, server, tmp_path):
    other = next(item for item in PUBLISHED if item.record == 5046389)
    with pytest.raises(DataError, match="HTTP status 404"):
        fetch_files([other], tmp_path, server=server)
    zenodo.metadata = lambda base: b'{"files": [{"key": "../x.h5", "checksum": "md5:1", "size": 1}]}'
    with pytest.raises(DataError, match="expected a plain name"):
        fetch(server, tmp_path)
    zenodo.metadata = lambda base: b'{"message": "gone"}'
    with pytest.raises(DataError, match="not the metadata of a record"):
        fetch(server, tmp_path)
    zenodo.metadata = lambda base: b"<html>"
    with pytest.raises(DataError, match="not JSON"):
        fetch(server, tmp_path)


def test_no_room(zenodo, server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(RunFolderError, match=r"1,000 are free\. Nothing was downloaded"):
        fetch(server, tmp_path)


def test_full_disk_keeps_the_part(zenodo, server, tmp_path):
    # The limit on the size of a file stands in for the end of the disk.
    code = (
        "import resource, sys\n"
        "from l1ad.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["data", "fetch", "adc2021", "--part", "signals", "--folder", str(tmp_path), "--server", server]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "300,000 bytes are kept" in done.stderr
    assert (tmp_path / f"{NAME}.part").stat().st_size == 300_000
    fetch(server, tmp_path)
    assert zenodo.asked[-1] == "bytes=300000-"


def test_command_without_a_network(capsys, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["data", "fetch", "adc2021", "--part", "background", "--folder", str(tmp_path)]
    assert main([*options, "--server", f"http://127.0.0.1:{port}"]) == 3
    text = capsys.readouterr().err
    assert f"127.0.0.1:{port} could not be reached" in text
    assert "https://doi.org/10.5281/zenodo.5046428" in text
    assert main(["data", "fetch", "adc2021", "--server", "ftp://x"]) == 2
    assert main(["data", "fetch", "adc2022"]) == 2
    assert "Did you mean adc2021" in capsys.readouterr().err


def test_command_lists_and_fetches(capsys, zenodo, server, tmp_path):
    assert main(["data", "fetch", "adc2021", "--list", "--version", "v1", "--part", "signals"]) == 0
    assert "55,969" in capsys.readouterr().out
    folder = tmp_path / "new" / "folder"
    # The server has the first of the four records only.
    options = ["data", "fetch", "adc2021", "--part", "signals", "--folder", str(folder), "--server", server]
    assert main(options) == 2
    assert "7152599: HTTP status 404" in capsys.readouterr().err
    assert (folder / NAME).read_bytes() == zenodo.content


def test_import_knows_the_version_of_a_fetched_file(server, tmp_path, capsys):
    fetch(server, tmp_path)
    plain = tmp_path / "renamed.h5"
    (tmp_path / NAME).rename(plain)
    (tmp_path / f"{NAME}.fetch.json").rename(tmp_path / "renamed.h5.fetch.json")
    record = import_events([plain], tmp_path / "out.h5")
    assert record.source_tag == "adc2021-v2"
    assert "DOI 10.5281/zenodo.7152590" in record.recognised
    with pytest.raises(ConfigurationError, match="are those of adc2021-v2"):
        import_events([plain], tmp_path / "other.h5", source_tag="adc2021-v1")
    with h5py.File(plain, "r+") as file:
        file["Particles"][0, 0, 0] += 1
    with pytest.raises(DataError, match=r"is not the file that renamed\.h5\.fetch\.json describes"):
        import_events([plain], tmp_path / "third.h5")


def test_import_knows_filtered_files_by_name(content, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(content)
    record = import_events([path], tmp_path / "out.h5")
    assert (record.source_tag, record.recognised) == ("adc2021-v2", "by its name, which ends in _filtered")
    other = tmp_path / "plain.h5"
    other.write_bytes(content)
    with pytest.raises(ConfigurationError, match="source unknown"):
        import_events([other], tmp_path / "other.h5")


def test_selection():
    assert [item.record for item in select_files(["signals"], "v1")] == [5046446, 5055454, 5061633, 5061688]
    assert len(select_files([], "v2")) == 6
    with pytest.raises(ConfigurationError, match="Did you mean signals"):
        select_files(["signal"], "v1")
    with pytest.raises(ConfigurationError, match="unknown"):
        select_files([], "v3")
