"""The values of a signed decision; nothing here signs, parses or looks anything up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from gate.policy.interface import Outcome

Role = Literal["check", "waive", "override"]
Kind = Literal["decision", "override"]

ROLES: Final[tuple[Role, ...]] = ("check", "waive", "override")
ROLE_OF: Final[Mapping[Kind, Role]] = {"decision": "check", "override": "override"}
"""Which role a key must have for what it signs."""

LONGEST_ENVELOPE: Final = 8_000
"""Characters of an envelope: what a tag of MLflow holds, with the prefix' length to spare."""

VERIFIER: Final = "pkg:pypi/mlflow-spectral-gate"
"""Who this package says it is, as a package URL."""


class AttestationError(GateError):
    """A signed decision that cannot be made, read or trusted (exit 3)."""


class MalformedError(AttestationError):
    """It is not what a signed decision looks like: too large, not JSON, a field missing or unknown."""


class UntrustedError(AttestationError):
    """Its form is right, but no trusted key signed it, or one that may not sign this."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was judged: one registered version, and its files.

    Attributes
    ----------
    registry:
        Id of the registry, where it has one (an enforcing registry does).
    workspace:
        MLflow's workspace; ``default`` where a server has none.
    name, version, creation_time:
        The registered model, the version and when it was created, in milliseconds since 1970: a
        name that is deleted and made anew counts its versions from 1 again.
    digest:
        ``sha256:…`` of the manifest of its files (:mod:`gate.analysis.manifest`), None where they
        could not be read.
    """

    registry: str | None
    workspace: str
    name: str
    version: int
    creation_time: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class BaselineUse:
    """A baseline that was looked for, and whether the version was compared with it."""

    spec: str
    uri: str | None
    digest: str | None
    comparable: bool


@dataclass(frozen=True, slots=True)
class WaiverUse:
    """A waiver that let a rule of this decision pass.

    Model and digest are not repeated: they are the subject's, or it would not have counted.
    ``policy`` is None for a waiver of every policy with such a rule.  ``signature`` is the approver's,
    in base64, over the waiver as :func:`gate.policy.waivers.waiver_payload` writes it; None where nobody
    signed.  :func:`gate.registry.attestation.waiver.check_waivers` verifies it.
    """

    id: str
    policy: str | None
    rule: str
    reason: str
    approver: str
    expires: datetime
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said and signed: a decision under one policy, or an override of what was decided.

    Attributes
    ----------
    policy, policy_digest:
        Of a decision; empty in an override.
    outcome, passed:
        ``passed`` is whether the outcome lets the version be promoted.  An override carries
        ``blocked`` and False: whoever takes it for a decision must not find a passed one.
    not_after:
        From then on it does not hold: the end of the first waiver used, or of the override.
    supersedes:
        ``sha256:…`` of the envelope it replaces (:func:`gate.registry.attestation.envelope.digest_of`).
    verdict_digest, report:
        ``sha256:…`` of ``verdict.json`` and the id of the report run that holds it.
    baselines, run_metrics, waivers, metrics:
        Values the decision rests on, and the model means that it found.
    failures:
        Which rules refuse it, a line each: what a refused person reads.
    alias, reason:
        Of an override: which alias it opens, and why.
    omitted:
        Names of fields that were left out because the envelope would have become too long.
    """

    kind: Kind
    subject: Subject
    policy: str
    policy_digest: str
    outcome: Outcome
    passed: bool
    issued_at: datetime
    not_after: datetime | None = None
    supersedes: str | None = None
    verdict_digest: str | None = None
    report: str | None = None
    baselines: tuple[BaselineUse, ...] = ()
    run_metrics: Mapping[str, float] = field(default_factory=dict)
    waivers: tuple[WaiverUse, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    verifier: str = VERIFIER
    verifier_version: str = ""
    alias: str | None = None
    reason: str | None = None
    omitted: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key; neither ``repr`` nor a traceback shows it.

    ``id`` is a hint for whoever verifies; which key it was, the signature tells.
    """

    id: str
    private: Ed25519PrivateKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and what it is trusted with.

    ``models`` are globs, case-folded; ``not_before`` and ``not_after`` bound when a signature of it
    is accepted, None for no bound.
    """

    id: str
    role: Role
    public_pem: str
    models: tuple[str, ...] = ("*",)
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement whose signature was verified: by which trusted key, and what the envelope was.

    Verified means that the key with this id made it.  Whether that key may, and whether the
    statement speaks of the version at hand, are the caller's next questions
    (:func:`gate.registry.attestation.keys.authorize`).
    """

    statement: Statement
    key_id: str
    digest: str
    text: str
