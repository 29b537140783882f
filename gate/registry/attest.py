"""Signed decisions in the registry: delivering them as tags of a version, and finding them again.

A decision travels as the version's tag ``gate.attestation.POLICY``, so that any client of MLflow brings
it anywhere.  A registry that refuses such a value (too long, too odd) gets the envelope's digest in
the tag; the envelope itself is a line of ``verdict.intoto.jsonl`` in the report run either way.

An enforcing registry takes a decision only if it supersedes the one it holds.  Somebody else's that
came in between is read, and ours is signed anew on top of it, unless ours would let pass what theirs
refuses: then whoever asked has to look again.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, RegistryError, UsageError
from gate.registry.attestation.envelope import digest_of, read_unverified, sign
from gate.registry.attestation.interface import LONGEST_ENVELOPE, MalformedError
from gate.registry.failures import (
    ConflictError,
    FailedRequestError,
    MissingError,
    RefusedError,
    registry_errors,
)
from gate.registry.reports import add_files, find_reports, read_report
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow.entities.model_registry import ModelVersion

    from gate.registry.attestation.interface import SigningKey, Statement
    from gate.registry.clients import Connection, Naming

ATTESTATION: Final = "attestation"
OVERRIDE: Final = "override"
REGISTRY: Final = "registry"
REPORT: Final = "report"
ENVELOPES_FILE: Final = "verdict.intoto.jsonl"
_DIGEST: Final = "sha256:"
_LONGEST_DIGEST: Final = 71
_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.2
_MOST_REPORTS: Final = 20


@dataclass(frozen=True, slots=True)
class Delivered:
    """A decision as it was taken: the whole tag, what it holds (envelope or digest), and the envelope."""

    policy: str
    tag: str
    value: str
    text: str


def registry_id(tags: Mapping[str, str], naming: Naming) -> str | None:
    """Return the id of the registry that enforces, None of a plain one; ``tags`` of a model or version."""
    return tags.get(naming.tag(REGISTRY)) or None


def deliver(
    connection: Connection,
    name: str,
    version: int,
    statements: Sequence[Statement],
    key: SigningKey,
    run_id: str,
) -> tuple[Delivered, ...]:
    """Sign ``statements`` about one version, keep them in the report run, and set them as tags.

    Parameters
    ----------
    connection, name, version:
        The registered version.
    statements:
        One per policy, in the order in which they are delivered.
    key:
        What to sign with.
    run_id:
        The report run.

    Raises
    ------
    gate.registry.failures.RefusedError
        An enforcing registry refuses, in its own words; or somebody else decided meanwhile.
    gate.errors.RegistryError
        It could not be delivered, or the registry takes neither envelope nor digest.
    """
    delivered: dict[str, Delivered] = {}
    conflict: ConflictError | None = None
    for attempt in range(_ATTEMPTS):
        tags = _tags(connection, name, version)
        open_ones = [statement for statement in statements if statement.policy not in delivered]
        if conflict is not None:
            _refuse_to_loosen(connection, open_ones, tags, conflict)
        texts = {one.policy: _signed(one, tags, connection.naming, key) for one in open_ones}
        kept = [*(done.text for done in delivered.values()), *texts.values()]
        add_files(connection, run_id, {ENVELOPES_FILE: "".join(f"{text}\n" for text in kept).encode()})
        try:
            for one in open_ones:
                delivered[one.policy] = _set(connection, one, texts[one.policy])
        except GateError as error:
            taken = "".join(f"{done.text}\n" for done in delivered.values())
            with contextlib.suppress(RegistryError):  # what was refused must not look like a decision
                add_files(connection, run_id, {ENVELOPES_FILE: taken.encode()})
            if not isinstance(error, ConflictError):
                raise
            conflict = error
            time.sleep(random.uniform(0.5, 1.5) * _PAUSE_SECONDS * (attempt + 1))  # noqa: S311 - no secret
            continue
        return tuple(delivered.values())
    raise RegistryError(
        f"others keep deciding on version {version} of {printable(name)} meanwhile",
        hint="Check it again when they are done.",
    ) from conflict


def attestations(connection: Connection, found: ModelVersion) -> dict[str, str]:
    """Return the envelopes on a version by policy, unverified; an unreadable one as it stands in its tag.

    Raises
    ------
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    tags = {str(tag): str(value) for tag, value in found.tags.items()}
    prefix = connection.naming.tag(ATTESTATION, "")
    held = {tag.removeprefix(prefix): value for tag, value in tags.items() if tag.startswith(prefix)}
    return {
        policy: _kept_envelope(connection, found, tags, value) or value if _is_digest(value) else value
        for policy, value in sorted(held.items())
        if policy
    }


