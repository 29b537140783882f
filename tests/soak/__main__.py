"""Kill a watcher through a long run of checks: ``python -m tests.soak`` (``make soak``); too long for CI.

Prints how many checks, lives and seconds it took; fails as the test in CI does, on the first version
that was promotable early or whose decision is not the one it should have.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mlflow_server import running_server
from tests.workflow.watch.killing import run_killed
from tests.workflow.watch.registry import Models, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUESTS = (5, 400)
"""Fewest and most requests of a life."""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--checks", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gate-soak-") as name, running_server(Path(name)) as address:
        folder = Path(name)
        killed = run_killed(
            Models(address, folder / "models"),
            write_policy(folder / "norm.yaml"),
            folder,
            stem="soak",
            checks=arguments.checks,
            ends=_ends(arguments.seed),
            concurrency=arguments.concurrency,
        )
    took = time.monotonic() - started
    sys.stdout.write(
        f"{arguments.checks} checks through {killed.lives} kills in {took:.0f} s: every decision is right, "
        f"none was there early\n"
    )
    return 0


def _ends(seed: int) -> Iterator[int]:
    chance = random.Random(seed)  # noqa: S311 - no secret
    while True:
        yield chance.randint(*_REQUESTS)


if __name__ == "__main__":
    raise SystemExit(main())
