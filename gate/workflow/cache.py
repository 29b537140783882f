"""Where finished layers are kept: ``GATE_CACHE``, or a folder in the user's cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.spectra.cache import LayerCache

OFF: Final = "off"
"""The value of ``GATE_CACHE`` that means ``--no-cache``."""


def cache_folder() -> Path | None:
    """Return the folder of finished layers, or None where ``GATE_CACHE`` is ``off``."""
    chosen = os.environ.get("GATE_CACHE")
    if chosen:
        return None if chosen.lower() == OFF else Path(chosen)
    return user_caches() / "mlflow-spectral-gate" / "layers"


def open_cache() -> LayerCache | None:
    """Open the cache, or return None where it is off.

    Raises
    ------
    gate.errors.UsageError
        Somebody else owns the folder, or can write to it.
    """
    from gate.spectra.cache import CacheFolder, LayerCache  # noqa: PLC0415 - keeps `gate --help` fast

    try:
        folder = cache_folder()
    except RuntimeError:  # a user without a home, as in some containers
        return None
    return None if folder is None else LayerCache(CacheFolder(folder))


def user_caches() -> Path:
    """Return the folder in which this platform keeps a user's caches."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
