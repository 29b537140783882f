from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.registry.attestation import (
    LONGEST_ENVELOPE,
    AttestationError,
    BaselineUse,
    MalformedError,
    UntrustedError,
    WaiverUse,
)
from gate.registry.attestation.envelope import digest_of, open_envelope, read_unverified, seal, sign
from gate.registry.attestation.statement import DECISION_KEY, PAYLOAD_TYPE, statement_payload
from tests.registry.attestation.samples import NOW, OVERRIDE, STATEMENT, SUBJECT, changed, pair

KEY, TRUSTED = pair()


def pae(payload_type: bytes, payload: bytes) -> bytes:
    """The pre-authentication encoding, written anew from the text of the DSSE protocol (v1.0.2).

    PAE(type, body) = "DSSEv1" + SP + LEN(type) + SP + type + SP + LEN(body) + SP + body
    """
    space = b" "
    return space.join(
        [b"DSSEv1", str(len(payload_type)).encode(), payload_type, str(len(payload)).encode(), payload]
    )


def test_the_protocol_s_own_vector() -> None:
    """docs/protocol.md of the specification: its example of the encoding."""
    assert pae(b"http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    sealed = json.loads(seal(b"hello world", "http://example.com/HelloWorld", KEY))
    verify_independently(sealed)


def verify_independently(envelope: dict[str, Any]) -> bytes:
    payload = base64.b64decode(envelope["payload"])
    public: Any = load_pem_public_key(TRUSTED.public_pem.encode())
    (signature,) = envelope["signatures"]
    public.verify(base64.b64decode(signature["sig"]), pae(envelope["payloadType"].encode(), payload))
    return payload


def test_another_implementation_verifies_ours() -> None:
    envelope = json.loads(sign(STATEMENT, KEY))
    assert verify_independently(envelope) == statement_payload(STATEMENT)
    envelope["payloadType"] += "x"
    with pytest.raises(InvalidSignature):
        verify_independently(envelope)


def test_we_verify_another_implementation_s() -> None:
    payload = statement_payload(STATEMENT)
    made = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"sig": base64.b64encode(KEY.private.sign(pae(PAYLOAD_TYPE.encode(), payload))).decode()}
        ],
    }
    signed = open_envelope(json.dumps(made, indent=2), [TRUSTED])
    assert (signed.statement, signed.key_id) == (STATEMENT, TRUSTED.id)


@pytest.mark.parametrize(
    "statement", [STATEMENT, OVERRIDE, changed(not_after=None, supersedes=None, waivers=())]
)
def test_round_trip(statement: Any) -> None:
    text = sign(statement, KEY)
    signed = open_envelope(text, [pair("waive", 1)[1], TRUSTED])
    assert signed.statement == statement
    assert signed.digest == digest_of(text) == digest_of(json.dumps(json.loads(text), indent=3))
    assert read_unverified(text) == statement


def test_in_toto_s_own_bindings_read_it() -> None:
    from in_toto_attestation.predicates.vsa.v0 import vsa_pb2  # noqa: PLC0415
    from in_toto_attestation.v1 import statement_pb2  # noqa: PLC0415
    from in_toto_attestation.v1.statement import Statement as InTotoStatement  # noqa: PLC0415

    json_format: Any = import_module("google.protobuf.json_format")  # it has no types
    document = json.loads(verify_independently(json.loads(sign(STATEMENT, KEY))))
    read = InTotoStatement.copy_from_pb(json_format.ParseDict(document, statement_pb2.Statement()))
    read.validate()
    assert dict(read.pb.subject[0].digest) == {"sha256": "a" * 64}
    assert read.pb.predicate["verificationResult"] == "PASSED"
    known = {key: value for key, value in document["predicate"].items() if not key.startswith("gate/")}
    summary = json_format.ParseDict(known, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
    assert summary.policy.digest["sha256"] == "b" * 64
    assert summary.verifier.id == "pkg:pypi/mlflow-spectral-gate"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_byte_never_verifies_as_something_else(data: Any) -> None:
    text = sign(STATEMENT, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=1, max_codepoint=0x2FF).filter(lambda c: c != text[at]))
    changed_text = text[:at] + letter + text[at + 1 :]
    try:
        signed = open_envelope(changed_text, [TRUSTED])
    except AttestationError:
        return
    # Only the key id, which is a hint, and white space outside of strings are not signed.
    assert signed.statement == STATEMENT
    hint = text.index('"keyid":"') + len('"keyid":"')
    assert hint <= at < hint + len(KEY.id) or letter.isspace()


@settings(max_examples=200, deadline=None)
@given(st.integers(0), st.integers(1, 255), st.sampled_from(["payload", "sig"]))
def test_a_changed_byte_of_payload_or_signature_fails(position: int, flip: int, where: str) -> None:
    envelope = json.loads(sign(STATEMENT, KEY))
    holder = envelope if where == "payload" else envelope["signatures"][0]
    content = bytearray(base64.b64decode(holder[where]))
    content[position % len(content)] ^= flip
    holder[where] = base64.b64encode(bytes(content)).decode()
    with pytest.raises(UntrustedError):
        open_envelope(json.dumps(envelope), [TRUSTED])


def test_every_key_is_tried_whatever_the_hint_says() -> None:
    envelope = json.loads(sign(STATEMENT, KEY))
    other = pair("check", 1)[1]
    for hint in (other.id, "", "nobody"):
        envelope["signatures"][0]["keyid"] = hint
        assert open_envelope(json.dumps(envelope), [other, TRUSTED]).key_id == TRUSTED.id
    with pytest.raises(UntrustedError, match="no trusted key"):
        open_envelope(json.dumps(envelope), [other])
    with pytest.raises(UntrustedError):
        open_envelope(json.dumps(envelope), [])


