"""The shape of a payload, as pydantic models: where hostile JSON ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    model_validator,
)

from gate.policy.document import NAME_PATTERN
from gate.policy.interface import Outcome

if TYPE_CHECKING:
    from typing_extensions import Self

PASSING: Final[frozenset[Outcome]] = frozenset({"passed", "warned"})


def _text(value: object) -> object:
    """Refuse a number where a time belongs, which pydantic would take for seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("a time is text, such as 2026-01-31T12:00:00Z")  # noqa: TRY004 - as pydantic wants
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_text)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Hexadecimal = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=1000)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
ModelName = Annotated[str, Field(min_length=1, max_length=256)]
Number = FiniteFloat | None


class _Open(BaseModel):
    """What other specifications define: unknown fields are theirs to add."""

    model_config = ConfigDict(extra="ignore")


class _Ours(BaseModel):
    """What we define: an unknown field means something that we would not honour."""

    model_config = ConfigDict(extra="forbid")


class Identity(_Ours):
    """Which version it is about."""

    registry: Short | None
    workspace: Short
    name: ModelName
    version: Annotated[StrictInt, Field(ge=1)]
    creation_time: Annotated[StrictInt, Field(ge=0)]


class About(_Open):
    """The subject."""

    name: Annotated[str, Field(max_length=4000)]
    digest: Annotated[dict[str, Hexadecimal], Field(min_length=1, max_length=1)]
    annotations: Identity


class Verifier(_Open):
    """Who verified."""

    id: Short
    version: dict[str, Short]


class PolicyDigest(_Open):
    """The digest of the policy."""

    sha256: Hexadecimal


class PolicyUsed(_Open):
    """By which policy."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    digest: PolicyDigest


class BaselinePart(_Ours):
    """A baseline."""

    spec: Long
    uri: Long | None
    digest: Digest | None
    comparable: StrictBool


class WaiverPart(_Ours):
    """A waiver."""

    id: Short
    policy: Short | None
    rule: Short
    reason: Reason
    approver: Short
    expires: Moment
    signature: Annotated[str, Field(max_length=100)] | None


class DecisionPart(_Ours):
    """What SLSA has no field for."""

    outcome: Outcome
    not_after: Moment | None
    supersedes: Digest | None
    verdict_digest: Digest | None
    report: Short | None
    baselines: list[BaselinePart]
    run_metrics: dict[Long, Number]
    waivers: list[WaiverPart]
    metrics: dict[Short, Number]
    omitted: list[Short]
    failures: Annotated[list[Long], Field(max_length=100)]


class Summary(_Open):
    """A SLSA Verification Summary."""

    verifier: Verifier
    time_verified: Annotated[Moment, Field(alias="timeVerified")]
    policy: PolicyUsed
    result: Annotated[Literal["PASSED", "FAILED"], Field(alias="verificationResult")]
    levels: Annotated[list[Short], Field(alias="verifiedLevels", min_length=1)]
    decision: Annotated[DecisionPart, Field(alias="gate/decision/1")]

    @property
    def passed(self) -> bool:
        """Whether it lets the version be promoted."""
        return self.result == "PASSED"

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Refuse a summary whose parts contradict each other."""
        if self.passed != (self.decision.outcome in PASSING):
            raise ValueError("verificationResult and outcome contradict each other")
        return self


class OverridePart(_Ours):
    """Break glass."""

    issued_at: Moment
    not_after: Moment
    alias: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Reason
    verifier: Short
    verifier_version: Short


class StatementDocument(_Open):
    """An in-toto Statement."""

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[About], Field(min_length=1, max_length=1)]
    predicate_type: Annotated[
        Literal["https://slsa.dev/verification_summary/v1", "urn:mlflow-spectral-gate:override:1"],
        Field(alias="predicateType"),
    ]
    predicate: dict[str, Any]
