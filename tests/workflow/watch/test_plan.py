"""Which versions have to be checked, from tags as registries hold them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from gate.policy import parse_policy, policy_digest
from gate.registry import Naming, ResolvedSource, policies_digest
from gate.registry.attestation import Statement, Subject
from gate.registry.attestation.envelope import sign
from gate.registry.attestation.keys import new_key, parse_signing_key
from gate.registry.decision import checksum
from gate.workflow.watch.plan import why_check
from tests.workflow.watch.registry import POLICY

if TYPE_CHECKING:
    from gate.policy.interface import Outcome

NAMING = Naming()
ONE = parse_policy(POLICY.format(limit=4))
OTHER = replace(ONE, name="other")
KEY = parse_signing_key(new_key("check").private_pem, "a test's key")
HOUR = timedelta(hours=1)
VERSION = ResolvedSource("models:/m/3", name="m", version=3, creation_time=1_700_000_000_000)


def mirrored(outcome: Outcome = "passed", *policies: str) -> dict[str, str]:
    """Return the tags of a decision by the first policy, or by those with the digests given."""
    asked = [(ONE.name, policies[0] if policies else policy_digest(ONE, "gate-1"))]
    values = {"outcome": outcome, "policy_digest": policies_digest(asked)}
    complete = {**values, "checksum": checksum(VERSION, values)}
    return {NAMING.tag(name): value for name, value in complete.items()}


def attested(
    policy: str = ONE.name,
    *,
    outcome: Outcome = "passed",
    digest: str | None = None,
    not_after: datetime | None = None,
    version: int = 3,
) -> dict[str, str]:
    """Return the tag of a signed decision."""
    statement = Statement(
        kind="decision",
        subject=Subject("registry", "default", "m", version, 1_700_000_000_000, f"sha256:{'5e' * 32}"),
        policy=policy,
        policy_digest=digest or policy_digest(replace(ONE, name=policy), "gate-1"),
        outcome=outcome,
        passed=outcome in {"passed", "warned"},
        issued_at=datetime.now(timezone.utc) - HOUR,
        not_after=not_after,
    )
    return {NAMING.tag("attestation", policy): sign(statement, KEY)}


def why(tags: dict[str, str], *, enforced: bool, both: bool = False) -> str | None:
    policies = (ONE, OTHER) if both else (ONE,)
    return why_check(replace(VERSION, tags=tags), policies, NAMING, "gate-1", enforced=enforced)


def test_a_plain_registry() -> None:
    assert why({}, enforced=False) == "new"
    assert why(mirrored(), enforced=False) is None
    assert why(mirrored("blocked"), enforced=False) is None
    assert why(mirrored("error"), enforced=False) == "error"
    assert why(mirrored("passed", f"sha256:{'00' * 32}"), enforced=False) == "policy"
    assert why(mirrored(), enforced=False, both=True) == "policy"
    assert why({**mirrored(), "gate.outcome": "warned"}, enforced=False) == "new"  # edited by hand
    assert why_check(replace(VERSION, tags={}), (), NAMING, "gate-1", enforced=False) is None


def test_an_enforcing_registry_has_a_decision_for_each_policy() -> None:
    assert why(mirrored(), enforced=True) == "new"  # mirrors decide nothing there
    assert why(attested(), enforced=True) is None
    assert why(attested(), enforced=True, both=True) == "policy"
    assert why({**attested(), **attested("other")}, enforced=True, both=True) is None
    assert why({**attested(), **attested("once-enforced")}, enforced=True) is None
    assert why(attested(digest=f"sha256:{'00' * 32}"), enforced=True) == "policy"
    assert why({**attested(), **attested("other", outcome="error")}, enforced=True, both=True) == "error"


@pytest.mark.parametrize("enforced", [False, True])
def test_a_decision_ends_with_its_first_waiver(enforced: bool) -> None:
    now = datetime.now(timezone.utc)
    assert why({**mirrored(), **attested(not_after=now + HOUR)}, enforced=enforced) is None
    assert why({**mirrored(), **attested(not_after=now - HOUR / 60)}, enforced=enforced) == "new"


def test_what_is_said_of_another_version_says_nothing() -> None:
    assert why(attested(version=2), enforced=True) == "new"
    for text in ("", "sha256:00", "{}", "[" * 10_000, '{"payload": 1}', "{" * 10_000):
        assert why({NAMING.tag("attestation", ONE.name): text}, enforced=True) == "new"
