"""What a waiver's signature is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from gate.policy.waivers.interface import moment_words

if TYPE_CHECKING:
    from gate.policy.waivers.interface import Waiver

WAIVER_SCHEMA: Final = "gate/waiver/1"


def waiver_payload(waiver: Waiver) -> bytes:
    """Return the waiver as canonical JSON, without its signature and its place in the file.

    Keys sorted, no spaces, everything outside ASCII escaped, every key present (null where the file
    leaves it out): the same waiver has the same bytes however its file is written.
    """
    plain = {
        "schema": WAIVER_SCHEMA,
        "id": waiver.id,
        "policy": waiver.policy,
        "rule": waiver.rule,
        "model": waiver.model,
        "digest": waiver.digest,
        "reason": waiver.reason,
        "approver": waiver.approver,
        "expires": moment_words(waiver.expires),
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
