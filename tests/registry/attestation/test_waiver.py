from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gate.policy.waivers import Waiver, waiver_payload
from gate.registry.attestation import MalformedError, Statement, UntrustedError, WaiverUse
from gate.registry.attestation.envelope import sign
from gate.registry.attestation.waiver import bare_signature, check_waivers, open_waiver, sign_waiver
from tests.registry.attestation.samples import DIGEST, NOW, STATEMENT, SUBJECT, pair

ENDS = NOW + timedelta(days=30)
WAIVER = Waiver(
    "w-1", "layer-alpha", DIGEST, "known and harmless", "ada", ENDS, model=SUBJECT.name, policy=None
)
KEY, TRUSTED = pair("waive")


def statement(waiver: Waiver = WAIVER, signature: str | None = None) -> Statement:
    text = sign_waiver(waiver_payload(waiver), KEY)
    use = WaiverUse(
        waiver.id,
        waiver.policy,
        waiver.rule,
        waiver.reason,
        waiver.approver,
        waiver.expires,
        signature or bare_signature(text, waiver_payload(waiver)),
    )
    return replace(STATEMENT, waivers=(use,), not_after=ENDS)


def test_an_envelope_of_a_waiver_opens_to_what_was_signed() -> None:
    payload = waiver_payload(WAIVER)
    opened = open_waiver(sign_waiver(payload, KEY), [pair()[1], TRUSTED])
    assert (opened.payload, opened.key_id) == (payload, TRUSTED.id)
    with pytest.raises(UntrustedError):
        open_waiver(sign_waiver(payload, KEY), [pair()[1]])


def test_a_decision_is_no_waiver_nor_the_other_way_round() -> None:
    with pytest.raises(MalformedError):
        open_waiver(sign(STATEMENT, KEY), [TRUSTED])
    assert bare_signature(sign(STATEMENT, KEY), b"") is None
    assert bare_signature("nonsense", b"") is None
    assert bare_signature(sign_waiver(b"{}", KEY), b"{ }") is None


def test_signed_waivers_of_this_very_version_are_accepted() -> None:
    check_waivers(statement(), [pair()[1], TRUSTED], NOW)
    check_waivers(statement(replace(WAIVER, policy=STATEMENT.policy)), [TRUSTED], NOW)
    check_waivers(replace(STATEMENT, waivers=(), not_after=None), [], NOW)


def test_the_signature_survives_the_statement() -> None:
    from gate.registry.attestation.statement import parse_statement, statement_payload  # noqa: PLC0415

    check_waivers(parse_statement(statement_payload(statement())), [TRUSTED], NOW)


@pytest.mark.parametrize("name", ["id", "rule", "reason", "approver", "expires"])
def test_any_field_that_was_changed_is_refused(name: str) -> None:
    good = statement()
    use = good.waivers[0]
    other: Any = use.expires + timedelta(seconds=1) if name == "expires" else f"{getattr(use, name)}!"
    with pytest.raises(UntrustedError, match="w-1"):
        check_waivers(replace(good, waivers=(replace(use, **{name: other}),)), [TRUSTED], NOW)


def test_refused_for_other_files_another_model_or_policy_or_beyond_its_end() -> None:
    good = statement()
    for changed in (
        replace(good, subject=replace(good.subject, digest="sha256:" + "0" * 64)),
        replace(good, subject=replace(good.subject, digest=None)),
        replace(good, subject=replace(good.subject, name="other")),
        replace(good, not_after=None),
        replace(good, not_after=ENDS + timedelta(seconds=1)),
        statement(replace(WAIVER, policy="another")),
    ):
        with pytest.raises(UntrustedError, match="w-1"):
            check_waivers(changed, [TRUSTED], NOW)


def test_refused_without_a_signature_or_by_a_key_that_may_not_waive() -> None:
    good = statement()
    unsigned = replace(good, waivers=(replace(good.waivers[0], signature=None),))
    with pytest.raises(UntrustedError, match="not signed"):
        check_waivers(unsigned, [TRUSTED], NOW)
    for key in (
        replace(TRUSTED, role="check"),
        replace(TRUSTED, models=("x",)),
        replace(TRUSTED, not_after=NOW),
    ):
        with pytest.raises(UntrustedError, match="w-1"):
            check_waivers(good, [key], NOW)


def test_an_envelope_in_a_waivers_file_is_json_that_fits() -> None:
    text = sign_waiver(waiver_payload(WAIVER), KEY)
    assert set(json.loads(text)) == {"payload", "payloadType", "signatures"}
