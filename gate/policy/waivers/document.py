"""The shape of a waivers file, as pydantic models."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from gate.policy.document import MistakeError, Name, StrictModel, Version, Words

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
MOST_WAIVERS: Final = 1000
LONGEST_SIGNATURE: Final = 16_000

_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2}))?", re.ASCII
)


def moment(text: str) -> datetime:
    """Return what ``2026-12-31`` (its first second, UTC) or ``2026-12-31T12:00:00+01:00`` means.

    Raises
    ------
    MistakeError
        It is no date, or a time without a zone.
    """
    found = _MOMENT.fullmatch(text)
    day, clock, zone = found.groups() if found else (None, None, None)
    offset = "+00:00" if zone is None or zone in "zZ" else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise MistakeError(
            f"'{text}' is no moment", "write 2026-12-31, or 2026-12-31T12:00:00Z with its zone"
        ) from error


def _moment_text(text: str) -> str:
    moment(text)
    return text


def _digest(text: str) -> str:
    if not re.fullmatch(DIGEST_PATTERN, text):
        raise MistakeError(
            f"'{text[:80]}' is no digest", "write sha256: and 64 hexadecimal digits, as reports show it"
        )
    return text


def _model(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise MistakeError("a model name that is empty or has invisible characters", "write it as registered")
    return text


Digest = Annotated[
    str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": DIGEST_PATTERN})
]
Moment = Annotated[str, AfterValidator(_moment_text)]
Model = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_model)]
Approver = Annotated[Words, Field(max_length=200)]


class WaiverDocument(StrictModel):
    """One waiver: who lets which rule pass, for which model, why and until when."""

    id: Name = Field(description="Unique in the file.")
    rule: Name = Field(description="The rule's id.")
    policy: Name | None = Field(None, description="The policy's name; omitted: every policy with that rule.")
    model: Model | None = Field(
        None, description="The registered model; omitted: a source that is not registered (a file)."
    )
    digest: Digest = Field(description="The model's digest (of its manifest).")
    reason: Words = Field(description="Why; what every report shows.")
    approver: Approver = Field(description="Who answers for it.")
    expires: Moment = Field(description="When it ends; a date alone is its first second in UTC.")
    signature: Annotated[str, Field(min_length=1, max_length=LONGEST_SIGNATURE)] | None = Field(
        None, description="A DSSE envelope over the waiver, written by whoever signs it."
    )


class WaiversDocument(StrictModel):
    """A waivers file."""

    version: Version = Field(description="Version of the file's form.")
    waivers: Annotated[list[WaiverDocument], Field(max_length=MOST_WAIVERS)] = Field(
        description="The waivers."
    )
