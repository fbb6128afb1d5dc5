"""What shows that the ladder can be trusted: `l1ad synth --prove` and `l1ad emulate --mutations`."""

from __future__ import annotations

import gzip
import json

import pytest

from l1ad.cli.main import main
from l1ad.emulation.mutation import LADDER, MISSED, MutationReport
from l1ad.synthesis.equivalence import DIFFERENT, EQUAL, ProofReport


@pytest.mark.heavy
def test_the_netlist_is_proved_and_a_changed_one_fails(run_copy, capsys):
    run = str(run_copy)
    assert main(["synth", run, "--prove", "--prove-limit", "60"]) == 0
    assert "registers: simulated, not proved" in capsys.readouterr().out
    report = ProofReport.read(run_copy / "proofs.json")
    assert report.of(EQUAL)
    path = run_copy / "synth" / "netlist" / f"{report.of(EQUAL)[0]}.cells.json.gz"
    netlist = json.loads(gzip.decompress(path.read_bytes()))
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] == "LUT2":
                cell["parameters"]["INIT"] = "".join("10"[int(bit)] for bit in cell["parameters"]["INIT"])
    path.write_bytes(gzip.compress(json.dumps(netlist).encode()))
    # The stage is not repeated: its entry in the manifest names the files, and proofs read what is there.
    from l1ad.cli.proofs import prove
    from l1ad.errors import CheckFailedError
    from l1ad.pipeline.run_folder import open_run

    with pytest.raises(CheckFailedError, match="is another function"):
        prove(open_run(run_copy), 60.0)
    assert ProofReport.read(run_copy / "proofs.json").of(DIFFERENT) == (report.of(EQUAL)[0],)


def test_without_a_netlist_there_is_nothing_to_prove(run_copy, capsys):
    path = run_copy / "config.yaml"
    path.write_text(path.read_text().replace("netlist: true", "netlist: false"))
    assert main(["synth", str(run_copy), "--prove"]) == 2
    assert "synthesis.netlist is false" in capsys.readouterr().err


@pytest.mark.heavy
def test_flipped_bits_are_counted_and_explained(run_copy, capsys):
    assert main(["emulate", str(run_copy), "--mutations", "40", "--seed", "3", "--events", "300"]) == 0
    text = capsys.readouterr().out
    assert "bits flipped, 300 events" in text
    report = MutationReport.read(run_copy / "mutations.json")
    assert (len(report.mutants), report.seed, report.events) == (40, 3, 300)
    assert {mutant.rung for mutant in report.mutants} == {"csim", "rtl"}
    assert report.count(LADDER) >= 20
    assert all(mutant.reason for mutant in report.mutants if mutant.caught == MISSED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mutations", "1"], "--mutations"),
        (["--mutations", "20", "--events", "absent.h5"], "belongs to the events of the run"),
    ],
)
def test_wrong_options_of_mutations(run_copy, capsys, options, message):
    assert main(["emulate", str(run_copy), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (run_copy / "mutations.json").exists()
