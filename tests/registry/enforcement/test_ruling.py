"""The judging of a promotion, by itself: every ground, and in what order they are given."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gate.registry.enforcement.folding import bare
from gate.registry.enforcement.reserved import is_reserved
from gate.registry.enforcement.ruling import Governing, Held, Override, judge

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
POLICY = Governing("production", "now", "enforce", "before", NOW + DAY)


def held(**changes: Any) -> Held:
    fields: dict[str, Any] = {"seq": 3, "policy": "production", "policy_digest": "now"}
    return Held(**{**fields, "outcome": "passed", "passed": True, **changes})


def of(found: Held | None) -> dict[str, Held]:
    return {} if found is None else {found.policy: found}


@pytest.mark.parametrize(
    ("found", "ground"),
    [
        (held(), None),
        (held(outcome="warned"), None),
        (held(policy_digest="before"), None),
        (held(not_after=NOW + DAY), None),
        (None, "missing"),
        (held(policy="another"), "missing"),
        (held(outcome="blocked", passed=False), "failed"),
        (held(not_after=NOW), "expired"),
        (held(revoked="leaked"), "revoked"),
        (held(policy_digest="long ago"), "stale"),
        (held(outcome="blocked", passed=False, revoked="leaked"), "revoked"),
        (held(outcome="blocked", passed=False, policy_digest="long ago"), "failed"),
    ],
)
def test_grounds(found: Held | None, ground: str | None) -> None:
    ruling = judge((POLICY,), of(found), NOW)
    assert [objection.ground for objection in ruling.objections] == ([] if ground is None else [ground])
    assert ruling.allowed is (ground is None)


def test_grace_ends() -> None:
    last = held(policy_digest="before")
    assert judge((POLICY,), of(last), NOW + DAY - timedelta(seconds=1)).allowed
    assert not judge((POLICY,), of(last), NOW + DAY).allowed


def test_a_policy_in_audit_mode_only_notes() -> None:
    audit = Governing("fairness", "now", "audit")
    ruling = judge((POLICY, audit), of(held()), NOW)
    assert (ruling.allowed, ruling.how) == (True, "audit")
    assert [objection.policy for objection in ruling.objections] == ["fairness"]
    assert not judge((POLICY, audit), {}, NOW).allowed


@pytest.mark.parametrize(
    ("found", "earlier", "allowed"),
    [
        (held(policy_digest="long ago"), {3}, True),
        (held(policy_digest="long ago"), set(), False),
        (held(policy_digest="long ago"), {2}, False),
        (held(policy_digest="long ago"), {2, 3}, False),
        (held(policy_digest="long ago", not_after=NOW), {3}, False),
        (held(policy_digest="long ago", revoked="leaked"), {3}, False),
        (held(outcome="blocked", passed=False), {3}, False),
    ],
)
def test_rollback(found: Held, earlier: set[int], allowed: bool) -> None:
    ruling = judge((POLICY,), of(found), NOW, earlier=frozenset(earlier))
    assert (ruling.allowed, ruling.how == "rollback") == (allowed, allowed)


@pytest.mark.parametrize(
    ("ends", "revoked", "allowed"),
    [(NOW + DAY, None, True), (NOW, None, False), (None, None, False), (NOW + DAY, "leaked", False)],
)
def test_override(ends: datetime | None, revoked: str | None, allowed: bool) -> None:
    given = Override(1, "because", ends, revoked)
    assert judge((POLICY,), {}, NOW, override=given).allowed is allowed


def test_an_unreadable_policy_lets_nothing_pass() -> None:
    torn = Governing("production", "now", "enforce", readable=False)
    assert not judge((torn,), of(held()), NOW, earlier=frozenset({3})).allowed


@pytest.mark.parametrize(
    "key",
    ["gate.x", "GATE.X", "gáte.x", "ｇate.x", " gate.x", "gate.attestation.p", "ga\u200bte.x", "ga\u0167e.x"],
)
def test_reserved(key: str) -> None:
    assert is_reserved(key)


@pytest.mark.parametrize("key", ["gate", "gates.x", "my.gate.x", "owner", "mlflow.user"])
def test_not_reserved(key: str) -> None:
    assert not is_reserved(key)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Fráud", "fraud"),
        ("ｆ\u200braud", "fraud"),
        ("frau\u0111", "fraud"),
        ("\u00e6", "ae"),
        ("модель", "модель"),
    ],
)
def test_what_a_collation_leaves(text: str, left: str) -> None:
    assert bare(text) == left
