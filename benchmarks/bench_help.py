"""Wall time of `l1ad --help`, beside Python that does nothing and beside `hls4ml --help`.

    python benchmarks/bench_help.py

The goal is less than 1 s for l1ad.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from _bench import median, parser, show, write_json

GOAL_S = 1.0


def wall_s(command: list[str]) -> float:
    """Return how long a command takes, in s."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure the commands in turn, so that a busy moment meets all of them."""
    arguments = parser(__doc__).parse_args()
    scripts = Path(sys.executable).parent
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "l1ad --help": [sys.executable, "-m", "l1ad", "--help"],
        "l1ad run --help": [sys.executable, "-m", "l1ad", "run", "--help"],
        "hls4ml --help": [str(scripts / "hls4ml"), "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        wall_s(command)
    for _ in range(arguments.repeats):
        for name, command in commands.items():
            times[name].append(wall_s(command))
    rows = [[name, median(found), min(found), max(found)] for name, found in times.items()]
    show("Wall time in s", ["command", "median", "shortest", "longest"], rows)
    print(f"goal for l1ad --help: less than {GOAL_S:g} s")
    write_json(arguments.json, {"unit": "s", "goal_s": GOAL_S, "times": times})


if __name__ == "__main__":
    main()
