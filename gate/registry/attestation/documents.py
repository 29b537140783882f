"""The document that says which public key is trusted with what (YAML or JSON)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gate.errors import UsageError
from gate.policy.problems import InvalidPolicyError
from gate.registry.attestation.interface import Role, TrustedKey
from gate.text import printable

if TYPE_CHECKING:
    from datetime import datetime

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_MOST_MODELS: Final = 100


def _ed25519(pem: str) -> str:
    """Return the key in the form in which it is stored, if it is an Ed25519 public key."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - keeps `gate --help` fast
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if "PRIVATE" in pem:
        raise ValueError("a private key stands where the public one belongs: replace the pair")
    try:
        public = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is no public key in PEM") from None
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("it is no Ed25519 key")  # noqa: TRY004 - pydantic wants a ValueError
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


class TrustedKeyDocument(BaseModel):
    """A trusted key as written down."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=f"^{ID_PATTERN.pattern}$")]
    role: Role
    models: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        Field(min_length=1, max_length=_MOST_MODELS),
    ] = ["*"]
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None
    public_key: Annotated[str, Field(max_length=1000), AfterValidator(_ed25519)]


def parse_trusted_key(content: bytes, file: str) -> TrustedKey:
    """Return the trusted key that a document describes; ``file`` names it in an error.

    Raises
    ------
    gate.errors.UsageError
        It is not valid; the message says which field and why.
    """
    from gate.policy.source import decode, parse_yaml  # noqa: PLC0415 - ruamel

    try:
        tree = parse_yaml(decode(content, file), file)
        document = TrustedKeyDocument.model_validate(tree.plain())
    except InvalidPolicyError as error:
        raise UsageError(str(error), hint=error.hint) from error
    except ValidationError as error:
        raise UsageError(
            f"{printable(file)} is no trusted key: {_told(error)}",
            hint="Fields: id, role (check, waive or override), models, not_before, not_after, public_key.",
        ) from None
    if tree.problems:
        raise UsageError(str(tree.problems[0]))
    return TrustedKey(
        document.id,
        document.role,
        document.public_key,
        tuple(document.models),
        document.not_before,
        document.not_after,
    )


def trusted_key_document(key: TrustedKey) -> str:
    """Return the document of ``key`` as YAML that :func:`parse_trusted_key` reads."""
    lines = [
        f"id: {json.dumps(key.id)}",
        f"role: {key.role}",
        f"models: {json.dumps(list(key.models))}",
        f"not_before: {_when(key.not_before)}",
        f"not_after: {_when(key.not_after)}",
        "public_key: |",
        *(f"  {line}" for line in key.public_pem.splitlines()),
    ]
    return "\n".join(lines) + "\n"


def _when(moment: datetime | None) -> str:
    return "null" if moment is None else json.dumps(moment.isoformat())


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"]) or "the document"
    return printable(f"{where}: {first['msg'].removeprefix('Value error, ')}")