def overrides(tags: Mapping[str, str], naming: Naming) -> dict[str, str]:
    """Return the overrides on a version by alias, unverified."""
    prefix = naming.tag(OVERRIDE, "")
    return {
        tag.removeprefix(prefix): value
        for tag, value in sorted(tags.items())
        if tag.startswith(prefix) and tag != prefix
    }


def seen_envelopes(connection: Connection, name: str, version: int) -> tuple[str, ...]:
    """Return the envelopes in the newest report runs of a version, unverified.

    Raises
    ------
    gate.errors.RegistryError
        The tracking server cannot be reached.
    """
    runs = find_reports(connection, name, version, _MOST_REPORTS)
    contents = (read_report(connection, run_id, ENVELOPES_FILE) or b"" for run_id in runs)
    return tuple(text for content in contents for text in split_envelopes(content))


def set_override(connection: Connection, statement: Statement, text: str) -> str:
    """Set a signed override as a tag of its version, and return the tag.

    Raises
    ------
    gate.registry.failures.RefusedError
        An enforcing registry refuses, in its own words.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    subject = statement.subject
    tag = connection.naming.tag(OVERRIDE, statement.alias or "")
    with registry_errors("deliver the override", connection.registry_uri):
        connection.client.set_model_version_tag(subject.name, str(subject.version), tag, text)
    return tag


def _tags(connection: Connection, name: str, version: int) -> Mapping[str, str]:
    with registry_errors("read the current decision", connection.registry_uri):
        return dict(connection.client.get_model_version(name, str(version)).tags)


def _signed(statement: Statement, tags: Mapping[str, str], naming: Naming, key: SigningKey) -> str:
    current = tags.get(naming.tag(ATTESTATION, statement.policy))
    return sign(replace(statement, supersedes=None if current is None else _digest(current)), key)


def _digest(value: str) -> str | None:
    """Return the digest of what a tag holds; None where that is nothing of ours."""
    if _is_digest(value):
        return value
    try:
        return digest_of(value)
    except MalformedError:
        return None


def _is_digest(value: str) -> bool:
    return value.startswith(_DIGEST) and len(value) == _LONGEST_DIGEST


def _set(connection: Connection, statement: Statement, text: str) -> Delivered:
    subject = statement.subject
    tag = connection.naming.tag(ATTESTATION, statement.policy)

    def put(value: str) -> Delivered:
        with registry_errors(f"deliver the decision under {statement.policy}", connection.registry_uri):
            connection.client.set_model_version_tag(subject.name, str(subject.version), tag, value)
        return Delivered(statement.policy, tag, value, text)

    if subject.registry is not None:
        return put(text)
    try:
        return put(text)
    except MissingError:
        raise
    except (UsageError, FailedRequestError):  # hosted registries hold shorter values; each says so otherwise
        return put(digest_of(text))


def _refuse_to_loosen(
    connection: Connection,
    statements: Iterable[Statement],
    tags: Mapping[str, str],
    conflict: ConflictError,
) -> None:
    """Raise where a passed statement of ours would replace what somebody else decided otherwise."""
    for ours in statements:
        value = tags.get(connection.naming.tag(ATTESTATION, ours.policy))
        if value is None or not ours.passed:
            continue
        try:
            theirs = read_unverified(value)
        except MalformedError:
            said, agrees = "something that cannot be read", False
        else:
            said = theirs.outcome
            about = (theirs.subject.digest, theirs.policy_digest)
            agrees = theirs.passed and about == (ours.subject.digest, ours.policy_digest)
        if not agrees:
            raise RefusedError(
                f"somebody else decided meanwhile under policy {ours.policy}: {said}, "
                f"where this check found {ours.outcome}",
                hint="Check it again; what they found stands until then.",
            ) from conflict


def _kept_envelope(
    connection: Connection, found: ModelVersion, tags: Mapping[str, str], digest: str
) -> str | None:
    """Return the envelope of this digest from the report runs, the one that the tags name first."""
    named = tags.get(connection.naming.tag(REPORT))
    runs = [named] if named else []
    for run_id in (*runs, *find_reports(connection, str(found.name), int(found.version), _MOST_REPORTS)):
        content = read_report(connection, run_id, ENVELOPES_FILE)
        for line in split_envelopes(content or b""):
            if _digest(line) == digest:
                return line
    return None


def split_envelopes(content: bytes) -> tuple[str, ...]:
    """Return the envelopes in the content of ``verdict.intoto.jsonl``, one a line; others are left out."""
    lines = (line for line in content.splitlines() if 0 < len(line) <= LONGEST_ENVELOPE)
    return tuple(line.decode("utf-8", "replace") for line in lines)
