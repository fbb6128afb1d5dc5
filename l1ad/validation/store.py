"""Keeps a test with its calibrated null in one folder, so that a batch can be tested elsewhere without toys."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from l1ad.errors import DataError
from l1ad.provenance import whole_file, write_json
from l1ad.validation.calibration import CalibratedNull, load_null
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nuisances import nuisance_arrays, nuisance_from_arrays
from l1ad.validation.reference import NplmTest, Reference, make_reference

TEST_FILE, REFERENCE_FILE, WEIGHTS_FILE = "test.json", "reference.npy", "weights.npy"


def _nuisance_file(number: int) -> str:
    return f"nuisance_{number}.npz"


def save_test(test: NplmTest, null: CalibratedNull, folder: Path) -> None:
    """Write reference, settings and null to `folder`.

    Raises
    ------
    DataError
        When the null belongs to another test.
    """
    null.check_belongs(test)
    reference = test.reference
    arrays = {REFERENCE_FILE: reference.x}
    if reference.weights is not None:
        arrays[WEIGHTS_FILE] = reference.weights
    for name, values in arrays.items():
        with whole_file(folder / name) as stream:
            np.save(stream, values, allow_pickle=False)
    for number, nuisance in enumerate(test.nuisances):
        with whole_file(folder / _nuisance_file(number)) as stream:
            np.savez(stream, allow_pickle=False, **nuisance_arrays(nuisance))
    null.save(folder)
    write_json(
        folder / TEST_FILE,
        {
            "model": test.model.get_params(),
            "widths": list(test.widths),
            "expected": reference.expected,
            "names": list(reference.names) if reference.names is not None else None,
            "weighted": reference.weights is not None,
            "nuisances": len(test.nuisances),
            "nuisance_fit": test.nuisance_fit,
        },
    )


def load_test(folder: Path) -> tuple[NplmTest, CalibratedNull]:
    """Read what `save_test` wrote, and check that its parts belong together.

    Raises
    ------
    DataError
        When a file is absent or damaged, or the digest of the reference is not that of the null.
    """
    path = folder / TEST_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        x = np.load(folder / REFERENCE_FILE, allow_pickle=False)
        weights = np.load(folder / WEIGHTS_FILE, allow_pickle=False) if values["weighted"] else None
        reference: Reference = make_reference(x, expected=values["expected"], weights=weights, names=values["names"])
        nuisances = []
        for number in range(values["nuisances"]):
            with np.load(folder / _nuisance_file(number), allow_pickle=False) as arrays:
                nuisances.append(nuisance_from_arrays(dict(arrays)))
        model, widths = KernelNplm(**values["model"]), tuple(values["widths"])
        test = NplmTest(reference, model, widths, tuple(nuisances), values["nuisance_fit"])
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename}: no such file; expected a folder that `validate reference --save` wrote."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not readable as a stored test ({error}).") from error
    null = load_null(folder)
    null.check_belongs(test)
    return test, null
