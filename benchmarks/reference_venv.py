"""The environment that WeightWatcher runs in: made once by the benchmarks, kept in .cache/benchmarks."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.common import CACHE, say

if TYPE_CHECKING:
    from pathlib import Path

PINNED: Final = ("torch==2.13.0", "weightwatcher==0.7.7", "powerlaw==2.0.0")
FOLDER: Final = CACHE / "weightwatcher"


def reference_python() -> Path:
    """Return the interpreter of the environment, made at the first use.

    Raises
    ------
    subprocess.CalledProcessError
        The packages could not be installed.
    """
    python = FOLDER / "bin" / "python"
    if _works(python):
        return python
    say(f"Installing {', '.join(PINNED)} into {FOLDER}: once, some minutes.")
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PINNED], check=True)
    return python


def _works(python: Path) -> bool:
    """Tell whether the environment is there and holds what is pinned."""
    wanted = dict(name.split("==") for name in PINNED)
    check = (
        "from importlib.metadata import version\n"
        f"assert all(version(n).split('+')[0] == x for n, x in {wanted!r}.items())"
    )
    try:
        found = subprocess.run([str(python), "-c", check], capture_output=True, check=False)
    except OSError:
        return False
    return found.returncode == 0
