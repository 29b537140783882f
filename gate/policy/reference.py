"""docs/reference/policy.md, made from the code so that it cannot lag behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.policy.kinds import KINDS
from gate.policy.metrics import RUN_PREFIX, metric_table
from gate.policy.outcome import EFFECTS, EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_INTRODUCTION: Final = """\
# Policy files

<!-- Made by `gate policy schema --format markdown -o docs/reference/policy.md`; do not edit. -->

A policy is one YAML file: what it governs, what it compares with, and rules. A rule looks at one metric
with one operator. Unknown keys, duplicate ids, impossible ranges and limits that do not fit their metric
are errors with file, line and column (`gate policy validate`, exit 2); anchors, aliases and tags are
refused. `gate policy explain FILE` says in words what a file asks. For completion in editors, write the
schema beside your policies and name it in their first line:

```yaml
# yaml-language-server: $schema=policy.schema.json
version: 1
name: production
rules:
  - id: layer-alpha-in-range
    description: Alpha between 2 and 6 marks a well-trained layer
    metric: layer.alpha
    where: {min_eigenvalues: 50, min_tail: 20}
    within: [2, 6]
    allow: {share: 0.1}
```

The gate ships three: `default`, `strict` and `llm` (in `policies/`), each rule with its reason.
"""

_SEMANTICS: Final = """\
## How a rule is judged

- Layers: `where.kind` and `where.name` say which are meant; embeddings and depthwise convolutions only when
  `kind` names them. Layers below `min_eigenvalues` or `min_tail`, and those without a value, are left out,
  counted and named.
- A layer that the baseline had inside the rule and that is outside, without a value, or missing now counts as
  failed, in rules without `against` too.
- `allow` forgives up to a share or a number of layers, or of their parameters.
- A rule that no layer matches is `not_applicable`. One whose layers have no value at all is `inconclusive`. A
  policy whose rules all were not applicable is `inconclusive`.
- A model without a weight matrix is judged by its `file.*` and `run.*` rules and by
  `when_nothing_to_measure`, and the worst counts; a `file.*` rule about something that could not be looked
  into is `inconclusive`.
- A figure of the model that does not exist, or is not finite, is `inconclusive` (MLflow stores an infinite
  run metric as the largest float: that is not finite either); it fails where the
  baseline had it.

## How two versions are compared

- A baseline is comparable when architecture fingerprint, convention, fit settings, storage precision and
  batch-norm folding are the same. Run, file and coverage metrics need no such likeness.
- The fingerprint survives renaming and reordering. Layers pair by name when both versions have the same
  names, else by kind, shape and unchanged spectrum, else by order, unless the spectra clearly say otherwise.
- With `partial: compare` a baseline of another architecture is compared in the common part, if that holds at
  least half of its weights; layers without a partner are named and count neither as lost nor as failed.
- A rule whose metric is not apt for the kind of change says so ([comparable](../explanation/comparable.md)).
- Means of the model are taken over the layers that count in both versions. A layer that counted in the
  baseline and no longer does (no fit, or alpha of 8 and above) fails the rule: it may not improve the mean by
  leaving it.
- `sigmas`, means of the model: the difference in units of the larger of its paired standard error over
  layers and the standard error the fits give it; fewer than 5 common layers are inconclusive, unless another
  limit of the rule is kept anyway.
- `sigmas`, layers: each difference in units of sqrt(SE_a^2 + SE_b^2), one-sided, by Holm's step-down at level
  Phi(-k) over all layers judged.
- Byte-identical artifacts differ by 0 and pass.
"""

_AFTER_OUTCOMES: Final = """
Coverage below `min_parameters` makes a policy inconclusive. With `--fail-on warn`, warned becomes 1.
Policies in audit mode keep their true outcome and never make the exit code other than 0.
"""


def reference() -> str:
    """Return the page, as markdown."""
    return "\n".join((_INTRODUCTION, *_keys(), _SEMANTICS, *_operators(), *_outcomes(), *_metrics()))


def _keys() -> Iterator[str]:
    from gate.policy import document  # noqa: PLC0415 - pydantic, as in gate.policy.load

    sections = (
        ("The file", document.PolicyDocument),
        ("match", document.MatchDocument),
        ("baseline", document.BaselineDocument),
        ("coverage", document.CoverageDocument),
        ("A rule", document.RuleDocument),
        ("where", document.WhereDocument),
        ("allow", document.AllowDocument),
    )
    operators = {kind.key for kind in KINDS}
    yield "## Keys\n"
    for title, model in sections:
        yield f"### {title}\n\n{_summary(model)}\n\n| key | default | meaning |\n|---|---|---|"
        for name, info in model.model_fields.items():
            key = info.alias or name
            if key not in operators:
                yield f"| `{key}` | {_default(info)} | {_meaning(info, key)} |"
        yield ""


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if value is None or info.default_factory is not None:
        return ""
    return f"`[{', '.join(value)}]`" if isinstance(value, list) else f"`{value}`"


def _meaning(info: FieldInfo, key: str) -> str:
    return info.description or f"See [{key}](#{key})."


def _operators() -> Iterator[str]:
    yield "## Operators\n\nExactly one a rule.\n\n| operator | argument | for | meaning |\n|---|---|---|---|"
    for kind in KINDS:
        needs = ", with `against`" if kind.compares else ""
        takes = "numbers and labels" if kind.takes == "both" else kind.takes
        yield f"| `{kind.key}` | `{kind.form}` | {takes}{needs} | {kind.means} |"
    yield ""


def _outcomes() -> Iterator[str]:
    yield "## Outcomes\n\n| rule | severity | policy |\n|---|---|---|"
    for (outcome, severity), effect in EFFECTS.items():
        yield f"| {outcome} | {severity} | {effect} |"
    yield ""
    yield "| worst policy | exit code |\n|---|---|"
    for result, code in EXIT_CODES.items():
        yield f"| {result} | {int(code)} |"
    yield _AFTER_OUTCOMES


def _metrics() -> Iterator[str]:
    yield "## Metrics\n\n| id | what | unit | better |\n|---|---|---|---|"
    for metric in metric_table().values():
        unit = "label" if metric.is_label else metric.unit
        yield f"| `{metric.id}` | {_cell(metric.title)} | {_cell(unit)} | {metric.better or ''} |"
    yield f"| `{RUN_PREFIX}NAME` | Any metric that the MLflow run logged | | |"
    yield "\nLabels with a closed list:\n"
    for metric in metric_table().values():
        if metric.labels:
            yield f"- `{metric.id}`: {', '.join(f'`{label}`' for label in metric.labels)}"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
