"""A project appears whole or not at all, and an older one stays when the new one fails."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest

from l1ad.errors import ConversionError, RunFolderError

BACKENDS = ["vitis", "verilog"]
#: What writes a file in the middle of a project.
MIDDLE = {
    "vitis": "hls4ml.writer.vivado_writer.VivadoWriter.write_parameters",
    "verilog": "alkaid.codegen.rtl.RTLModel.write",
}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=BACKENDS)
def place(request, conversion, examples, tmp_path):
    """A backend, its job, and an older project of another network in the folder."""
    from l1ad.conversion.base import convert

    example = examples("dense_vae", "rz")
    job = conversion.job(request.param, example.inputs, example.keras.score)
    older = examples("dense_vae", "mu2")
    folder = tmp_path / "firmware"
    convert(older.model, conversion.job(request.param, older.inputs, older.keras.score), folder)
    return request.param, example.model, job, folder


def check_nothing_changed(model, job, folder: Path, expected: type[Exception], text: str) -> None:
    """Convert over an older project and into a new folder; both must fail and leave nothing."""
    from l1ad.conversion.base import convert

    before = files(folder)
    assert before
    for target in (folder, folder.parent / "new"):
        with pytest.raises(expected, match=text):
            convert(model, job, target)
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def break_with(monkeypatch, target: str, error: BaseException) -> None:
    """Make `target` leave a half-written file in its project and raise."""

    def broken(self, *arguments, **named):
        owner = arguments[0].config.get_output_dir() if arguments else self._path
        Path(owner).mkdir(parents=True, exist_ok=True)
        Path(owner, "half.v").write_text("module")
        raise error

    monkeypatch.setattr(target, broken)


def test_converter_that_fails_in_the_middle_leaves_nothing(place, monkeypatch) -> None:
    backend, model, job, folder = place
    break_with(monkeypatch, MIDDLE[backend], Exception("no such node"))
    check_nothing_changed(model, job, folder, ConversionError, r"cannot convert the model \(Exception: no such node\)")


def test_full_disk_leaves_nothing(place, monkeypatch) -> None:
    backend, model, job, folder = place
    break_with(monkeypatch, MIDDLE[backend], OSError(errno.ENOSPC, "No space left on device"))
    check_nothing_changed(model, job, folder, RunFolderError, "No space left on device.*Free space")


def test_full_disk_at_the_record_leaves_nothing(place, monkeypatch) -> None:
    _, model, job, folder = place

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("l1ad.provenance.os.fsync", full)
    check_nothing_changed(model, job, folder, RunFolderError, "No space left on device")


def test_write_that_the_system_refuses_leaves_nothing(place) -> None:
    """The system itself stops every file at 4 kB, as a quota would."""
    _, model, job, folder = place
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        check_nothing_changed(model, job, folder, RunFolderError, "cannot be written")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_interruption_leaves_nothing(place, monkeypatch) -> None:
    backend, model, job, folder = place
    break_with(monkeypatch, MIDDLE[backend], KeyboardInterrupt())
    check_nothing_changed(model, job, folder, KeyboardInterrupt, "^$")


def test_older_project_returns_when_the_swap_fails(place, monkeypatch) -> None:
    from l1ad.conversion.base import convert

    _, model, job, folder = place
    before, rename = files(folder), Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "project":
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunFolderError, match="busy"):
        convert(model, job, folder)
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_conversion_replaces_an_older_project(place) -> None:
    from l1ad.conversion.base import convert

    _, model, job, folder = place
    before = files(folder)
    (folder / "left_by_hand.txt").write_text("")
    lines: list[str] = []
    convert(model, job, folder, lines.append)
    assert files(folder) != before
    assert not (folder / "left_by_hand.txt").exists()
    assert lines == [f"convert: {job.backend}"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_folder_that_cannot_be_made(place) -> None:
    from l1ad.conversion.base import convert

    _, model, job, folder = place
    with pytest.raises(RunFolderError, match="choose another folder"):
        convert(model, job, folder / "project.json" / "below")
