"""What ``gate init`` does: keys, a folder of trusted keys and one of policies, none of it twice.

Every file appears whole or not at all, and one that is there is never touched: whatever cut an
earlier run off, running again completes it.
"""

from __future__ import annotations

import os
import secrets
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.registry.attestation.interface import Role, TrustedKey

PRIVATE: Final = "private"
TRUSTED: Final = "keys"
POLICIES: Final = "policies"
_IGNORE: Final = "# Private keys belong into a secret store, never into a repository.\n/private/\n"


@dataclass(frozen=True, slots=True)
class Initialized:
    """The folders, what was written just now, and what was there already (relative to ``directory``)."""

    directory: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    keys: tuple[TrustedKey, ...]

    @property
    def private(self) -> Path:
        """The folder of private keys."""
        return self.directory / PRIVATE

    @property
    def trusted(self) -> Path:
        """The folder of trusted keys."""
        return self.directory / TRUSTED

    @property
    def policies(self) -> Path:
        """The folder of policies."""
        return self.directory / POLICIES


def initialize(
    directory: Path, roles: Sequence[Role] = ("check",), models: Sequence[str] = ("*",)
) -> Initialized:
    """Make a key pair for each role, and a folder of policies with the packaged default in it.

    Parameters
    ----------
    directory:
        Made where it is missing.
    roles, models:
        What new keys are trusted with.  A role whose trusted document is there keeps it, wherever its
        private half went.

    Raises
    ------
    gate.errors.UsageError
        A folder or file cannot be made, or an existing key cannot be read.
    """
    from gate.policy import packaged_policy  # noqa: PLC0415 - keeps `gate --help` fast

    made = _Files(directory)
    for folder, mode in ((PRIVATE, 0o700), (TRUSTED, 0o755), (POLICIES, 0o755)):
        made.folder(folder, mode)
    made.write(".gitignore", _IGNORE.encode())
    keys = tuple(_key(made, role, models) for role in dict.fromkeys(roles))
    made.write(f"{POLICIES}/default.yaml", packaged_policy("default").read_bytes())
    return Initialized(directory, tuple(made.written), tuple(made.kept), keys)


def next_steps(done: Initialized) -> str:
    """Say what to run next, ready to paste."""
    base, private = done.directory.resolve(), done.private.resolve()
    first = done.keys[0].role if done.keys else "check"
    return "\n".join(
        (
            f"1. Keep {private} out of repositories; put the keys into your secret store.",
            f"2. Look at {base / POLICIES / 'default.yaml'}: every file of that folder is a policy.",
            "3. Start MLflow behind the gate (sqlite here; any database that MLflow takes):",
            f"     export GATE_POLICIES={shlex.quote(str(base / POLICIES))}",
            f"     export GATE_TRUSTED_KEYS={shlex.quote(str(base / TRUSTED))}",
            "     mlflow server --backend-store-uri sqlite:///mlflow.db \\",
            "       --registry-store-uri gate:sqlite:///mlflow.db --artifacts-destination gate:./mlartifacts",
            "4. Judge versions with the key (or let `gate watch` do it, and `gate check --wait` in CI):",
            f"     export GATE_SIGNING_KEY_FILE={shlex.quote(str(private / f'{first}.pem'))}",
            "     gate check models:/NAME/VERSION",
            "5. Verify where models are loaded:",
            f"     gate verify models:/NAME/VERSION --keys {shlex.quote(str(base / TRUSTED))}",
        )
    )


def _key(made: _Files, role: Role, models: Sequence[str]) -> TrustedKey:
    """Make the pair of a role as far as it is missing; the public half comes from the private one."""
    from gate.registry.attestation.documents import parse_trusted_key, trusted_key_document  # noqa: PLC0415
    from gate.registry.attestation.keys import new_key, trusted_half  # noqa: PLC0415 - cryptography

    private, document = f"{PRIVATE}/{role}.pem", f"{TRUSTED}/{role}.yaml"
    if made.has(document):
        made.kept += [name for name in (private, document) if made.has(name)]
        return parse_trusted_key(made.read(document), str(made.directory / document))
    if not made.has(private):
        fresh = new_key(
            role, models, passphrase=(os.environ.get(_passphrase_variable()) or "").encode() or None
        )
        made.write(private, fresh.private_pem, mode=0o600)
    else:
        made.kept.append(private)
    trusted = trusted_half(made.read(private), f"the key file {private}", role, models)
    made.write(document, trusted_key_document(trusted).encode())
    return trusted


def _passphrase_variable() -> str:
    from gate.registry.attestation.keys import PASSPHRASE_VARIABLE  # noqa: PLC0415 - as above

    return PASSPHRASE_VARIABLE


class _Files:
    """Writes files below a directory, each whole and at most once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written: list[str] = []
        self.kept: list[str] = []

    def has(self, name: str) -> bool:
        return (self.directory / name).exists()

    def read(self, name: str) -> bytes:
        try:
            return (self.directory / name).read_bytes()
        except OSError as error:
            raise _cannot("read", self.directory / name, error) from error

    def folder(self, name: str, mode: int) -> None:
        try:
            (self.directory / name).mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot("make", self.directory / name, error) from error

    def write(self, name: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file aside and link it into place, which fails where one is there already."""
        target = self.directory / name
        aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(aside, target)
            finally:
                aside.unlink()
        except FileExistsError:
            self.kept.append(name)
        except OSError as error:
            raise _cannot("write", target, error) from error
        else:
            self.written.append(name)


def _cannot(verb: str, path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot {verb} {printable(str(path))}: {error.strerror}")
