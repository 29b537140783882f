"""The shape of a policy file, as pydantic models; the meaning is checked in ``gate.policy.load``.

Each model is strict and forbids unknown keys.  Field descriptions are what the editor schema and
docs/reference/policy.md show, so they are written for the author of a policy.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from gate.layer import LayerKind
from gate.policy.baselines import spec_mistake
from gate.policy.rules import DEFAULT_BASELINES, DEFAULT_MIN_PARAMETERS, POLICY_BASELINE

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
DURATION_PATTERN: Final = r"^[0-9]{1,6}[smhdw]$"
LONGEST_GRACE: Final = timedelta(days=366)
MOST_RULES: Final = 500

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class MistakeError(ValueError):
    """A value that is wrong, with the fix."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def duration(text: str) -> timedelta:
    """Return what ``24h``, ``30m`` or ``7d`` means.

    Raises
    ------
    MistakeError
        It is no duration, or longer than a year.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise MistakeError(
            f"'{text}' is no duration", "write a whole number and a unit s, m, h, d or w, e.g. 24h"
        )
    span = timedelta(seconds=int(text[:-1]) * _SECONDS[text[-1]])
    if span > LONGEST_GRACE:
        raise MistakeError(f"'{text}' is longer than a year", "write at most 366d")
    return span


def _duration_text(text: str) -> str:
    duration(text)
    return text


def _spec(text: str) -> str:
    mistake = spec_mistake(text)
    if mistake:
        raise MistakeError(*mistake)
    return text


def _against(text: str) -> str:
    if text == POLICY_BASELINE:
        return text
    if text == "none":
        raise MistakeError("a comparison against nothing", "remove the rule, or name a baseline")
    return _spec(text)


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN, text) or not text.isascii():
        raise MistakeError(
            f"'{text}' is no name", "use letters, digits, '_', '.' and '-', at most 63 of them"
        )
    return text


def _words(text: str) -> str:
    """Return the words on one line; what cannot be seen has no place in them."""
    line = " ".join(text.split())
    if not line:
        raise MistakeError("an empty description", "say why the rule is there: a refused person reads it")
    if not line.isprintable():
        raise MistakeError("invisible or direction-changing characters", "remove them")
    return line


def _glob(text: str) -> str:
    if not text or not text.isprintable():
        raise MistakeError("an empty glob, or one with invisible characters", "write e.g. fraud-*")
    return unicodedata.normalize("NFC", text)


def _version(number: int) -> int:
    if number != 1:
        raise MistakeError(f"version {number} of the policy language is not known", "write version: 1")
    return number


Version = Annotated[int, AfterValidator(_version), WithJsonSchema({"const": 1})]
Spec = Annotated[str, Field(max_length=2048), AfterValidator(_spec)]
Against = Annotated[str, Field(max_length=2048), AfterValidator(_against)]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
Words = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_words)]
Glob = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_glob)]
Globs = Annotated[list[Glob], Field(min_length=1, max_length=200)]
Duration = Annotated[
    str, AfterValidator(_duration_text), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[Any, WithJsonSchema({"type": ["string", "number"]})]
Labels = Annotated[list[Label], Field(min_length=1, max_length=100)]
Choice = Literal["pass", "warn", "block"]


class StrictModel(BaseModel):
    """Unknown keys, wrong types and numbers that are not finite are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, title=None)


class MatchDocument(StrictModel):
    """Which promotions the policy governs, by globs that ignore case; an omitted key means all."""

    models: Globs | None = Field(None, description="Registered models.")
    aliases: Globs | None = Field(None, description="Aliases that are set.")
    stages: Globs | None = Field(None, description="Stages that a version moves to.")
    workspaces: Globs | None = Field(None, description="Workspaces of the registry.")


class BaselineDocument(StrictModel):
    """What rules with `against: baseline` compare with."""

    use: Annotated[list[Spec], Field(min_length=1, max_length=20)] = Field(
        list(DEFAULT_BASELINES),
        description="Tried in order; the first that is there and comparable is used: `alias:NAME`, "
        "`previous` (newest earlier version that passed), `version:N`, any source, or `none`.",
    )
    when_missing: Choice = Field(
        "block", description="What a rule means where there is no baseline (a first version)."
    )
    when_not_comparable: Choice = Field(
        "block",
        description="What a rule means where no baseline has the same architecture, convention, fit "
        "settings, storage precision and batch-norm folding.",
    )
    partial: Literal["refuse", "compare"] = Field(
        "refuse",
        description="`compare`: where the architecture differs (a head replaced, layers added), compare the "
        "layers in common, if they hold half of the baseline's weights; `when_not_comparable` decides "
        "about the rest.",
    )


