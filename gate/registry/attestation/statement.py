"""A statement as the payload of an envelope, and back.

The payload is an in-toto Statement (v1).  A decision's predicate is a SLSA Verification Summary (v1)
with one key of our own, ``gate/decision/1``; an override's predicate is our own altogether, as it
verifies nothing.  In what in-toto and SLSA define, unknown fields are ignored, as their
specifications ask; in our own part they are refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gate.errors import ModelError
from gate.registry.attestation.interface import BaselineUse, MalformedError, Statement, Subject, WaiverUse
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.registry.attestation.schema import About, OverridePart, Summary

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SUMMARY_TYPE: Final = "https://slsa.dev/verification_summary/v1"
OVERRIDE_TYPE: Final = "urn:mlflow-spectral-gate:override:1"
DECISION_KEY: Final = "gate/decision/1"
PASSED_LEVEL: Final = "GATE_POLICY_PASSED"
FAILED_LEVEL: Final = "FAILED"
IDENTITY_ALGORITHM: Final = "gateIdentity"
"""Stands in the digest set where no file of the version could be read, which in-toto has no word for."""

_EMPTY: Final[Mapping[str, Any]] = {"run_metrics": {}, "baselines": (), "failures": ()}


def statement_payload(statement: Statement) -> bytes:
    """Return the payload: canonical JSON (keys sorted, no spaces, ASCII), times in whole seconds."""
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [_subject(statement.subject)],
        "predicateType": SUMMARY_TYPE if statement.kind == "decision" else OVERRIDE_TYPE,
        "predicate": _summary(statement) if statement.kind == "decision" else _override(statement),
    }
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def parse_statement(payload: bytes) -> Statement:
    """Return the statement in ``payload``.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is none: the message names the field.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - slow to import

    from gate.registry.attestation.schema import OverridePart, StatementDocument, Summary  # noqa: PLC0415
    from gate.weights.strict_json import parse_object  # noqa: PLC0415

    try:
        document = StatementDocument.model_validate(parse_object(payload, "the payload"))
        subject = _read_subject(document.subject[0])
        if document.predicate_type == SUMMARY_TYPE:
            return _of_decision(Summary.model_validate(document.predicate), subject)
        return _of_override(OverridePart.model_validate(document.predicate), subject)
    except ModelError as error:
        raise MalformedError(f"it is no statement: {printable(str(error))}") from error
    except ValidationError as error:
        raise MalformedError(f"it is no statement: {_told(error)}") from error


def without(statement: Statement, names: Iterable[str]) -> Statement:
    """Return ``statement`` without these fields, as far as it has them, and saying so."""
    left_out = tuple(name for name in names if getattr(statement, name))
    changes: dict[str, Any] = {name: _EMPTY[name] for name in left_out}
    return replace(statement, **changes, omitted=statement.omitted + left_out)


def version_uri(subject: Subject) -> str:
    """Return ``models:/NAME/V``, the name quoted as in a URI."""
    return f"models:/{quote(subject.name, safe='')}/{subject.version}"


def _identity(subject: Subject) -> dict[str, Any]:
    return {
        "registry": subject.registry,
        "workspace": subject.workspace,
        "name": subject.name,
        "version": subject.version,
        "creation_time": subject.creation_time,
    }


def _subject(subject: Subject) -> dict[str, Any]:
    identity = _identity(subject)
    if subject.digest is not None:
        digest = _digest_set(subject.digest)
    else:
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        digest = {IDENTITY_ALGORITHM: hashlib.sha256(canonical.encode()).hexdigest()}
    return {"name": version_uri(subject), "digest": digest, "annotations": identity}


def _summary(statement: Statement) -> dict[str, Any]:
    return {
        "verifier": {
            "id": statement.verifier,
            "version": {"mlflow-spectral-gate": statement.verifier_version},
        },
        "timeVerified": _when(statement.issued_at),
        "resourceUri": version_uri(statement.subject),
        "policy": {
            "uri": f"urn:mlflow-spectral-gate:policy:{statement.policy}",
            "name": statement.policy,
            "digest": _digest_set(statement.policy_digest),
        },
        "verificationResult": "PASSED" if statement.passed else "FAILED",
        "verifiedLevels": [PASSED_LEVEL if statement.passed else FAILED_LEVEL],
        DECISION_KEY: _decision(statement),
    }


