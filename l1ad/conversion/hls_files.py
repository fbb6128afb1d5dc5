"""Finishes the files that hls4ml writes: the same bytes for the same model, and a test bench that can fail."""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import ConversionError
from l1ad.provenance import folder_digests, value_digest

#: Files that hold a path of this machine or a copy of the model, which has its own place in a run.
_LEFT_OUT = ("hls4ml_config.yml", "keras_model.keras")

_STAMP = re.compile(r"(?<=^LIB_STAMP=)\w+$", re.MULTILINE)
_LOG = re.compile(r"std::ofstream fout\(RESULTS_LOG\);")
_INCLUDE = re.compile(r'#include "firmware/nnet_utils/nnet_helpers\.h"')
_END = re.compile(r"return 0;")


def finish_files(folder: Path, top: str) -> None:
    """Complete the project that hls4ml wrote to `folder`.

    hls4ml 1.3.0 stamps the library at random (model/optimizer/passes/stamp.py), and its test bench prints six digits
    and always returns 0. Here the stamp follows from the sources, and the bench prints every digit and returns 1
    when a value is not the prediction, which stops the C-simulation of the vendor tool.

    Raises
    ------
    ConversionError
        When a file is not as hls4ml 1.3.0 writes it.
    OSError
        When a file cannot be written.
    """
    for name in _LEFT_OUT:
        (folder / name).unlink(missing_ok=True)
    _replace(folder / "build_lib.sh", _STAMP, value_digest(folder_digests(folder / "firmware"))[:8])
    bench = folder / f"{top}_test.cpp"
    _replace(bench, _INCLUDE, r'\g<0>\n#include "firmware/nnet_utils/nnet_compare_results.h"')
    # A score has at most 24 bits; 17 digits are enough for every double.
    _replace(bench, _LOG, r"\g<0>\n    fout.precision(17);")
    _replace(bench, _END, 'return nnet::compare_results(RESULTS_LOG, "tb_data/tb_output_predictions.dat");')


def _replace(path: Path, pattern: re.Pattern[str], text: str) -> None:
    """Replace the one place in `path` that matches."""
    content, count = pattern.subn(text, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ConversionError(f"{path.name}: {count} places match {pattern.pattern!r}; expected 1. Use hls4ml 1.3.0.")
    path.write_text(content, encoding="utf-8")
