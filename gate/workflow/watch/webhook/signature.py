"""Who sent a delivery: MLflow's HMAC over its id, its time and its body.

MLflow follows the Standard Webhooks conventions (https://www.standardwebhooks.com) with headers of
its own: ``X-MLflow-Signature: v1,BASE64`` of HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

from gate.errors import UsageError

SECRET: Final = "GATE_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable
SECRET_FILE: Final = "GATE_WEBHOOK_SECRET_FILE"  # noqa: S105 - likewise
_LEAST: Final = 16
_MOST: Final = 4096
_VERSION: Final = "v1"
_MOST_SIGNATURES: Final = 8


def webhook_secret() -> bytes:
    """Return the secret shared with MLflow.

    It is the value of ``GATE_WEBHOOK_SECRET``, or in the file that ``GATE_WEBHOOK_SECRET_FILE`` names.

    Raises
    ------
    gate.errors.UsageError
        There is none, it cannot be read, or it is too short to be one.
    """
    text = os.environ.get(SECRET) or _from_file(os.environ.get(SECRET_FILE))
    if not text:
        raise UsageError(
            "webhooks need a secret, so that nobody but MLflow can send them",
            hint=f"Set {SECRET_FILE} to a file with the output of `openssl rand -hex 32`, or {SECRET} to it.",
        )
    if len(text) < _LEAST:
        raise UsageError(
            f"the webhook secret has fewer than {_LEAST} characters", hint="Use `openssl rand -hex 32`."
        )
    return text.encode()


def signature(secret: bytes, delivery: bytes, timestamp: bytes, body: bytes) -> str:
    """Return what MLflow sends in ``X-MLflow-Signature``."""
    digest = hmac.new(secret, b"%s.%s.%s" % (delivery, timestamp, body), hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode('ascii')}"


def signed(secret: bytes, delivery: bytes, timestamp: bytes, body: bytes, header: bytes) -> bool:
    """Tell whether one of the signatures in ``header`` (apart by blanks) is right, in constant time."""
    expected = signature(secret, delivery, timestamp, body).encode("ascii")
    return any(hmac.compare_digest(expected, given) for given in header.split()[:_MOST_SIGNATURES])


def _from_file(name: str | None) -> str | None:
    if not name:
        return None
    try:
        with Path(name).open("rb") as file:
            return file.read(_MOST).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read the webhook secret from {name}: {reason}") from error
