"""The published ADC2021 files (arXiv:2107.02157): Zenodo records, versions, and how a file is recognised.

Signal files exist in two versions, and results on one are not comparable with results on the other. A file is
recognised by its number of events, by the record that `l1ad data fetch` wrote beside it, or by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from l1ad.errors import DataError
from l1ad.provenance import file_digest
from l1ad.records import Record

ADC2021_V1 = "adc2021-v1"
ADC2021_V2 = "adc2021-v2"

BACKGROUND, SIGNALS, BLACK_BOX = "background", "signals", "blackbox"
PARTS = (BACKGROUND, SIGNALS, BLACK_BOX)

#: End of the name of the record that `l1ad data fetch` leaves beside a file.
FETCH_SUFFIX = ".fetch.json"


class PublishedFile(NamedTuple):
    """One record of the publication.

    Attributes
    ----------
    part : str
        ``background``, ``signals`` or ``blackbox``.
    version : str
        ``v1`` or ``v2``.
    process : str
        What was simulated.
    record : int
        Number of the Zenodo record.
    events : int or None
        Events in the file, where they are known.
    """

    part: str
    version: str
    process: str
    record: int
    events: int | None

    @property
    def doi(self) -> str:
        """DOI of the record: Zenodo registers 10.5281/zenodo.RECORD."""
        return f"10.5281/zenodo.{self.record}"

    @property
    def source_tag(self) -> str:
        """Label of results on this file."""
        return f"adc2021-{self.version}"

    def __str__(self) -> str:
        return f"{self.process}, Zenodo {self.record}"


#: Every record. The events of the filtered signals and of the first black box are not known here.
PUBLISHED = (
    PublishedFile(BACKGROUND, "v1", "background", 5046389, 4_000_000),
    PublishedFile(BACKGROUND, "v2", "background", 5046428, 13_451_915),
    PublishedFile(SIGNALS, "v1", "A -> 4l", 5046446, 55_969),
    PublishedFile(SIGNALS, "v1", "LQ -> b tau", 5055454, 340_544),
    PublishedFile(SIGNALS, "v1", "h0 -> tau tau", 5061633, 691_283),
    PublishedFile(SIGNALS, "v1", "h+- -> tau nu", 5061688, 760_272),
    PublishedFile(SIGNALS, "v2", "A -> 4l", 7152590, None),
    PublishedFile(SIGNALS, "v2", "LQ -> b tau", 7152599, None),
    PublishedFile(SIGNALS, "v2", "h0 -> tau tau", 7152614, None),
    PublishedFile(SIGNALS, "v2", "h+- -> tau nu", 7152617, None),
    PublishedFile(BLACK_BOX, "v1", "black box", 5070455, None),
    PublishedFile(BLACK_BOX, "v2", "black box", 5072068, 4_210_492),
)

#: Event counts of published files -> source tag and record.
PUBLISHED_COUNTS = {item.events: (item.source_tag, str(item)) for item in PUBLISHED if item.events is not None}

#: Names of the second version of the signal files end so.
_FILTERED = "_filtered"


@dataclass(frozen=True)
class FetchRecord(Record):
    """Where a downloaded file comes from.

    Attributes
    ----------
    file : str
        Its name.
    part, version, process, doi : str
        Which published file it is.
    url : str
        Where it was taken from.
    bytes : int
        Its size.
    md5 : str
        As the record's own metadata says, and as the file was found to be.
    sha256 : str
        Of the file.
    checksum_source : str
        Where the MD5 comes from.
    """

    file: str
    part: str
    version: str
    process: str
    doi: str
    url: str
    bytes: int
    md5: str
    sha256: str
    checksum_source: str


def fetch_record_path(path: Path) -> Path:
    """Return the path of the record that belongs to a downloaded file."""
    return path.with_name(path.name + FETCH_SUFFIX)


def identify_published(paths: Sequence[Path], events: int) -> tuple[str | None, str]:
    """Return source tag and description of the published file that `paths` are, or None and nothing.

    Parameters
    ----------
    paths : sequence of Path
        Files that are imported together.
    events : int
        Their events, 0 when not known.

    Raises
    ------
    DataError
        When a file differs from what the record of its download says.
    """
    if events in PUBLISHED_COUNTS:
        return PUBLISHED_COUNTS[events]
    records = [_fetched(path) for path in paths]
    found = {f"adc2021-{record.version}" for record in records if record is not None}
    if len(found) == 1 and None not in records:
        first = next(record for record in records if record is not None)
        return found.pop(), f"{first.process}, DOI {first.doi}, by the record of its download"
    if all(path.stem.endswith(_FILTERED) for path in paths):
        return ADC2021_V2, f"by its name, which ends in {_FILTERED}"
    return None, ""


def _fetched(path: Path) -> FetchRecord | None:
    """Return the record of the download of `path` when there is one, after comparing the digest."""
    beside = fetch_record_path(path)
    if not beside.is_file():
        return None
    record = FetchRecord.read(beside)
    if record.sha256 != file_digest(path):
        raise DataError(f"{path}: is not the file that {beside.name} describes (SHA-256 differs). Fetch it again.")
    return record
