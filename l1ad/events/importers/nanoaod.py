"""CMS NanoAOD: reconstructed objects, or those of the L1 trigger (CMSSW, PhysicsTools/NanoAOD, l1trig_cff)."""

from __future__ import annotations

from pathlib import Path

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.events.adc2021 import EVENT_ID
from l1ad.events.importers.base import ImportOptions
from l1ad.events.importers.l1objects import sum_type
from l1ad.events.importers.rootfiles import Collection, RootReader, branch_names, find_tree, open_root, require

TREE = "Events"

#: ``--objects`` -> names of electrons, muons, jets and energy sums.
_RECONSTRUCTED = {"electron": "Electron", "muon": "Muon", "jet": "Jet"}
_TRIGGER = {"electron": "EG", "muon": "Mu", "jet": "Jet"}
_PREFIXES = {"l1": "L1", "l1emul": "L1Emul"}
OBJECTS = ("auto", "reco", *_PREFIXES)

#: Missing energies of NanoAOD in the order in which they are looked for: MET to version 11, then PuppiMET and PFMET.
_METS = ("MET", "PuppiMET", "PFMET")

#: Columns of ours -> branches that identify an event.
_IDENTIFIERS = {"Run": "run", "LuminosityBlock": "luminosityBlock", EVENT_ID: "event"}


def open_nanoaod(path: Path, options: ImportOptions) -> RootReader:
    """Open a NanoAOD file.

    Parameters
    ----------
    path : Path
        File with a tree ``Events``.
    options : ImportOptions
        ``objects``, ``met``, ``tree``, ``crossing``, ``batch``.

    Raises
    ------
    ConfigurationError
        When an option names what does not exist.
    DataError
        When the tree or a branch is missing.
    """
    if options.objects not in OBJECTS:
        raise ConfigurationError(f"--objects {options.objects!r}: unknown. {nearest(options.objects, OBJECTS)}")
    file = open_root(path)
    try:
        name, tree = find_tree(path, file, options.tree, (TREE,))
        known = set(branch_names(tree))
        objects = _chosen(options.objects, known)
        if objects == "reco":
            collections, settings = _reconstructed(path, name, known, options)
        else:
            _require_trigger(path, name, _PREFIXES[objects], known)
            collections, settings = _trigger(_PREFIXES[objects], known, options)
        require(path, name, tree, [branch for item in collections for branch in item.branches()])
        return RootReader(
            path,
            file,
            tree,
            collections,
            identifiers={ours: branch for ours, branch in _IDENTIFIERS.items() if branch in known},
            crossing=options.crossing,
            batch=options.batch,
            source_tag=f"cms-nanoaod-{objects}",
            settings={"tree": name, "objects": objects, **settings},
        )
    except BaseException:
        file.close()
        raise


def _chosen(objects: str, known: set[str]) -> str:
    """Return which objects to read: reconstructed ones when there are any, unless the user says otherwise."""
    if objects != "auto":
        return objects
    if any(f"{prefix}_pt" in known for prefix in _RECONSTRUCTED.values()):
        return "reco"
    return next((name for name, prefix in _PREFIXES.items() if f"{prefix}EG_pt" in known), "reco")


def _reconstructed(
    path: Path, tree_name: str, known: set[str], options: ImportOptions
) -> tuple[list[Collection], dict[str, str]]:
    """Return the branches of reconstructed objects."""
    met = options.met or next((name for name in _METS if f"{name}_pt" in known), _METS[0])
    if f"{met}_pt" not in known:
        mets = [name.removesuffix("_pt") for name in known if name.endswith("_pt") and "MET" in name]
        hint = nearest(met, mets) if mets else "There is none that ends in _pt."
        raise DataError(f"{path}: {tree_name}: no missing energy {met!r}. {hint}")
    collections = [Collection("met", f"{met}_pt", f"{met}_phi")]
    for block, prefix in _RECONSTRUCTED.items():
        collections.append(Collection(block, f"{prefix}_pt", f"{prefix}_phi", f"{prefix}_eta"))
    return collections, {"met": met}


def _require_trigger(path: Path, tree_name: str, prefix: str, known: set[str]) -> None:
    """Say so when the file has no objects of the trigger at all."""
    if not any(f"{prefix}{suffix}_pt" in known for suffix in (*_TRIGGER.values(), "EtSum")):
        raise DataError(
            f"{path}: {tree_name}: no trigger objects ({prefix}EG, {prefix}Mu, {prefix}Jet, {prefix}EtSum). "
            "--objects reco reads the reconstructed ones."
        )


def _trigger(prefix: str, known: set[str], options: ImportOptions) -> tuple[list[Collection], dict[str, str]]:
    """Return the branches of trigger objects; integers and crossings where the file has them."""
    name, number = sum_type(options.met)
    sums = f"{prefix}EtSum"
    collections = [
        Collection(
            "met",
            f"{sums}_pt",
            f"{sums}_phi",
            hardware=_hardware(sums, known, None),
            crossing=_crossing(sums, known),
            kind=(f"{sums}_etSumType", number),
        )
    ]
    settings = {"met": name, "crossing": str(options.crossing)}
    for block, suffix in _TRIGGER.items():
        stem = f"{prefix}{suffix}"
        # The global trigger cuts on the coordinates of a muon that are extrapolated to the vertex.
        vertex = "AtVtx" if block == "muon" and f"{stem}_etaAtVtx" in known else ""
        if block == "muon":
            settings["muon coordinates"] = "at the vertex" if vertex else "in the muon system"
        collections.append(
            Collection(
                block,
                f"{stem}_pt",
                f"{stem}_phi{vertex}",
                f"{stem}_eta{vertex}",
                hardware=_hardware(stem, known, vertex),
                crossing=_crossing(stem, known),
            )
        )
    return collections, settings


def _hardware(stem: str, known: set[str], vertex: str | None) -> tuple[str, str | None, str] | None:
    """Return the branches of the integers, or None when one is missing; `vertex` None: there is no eta."""
    names: tuple[str, str | None, str] = (
        f"{stem}_hwPt",
        None if vertex is None else f"{stem}_hwEta{vertex}",
        f"{stem}_hwPhi{vertex or ''}",
    )
    return names if all(name is None or name in known for name in names) else None


def _crossing(stem: str, known: set[str]) -> str | None:
    """Return the branch with the bunch crossing, when there is one; without it all objects are of the triggered one."""
    return f"{stem}_bx" if f"{stem}_bx" in known else None
