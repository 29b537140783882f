"""Keys: making a pair, reading the private half, reading documents about the public one, roles.

A private key is PKCS #8 in PEM, as ``openssl genpkey -algorithm ed25519`` writes it; a trusted key
is a small YAML or JSON document.  Both come from outside and are read strictly.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.registry.attestation.interface import ROLE_OF, SigningKey, TrustedKey, UntrustedError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from gate.registry.attestation.interface import Role, Signed

KEY_VARIABLE: Final = "GATE_SIGNING_KEY"
FILE_VARIABLE: Final = "GATE_SIGNING_KEY_FILE"
PASSPHRASE_VARIABLE: Final = "GATE_SIGNING_KEY_PASSPHRASE"  # noqa: S105 - the name, not the value
_LARGEST_PEM: Final = 16_384
_ID_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A pair that was just made: the private half as PEM, never shown, and the trusted document."""

    private_pem: bytes = field(repr=False)
    trusted: TrustedKey


def new_key(
    role: Role,
    models: Sequence[str] = ("*",),
    *,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    passphrase: bytes | None = None,
) -> NewKey:
    """Make an Ed25519 key pair for ``role``; nothing is written.

    Parameters
    ----------
    role, models, not_before, not_after:
        What the public half is trusted with, see
        :class:`gate.registry.attestation.interface.TrustedKey`.
    passphrase:
        Encrypts the private half.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - keeps `gate --help` fast
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    private = Ed25519PrivateKey.generate()
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    public = private.public_key()
    trusted = TrustedKey(key_id(public), role, _public_pem(public), tuple(models), not_before, not_after)
    return NewKey(pem, trusted)


def key_id(public: Ed25519PublicKey) -> str:
    """Return the id a key has of itself: a digest of its public half (SubjectPublicKeyInfo, DER)."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"ed25519-{hashlib.sha256(der).hexdigest()[:_ID_CHARACTERS]}"


def load_signing_key(environment: Mapping[str, str] | None = None) -> SigningKey | None:
    """Return the private key that the environment names, or None where it names none.

    ``GATE_SIGNING_KEY`` holds the key itself (PEM), ``GATE_SIGNING_KEY_FILE`` the path of a file that
    does, ``GATE_SIGNING_KEY_PASSPHRASE`` what unlocks it.  The first one wins.

    Raises
    ------
    gate.errors.UsageError
        There is a key, but it cannot be read or is no Ed25519 key.  Nothing of it is quoted.
    """
    variables = os.environ if environment is None else environment
    passphrase = variables.get(PASSPHRASE_VARIABLE) or None
    if text := variables.get(KEY_VARIABLE):
        return parse_signing_key(text.encode(), f"the key in {KEY_VARIABLE}", passphrase)
    if path := variables.get(FILE_VARIABLE):
        return load_key_file(Path(path), variables)
    return None


def load_key_file(path: Path, environment: Mapping[str, str] | None = None) -> SigningKey:
    """Return the private key in a file; ``GATE_SIGNING_KEY_PASSPHRASE`` unlocks it.

    Raises
    ------
    gate.errors.UsageError
        As :func:`load_signing_key`.
    """
    variables = os.environ if environment is None else environment
    passphrase = variables.get(PASSPHRASE_VARIABLE) or None
    return parse_signing_key(_read(path), f"the key file {printable(str(path))}", passphrase)


def trusted_half(pem: bytes, what: str, role: Role, models: Sequence[str] = ("*",)) -> TrustedKey:
    """Return the public half of a private key, trusted with ``role`` for ``models``.

    Raises
    ------
    gate.errors.UsageError
        As :func:`parse_signing_key`.
    """
    key = parse_signing_key(pem, what, os.environ.get(PASSPHRASE_VARIABLE) or None)
    return TrustedKey(key.id, role, _public_pem(key.private.public_key()), tuple(models))


