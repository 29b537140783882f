"""SARIF 2.1.0 for code scanning: a result per failing layer, at its rule's line of the policy file.

Rules that passed or did not apply give no result: GitHub shows every result as an alert.  For the same
reason an inconclusive rule is of kind ``fail`` (``open``, the standard's word for it, demands the level
``none``, which code scanning does not show, and a refusal must not look green); its message begins with
INCONCLUSIVE.  Waived results carry a suppression with the waiver's words.

Messages are plain text in which ``{`` and ``[`` mean something to a viewer (sections 3.11.5 and 3.11.6 of
the standard): braces are doubled, and no link can be formed.  Paths are percent-encoded.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gate import __version__
from gate.report import outline
from gate.report.advice import metric_advice
from gate.report.figures import count
from gate.report.findings import LEVEL, POLICY_RULE, layer_findings, model_key, verdict_only
from gate.report.markdown import prose
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import RuleResult, Verdict
    from gate.report.findings import Finding

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS: Final = 5_000
"""Results GitHub shows of one run; it refuses a file of more than 25,000."""

_THEORY: Final = "https://arxiv.org/abs/1810.01075"
_ARXIV: Final = "arXiv:"


@dataclass(frozen=True, slots=True)
class SarifFormat:
    """SARIF 2.1.0."""

    name: str = "sarif"
    suffix: str = ".sarif"

    def verdict(self, verdict: Verdict) -> str:
        """Render a log of one run."""
        log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(verdict)]}
        return json.dumps(log, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def analysis(self, analysis: Analysis) -> str:  # noqa: ARG002 - the interface's signature
        """Refuse.

        Raises
        ------
        gate.errors.UsageError
            Always: without a policy there is nothing to complain of.
        """
        raise verdict_only(self.name)


def _run(verdict: Verdict) -> dict[str, Any]:
    findings = layer_findings(verdict)
    shown = findings[:MAX_RESULTS]
    rules = _rules(verdict, shown)
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    return {
        "tool": {
            "driver": {
                "name": "mlflow-spectral-gate",
                "version": printable(verdict.analysis.engine.version if verdict.analysis else __version__),
                "rules": rules,
            }
        },
        "automationDetails": {"id": f"spectral-gate/{quote(model_key(verdict), safe='/')}/"},
        "invocations": [_invocation(verdict, len(findings) - len(shown))],
        "results": [_result(finding, places) for finding in shown],
        "properties": {
            "outcome": verdict.outcome,
            "headline": outline.headline(verdict),
            "model": outline.subject(verdict),
            "digest": printable(verdict.analysis.source.digest) if verdict.analysis else None,
        },
    }


def _invocation(verdict: Verdict, left_out: int) -> dict[str, Any]:
    """Say whether the model could be judged, and how many results did not fit."""
    notes = [("error", printable(verdict.error, 1_000))] if verdict.error else []
    if left_out:
        notes.append(("warning", f"{count(left_out, 'result')} left out: see the JSON report."))
    return {
        "executionSuccessful": verdict.outcome != "error",
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _message(text)}} for level, text in notes
        ],
    }


def _result(finding: Finding, places: dict[str, int]) -> dict[str, Any]:
    rule = _rule_id(finding.policy, finding.rule)
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": places[rule],
        "level": finding.level,
        "message": {"text": _message(finding.message)},
        "partialFingerprints": {"gateFinding/v1": finding.fingerprint},
    }
    if location := _location(finding):
        result["locations"] = [location]
    if finding.waiver is not None:
        justification = _message(finding.waiver)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return result


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if finding.file is not None:
        location["physicalLocation"] = {
            "artifactLocation": _artifact(finding.file),
            "region": {"startLine": max(1, finding.line or 1)},
        }
    if finding.layer is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.layer, "kind": "layer"}]
    return location


def _artifact(file: str) -> dict[str, str]:
    """Return a policy file's place: below the repository where the path is relative."""
    path = posixpath.normpath(file)
    if path.startswith("/"):
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _rule_id(policy: str, rule: str) -> str:
    return f"{policy}/{rule}"


def _rules(verdict: Verdict, findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return a descriptor for every rule that was judged, and for policies that speak for themselves."""
    found = {
        _rule_id(printable(rule.policy), printable(rule.id)): _descriptor(rule) for rule in verdict.rules
    }
    for finding in findings:
        identifier = _rule_id(finding.policy, finding.rule)
        if finding.rule == POLICY_RULE and identifier not in found:
            found[identifier] = _policy_descriptor(identifier)
    return list(found.values())


def _descriptor(rule: RuleResult) -> dict[str, Any]:
    identifier = _rule_id(printable(rule.policy), printable(rule.id))
    what, source = _metric(rule.metric)
    said = printable(rule.description or rule.message or rule.id, 600)
    paragraphs = [said, f"Asked of {printable(rule.metric)}: {printable(rule.limit)}.", *what]
    paragraphs += [advice] if (advice := metric_advice(rule.metric)) else []
    return {
        "id": identifier,
        "shortDescription": {"text": _message(said)},
        "help": _help(paragraphs),
        **({"helpUri": source} if source else {}),
        "defaultConfiguration": {"level": LEVEL[rule.severity]},
        "properties": {"tags": ["mlflow", "spectra"], "metric": printable(rule.metric)},
    }


def _policy_descriptor(identifier: str) -> dict[str, Any]:
    said = "The policy as a whole: enough of the model was measured, and it could be read."
    paragraphs = [
        said,
        "The policy's keys coverage, on_error and when_nothing_to_measure decide what happens otherwise.",
    ]
    return {
        "id": identifier,
        "shortDescription": {"text": said},
        "help": _help(paragraphs),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["mlflow", "spectra"]},
    }


def _metric(name: str) -> tuple[list[str], str | None]:
    """Return what a metric means, in a sentence or two, and the address of its source."""
    from gate.policy.metrics import metric_table  # noqa: PLC0415 - brings numpy, which few formats need

    metric = metric_table().get(name)
    if metric is None:
        return [], None
    said = [f"{metric.title}: {metric.formula}." if metric.formula else f"{metric.title}."]
    said += [f"{metric.better.capitalize()} is better."] if metric.better else []
    said += [f"Source: {metric.source}."] if metric.source else []
    address = _THEORY if metric.level in ("layer", "model") else None
    if metric.source.startswith(_ARXIV):
        address = f"https://arxiv.org/abs/{metric.source.removeprefix(_ARXIV).split()[0]}"
    return [" ".join(said)], address


def _help(paragraphs: Sequence[str]) -> dict[str, str]:
    return {
        "text": _message("\n\n".join(paragraphs)),
        "markdown": _braces("\n\n".join(prose(paragraph, 1_000) for paragraph in paragraphs)),
    }


def _message(text: str) -> str:
    """Escape plain text; what would be a link loses the touch of its brackets."""
    return _braces(text.replace("](", "] ("))


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
