"""What ``gate override`` does: sign that an alias may go to a version whatever was decided, for a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.text import printable
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.attestation.interface import SigningKey, Statement
    from gate.workflow.sources import Located

LONGEST_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """Which alias to open for which version, why, until when, and the key file to sign with.

    ``key`` None means the key that the environment names.
    """

    source: str
    alias: str
    reason: str
    expires: str
    key: Path | None = None
    address: RegistryAddress = field(default_factory=RegistryAddress)


@dataclass(frozen=True, slots=True)
class OverrideReceipt:
    """What was signed by which key, the tag that holds it, and whether the registry enforces."""

    statement: Statement
    key_id: str
    tag: str
    enforcing: bool

    @property
    def words(self) -> str:
        """Say it to a person."""
        subject, until = self.statement.subject, self.statement.not_after
        said = (
            f"alias {self.statement.alias} is open for models:/{printable(subject.name)}/{subject.version} "
            f"until {until:%Y-%m-%dT%H:%M:%SZ}, signed by {self.key_id} (tag {printable(self.tag)})"
        )
        return said if self.enforcing else f"{said}; this registry does not enforce, so it is advisory"


def override_version(request: OverrideRequest) -> OverrideReceipt:
    """Sign the override and set it as a tag of its version.

    Raises
    ------
    gate.errors.UsageError
        The source, alias, reason or end cannot be used, or there is no key to sign with.
    gate.registry.failures.RefusedError
        An enforcing registry refuses it, in its own words.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.registry.attest import set_override  # noqa: PLC0415 - keeps `gate --help` fast
    from gate.registry.attestation.envelope import sign  # noqa: PLC0415
    from gate.registry.source import checked_alias  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415

    checked_alias(request.alias)
    reason, expires = _reason(request.reason), _expires(request.expires)
    key = _key(request)
    located = locate(request.source, request.address)
    statement = _statement(located, request, reason, expires)
    if located.registry is None:
        raise UsageError("there is no registry to override in")
    tag = set_override(located.registry.connection, statement, sign(statement, key))
    return OverrideReceipt(statement, key.id, tag, enforcing=statement.subject.registry is not None)


def _statement(located: Located, request: OverrideRequest, reason: str, expires: datetime) -> Statement:
    from gate import __version__  # noqa: PLC0415 - as above
    from gate.registry.attest import registry_id  # noqa: PLC0415
    from gate.registry.attestation.interface import Statement  # noqa: PLC0415
    from gate.registry.failures import registry_errors  # noqa: PLC0415
    from gate.registry.statements import subject_of  # noqa: PLC0415

    version, registry = located.resolved, located.registry
    if registry is None or version.name is None or version.version is None:
        raise UsageError(
            f"{printable(request.source)} is no registered version", hint="Override models:/NAME/VERSION."
        )
    connection = registry.connection
    with registry_errors(f"look up {printable(version.uri)}", connection.registry_uri):
        found = connection.client.get_model_version(version.name, str(version.version))
    return Statement(
        kind="override",
        subject=subject_of(found, registry_id(found.tags, connection.naming), None),
        policy="",
        policy_digest="",
        outcome="blocked",
        passed=False,
        issued_at=datetime.now(timezone.utc),
        not_after=expires,
        verifier_version=__version__,
        alias=request.alias,
        reason=reason,
    )


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason:
        raise UsageError(
            "an override takes a reason", hint="--reason is what every report shows until it ends."
        )
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"the reason has {len(reason)} characters; it may have {LONGEST_REASON}")
    return reason


def _expires(text: str) -> datetime:
    from gate.policy.waivers import expiry  # noqa: PLC0415 - pydantic

    return expiry(text, datetime.now(timezone.utc))


def _key(request: OverrideRequest) -> SigningKey:
    from gate.registry.attestation.keys import FILE_VARIABLE, load_key_file, load_signing_key  # noqa: PLC0415

    key = load_signing_key() if request.key is None else load_key_file(request.key)
    if key is None:
        raise UsageError(
            "there is no key to sign the override with",
            hint=f"Give --key FILE or set {FILE_VARIABLE}; gate init --role override makes one.",
        )
    return key
