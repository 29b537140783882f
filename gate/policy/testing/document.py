"""The shape of a test file, as pydantic models."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, create_model

from gate.layer import LayerKind
from gate.policy.document import MistakeError, Name, Spec, StrictModel, Version, Words
from gate.policy.interface import Outcome, RuleOutcome
from gate.policy.waivers.document import Digest, Model, Moment
from gate.spectra.interface import LayerMetrics, ModelSummary, Phase

MOST_CASES: Final = 500
MOST_LAYERS: Final = 2000
SOURCES: Final = ("file", "saved", "layers", "unreadable", "nothing_to_measure")
"""The keys of a model of which exactly one must stand."""

_OWN: Final = {"name", "kind", "shape", "dtype", "layer", "phase", "phase_evidence", "flags", "extra"}
_NUMBER: Final = re.compile(r"\b(int|float)\b")


def _path(text: str) -> str:
    if not text.strip() or not text.isprintable() or "://" in text or text.startswith(("models:", "runs:")):
        raise MistakeError("no path", "write a path relative to this file")
    return text


Path_ = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_path)]
Extents = Annotated[list[Annotated[int, Field(ge=1, le=2**40)]], Field(min_length=1, max_length=8)]
Figures = dict[str, float]


class _LayerBase(StrictModel):
    """One layer, or ``repeat`` of them; what is not given is that of a healthy one."""

    name: Annotated[str, Field(min_length=1, max_length=300)] = Field(description="Its name.")
    repeat: Annotated[int, Field(ge=1, le=MOST_LAYERS)] | None = Field(
        None, description="So many layers, named NAME.0, NAME.1 and so on."
    )
    kind: LayerKind = Field("dense", description="What it computes.")
    shape: Extents = Field([100, 100], description="Its shape, (out, in, …).")
    dtype: Annotated[str, Field(max_length=40)] = Field("float32", description="Storage type.")
    phase: Phase | None = Field("heavy-tailed", description="Its phase.")
    flags: list[str] = Field([], description="Its flags.")
    reason: str | None = Field(None, description="Why it has no fit.")


if TYPE_CHECKING:
    LayerDocument = _LayerBase
else:  # every figure that the engine knows may be given
    LayerDocument = create_model(
        "LayerDocument",
        __base__=_LayerBase,
        **{
            item.name: (float | None, Field(None, description="See docs/metrics.md."))
            for item in dataclasses.fields(LayerMetrics)
            if item.name not in _OWN and _NUMBER.search(str(item.type))
        },
    )


if TYPE_CHECKING:
    SummaryField = str
else:
    SummaryField = Literal[tuple(item.name for item in dataclasses.fields(ModelSummary))]


class FindingsDocument(StrictModel):
    """What is odd about the file."""

    unsafe_globals: list[str] = Field([])
    unreferenced_bytes: Annotated[int, Field(ge=0)] = 0
    nested_archives: list[str] = Field([])
    batch_norms: Annotated[int, Field(ge=0)] = 0


class ModelDocument(StrictModel):
    """A model; exactly one of the first five keys says where it is from."""

    model_config = ConfigDict(protected_namespaces=())

    file: Path_ | None = Field(None, description="A model file or folder, measured; relative to this file.")
    saved: Path_ | None = Field(None, description="What `gate analyze` or `gate check` wrote as JSON.")
    layers: Annotated[list[LayerDocument], Field(min_length=1, max_length=MOST_LAYERS)] | None = Field(
        None, description="Figures of each layer."
    )
    unreadable: Words | None = Field(None, description="A model that cannot be read, and why.")
    nothing_to_measure: Words | None = Field(None, description="A model without matrices, and why.")
    metrics: dict[SummaryField, float] = Field(
        {}, description="With layers: model metrics in place of the means over them."
    )
    coverage: Annotated[float, Field(ge=0, le=1)] = Field(1.0, description="With layers: share measured.")
    findings: FindingsDocument | None = Field(
        None, description="With layers, or with nothing to measure: of the file."
    )
    digest: Digest | None = Field(None, description="With layers: the model's digest.")


class WaiverCaseDocument(StrictModel):
    """A waiver; what is left out fits the case."""

    rule: Name = Field(description="The rule's id.")
    digest: Digest | None = Field(None, description="Of another model than the case's.")
    expires: Moment | None = Field(None, description="When it ends; see `now`.")


class ExpectDocument(StrictModel):
    """What the policy must say; at least one of the three."""

    outcome: Outcome | None = Field(None, description="Of the policy.")
    rules: dict[str, RuleOutcome] = Field({}, description="Outcome by rule id.")
    layers: dict[str, list[str]] = Field({}, description="By rule id exactly the layers that fail it.")


class CaseDocument(StrictModel):
    """One case."""

    model_config = ConfigDict(protected_namespaces=())

    name: Words = Field(description="What it shows.")
    model: ModelDocument = Field(description="The model that is judged.")
    baseline: ModelDocument | None = Field(None, description="What the policy's `baseline.use` finds.")
    baselines: dict[Spec, ModelDocument] = Field({}, description="What single specifications find.")
    registered: Model | None = Field(None, description="The registered model's name.")
    run_metrics: Figures = Field({}, description="Metrics of the training run.")
    waivers: Annotated[list[WaiverCaseDocument], Field(max_length=100)] = Field([], description="Waivers.")
    now: Moment | None = Field(None, description="The moment of the check, for waivers.")
    expect: ExpectDocument = Field(description="What the policy must say.")


class TestsDocument(StrictModel):
    """A test file."""

    __test__ = False

    version: Version = Field(description="Version of the file's form.")
    policy: Path_ | None = Field(
        None, description="The policy, relative to this file; NAME.test.yaml is about NAME.yaml."
    )
    cases: Annotated[list[CaseDocument], Field(min_length=1, max_length=MOST_CASES)] = Field(
        description="The cases."
    )
