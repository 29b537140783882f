"""A resolved source becomes files on this machine, and a digest of everything it consists of.

On disk, and in an artifact store on disk, the files are read where they are.  From anywhere else
only weight files, ``MLmodel``, what it names and pickles are kept, in a temporary folder that goes
away again whatever happens; every other file (code, environments) is downloaded, hashed, looked at and
deleted, one at a time, so that the digest covers what somebody would load and a pickle is found whatever
it is called.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from gate.analysis.manifest import folder_manifest, hash_file, list_files, manifest_digest
from gate.errors import ModelError, RegistryError, ResourceError
from gate.registry.artifacts import local_place, open_remote
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.analysis.interface import SourceFile
    from gate.registry.artifacts import RemoteArtifact
    from gate.registry.clients import Connection
    from gate.registry.resolve import ResolvedSource

    Progress = Callable[[int, int], None]

DESCRIPTION_FILE: Final = "MLmodel"
_SPARE_DISK: Final = 64 << 20
_WATCH_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model whose weight files are on this machine.

    Attributes
    ----------
    uri:
        The source's canonical form.
    path:
        What to read: a folder, or one file.
    root:
        The folder that no reference may leave.
    files:
        Every file of the artifact, the ones that were not kept too, in path order.
    digest:
        Of the manifest of ``files``, see :mod:`gate.analysis.manifest`.
    """

    uri: str
    path: Path
    root: Path
    files: tuple[SourceFile, ...]
    digest: str


@contextlib.contextmanager
def open_model(
    resolved: ResolvedSource, connection: Connection | None = None, progress: Progress | None = None
) -> Iterator[LocalModel]:
    """Bring the model's files here for the length of the ``with`` block.

    Parameters
    ----------
    resolved, connection:
        What to bring, and from where (None suffices for a path).
    progress:
        Called with the bytes brought or hashed so far and the bytes there are; from another
        thread too.

    Raises
    ------
    gate.errors.RegistryError
        The store cannot be reached.
    gate.errors.ResourceError
        The disk is too small; said before anything is downloaded.
    gate.errors.ModelError
        There are no files, or they changed while the block ran.
    gate.errors.UnsafeModelError
        The listing, or a link, leads outside the artifact.
    """
    place = local_place(resolved)
    if place is not None:
        with _in_place(resolved, place, progress) as model:
            yield model
        return
    if connection is None:
        raise RegistryError(f"{printable(resolved.uri)} needs a registry", hint="Set MLFLOW_TRACKING_URI.")
    from gate.weights import artifact_budget  # noqa: PLC0415 - keeps `gate --help` fast

    artifact = open_remote(resolved, connection)
    with tempfile.TemporaryDirectory(prefix="gate-", ignore_cleanup_errors=True) as folder:
        with artifact_budget():
            pulled = _pulled(resolved, artifact, Path(folder), progress)
        yield pulled


def list_model(resolved: ResolvedSource, connection: Connection) -> tuple[tuple[str, int | None], ...]:
    """List the model's files as (path, size in bytes if the store tells), without reading any.

    Raises
    ------
    gate.errors.RegistryError
        The store cannot be reached.
    gate.errors.ModelError
        There are no files.
    gate.errors.UnsafeModelError
        The listing, or a link, leads outside the artifact.
    """
    place = local_place(resolved)
    if place is not None:
        return list_files(place)
    return tuple((file.path, file.size) for file in open_remote(resolved, connection).files)


@contextlib.contextmanager
def _in_place(resolved: ResolvedSource, place: Path, progress: Progress | None) -> Iterator[LocalModel]:
    if not place.exists():
        raise RegistryError(
            f"the files of {printable(resolved.uri)} should be at {printable(str(place))}, which is not here",
            hint="They are on the server's own disk, or gone. Start the server with --serve-artifacts.",
        )
    files = folder_manifest(place, progress)
    root = place if place.is_dir() else place.parent
    before = _fingerprints(root, files)
    yield LocalModel(resolved.uri, place, root, files, manifest_digest(files))
    if _fingerprints(root, files) != before:
        raise ModelError(
            f"the files of {printable(resolved.uri)} changed while they were read",
            hint="Somebody writes to them: check again when they are done.",
        )


