"""Thousands of restarts: workers of real servers are killed at random under load, and the totals stay exact.

    python crates/pulse-py/benches/restarts.py --kills 1000

Prints, as Markdown, per server: kills, requests that were answered, those that were sent and not answered, the total that the
workers report at the end, and the memory of the group's file after the first and the last kill. Ends with 1 when a total
is not exact. Needs what the tests need: gunicorn, uvicorn, uvicorn-worker, fastapi.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from test_workers import SERVERS, WORKERS

from fleet import Fleet, free_port, massacre


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000, help="of all servers together")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| server | kills | answered | unanswered | total | exact | memory, first – last kill | seconds |")
    print("|---|---:|---:|---:|---:|---|---:|---:|")
    all_exact = True
    for server in SERVERS:
        command, share, _ = server.values
        kills = max(round(arguments.kills * share), 1)
        port, begin = free_port(), perf_counter()
        with Fleet(command(port), port) as fleet:
            fleet.await_workers(WORKERS)
            load, used = massacre(fleet, WORKERS, kills, seed=arguments.seed)
            totals = {fleet.recorded() for _ in range(4 * WORKERS)}
        total = totals.pop()
        is_exact = not totals and load.acknowledged <= total <= load.acknowledged + load.broken
        all_exact = all_exact and is_exact
        print(
            f"| {server.id} | {kills} | {load.acknowledged} | {load.broken} | {total} | {'yes' if is_exact else 'NO'} "
            f"| {used[0] // 1024} – {used[-1] // 1024} KiB | {perf_counter() - begin:.0f} |",
            flush=True,
        )
    return 0 if all_exact else 1


if __name__ == "__main__":
    sys.exit(main())
