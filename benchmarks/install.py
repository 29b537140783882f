"""Measure what installing the gate costs a CI job, beside MLflow itself and with mlflow-skinny.

Run ``python -m benchmarks.install``; it makes fresh virtual environments in a temporary folder and
prints a table for docs/how-to/ci.md.  Times depend on the index and its distance; sizes do not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
SKINNY: Final = ROOT / "ci" / "requirements-skinny.txt"
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Installed:
    """What one installation took and left: seconds, packages and bytes in the environment."""

    seconds: float
    packages: int
    size: int


class Environment:
    """A fresh virtual environment; each installation in it is timed without pip's cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def install(self, *arguments: str | Path) -> Installed:
        """Install, and return the time it took with what the environment then holds."""
        started = time.monotonic()
        self._run("-m", "pip", "install", "--quiet", "--no-cache-dir", *map(str, arguments))
        seconds = time.monotonic() - started
        (library,) = self.folder.glob("lib/python*/site-packages")
        files = [path for path in library.rglob("*") if path.is_file()]
        return Installed(
            seconds, len(list(library.glob("*.dist-info"))), sum(file.stat().st_size for file in files)
        )

    def gate(self, *arguments: str) -> str:
        """Run the gate that was installed, and return what it printed."""
        return self._run("-c", "from gate.cli import main; main()", *arguments)

    def _run(self, *arguments: str) -> str:
        command = [str(self.folder / "bin" / "python"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.folder).stdout


def main() -> int:
    """Measure both ways and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = _build(Path(folder))
        full = Environment(Path(folder) / "full")
        mlflow = full.install("mlflow>=3.10")
        beyond = full.install(wheel)
        skinny = Environment(Path(folder) / "skinny")
        skinny_alone = skinny.install("mlflow-skinny>=3.10")
        needed = skinny.install("-r", SKINNY)
        itself = skinny.install("--no-deps", wheel)
        versions = {environment.gate("--version").strip() for environment in (full, skinny)}
    if len(versions) != 1:
        raise SystemExit(f"the environments hold different gates: {versions}")
    _print(
        [
            ("mlflow", mlflow, None),
            ("the gate, beyond it", beyond, mlflow),
            ("mlflow-skinny", skinny_alone, None),
            ("the gate's requirements, beyond it", needed, skinny_alone),
            ("the gate itself", itself, needed),
        ]
    )
    return 0


def _build(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."]
    subprocess.run(command, check=True, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _print(rows: Sequence[tuple[str, Installed, Installed | None]]) -> None:
    """Print the rows; packages and size are what a row added to the one it is compared with."""
    lines = ["| installed | seconds | packages | MB on disk |", "|---|---:|---:|---:|"]
    for title, installed, before in rows:
        packages = installed.packages - (before.packages if before else 0)
        size = installed.size - (before.size if before else 0)
        lines.append(f"| {title} | {installed.seconds:.0f} | {packages} | {size / _MEGABYTE:.0f} |")
    print("\n".join(lines))  # noqa: T201 - a script


if __name__ == "__main__":
    raise SystemExit(main())