def _decision(statement: Statement) -> dict[str, Any]:
    return {
        "outcome": statement.outcome,
        "not_after": _when(statement.not_after),
        "supersedes": statement.supersedes,
        "verdict_digest": statement.verdict_digest,
        "report": statement.report,
        "baselines": [
            {"spec": use.spec, "uri": use.uri, "digest": use.digest, "comparable": use.comparable}
            for use in statement.baselines
        ],
        "run_metrics": _numbers(statement.run_metrics),
        "waivers": [
            {
                "id": use.id,
                "policy": use.policy,
                "rule": use.rule,
                "reason": use.reason,
                "approver": use.approver,
                "expires": _when(use.expires),
                "signature": use.signature,
            }
            for use in statement.waivers
        ],
        "metrics": _numbers(statement.metrics),
        "omitted": list(statement.omitted),
        "failures": list(statement.failures),
    }


def _override(statement: Statement) -> dict[str, Any]:
    return {
        "issued_at": _when(statement.issued_at),
        "not_after": _when(statement.not_after),
        "alias": statement.alias,
        "reason": statement.reason,
        "verifier": statement.verifier,
        "verifier_version": statement.verifier_version,
    }


def _read_subject(about: About) -> Subject:
    identity = about.annotations
    sha256 = about.digest.get("sha256")
    subject = Subject(
        identity.registry,
        identity.workspace,
        identity.name,
        identity.version,
        identity.creation_time,
        None if sha256 is None else f"sha256:{sha256}",
    )
    said = _subject(subject)
    if about.digest != said["digest"] or about.name != said["name"]:
        raise MalformedError(
            "it is no statement: subject: name, digest and annotations contradict each other"
        )
    return subject


def _of_decision(summary: Summary, subject: Subject) -> Statement:
    part = summary.decision
    return Statement(
        kind="decision",
        subject=subject,
        policy=summary.policy.name,
        policy_digest=f"sha256:{summary.policy.digest.sha256}",
        outcome=part.outcome,
        passed=summary.passed,
        issued_at=_utc(summary.time_verified),
        not_after=None if part.not_after is None else _utc(part.not_after),
        supersedes=part.supersedes,
        verdict_digest=part.verdict_digest,
        report=part.report,
        baselines=tuple(BaselineUse(use.spec, use.uri, use.digest, use.comparable) for use in part.baselines),
        run_metrics=_read_numbers(part.run_metrics),
        waivers=tuple(
            WaiverUse(
                use.id, use.policy, use.rule, use.reason, use.approver, _utc(use.expires), use.signature
            )
            for use in part.waivers
        ),
        metrics=_read_numbers(part.metrics),
        verifier=summary.verifier.id,
        verifier_version=summary.verifier.version.get("mlflow-spectral-gate", ""),
        omitted=tuple(part.omitted),
        failures=tuple(part.failures),
    )


def _of_override(part: OverridePart, subject: Subject) -> Statement:
    return Statement(
        kind="override",
        subject=subject,
        policy="",
        policy_digest="",
        outcome="blocked",
        passed=False,
        issued_at=_utc(part.issued_at),
        not_after=_utc(part.not_after),
        verifier=part.verifier,
        verifier_version=part.verifier_version,
        alias=part.alias,
        reason=part.reason,
    )


def _digest_set(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity and no NaN; null stands for either."""
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def _read_numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}


def _when(moment: datetime | None) -> str | None:
    """Return whole seconds in UTC; a bound becomes earlier by that, never later."""
    if moment is None:
        return None
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)


def _told(error: Any) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"]) or "the payload"
    return printable(f"{where}: {first['msg'].removeprefix('Value error, ')}")
