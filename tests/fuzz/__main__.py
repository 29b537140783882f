"""Damage models and read them: ``python -m tests.fuzz`` (``make fuzz``); as long as you let it run.

Every damaged model has to be read, or refused by a GateError.  Anything else is printed with its
traceback, the files are kept, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import GateError
from gate.weights import read_weights
from tests.fuzz.subjects import subjects
from tests.weights.damage import mutated

if TYPE_CHECKING:
    from tests.fuzz.subjects import Files

_KEPT: Final = Path(__file__).resolve().parent.parent.parent / ".cache" / "fuzz"
_SLOW: Final = 10.0
"""Seconds within which even a damaged model of this size has to be refused."""


def main() -> int:
    """Attack each format for a while."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=sorted(subjects()), action="append")
    arguments = parser.parse_args()
    failures = 0
    for name, make in subjects().items():
        if arguments.only and name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory(prefix="gate-fuzz-") as folder:
            files = make(Path(folder))
        failures += _attack(name, files, random.Random(f"{arguments.seed} {name}"), arguments.seconds)  # noqa: S311
    return 1 if failures else 0


def _attack(name: str, files: Files, chance: random.Random, seconds: float) -> int:
    """Attack one format; return how many models neither were read nor refused in time."""
    runs = whole = failures = 0
    slowest = 0.0
    ends = time.monotonic() + seconds
    while not runs or time.monotonic() < ends:
        victim = chance.choice(sorted(files))
        damaged = {path: mutated(data, chance) if path == victim else data for path, data in files.items()}
        started = time.monotonic()
        try:
            whole += _is_read(damaged)
        except Exception:  # noqa: BLE001 - whatever it is, it is what this program looks for
            failures += 1
            print(f"{name}: kept in {_keep(name, runs, damaged)}\n{traceback.format_exc()}")  # noqa: T201
        spent = time.monotonic() - started
        if spent > _SLOW:
            failures += 1
            print(f"{name}: {spent:.0f} s for what is kept in {_keep(name, runs, damaged)}")  # noqa: T201
        slowest, runs = max(slowest, spent), runs + 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(  # noqa: T201 - a program
        f"{name}: {runs} damaged models, {runs - whole - failures} refused, {whole} read, "
        f"{failures} failures; slowest {slowest:.2f} s, {peak} MB",
        flush=True,
    )
    return failures


def _is_read(files: Files) -> bool:
    """Read a model to its last value; tell whether it was read, or refused."""
    with tempfile.TemporaryDirectory(prefix="gate-fuzz-") as folder:
        _write(Path(folder), files)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # damaged floats overflow where they are converted
                for layer in read_weights(Path(folder, next(iter(files))), root=Path(folder)).layers:
                    layer.read()
        except GateError:
            return False
    return True


def _keep(name: str, run: int, files: Files) -> Path:
    folder = _KEPT / f"{name}-{run}"
    _write(folder, files)
    return folder


def _write(folder: Path, files: Files) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
