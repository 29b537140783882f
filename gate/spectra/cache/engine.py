"""What decides the bits of a result beside the tensor and the settings: code, libraries, processor."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from gate import __version__

_SOURCES: Final = ("*.py", "*.json", "*.npz")
_ROOM: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Two engines with equal identities give equal bits.

    Attributes
    ----------
    gate, numpy, scipy:
        Versions.
    source:
        Digest of the engine's own files, so that an edited or patched engine is another one.
    solver:
        The linear algebra backend (:mod:`gate.spectra.lapack`).
    blas:
        numpy's BLAS and the kernels it chose for this processor.
    processor:
        Operating system, architecture and the vector extensions numpy found.
    """

    gate: str
    source: str
    numpy: str
    scipy: str
    solver: str
    blas: str
    processor: str

    def differences(self, other: EngineIdentity) -> tuple[str, ...]:
        """Return the names of the fields that differ."""
        return tuple(
            field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)
        )


SOFTWARE: Final = frozenset({"gate", "source", "numpy", "scipy"})
"""The fields of an identity that an administrator can make equal on every machine."""


@cache
def identity() -> EngineIdentity:
    """Return the identity of this process's engine."""
    import numpy as np  # noqa: PLC0415 - keeps the import of this module light

    from gate.spectra.lapack import backend  # noqa: PLC0415

    return EngineIdentity(
        gate=__version__,
        source=_source_digest(),
        numpy=np.__version__,
        scipy=version("scipy"),  # importing it would take longer than everything else here
        solver=backend().name,
        blas=_blas(),
        processor=_processor(),
    )


def _source_digest() -> str:
    digest = hashlib.sha256()
    files = [_ROOM.parent / "layer.py", *(path for pattern in _SOURCES for path in _ROOM.rglob(pattern))]
    for path in sorted(files):
        if path.is_file():
            digest.update(f"{path.relative_to(_ROOM.parent).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _blas() -> str:
    """Describe numpy's BLAS; other libraries may be loaded beside it, by whatever else runs here."""
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in libraries if "numpy" in Path(library["filepath"]).parent.as_posix()]
    described = {
        f"{library['internal_api']} {library.get('version')} {library.get('architecture', '')}".strip()
        for library in own or libraries
    }
    return ", ".join(sorted(described))


def _processor() -> str:
    import numpy as np  # noqa: PLC0415

    configuration: Any = np.show_config(mode="dicts")
    extensions = configuration.get("SIMD Extensions", {})
    found = sorted({*extensions.get("baseline", ()), *extensions.get("found", ())})
    return f"{platform.system()} {platform.machine()} {' '.join(found)}"