def test_of_one_key_in_two_roles_the_fitting_one_is_taken() -> None:
    twice = [replace(TRUSTED, id=role, role=role) for role in ("waive", "override", "check")]
    assert open_envelope(sign(STATEMENT, KEY), twice).key_id == "check"
    assert open_envelope(sign(OVERRIDE, KEY), twice).key_id == "override"


def _payload(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(statement_payload(STATEMENT))
    for path, value in changes.items():
        *parents, last = (DECISION_KEY if step == "DECISION" else step for step in path.split("__"))
        holder: Any = document
        for parent in parents:
            holder = holder[int(parent) if parent.isdigit() else parent]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
    return document


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"predicateType": "urn:mlflow-spectral-gate:override:1"},
        {"subject": []},
        {"subject": _payload()["subject"] * 2},
        {"subject__0__digest": {"sha256": "A" * 64}},
        {"subject__0__digest": {"sha512": "a" * 64}},
        {"subject__0__name": "models:/other/7"},
        {"subject__0__annotations__version": 8},
        {"subject__0__annotations__version": "7"},
        {"subject__0__annotations__version": True},
        {"subject__0__annotations__extra": 1},
        {"subject__0__annotations__name": "other"},
        {"predicate__verificationResult": "passed"},
        {"predicate__verificationResult": "FAILED"},
        {"predicate__timeVerified": 1_760_000_000},
        {"predicate__timeVerified": "2026-03-01T12:00:00"},
        {"predicate__policy__digest": {}},
        {"predicate__policy__name": "../x"},
        {"predicate__DECISION": ...},
        {"predicate__DECISION__surprise": 1},
        {"predicate__DECISION__outcome": "fine"},
        {"predicate__DECISION__supersedes": "sha256:1"},
        {"predicate__DECISION__waivers": [{}]},
        {"predicate__DECISION__run_metrics": {"a": "1e999"}},
        {"predicate__DECISION__not_after": 5},
    ],
)
def test_what_is_no_statement_is_refused_although_the_signature_holds(changes: Any) -> None:
    text = seal(json.dumps(_payload(**changes)).encode(), PAYLOAD_TYPE, KEY)
    with pytest.raises(MalformedError):
        open_envelope(text, [TRUSTED])


def test_fields_that_others_may_add_are_ignored() -> None:
    extended = _payload(predicate__slsaVersion="1.1", subject__0__mediaType="application/x")
    assert (
        open_envelope(seal(json.dumps(extended).encode(), PAYLOAD_TYPE, KEY), [TRUSTED]).statement
        == STATEMENT
    )


def test_a_key_that_stands_twice_is_refused() -> None:
    payload = statement_payload(STATEMENT).replace(
        b'"outcome":"passed"', b'"outcome":"passed","outcome":"passed"'
    )
    with pytest.raises(MalformedError, match="twice"):
        open_envelope(seal(payload, PAYLOAD_TYPE, KEY), [TRUSTED])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "sha256:" + "0" * 64,
        "\ud800",
        "[" * 7000,
        '{"payload":"","payloadType":"x","signatures":[]}',
        '{"payload":"","payloadType":"x","signatures":[{"sig":""},{"sig":""}]}',
        '{"payload":"","payloadType":1,"signatures":[{"sig":""}]}',
        '{"payload":1,"payloadType":"x","signatures":[{"sig":""}]}',
        '{"payload":"Zh==","payloadType":"x","signatures":[{"sig":""}]}',
        '{"payload":"Z g=","payloadType":"x","signatures":[{"sig":""}]}',
        '{"payload":"","payload":"","payloadType":"x","signatures":[{"sig":""}]}',
        '{"payload":"","payloadType":"x","signatures":[{"sig":"","cert":""}]}',
        '{"payload":"","payloadType":"x","signatures":[{"sig":"","keyid":1}]}',
        '{"payload":"","payloadType":"x","signatures":[{"sig":""}],"extra":1}',
        " " * (LONGEST_ENVELOPE + 1),
    ],
)
def test_what_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        open_envelope(text, [TRUSTED])


def test_a_number_that_is_none_survives() -> None:
    signed = open_envelope(sign(changed(run_metrics={"loss": math.nan}), KEY), [TRUSTED])
    assert math.isnan(signed.statement.run_metrics["loss"])


def test_a_long_statement_sheds_what_the_verdict_has_and_says_so() -> None:
    many = changed(run_metrics={f"metric-{i}": 0.1 for i in range(400)})
    text = sign(many, KEY)
    assert len(text) <= LONGEST_ENVELOPE
    assert open_envelope(text, [TRUSTED]).statement == changed(run_metrics={}, omitted=("run_metrics",))
    uri = "models:/" + "n" * 900
    more = replace(many, baselines=tuple(BaselineUse(uri, uri, None, comparable=False) for _ in range(9)))
    assert open_envelope(sign(more, KEY), [TRUSTED]).statement.omitted == ("run_metrics", "baselines")


def test_waivers_are_never_shed() -> None:
    waiver = WaiverUse("w", None, "rule", "r" * 900, "ada", NOW)
    with pytest.raises(AttestationError, match=r"characters; a tag holds 8000") as raised:
        sign(changed(waivers=(waiver,) * 10), KEY)
    assert "waivers" in str(raised.value.hint)


def test_what_nobody_could_open_is_not_signed() -> None:
    for wrong in (
        changed(outcome="blocked"),
        changed(subject=replace(SUBJECT, name="")),
        changed(policy="a b"),
    ):
        with pytest.raises(MalformedError):
            sign(wrong, KEY)
