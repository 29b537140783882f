"""Policies, keys and signed decisions for tests: made at once, nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from gate.policy import parse_policy, policy_digest
from gate.policy.waivers import Waiver, waiver_payload
from gate.registry.attestation import Statement, Subject, WaiverUse
from gate.registry.attestation.documents import trusted_key_document
from gate.registry.attestation.envelope import digest_of, sign
from gate.registry.attestation.keys import new_key, parse_signing_key
from gate.registry.attestation.waiver import bare_signature, sign_waiver

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.attestation.interface import Role, SigningKey, TrustedKey

POLICY = """\
version: 1
name: {name}
match: {match}
mode: {mode}
grace: {grace}
rules:
  - id: layer-alpha-in-range
    description: Layer alpha within 2 to 6
    metric: layer.alpha
    within: [2, {most}]
"""
FILES_DIGEST = f"sha256:{'5e' * 32}"
REPORT = "0123456789abcdef0123456789abcdef"


def policy_text(
    name: str,
    match: str = "{models: ['fraud-*'], aliases: [champion], stages: [Production]}",
    *,
    mode: str = "enforce",
    grace: str = "0s",
    most: int = 6,
) -> str:
    return POLICY.format(name=name, match=match, mode=mode, grace=grace, most=most)


def digest_of_policy(text: str) -> str:
    return policy_digest(parse_policy(text), "gate-1")


@dataclass(frozen=True)
class Pair:
    """A key pair: what signs, and the document that says who trusts it with what."""

    private: SigningKey
    trusted: TrustedKey

    @classmethod
    def make(cls, role: Role = "check", **trust: Any) -> Pair:
        made = new_key(role, **trust)
        return cls(parse_signing_key(made.private_pem, "a test's key"), made.trusted)

    def write(self, folder: Path) -> None:
        (folder / f"{self.trusted.id}.yaml").write_text(trusted_key_document(self.trusted))


@dataclass(frozen=True)
class Maker:
    """Makes statements about versions as MLflow's client returns them."""

    key: Pair
    policies: dict[str, str]

    def decision(self, version: Any, /, *, policy: str = "production", **changes: Any) -> str:
        """Return a signed decision that passes, but for ``changes`` of fields (of the subject too)."""
        statement = Statement(
            kind="decision",
            subject=self.subject(version),
            policy=policy,
            policy_digest=digest_of_policy(self.policies[policy])
            if policy in self.policies
            else FILES_DIGEST,
            outcome="passed",
            passed=True,
            issued_at=datetime.now(timezone.utc),
            supersedes=in_force(version, policy),
            verdict_digest=FILES_DIGEST,
            report=REPORT,
            metrics={"alpha": 3.25, "alpha_weighted": 2.5},
            verifier_version="0.0",
        )
        return self._signed(statement, changes)

    def blocked(self, version: Any, /, **changes: Any) -> str:
        failures = ("layer-alpha-in-range: 5 of 12 layers outside [2, 6]",)
        refusing = {"outcome": "blocked", "passed": False, "failures": failures}
        return self.decision(version, **{**refusing, **changes})

    def override(self, version: Any, alias: str, not_after: datetime, /, **changes: Any) -> str:
        statement = Statement(
            kind="override",
            subject=self.subject(version),
            policy="",
            policy_digest="",
            outcome="blocked",
            passed=False,
            issued_at=datetime.now(timezone.utc),
            not_after=not_after,
            alias=alias,
            reason="the old champion leaks memory; ticket 7",
        )
        return self._signed(statement, changes)

    @staticmethod
    def waiver(version: Any, expires: datetime, key: Pair | None) -> WaiverUse:
        """Return the use of a waiver for this version, signed by ``key`` if there is one."""
        said = Waiver("w-1", "layer-alpha-in-range", FILES_DIGEST, "known", "ada", expires, version.name)
        payload = waiver_payload(said)
        signature = None if key is None else bare_signature(sign_waiver(payload, key.private), payload)
        return WaiverUse(said.id, None, said.rule, said.reason, said.approver, said.expires, signature)

    def _signed(self, statement: Statement, changes: dict[str, Any]) -> str:
        key = changes.pop("key", self.key)
        about = {
            field: changes.pop(field)
            for field in ("registry", "workspace", "name", "version", "creation_time", "digest")
            if field in changes
        }
        subject = replace(statement.subject, **about)
        return sign(replace(statement, subject=subject, **changes), key.private)

    @staticmethod
    def subject(version: Any) -> Subject:
        return Subject(
            registry=version.tags["gate.registry"],
            workspace="",
            name=version.name,
            version=int(version.version),
            creation_time=int(version.creation_timestamp),
            digest=FILES_DIGEST,
        )


def in_force(version: Any, policy: str) -> str | None:
    """Return the digest of the decision that a version's tags show."""
    text = version.tags.get(f"gate.attestation.{policy}")
    return None if text is None else digest_of(text)
