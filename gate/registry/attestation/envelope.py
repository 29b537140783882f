"""The envelope: a Dead Simple Signing Envelope (DSSE 1.0) with exactly one signature.

What is signed is the pre-authentication encoding of payload type and payload, so that neither can be
taken for another.  The key id in an envelope is not signed and therefore only a hint: every trusted
key is tried.  Reading is strict: bounded before it is parsed, keys once, base64 in its one canonical
form, no field that DSSE does not have.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ModelError
from gate.registry.attestation.interface import (
    LONGEST_ENVELOPE,
    ROLE_OF,
    AttestationError,
    MalformedError,
    Signed,
    UntrustedError,
)
from gate.registry.attestation.statement import PAYLOAD_TYPE, parse_statement, statement_payload, without
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.registry.attestation.interface import SigningKey, Statement, TrustedKey

SHED: Final = ("run_metrics", "baselines", "failures")
"""What an envelope that would become too long leaves out, in this order; the verdict has it."""


def sign(statement: Statement, key: SigningKey) -> str:
    """Return the envelope of ``statement``: one line of JSON, at most 8,000 characters.

    Raises
    ------
    gate.registry.attestation.interface.AttestationError
        It is longer than that even without what may be left out (``SHED``).
    """
    for leave_out in range(len(SHED) + 1):
        payload = statement_payload(without(statement, SHED[:leave_out]))
        text = seal(payload, PAYLOAD_TYPE, key)
        if len(text) <= LONGEST_ENVELOPE:
            parse_statement(payload)  # never sign what nobody could open
            return text
    raise AttestationError(
        f"the signed decision would have {len(text)} characters; a tag holds {LONGEST_ENVELOPE}",
        hint="It names many or long waivers: shorten their reasons, or let fewer rules be waived.",
    )


def open_envelope(text: str, keys: Iterable[TrustedKey]) -> Signed:
    """Return the statement in ``text``, if one of ``keys`` signed it.

    Where one public key is trusted in several roles, the one with the role for such a statement is
    taken.  What the key may is :func:`gate.registry.attestation.keys.authorize`'s to judge.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is no envelope, or what it holds is no statement.
    gate.registry.attestation.interface.UntrustedError
        None of the keys signed it.
    """
    payload, payload_type, _, _ = envelope_parts(text)
    if payload_type != PAYLOAD_TYPE:
        raise MalformedError(f"the envelope holds {printable(payload_type)!r}, not {PAYLOAD_TYPE!r}")
    matching = verifying_keys(text, keys)
    statement = parse_statement(payload)
    role = ROLE_OF[statement.kind]
    key = next((key for key in matching if key.role == role), matching[0])
    return Signed(statement, key.id, digest_of(text), text)


def read_unverified(text: str) -> Statement:
    """Return what an envelope says without asking who says it; only to show it, or to look keys up.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is no envelope, or what it holds is no statement.
    """
    payload, payload_type, _, _ = envelope_parts(text)
    if payload_type != PAYLOAD_TYPE:
        raise MalformedError(f"the envelope holds {printable(payload_type)!r}, not {PAYLOAD_TYPE!r}")
    return parse_statement(payload)


def digest_of(text: str) -> str:
    """Return ``sha256:…`` of an envelope in canonical JSON: another layout has the same digest.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is no envelope.
    """
    canonical = json.dumps(_object(text), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def seal(payload: bytes, payload_type: str, key: SigningKey) -> str:
    """Return the envelope around ``payload``, of whatever type and length."""
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - keeps `gate --help` fast
    from securesystemslib.signer import CryptoSigner, SSlibKey  # noqa: PLC0415

    envelope = Envelope(payload, payload_type, {})
    envelope.sign(CryptoSigner(key.private, SSlibKey.from_crypto(key.private.public_key(), keyid=key.id)))
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def verifying_keys(text: str, keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    """Return which of ``keys`` made the signature of an envelope; at least one.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is no envelope.
    gate.registry.attestation.interface.UntrustedError
        None did.
    """
    payload, payload_type, hint, signature = envelope_parts(text)
    given = tuple(keys)
    matching = tuple(key for key in given if verifies(key, payload, payload_type, signature))
    if not matching:
        named = next((key for key in given if key.id == hint), None)
        raise UntrustedError(
            f"the signature does not fit: not what key {named.id} signed"
            if named is not None
            else f"no trusted key signed it (it names {printable(hint) or 'no key'})",
            hint="It was changed after it was signed." if named is not None else None,
        )
    return matching


def verifies(key: TrustedKey, payload: bytes, payload_type: str, signature: bytes) -> bool:
    """Tell whether ``signature`` is what ``key`` makes of ``payload``."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - as above
    from securesystemslib.dsse import Envelope  # noqa: PLC0415
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415
    from securesystemslib.signer import Signature, SSlibKey  # noqa: PLC0415

    # The library compares key ids before it looks at the signature; the one in the text is a hint.
    public = SSlibKey.from_crypto(load_pem_public_key(key.public_pem.encode()), keyid=key.id)
    envelope = Envelope(payload, payload_type, {key.id: Signature(key.id, signature.hex())})
    try:
        envelope.verify([public], threshold=1)
    except VerificationError:
        return False
    return True


def envelope_parts(text: str) -> tuple[bytes, str, str, bytes]:
    """Return payload, payload type, key id (a hint) and signature of an envelope, none of it verified.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is no envelope.
    """
    envelope = _object(text)
    if envelope.keys() != {"payload", "payloadType", "signatures"}:
        raise MalformedError("it is no DSSE envelope: it takes payload, payloadType and signatures")
    signatures, payload_type = envelope["signatures"], envelope["payloadType"]
    if not isinstance(payload_type, str) or not isinstance(signatures, list) or len(signatures) != 1:
        raise MalformedError("the envelope has to have one payload type and exactly one signature")
    signature = signatures[0]
    if not isinstance(signature, dict) or not {"sig"} <= signature.keys() <= {"sig", "keyid"}:
        raise MalformedError("the envelope's signature takes sig and keyid")
    hint = signature.get("keyid", "")
    if not isinstance(hint, str):
        raise MalformedError("the envelope's keyid is no text")
    return decoded(envelope["payload"]), payload_type, hint, decoded(signature["sig"])


def _object(text: str) -> dict[str, Any]:
    from gate.weights.strict_json import parse_object  # noqa: PLC0415 - keeps `gate --help` fast

    if len(text) > LONGEST_ENVELOPE:
        raise MalformedError(
            f"it has {len(text)} characters; a signed decision has at most {LONGEST_ENVELOPE}"
        )
    try:
        return parse_object(text.encode("utf-8"), "the envelope")
    except (ModelError, UnicodeEncodeError) as error:
        raise MalformedError(f"it is no signed decision: {printable(str(error))}") from error


def decoded(value: object) -> bytes:
    """Decode base64 in its one canonical form, so that no two texts say the same.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        It is anything else.
    """
    if not isinstance(value, str):
        raise MalformedError("the envelope holds no text where base64 belongs")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("the envelope holds text that is not base64") from error
    if base64.b64encode(data).decode() != value:
        raise MalformedError("the envelope holds base64 that is not in canonical form")
    return data
