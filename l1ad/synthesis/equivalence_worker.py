"""Runs one proof: ``python -m l1ad.synthesis.equivalence_worker REQUEST.json``; Yosys is a library here."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from l1ad.provenance import write_json
from l1ad.synthesis.equivalence import EQUAL, ProofRequest

#: What makes one version a flat network of gates.
_FLAT = ("proc", "flatten", "opt_clean", "memory_collect", "memory_map", "opt_clean")

#: Joins nodes inside the two versions that are the same function; adders that are built in another way are hard else.
_SWEEP = "abc -g AND -script +strash;ifraig,-C,1000;strash"

#: Bits that are neither 0 nor 1: ``1'bx``.
_UNDEFINED = re.compile(r"'[bhd][0-9a-fA-F_]*[xX]")


def work(request: ProofRequest) -> None:
    """Prove, or end the process with an error."""
    from pyosys import libyosys

    design = libyosys.Design()

    def run(*commands: str) -> None:
        """Run commands of Yosys."""
        for command in commands:
            libyosys.run_pass(command, design)

    for name, sources in (("gold", request.gold), ("gate", request.gate)):
        for source in sources:
            run(f"read_json {source}" if source.endswith(".json") else f"read_verilog {source}")
        run(f"hierarchy -top {request.top}", *_FLAT)
        run(f"rename {request.top} {name}", f"design -stash {name}")
    run("design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate")
    # When the miter can be raised, Yosys ends this process with an error, which `prove_equal` knows.
    if any(_UNDEFINED.search(Path(source).read_text(encoding="utf-8")) for source in request.gold):
        # What the RTL leaves undefined may be anything; techmap and opt would choose it before the solver sees it.
        run("miter -equiv -ignore_gold_x -flatten gold gate miter", "hierarchy -top miter", "opt_clean")
        run("sat -verify -enable_undef -set-def-inputs -prove trigger 0 miter")
    else:
        run("miter -equiv -flatten gold gate miter", "hierarchy -top miter", "techmap", "opt_expr", "opt_clean", _SWEEP)
        run("sat -verify -prove trigger 0 miter")


def main(arguments: Sequence[str]) -> int:
    """Read the request, prove, write the verdict."""
    path = Path(arguments[0])
    request = ProofRequest.from_dict(json.loads(path.read_text(encoding="utf-8")))
    os.chdir(path.parent)
    work(request)
    write_json(Path(request.result), {"verdict": EQUAL})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
