"""What to do next, by what failed: advice is data, keyed by the metric a rule looks at."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gate.report.outline import only_audited, rules_by
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import RuleResult, Verdict

_LOST: Final = (
    "A layer that looks random, or lost its rank, rarely comes from training: check that the export or"
    " upload wrote the trained weights of that layer, and compare its digest with the training run's."
)
_ALPHA: Final = (
    "Alpha above the range means a layer that learned little (too few epochs, too small a learning rate,"
    " frozen); below it, one that is over-trained or ruled by a few directions. Look at its spectrum."
)
_MODEL: Final = (
    "A model figure moved: see which layers moved most since the baseline, and whether the data, the"
    " schedule or only the scale of the weights changed."
)
_GLOBALS: Final = (
    "Loading this file would call code: save a state dict or safetensors instead of a pickled object."
)
_FILE: Final = (
    "The file holds something no tensor accounts for: write it again with the framework's own export."
)
_RUN: Final = "A metric of the training run is outside its limit: evaluate again, or train on."
_COVERAGE: Final = "Too little of the model could be measured: see under coverage what was skipped and why."

_BY_METRIC: Final[tuple[tuple[str, str], ...]] = (
    ("layer.phase", _LOST),
    ("layer.rank", _LOST),
    ("layer.alpha", _ALPHA),
    ("model.", _MODEL),
    ("file.unsafe_globals", _GLOBALS),
    ("file.", _FILE),
    ("run.", _RUN),
    ("coverage", _COVERAGE),
)
"""The first entry whose prefix the rule's metric has gives the advice."""

_ERROR: Final = (
    "The model could not be judged and may not be promoted: mend what the message names, check again.",
    "See what the gate can reach from here: gate doctor",
)

_ELSEWHERE: Final = "registry:"
"""What the file of a policy begins with that is in no file here but in force in a registry."""


def next_steps(verdict: Verdict) -> tuple[str, ...]:
    """Return what the reader can do now, most useful first; commands stand at the end of a step."""
    if verdict.outcome == "passed":
        return (_promote(verdict),)
    if verdict.outcome == "warned":
        return (*_advice(rules_by(verdict, "failed")), _promote(verdict))
    if verdict.outcome == "error":
        return _ERROR
    refusing = (*rules_by(verdict, "failed", "block"), *rules_by(verdict, "inconclusive", "block"))
    audited = (
        ("Nothing is refused now, but enforcement would refuse this version.",)
        if only_audited(verdict)
        else ()
    )
    return (*audited, *_advice(refusing), *_explain(verdict), _again(verdict))


def _advice(rules: tuple[RuleResult, ...]) -> tuple[str, ...]:
    """Return the advice for the metrics of these rules, each once."""
    found = (metric_advice(rule.metric) for rule in rules if rule.outcome == "failed")
    return tuple(dict.fromkeys(text for text in found if text))


def metric_advice(metric: str) -> str | None:
    """Return what to do when a rule about this metric fails."""
    return next((text for prefix, text in _BY_METRIC if metric.startswith(prefix)), None)


def _uri(verdict: Verdict) -> str:
    """Return the source quoted for a shell: whoever named the model may want more than a look."""
    return shlex.quote(printable(verdict.analysis.source.uri)) if verdict.analysis else "SOURCE"


def _registered(verdict: Verdict) -> bool:
    return verdict.analysis is not None and verdict.analysis.source.uri.startswith("models:/")


def _promote(verdict: Verdict) -> str:
    if not _registered(verdict):
        return "Register the model; it may be promoted once it is checked under its registered name."
    return f"It may be promoted: gate promote {_uri(verdict)} --alias ALIAS"


def _explain(verdict: Verdict) -> tuple[str, ...]:
    """Return the command for each policy that refuses; a packaged one has its name on every machine."""
    from gate.policy import packaged_name  # noqa: PLC0415 - reports without a verdict need no policies

    files = dict.fromkeys(
        policy.file
        for policy in verdict.policies
        if policy.outcome != "passed" and policy.file and not policy.file.startswith(_ELSEWHERE)
    )
    names = (packaged_name(file) or file for file in files)
    return tuple(
        f"Read why the rules are there: gate policy explain {shlex.quote(printable(name))}" for name in names
    )


def _again(verdict: Verdict) -> str:
    if _registered(verdict):
        return "Register a mended version and check that one: gate check models:/NAME/VERSION"
    return f"Mend it and check again: gate check {_uri(verdict)}"