def _fingerprints(root: Path, files: tuple[SourceFile, ...]) -> list[tuple[int, int, int]]:
    try:
        found = [(root / file.path).stat() for file in files]
    except OSError:
        return []
    return [(status.st_ino, status.st_size, status.st_mtime_ns) for status in found]


def _pulled(
    resolved: ResolvedSource, artifact: RemoteArtifact, folder: Path, progress: Progress | None
) -> LocalModel:
    kept = _files_to_keep(artifact)
    named = frozenset[str]()
    _check_disk(artifact, kept, folder)
    keep, scratch = folder / "model", folder / "scratch"
    total = sum(file.size or 0 for file in artifact.files)
    done = 0
    hashed = {}
    for file in sorted(artifact.files, key=lambda file: file.path != DESCRIPTION_FILE):
        target = keep if file.path in kept or _is_named(file.path, named) else scratch
        target.mkdir(exist_ok=True)
        with _disk_full_named(folder), _watched(target, done, total, progress):
            local = artifact.fetch(file, target)
        hashed[file.path] = hash_file(local, file.path)
        done += hashed[file.path].size
        if progress is not None:
            progress(done, total)
        if file.path == DESCRIPTION_FILE:
            named = _named_files(local)
        if target is scratch:
            _keep_pickle(local, scratch, keep)
            shutil.rmtree(scratch)
    keep.mkdir(exist_ok=True)
    root = keep / artifact.base
    files = tuple(hashed[file.path] for file in artifact.files)
    path = root / files[0].path if artifact.single else root
    return LocalModel(resolved.uri, path, root, files, manifest_digest(files))


def _files_to_keep(artifact: RemoteArtifact) -> frozenset[str]:
    if artifact.single:
        return frozenset(file.path for file in artifact.files)
    from gate.weights import weight_files  # noqa: PLC0415 - keeps `gate --help` fast

    listing = [(file.path, file.size or 0) for file in artifact.files]
    return frozenset(weight_files(listing)) | {DESCRIPTION_FILE}


def _named_files(description: Path) -> frozenset[str]:
    from gate.weights import named_files  # noqa: PLC0415 - keeps `gate --help` fast

    try:
        return named_files(description)
    except ModelError:
        return frozenset()  # reading the model says what is wrong with it


def _is_named(path: str, named: frozenset[str]) -> bool:
    return any(place.as_posix() in named for place in (PurePosixPath(path), *PurePosixPath(path).parents))


def _keep_pickle(local: Path, scratch: Path, keep: Path) -> None:
    """Move a file that begins like a pickle to the files that are read: its globals are reported."""
    from gate.weights import begins_like_pickle  # noqa: PLC0415 - keeps `gate --help` fast

    if begins_like_pickle(local):
        target = keep / local.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(local, target)


def _check_disk(artifact: RemoteArtifact, kept: frozenset[str], folder: Path) -> None:
    """Refuse before the first byte: the kept files and the largest passing one must fit."""
    sizes = {file.path: file.size or 0 for file in artifact.files}
    needed = sum(size for path, size in sizes.items() if path in kept)
    needed += max((size for path, size in sizes.items() if path not in kept), default=0) + _SPARE_DISK
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"the model needs {needed / 2**30:.2f} GiB in {folder.parent}, where {free / 2**30:.2f} are free",
            hint="Set TMPDIR to a folder with more room.",
        )


@contextlib.contextmanager
def _disk_full_named(folder: Path) -> Iterator[None]:
    """Name a disk that filled up meanwhile for what it is; storage clients wrap the error."""
    try:
        yield
    except RegistryError as error:
        if shutil.disk_usage(folder).free < _SPARE_DISK:
            raise ResourceError(
                f"the disk of {folder.parent} is full", hint="Set TMPDIR to a folder with more room."
            ) from error
        raise


@contextlib.contextmanager
def _watched(folder: Path, done: int, total: int, progress: Progress | None) -> Iterator[None]:
    """Report how far a download is by looking at what has arrived: MLflow itself does not tell."""
    if progress is None:
        yield
        return
    before = _bytes_below(folder)
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_WATCH_SECONDS):
            progress(min(total, done + _bytes_below(folder) - before), total)

    watcher = threading.Thread(target=watch, daemon=True, name="gate-download-progress")
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _bytes_below(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
    return size
