"""What ``gate waive`` does: bind a waiver to the model as it is now, and add it to a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.policy.waivers import Waiver
    from gate.registry.attestation.interface import SigningKey
    from gate.workflow.measure import Progress


@dataclass(frozen=True, slots=True)
class WaiveRequest:
    """Which rule to waive for which model, who says so, why, and until when.

    ``policy`` None means the rule of that id in every policy; ``expires`` is what
    :func:`gate.policy.waivers.expiry` reads; ``sign`` says to sign it with the environment's key.
    """

    source: str
    rule: str
    reason: str
    approver: str
    expires: str
    file: Path
    policy: str | None = None
    sign: bool = False
    address: RegistryAddress = field(default_factory=RegistryAddress)


@dataclass(frozen=True, slots=True)
class WaiveResult:
    """The waiver, and the whole text of the file that holds it now."""

    waiver: Waiver
    text: str


def waive(request: WaiveRequest, progress: Progress | None = None) -> WaiveResult:
    """Return the waiver and the file's new text; writes nothing.

    The model is hashed, not measured: its digest is that of the manifest over all of its files.

    Raises
    ------
    gate.errors.UsageError
        The source, the end or the file cannot be used; the file's mistakes come with their places.
    gate.errors.RegistryError, gate.errors.ResourceError, gate.errors.ModelError
        The model could not be brought here.
    """
    from gate.policy.source import read_text  # noqa: PLC0415 - YAML; keeps `gate --help` fast
    from gate.policy.waivers import Waiver, appended, expiry, new_waiver, waiver_payload  # noqa: PLC0415
    from gate.registry.attestation.waiver import sign_waiver  # noqa: PLC0415
    from gate.registry.pull import open_model  # noqa: PLC0415
    from gate.workflow.sources import locate  # noqa: PLC0415

    reason, approver = " ".join(request.reason.split()), " ".join(request.approver.split())
    for flag, words in (("--reason", reason), ("--approver", approver)):
        if not words:
            raise UsageError(f"{flag} is empty", hint="A waiver says why it stands and who allowed it.")
    key = _key() if request.sign else None
    expires = expiry(request.expires, datetime.now(timezone.utc))
    text = read_text(request.file) if request.file.exists() else None
    located = locate(request.source, request.address)
    connection = located.registry.connection if located.registry is not None else None
    with open_model(located.resolved, connection, _reading(progress)) as model:
        digest = model.digest
    waiver = new_waiver(
        Waiver(
            id="",
            rule=request.rule,
            digest=digest,
            reason=reason,
            approver=approver,
            expires=expires,
            model=located.resolved.name,
            policy=request.policy,
        )
    )
    if key is not None:
        waiver = replace(waiver, signature=sign_waiver(waiver_payload(waiver), key))
    return WaiveResult(waiver, appended(text, waiver, str(request.file)))


def _key() -> SigningKey:
    from gate.registry.attestation.keys import FILE_VARIABLE, load_signing_key  # noqa: PLC0415

    key = load_signing_key()
    if key is None:
        raise UsageError(
            "there is no key to sign the waiver with",
            hint=f"Set {FILE_VARIABLE} to a key of the role waive; gate init --role waive makes one.",
        )
    return key


def _reading(progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress("Reading files", done, total)
