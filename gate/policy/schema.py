"""The JSON Schema of policy files, for editors (``# yaml-language-server: $schema=…``)."""

from __future__ import annotations

from typing import Any, Final

from gate.policy.kinds import KINDS
from gate.policy.metrics import RUN_PREFIX, metric_table

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema: keys, types, closed lists of metrics, phases and kinds, one operator a rule.

    What needs more than a schema can say (units of the limits, duplicate ids, labels of a metric)
    is checked by ``gate policy validate``.
    """
    from gate.policy.document import PolicyDocument  # noqa: PLC0415 - pydantic, as in gate.policy.load

    schema = _plainer(PolicyDocument.model_json_schema(by_alias=True))
    rule = schema["$defs"]["RuleDocument"]
    rule["properties"]["metric"] |= {"anyOf": [_fixed_metrics(), _run_metrics()]}
    rule["oneOf"] = [{"required": [kind.key]} for kind in KINDS]
    for kind in KINDS:
        rule["properties"][kind.key]["description"] = f"{kind.means} Takes {kind.form}."
    return {"$schema": _DIALECT, "title": "Policy of the spectral gate", **schema}


def _fixed_metrics() -> dict[str, Any]:
    return {"enum": list(metric_table())}


def _run_metrics() -> dict[str, Any]:
    return {"pattern": f"^{RUN_PREFIX.replace('.', chr(92) + '.')}.+$"}


def _plainer(node: Any) -> Any:
    """Drop pydantic's titles, and the null that stands for an omitted key."""
    if isinstance(node, list):
        return [_plainer(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plainer(value) for key, value in node.items() if not _is_noise(key, value)}
    choices = kept.pop("anyOf", None)
    if choices is None:
        return kept
    real = [choice for choice in choices if choice != {"type": "null"}]
    return {**real[0], **kept} if len(real) == 1 else {"anyOf": real, **kept}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