class CoverageDocument(StrictModel):
    """How much of the model must have been measured."""

    min_parameters: Share = Field(
        DEFAULT_MIN_PARAMETERS,
        description="Smallest share of the parameters in matrices (embeddings apart) that must have been "
        "measured; below it the policy is inconclusive (exit 4).",
    )


class WhereDocument(StrictModel):
    """Which layers a rule looks at; only for metrics of layers."""

    kind: Annotated[list[LayerKind], Field(min_length=1)] | None = Field(
        None, description="Kinds of layers. Omitted: every kind but `embedding` and `depthwise`."
    )
    name: Glob | None = Field(None, description="Glob over the layer's name; case counts.")
    min_eigenvalues: Count = Field(
        0, description="Leave out layers with fewer eigenvalues, counted and shown."
    )
    min_tail: Count = Field(
        0, description="Leave out layers whose fitted tail is smaller, counted and shown."
    )


class AllowDocument(StrictModel):
    """How much may fail before the rule does; only for metrics of layers."""

    share: Share | None = Field(None, description="Share of those judged; the rule fails above it.")
    count: Count | None = Field(None, description="Number; the rule fails above it.")
    by: Literal["layers", "parameters"] = Field("layers", description="What is counted.")


class ToleranceDocument(StrictModel):
    """How much a value may change against the baseline; the rule fails when every limit given is exceeded."""

    absolute: Annotated[float, Field(ge=0)] | None = Field(None, description="In the metric's own unit.")
    relative: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Share r of the baseline's value b: the limit is b + r·|b|. Inconclusive for AlphaHat "
        "and the log metrics where |b| < 0.5.",
    )
    sigmas: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None,
        description="Standard errors of the difference. For means of the model beside another limit only; "
        "for layers Holm's step-down over all that are judged.",
    )


class RuleDocument(StrictModel):
    """One rule: a metric and exactly one operator."""

    id: Name = Field(description="Unique in the policy.")
    description: Words = Field(description="Why the rule is there; what a refused person reads.")
    metric: Annotated[str, Field(max_length=300)] = Field(description="What is looked at.")
    against: Against | None = Field(
        None, description="`baseline`, or a baseline specification of the rule's own; for comparisons."
    )
    where: WhereDocument | None = Field(None, description="Which layers.")
    allow: AllowDocument | None = Field(None, description="How much may fail; nothing by default.")
    severity: Literal["block", "warn", "info"] = Field("block", description="What a failure means.")
    within: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    at_least: float | None = None
    at_most: float | None = None
    equals: Label | None = None
    in_: Labels | None = Field(None, alias="in")
    not_in: Labels | None = None
    max_increase: ToleranceDocument | None = None
    max_decrease: ToleranceDocument | None = None
    max_change: ToleranceDocument | None = None
    may_not_become: Labels | None = None


class PolicyDocument(StrictModel):
    """A policy file."""

    version: Version = Field(description="Version of the policy language.")
    name: Name = Field(description="Name of the policy; part of the tag its decisions travel in.")
    match: MatchDocument = Field(default_factory=MatchDocument)  # type: ignore[arg-type]
    baseline: BaselineDocument = Field(default_factory=BaselineDocument)  # type: ignore[arg-type]
    coverage: CoverageDocument = Field(default_factory=CoverageDocument)  # type: ignore[arg-type]
    on_error: Literal["block", "warn"] = Field(
        "block", description="What a model that cannot be read, or not safely, means."
    )
    when_nothing_to_measure: Choice = Field(
        "block",
        description="What a model without a weight matrix (gradient boosting, say) means; rules about its "
        "files and its run (`file.*`, `run.*`) are judged all the same, and the worst counts.",
    )
    mode: Literal["enforce", "audit"] = Field(
        "enforce", description="`audit` decides and records, and refuses nothing."
    )
    grace: Duration = Field(
        "0s", description="How long a decision under this policy's last version still holds, e.g. `24h`."
    )
    rules: Annotated[list[RuleDocument], Field(min_length=1, max_length=MOST_RULES)] = Field(
        description="The rules."
    )
