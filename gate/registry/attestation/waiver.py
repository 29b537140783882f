"""Signatures of waivers: whoever lets a rule pass answers for it with a key of the role ``waive``.

What is signed are the bytes of :func:`gate.policy.waivers.waiver_payload`, under a payload type of
its own: no signature of a waiver can be taken for a decision's.  In a waivers file it stands as an
envelope; a decision that used the waiver carries the bare signature and the fields it is over.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.registry.attestation.envelope import decoded, envelope_parts, seal, verifies, verifying_keys
from gate.registry.attestation.interface import MalformedError, UntrustedError
from gate.registry.attestation.keys import check_permitted
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gate.registry.attestation.interface import SigningKey, Statement, TrustedKey, WaiverUse

WAIVER_TYPE: Final = "application/vnd.mlflow-spectral-gate.waiver+json"


@dataclass(frozen=True, slots=True)
class SignedWaiver:
    """A waiver's payload whose signature holds, and the id of the key that made it."""

    payload: bytes
    key_id: str


def sign_waiver(payload: bytes, key: SigningKey) -> str:
    """Return the envelope of a waiver: what goes into the ``signature`` of a waivers file."""
    return seal(payload, WAIVER_TYPE, key)


def open_waiver(text: str, keys: Iterable[TrustedKey]) -> SignedWaiver:
    """Return what an approver signed.

    That it is the waiver at hand is for the caller to compare; what the key may, too.

    Raises
    ------
    gate.registry.attestation.interface.MalformedError
        ``text`` is no envelope of a waiver.
    gate.registry.attestation.interface.UntrustedError
        None of the keys signed it.
    """
    payload, _ = _waiver_parts(text)
    matching = verifying_keys(text, keys)
    key = next((key for key in matching if key.role == "waive"), matching[0])
    return SignedWaiver(payload, key.id)


def bare_signature(text: str, payload: bytes) -> str | None:
    """Return the signature in an envelope of ``payload`` in base64; None where it is of something else.

    Nothing is verified: who records a decision need not hold the keys that are trusted.
    """
    try:
        signed, signature = _waiver_parts(text)
    except MalformedError:
        return None
    return base64.b64encode(signature).decode() if signed == payload else None


def check_waivers(statement: Statement, keys: Iterable[TrustedKey], at: datetime | None = None) -> None:
    """Raise unless a key that may waive signed each waiver that ``statement`` rests on.

    ``at`` is when the statement is accepted, now by default.

    Raises
    ------
    gate.registry.attestation.interface.UntrustedError
        Nobody signed one, or a key that is not trusted, or not with this; or it is for another policy,
        or ends before the statement does.  The message names the waiver.
    """
    trusted = tuple(keys)
    for use in statement.waivers:
        if use.policy not in {None, statement.policy}:
            raise UntrustedError(f"waiver {printable(use.id)} is for the policy {printable(str(use.policy))}")
        if statement.not_after is None or statement.not_after > use.expires:
            raise UntrustedError(f"the decision outlives waiver {printable(use.id)}, which it rests on")
        key = _signer(statement, use, trusted)
        try:
            check_permitted(key, "waive", statement.subject.name, at)
        except UntrustedError as error:
            raise UntrustedError(f"waiver {printable(use.id)}: {error.message}") from error


def _signer(statement: Statement, use: WaiverUse, keys: tuple[TrustedKey, ...]) -> TrustedKey:
    if use.signature is None:
        raise UntrustedError(
            f"waiver {printable(use.id)} is not signed",
            hint="Sign it with a key of the role waive: gate waive --sign.",
        )
    payload, signature = _payload(statement, use), decoded(use.signature)
    matching = [key for key in keys if verifies(key, payload, WAIVER_TYPE, signature)]
    if not matching:
        raise UntrustedError(f"waiver {printable(use.id)} is not as any trusted key signed it")
    return next((key for key in matching if key.role == "waive"), matching[0])


def _payload(statement: Statement, use: WaiverUse) -> bytes:
    """Return the bytes that the approver signed, if it was this waiver for this very version's files."""
    from gate.policy.waivers import Waiver, waiver_payload  # noqa: PLC0415 - keeps `gate --help` fast

    if statement.subject.digest is None:
        raise UntrustedError(f"waiver {printable(use.id)} cannot be for files that nobody could read")
    return waiver_payload(
        Waiver(
            id=use.id,
            rule=use.rule,
            digest=statement.subject.digest,
            reason=use.reason,
            approver=use.approver,
            expires=use.expires,
            model=statement.subject.name,
            policy=use.policy,
        )
    )


def _waiver_parts(text: str) -> tuple[bytes, bytes]:
    payload, payload_type, _, signature = envelope_parts(text)
    if payload_type != WAIVER_TYPE:
        raise MalformedError(f"the envelope holds {printable(payload_type)!r}, not a waiver")
    return payload, signature
