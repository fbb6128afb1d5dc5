"""Downloads a file over HTTP and goes on where a broken download stopped; the downloader that pooch is given."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from l1ad import __version__
from l1ad.errors import DataError, RunFolderError, ToolMissingError
from l1ad.provenance import write_json

_log = logging.getLogger(__name__)

#: Bytes read from the network at once.
_BLOCK = 1 << 20
_TIMEOUT_S = 30.0
#: Statuses after which the same request may succeed: too many requests, and errors of a server or a gateway.
_TRY_AGAIN = {429, 500, 502, 503, 504}
_RANGE_NOT_SATISFIABLE = 416

#: What a broken connection raises.
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)

#: Called with bytes that are there and bytes in all (0 when the server does not say).
Progress = Callable[[int, int], None]


def part_path(path: Path) -> Path:
    """Return where the bytes of an unfinished download of `path` are kept."""
    return path.with_name(path.name + ".part")


def read_json(url: str, by_hand: str) -> Any:
    """Return the JSON document at `url`.

    Parameters
    ----------
    url : str
        Address.
    by_hand : str
        What a user can do without a network, for the message.

    Raises
    ------
    ToolMissingError
        When the host cannot be reached.
    DataError
        When the document is not there or is not JSON.
    """
    try:
        with _open(url, {"Accept": "application/json"}) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise DataError(f"{url}: HTTP status {error.code} ({error.reason}). {by_hand}") from error
    except _BROKEN as error:
        raise _unreachable(url, error, by_hand) from error
    except ValueError as error:
        raise DataError(f"{url}: not JSON ({error}). {by_hand}") from error


class ResumingDownloader:
    """Downloads one file for pooch, which checks the digest and moves it to its place.

    What has arrived is kept beside the target as ``NAME.part`` when the connection breaks, on Ctrl-C, and on a full
    disk; the next download asks the server for the rest only (RFC 9110, sections 13.1.5 and 14.2: If-Range, Range).

    Parameters
    ----------
    path : Path
        The target.
    by_hand : str
        What a user can do without a network, for the message.
    progress : callable, optional
        Called after each block.
    attempts : int, optional
        Connections without any new byte after which it gives up.
    wait_s : float, optional
        Pause before the second attempt; it doubles.
    """

    def __init__(
        self,
        path: Path,
        by_hand: str,
        progress: Progress | None = None,
        *,
        attempts: int = 5,
        wait_s: float = 1.0,
    ) -> None:
        self._part = part_path(path)
        self._by_hand, self._progress = by_hand, progress
        self._attempts, self._wait_s = attempts, wait_s

    def __call__(self, url: str, output_file: str, pooch: object = None, check_only: bool = False) -> bool | None:
        """Download `url` to `output_file`; the signature is that of pooch's downloaders."""
        if check_only:
            return None
        failures = 0
        while True:
            before = self._size()
            try:
                self._receive(url)
                break
            except _BROKEN as error:
                self._check_status(url, error)
                failures = 1 if self._size() > before else failures + 1
                if failures >= self._attempts:
                    raise _unreachable(url, error, self._kept() + self._by_hand) from error
                _log.info("%s: %s; trying again from byte %d.", url, error, self._size())
                time.sleep(self._wait_s * 2 ** (failures - 1))
        self._part.replace(output_file)
        self._state().unlink(missing_ok=True)
        return None

    def _receive(self, url: str) -> None:
        """Ask for what is missing and append it to the part."""
        start, validator = self._begun(url)
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and validator:
            headers["If-Range"] = validator
        try:
            response = _open(url, headers)
        except urllib.error.HTTPError as error:
            if error.code == _RANGE_NOT_SATISFIABLE:
                self._part.unlink(missing_ok=True)
                raise ConnectionError("the server has fewer bytes than were kept; starting again") from error
            raise
        with response:
            if response.status != http.client.PARTIAL_CONTENT:
                start = 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length is not None else 0
            self._write_state(url, response)
            self._append(response, start, total)
        if total and self._size() < total:
            raise http.client.IncompleteRead(b"", total - self._size())

    def _append(self, response: Any, start: int, total: int) -> None:
        """Write what arrives behind byte `start`."""
        try:
            with self._part.open("r+b" if start else "wb") as stream:
                stream.seek(start)
                stream.truncate()
                while block := response.read(_BLOCK):
                    stream.write(block)
                    start += len(block)
                    if self._progress is not None:
                        self._progress(start, total)
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            raise RunFolderError(
                f"{self._part}: cannot be written ({error.strerror or error}). {self._kept()}Make room and run "
                "the same command again."
            ) from error

    def _begun(self, url: str) -> tuple[int, str]:
        """Return how many bytes of this file are kept, and its validator; without one the checksum has to tell."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state().read_text(encoding="utf-8"))
            if state["url"] == url:
                return self._size(), str(state["validator"])
        return 0, ""

    def _write_state(self, url: str, response: Any) -> None:
        """Note which file the part belongs to. A weak ETag cannot be used with If-Range."""
        tag = response.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        write_json(self._state(), {"url": url, "validator": validator})

    def _state(self) -> Path:
        return self._part.with_name(self._part.name + ".json")

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _kept(self) -> str:
        """Say how much is kept."""
        return f"{self._size():,} bytes are kept in {self._part}; the same command goes on there. "

    def _check_status(self, url: str, error: BaseException) -> None:
        """Raise at once what another attempt would not mend."""
        if isinstance(error, urllib.error.HTTPError) and error.code not in _TRY_AGAIN:
            raise DataError(f"{url}: HTTP status {error.code} ({error.reason}). {self._by_hand}") from error


def _open(url: str, headers: dict[str, str]) -> Any:
    """Open a connection; HTTP and HTTPS only."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url}: not an address of HTTP or HTTPS.")
    request = urllib.request.Request(url, headers={"User-Agent": f"l1ad/{__version__}", **headers})  # noqa: S310
    return urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310


def _unreachable(url: str, error: BaseException, remedy: str) -> ToolMissingError:
    """Return the error for a host that does not answer."""
    reason = getattr(error, "reason", None) or error
    return ToolMissingError(f"{urllib.parse.urlsplit(url).netloc} could not be reached ({reason}). {remedy}")
