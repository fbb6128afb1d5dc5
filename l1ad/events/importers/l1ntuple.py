"""CMS L1 ntuples: trees of class L1AnalysisL1UpgradeDataFormat (CMSSW, L1Trigger/L1TNtuples)."""

from __future__ import annotations

from pathlib import Path

from l1ad.events.importers.base import ImportOptions
from l1ad.events.importers.l1objects import sum_type
from l1ad.events.importers.rootfiles import Collection, RootReader, branch_names, find_tree, open_root, require

#: Unpacked objects, then emulated ones.
TREES = ("l1UpgradeTree/L1UpgradeTree", "l1UpgradeEmuTree/L1UpgradeTree")

_PREFIXES = {"electron": "eg", "muon": "muon", "jet": "jet"}


def open_l1ntuple(path: Path, options: ImportOptions) -> RootReader:
    """Open an L1 ntuple.

    Parameters
    ----------
    path : Path
        File with one of `TREES`.
    options : ImportOptions
        ``met``, ``tree``, ``crossing``, ``batch``.

    Raises
    ------
    ConfigurationError
        When an option names what does not exist.
    DataError
        When the tree or a branch is missing.
    """
    met, number = sum_type(options.met)
    file = open_root(path)
    try:
        name, tree = find_tree(path, file, options.tree, TREES)
        known = set(branch_names(tree))
        vertex = "AtVtx" if "muonEtaAtVtx" in known else ""
        collections = [_sums(number, known)]
        for block, prefix in _PREFIXES.items():
            collections.append(_objects(block, prefix, vertex if block == "muon" else "", known))
        require(path, name, tree, [branch for item in collections for branch in item.branches()])
        return RootReader(
            path,
            file,
            tree,
            collections,
            identifiers={},
            crossing=options.crossing,
            batch=options.batch,
            source_tag="cms-l1ntuple",
            settings={
                "tree": name,
                "met": met,
                "crossing": str(options.crossing),
                "muon coordinates": "at the vertex" if vertex else "in the muon system",
            },
        )
    except BaseException:
        file.close()
        raise


def _sums(number: int, known: set[str]) -> Collection:
    """Return the branches of the energy sums."""
    integers: tuple[str, str | None, str] | None = ("sumIEt", None, "sumIPhi")
    return Collection(
        "met",
        "sumEt",
        "sumPhi",
        hardware=integers if {"sumIEt", "sumIPhi"} <= known else None,
        crossing="sumBx",
        kind=("sumType", number),
    )


def _objects(block: str, prefix: str, vertex: str, known: set[str]) -> Collection:
    """Return the branches of one kind of object; early ntuples have no integers."""
    integers = (f"{prefix}IEt", f"{prefix}IEta{vertex}", f"{prefix}IPhi{vertex}")
    return Collection(
        block,
        f"{prefix}Et",
        f"{prefix}Phi{vertex}",
        f"{prefix}Eta{vertex}",
        hardware=integers if set(integers) <= known else None,
        crossing=f"{prefix}Bx",
    )