def parse_signing_key(pem: bytes, what: str, passphrase: str | None = None) -> SigningKey:
    """Return the private Ed25519 key in ``pem``; ``what`` names it in an error.

    Raises
    ------
    gate.errors.UsageError
        It is none, or the passphrase does not open it.
    """
    private = _private_key(pem, passphrase.encode() if passphrase else None)
    if isinstance(private, str):
        raise UsageError(f"{what} cannot be used: {private}", hint="Make one with: gate init")
    return SigningKey(key_id(private.public_key()), private)


def _private_key(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey | str:
    """Return the key, or what is wrong; errors of the library may quote what they were given."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private = load_pem_private_key(pem.replace(b"\\n", b"\n"), passphrase)
    except TypeError:
        return f"it is locked: set {PASSPHRASE_VARIABLE}" if passphrase is None else "it is not locked at all"
    except (ValueError, UnsupportedAlgorithm):
        return "it is no private key in PEM, or the passphrase is not its own"
    return private if isinstance(private, Ed25519PrivateKey) else "it is no Ed25519 key"


def load_trusted_keys(path: Path) -> tuple[TrustedKey, ...]:
    """Return the trusted keys in a file, or in every ``.yaml``, ``.yml`` and ``.json`` file of a folder.

    Raises
    ------
    gate.errors.UsageError
        A document cannot be read or is not valid, an id stands twice, or there is none at all.
    """
    from gate.registry.attestation.documents import parse_trusted_key  # noqa: PLC0415 - pydantic

    files = _document_files(path)
    keys: dict[str, TrustedKey] = {}
    for file in files:
        key = parse_trusted_key(_read(file), str(file))
        if key.id in keys:
            raise UsageError(f"two documents trust a key of the id {key.id}; the second is {file}")
        keys[key.id] = key
    if not keys:
        raise UsageError(
            f"no trusted key in {printable(str(path))}",
            hint="A document names id, role, models and public_key; gate init writes one.",
        )
    return tuple(keys.values())


def authorize(signed: Signed, keys: Iterable[TrustedKey], at: datetime | None = None) -> TrustedKey:
    """Return the trusted key that made ``signed``, if it may make such a statement.

    Parameters
    ----------
    signed:
        What was opened with ``keys``.
    keys:
        The trusted ones.
    at:
        When it was, or is, accepted; now by default.  Never the statement's own clock: whoever
        steals a key that has ended can date it back.

    Raises
    ------
    gate.registry.attestation.interface.UntrustedError
        The key has another role, is not for this model, or is outside its validity.
    """
    role = ROLE_OF[signed.statement.kind]
    key = next((key for key in keys if key.id == signed.key_id), None)
    if key is None:
        raise UntrustedError(f"key {signed.key_id} is not trusted here")
    check_permitted(key, role, signed.statement.subject.name, at)
    return key


def check_permitted(key: TrustedKey, role: Role, model: str, at: datetime | None = None) -> None:
    """Raise unless ``key`` is trusted with ``role`` for ``model`` at the time ``at`` (now by default).

    Raises
    ------
    gate.registry.attestation.interface.UntrustedError
        It is not; the message says in what.
    """
    now = at or datetime.now(timezone.utc)
    if key.role != role:
        raise UntrustedError(f"key {key.id} has the role {key.role}; this takes one with the role {role}")
    folded = model.casefold()
    if not any(fnmatchcase(folded, glob.casefold()) for glob in key.models):
        raise UntrustedError(f"key {key.id} is not trusted for the model {printable(model)}")
    if key.not_before is not None and now < key.not_before:
        raise UntrustedError(f"key {key.id} is not valid before {key.not_before.isoformat()}")
    if key.not_after is not None and now >= key.not_after:
        raise UntrustedError(f"key {key.id} was valid until {key.not_after.isoformat()}")


def _public_pem(public: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _document_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml", ".json"})


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_PEM + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read {printable(str(path))}: {reason}") from error
    if len(content) > _LARGEST_PEM:
        raise UsageError(f"{printable(str(path))} is too large to hold a key")
    return content
