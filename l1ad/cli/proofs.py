"""What `l1ad synth --prove` and `l1ad emulate --mutations` show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1ad.pipeline.run_folder import RunFolder


def prove(run: RunFolder, limit_s: float) -> None:
    """Prove the netlist of a run and show a line a module.

    Parameters
    ----------
    run : RunFolder
    limit_s : float
        Time for one module.

    Raises
    ------
    CheckFailedError
        When a module of the netlist is another function than its RTL.
    """
    from l1ad.cli.terminal import note, say, show_table
    from l1ad.cli.watcher import Watcher
    from l1ad.errors import CheckFailedError
    from l1ad.pipeline.proofs import PROOFS_FILE, prove_run
    from l1ad.synthesis.equivalence import CLOCKED, DIFFERENT, EQUAL, OPEN

    with Watcher() as watcher:
        report = prove_run(run, limit_s, watcher)
    words = {
        EQUAL: "proved equal",
        DIFFERENT: "DIFFERENT",
        OPEN: f"too large: not decided in {limit_s:g} s",
        CLOCKED: "registers: simulated, not proved",
    }
    rows = [(proof.module, words[proof.verdict], f"{proof.seconds:.1f}") for proof in report.modules]
    show_table("RTL and netlist", ("Module", "Verdict", "Seconds"), rows, numeric=("Seconds",))
    different = report.of(DIFFERENT)
    if different:
        raise CheckFailedError(f"{run.path / PROOFS_FILE}: the netlist of {', '.join(different)} is another function.")
    note(f"{len(report.of(EQUAL))} modules proved equal, {len(report.of(OPEN))} too large")
    say(str(run.path / PROOFS_FILE))


def mutate(run: Path, count: int, seed: int, events: int) -> None:
    """Flip bits of a run's projects and show how many the ladder sees, and why it does not see the others.

    Parameters
    ----------
    run : Path
        Folder of a run.
    count : int
        Bits.
    seed : int
        Of their choice.
    events : int
        Events that each mutant sees.
    """
    from collections import Counter

    from l1ad.cli.terminal import say, show_table
    from l1ad.cli.watcher import Watcher
    from l1ad.emulation.mutation import LADDER, MISSED, RANGE
    from l1ad.pipeline.proofs import MUTATIONS_FILE, mutate_run
    from l1ad.pipeline.run_folder import open_run

    opened = open_run(run)
    with Watcher() as watcher:
        report = mutate_run(opened, count, events=events, seed=seed, observer=watcher)
    groups = Counter((mutant.rung, mutant.kind, mutant.caught) for mutant in report.mutants)
    kinds = sorted({key[:2] for key in groups})
    rows = [
        (*kind, *(str(groups[*kind, caught]) for caught in (LADDER, RANGE, MISSED)), str(_total(groups, kind)))
        for kind in kinds
    ]
    rows.append(("all", "", *(str(report.count(caught)) for caught in (LADDER, RANGE, MISSED)), str(count)))
    columns = ("Rung", "Bit of a", "Seen on the events", "Seen over the whole range only", "Not seen", "Bits")
    show_table(f"bits flipped, {report.events:,} events", columns, rows, numeric=columns[2:])
    missed = [(m.rung, m.file, m.what, m.reason) for m in report.mutants if m.caught == MISSED]
    if missed:
        show_table("not seen", ("Rung", "File", "Bit", "Reason"), missed)
    say(str(opened.path / MUTATIONS_FILE))


def _total(groups: dict[tuple[str, str, str], int], kind: tuple[str, ...]) -> int:
    return sum(number for key, number in groups.items() if key[:2] == kind)
