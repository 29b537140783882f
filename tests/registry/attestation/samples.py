"""Statements and keys to sign and to open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gate.registry.attestation import BaselineUse, SigningKey, Statement, Subject, TrustedKey, WaiverUse
from gate.registry.attestation.keys import new_key, parse_signing_key

if TYPE_CHECKING:
    from gate.registry.attestation import Role

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DIGEST = "sha256:" + "a" * 64
POLICY_DIGEST = "sha256:" + "b" * 64

SUBJECT = Subject("6f0c", "default", "Ünïcode % ? 'm'", 7, 1_760_000_000_123, DIGEST)

STATEMENT = Statement(
    kind="decision",
    subject=SUBJECT,
    policy="production",
    policy_digest=POLICY_DIGEST,
    outcome="passed",
    passed=True,
    issued_at=NOW,
    not_after=datetime(2026, 6, 1, tzinfo=timezone.utc),
    supersedes="sha256:" + "c" * 64,
    verdict_digest="sha256:" + "d" * 64,
    report="0123456789abcdef",
    baselines=(BaselineUse("alias:champion", "models:/m/6", "sha256:" + "e" * 64, comparable=True),),
    run_metrics={"val_accuracy": 0.93, "loss": 1e-300},
    waivers=(
        WaiverUse(
            "w-1", None, "layer-alpha", "known", "ada", datetime(2026, 6, 1, tzinfo=timezone.utc), None
        ),
    ),
    metrics={"alpha": 3.25, "alpha_weighted": 4.5},
    verifier_version="0.1.0",
)

OVERRIDE = Statement(
    kind="override",
    subject=replace(SUBJECT, digest=None),
    policy="",
    policy_digest="",
    outcome="blocked",
    passed=False,
    issued_at=NOW,
    not_after=datetime(2026, 3, 2, tzinfo=timezone.utc),
    verifier_version="0.1.0",
    alias="champion",
    reason="the other one is on fire",
)


@lru_cache
def pair(role: Role = "check", number: int = 0) -> tuple[SigningKey, TrustedKey]:
    """Return a key pair, the same for the same arguments."""
    made = new_key(role)
    return parse_signing_key(made.private_pem, f"key {number}"), made.trusted


def changed(**changes: Any) -> Statement:
    return replace(STATEMENT, **changes)
