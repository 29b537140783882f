"""Where the files of decided versions stand, and what they were at acceptance.

Roots are paths relative to the artifact destination of the server, so that moving the storage does
not unprotect them; they are looked up by the digest of the path, one probe per folder above a file.
"""

from __future__ import annotations

import hashlib
import posixpath
import unicodedata
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, select, update

from gate.registry.enforcement.tables.decisions import of_version, version_key
from gate.registry.enforcement.tables.interface import RecordedFile, RecordedRoot
from gate.registry.enforcement.tables.schema import artifact_roots, artifacts

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, RowMapping
    from sqlalchemy.orm import Session

    from gate.registry.enforcement.tables.interface import VersionKey

_BATCH = 500


def canonical_path(path: str) -> str:
    """Return one spelling of a path below the destination: no leading slash, no empty part, no dot."""
    plain = posixpath.normpath("/" + path)
    return plain.lstrip("/")


def put_root(session: Session, recorded: RecordedRoot) -> None:
    """Record where a version's files stand; what was recorded of it before is replaced."""
    release_artifacts(session, recorded.subject)
    subject = recorded.subject
    done = session.execute(
        insert(artifact_roots).values(
            workspace=subject.workspace,
            name=subject.name,
            version=subject.version,
            creation_time=subject.creation_time,
            root=recorded.root,
            root_folded=_folded(recorded.root),
            root_digest=_digest(recorded.root),
            complete=recorded.complete,
            recorded_at=recorded.recorded_at,
        )
    )
    root = done.inserted_primary_key[0]  # type: ignore[attr-defined]
    rows = [
        {"root": root, "path": file.path, "size": file.size, "etag": file.etag} for file in recorded.files
    ]
    for start in range(0, len(rows), _BATCH):
        session.execute(insert(artifacts), rows[start : start + _BATCH])


def recorded_artifacts(session: Session, subject: VersionKey) -> RecordedRoot | None:
    """Return what was recorded of a version at acceptance."""
    row = (
        session.execute(select(artifact_roots).where(of_version(artifact_roots, subject)))
        .mappings()
        .one_or_none()
    )
    return None if row is None else _with_files(session, row)


def release_artifacts(session: Session, subject: VersionKey) -> bool:
    """Stop protecting a version's files: for a version that was deleted.  False if none were."""
    found = session.execute(select(artifact_roots.c.seq).where(of_version(artifact_roots, subject)))
    root = found.scalar()
    if root is None:
        return False
    session.execute(delete(artifacts).where(artifacts.c.root == root))
    session.execute(delete(artifact_roots).where(artifact_roots.c.seq == root))
    return True


def release_model(session: Session, workspace: str, name: str) -> int:
    """Stop protecting the files of every version of a model that was deleted; return how many had any."""
    condition = _of_model(workspace, name)
    found = session.execute(select(artifact_roots).where(condition)).mappings().all()
    return sum(release_artifacts(session, version_key(row)) for row in found)


def rename_artifacts(session: Session, workspace: str, name: str, new_name: str) -> None:
    """Follow a renamed model, so that its files are named rightly and released with it."""
    session.execute(update(artifact_roots).where(_of_model(workspace, name)).values(name=new_name))


def owners_above(session: Session, paths: list[str]) -> tuple[VersionKey, ...]:
    """Return the decided versions whose folder (or file) is one of ``paths`` or lies above it."""
    digests = {_digest(above) for path in paths for above in _with_parents(canonical_path(path))}
    return _owners(session, artifact_roots.c.root_digest.in_(sorted(digests)))


def owners_below(session: Session, path: str) -> tuple[VersionKey, ...]:
    """Return the decided versions whose folder lies below ``path``: what deleting it would take."""
    plain = canonical_path(path)
    if not plain:
        return _owners(session, artifact_roots.c.seq > 0)
    # Where the database's LIKE ignores case that errs on the side of keeping files.
    return _owners(session, artifact_roots.c.root_folded.startswith(f"{_folded(plain)}/", autoescape=True))


def _owners(session: Session, condition: ColumnElement[bool]) -> tuple[VersionKey, ...]:
    query = select(artifact_roots).where(condition).order_by(artifact_roots.c.seq).limit(10)
    return tuple(version_key(row) for row in session.execute(query).mappings())


def _with_parents(path: str) -> list[str]:
    """Return ``path`` and every folder above it; the destination itself is the empty path."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:end]) for end in range(len(parts), -1, -1)]


def _of_model(workspace: str, name: str) -> ColumnElement[bool]:
    return and_(artifact_roots.c.workspace == workspace, artifact_roots.c.name == name)


def _with_files(session: Session, row: RowMapping) -> RecordedRoot:
    query = select(artifacts).where(artifacts.c.root == row["seq"]).order_by(artifacts.c.seq)
    files = tuple(
        RecordedFile(file["path"], file["size"], file["etag"]) for file in session.execute(query).mappings()
    )
    return RecordedRoot(version_key(row), row["root"], files, row["complete"], row["recorded_at"])


def _digest(root: str) -> str:
    return f"sha256:{hashlib.sha256(_folded(root).encode('utf-8', 'surrogatepass')).hexdigest()}"


def _folded(root: str) -> str:
    """Return one text for all ways to write a path: some file systems ignore case and composition."""
    return unicodedata.normalize("NFC", root.casefold())
