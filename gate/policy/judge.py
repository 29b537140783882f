"""The judge: an analysis, the policies that govern it and their baselines in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gate.policy.changes import caution
from gate.policy.digest import policy_digest
from gate.policy.interface import Baseline, PolicyResult, Verdict
from gate.policy.kinds.interface import Evidence
from gate.policy.kinds.results import asked, result
from gate.policy.lookup import Baselines, Found
from gate.policy.metrics import layer_value, model_value
from gate.policy.nothing import without_weights
from gate.policy.outcome import CHOICES, EFFECTS, WITHOUT_WEIGHTS, milder, worst
from gate.policy.rules import POLICY_BASELINE
from gate.policy.waivers.use import Waivers
from gate.policy.words import number
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Outcome, RuleOutcome, RuleResult
    from gate.policy.kinds.interface import Reference
    from gate.policy.rules import Policy, Rule

_SPECTRAL = frozenset({"layer", "model"})
_NEEDS_NO_WEIGHTS = frozenset({"file", "run"})


def no_baseline(spec: str) -> Baseline:
    """Resolve nothing: for judging where there is no registry to ask."""
    return Baseline(spec, None, None, "there is nothing to look it up in")


def no_waivers() -> Waivers:
    """Waive nothing."""
    return Waivers((), datetime.min.replace(tzinfo=timezone.utc))


def judge(
    analysis: Analysis,
    policies: Sequence[Policy],
    *,
    resolve: Callable[[str], Baseline] = no_baseline,
    run_metrics: Mapping[str, float] | None = None,
    baselines: Sequence[str] | None = None,
    waivers: Waivers | None = None,
) -> Verdict:
    """Judge ``analysis`` under every policy; all of them must pass.

    Parameters
    ----------
    analysis:
        The candidate.
    policies:
        The policies that govern it; without any the verdict is ``inconclusive``.
    resolve:
        Returns the baseline of a specification, with ``analysis`` None when there is none to be
        had; called once for each.  What it raises is passed on.
    run_metrics:
        MLflow metrics of the candidate's run.
    baselines:
        Specifications to try in place of those of the policies (``--baseline``); a rule that
        names one of its own keeps it.
    waivers:
        Those given, with the moment and the registered model they are held against; a fresh value for
        each verdict.

    Returns
    -------
    Verdict
        Pure: the same arguments give the same verdict.
    """
    lookup = Baselines(analysis, resolve)
    metrics = dict(run_metrics or {})
    excused = waivers or no_waivers()
    judged = [_Judgment(policy, analysis, metrics, lookup, baselines, excused).run() for policy in policies]
    reference = lookup.compared
    rows = (
        zip(analysis.layers, reference.pairing.partners, strict=True)
        if reference and reference.pairing
        else ()
    )
    return Verdict(
        outcome=worst(policy.outcome for policy, _ in judged),
        policies=tuple(policy for policy, _ in judged),
        baselines=tuple(lookup.results.values()),
        rules=tuple(rule for _, rules in judged for rule in rules),
        analysis=analysis,
        uri=analysis.source.uri,
        run_metrics=metrics,
        baseline_model=_summary(reference.analysis) if reference else {},
        baseline_alpha={
            row.name: then.alpha for row, then in rows if then is not None and then.alpha is not None
        },
        waivers=excused.results(analysis.source.digest),
        waived_until=excused.until,
    )


def _summary(analysis: Analysis) -> dict[str, float]:
    model = analysis.model
    values = {name: getattr(model, name) for name in type(model).__dataclass_fields__}
    return {name: float(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Effect:
    """What one rule does to its policy; None when it had nothing to say."""

    rule: RuleResult
    outcome: Outcome | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Judgment:
    """One policy on its way to a decision."""

    policy: Policy
    analysis: Analysis
    run_metrics: Mapping[str, float]
    baselines: Baselines
    override: Sequence[str] | None
    waivers: Waivers

    def run(self) -> tuple[PolicyResult, tuple[RuleResult, ...]]:
        """Return the policy's decision and its rules' results."""
        effects = [self._waived(self._rule(rule)) for rule in self.policy.rules]
        outcomes = [effect.outcome for effect in effects if effect.outcome is not None]
        notes = list(dict.fromkeys(effect.note for effect in effects if effect.note))
        if not outcomes:
            outcomes.append("inconclusive")
            notes.append("no rule applied to this model")
        if self.analysis.coverage.share < self.policy.min_parameters:
            outcomes.append("inconclusive")
            notes.insert(0, self._uncovered())
        return _decision(self.policy, self.analysis.engine.convention, worst(outcomes), notes), tuple(
            effect.rule for effect in effects
        )

    def run_without_weights(
        self, error: str, known: frozenset[str]
    ) -> tuple[PolicyResult, tuple[RuleResult, ...]]:
        """Return the decision on a model with nothing to measure; ``known`` are the findings there are."""
        choice = self.policy.when_nothing_to_measure
        effects = [self._waived(self._rule_without_weights(rule, known)) for rule in self.policy.rules]
        outcomes = [effect.outcome for effect in effects if effect.outcome is not None]
        notes = [f"{printable(error, 500)}; when_nothing_to_measure is {choice}"]
        notes += dict.fromkeys(effect.note for effect in effects if effect.note)
        outcome = worst([WITHOUT_WEIGHTS[choice], *outcomes])
        return _decision(self.policy, self.analysis.engine.convention, outcome, notes), tuple(
            effect.rule for effect in effects
        )

    def _rule_without_weights(self, rule: Rule, known: frozenset[str]) -> _Effect:
        level = rule.metric.level
        if level not in _NEEDS_NO_WEIGHTS:
            said = result(
                rule, self.policy.name, "not_applicable", f"there is nothing to measure: {asked(rule)}"
            )
            return _Effect(said, None)
        if level == "file" and rule.metric.field not in known:
            why = f"nobody could look into the model's files: {asked(rule)}"
            return self._effect(result(rule, self.policy.name, "inconclusive", why))
        if level == "file" and not rule.operator.compares:  # what is known needs no baseline pulled
            evidence = Evidence(self.policy.name, self.analysis, self.run_metrics)
            return self._effect(rule.operator.evaluate(rule, evidence))
        return self._rule(rule)

    def _uncovered(self) -> str:
        coverage, least = self.analysis.coverage, self.policy.min_parameters
        return (
            f"too little was measured: {coverage.analyzed_parameters} of {coverage.parameters} parameters in "
            f"matrices ({number(100 * coverage.share)} %), the policy wants {number(100 * least)} %"
        )

    def _rule(self, rule: Rule) -> _Effect:
        found = self.baselines.find(
            self._specs(rule),
            spectral=rule.metric.level in _SPECTRAL,
            partial=self.policy.baseline.partial == "compare",
        )
        if rule.operator.compares and found.state != "comparable":
            return self._without_baseline(rule, found)
        reference = found.reference if found.state == "comparable" else None
        said = rule.operator.evaluate(
            rule, Evidence(self.policy.name, self.analysis, self.run_metrics, reference)
        )
        said = _with_groups(rule, said, self.analysis, reference)
        return self._effect(_with_caution(rule, said, reference))

    def _effect(self, said: RuleResult) -> _Effect:
        if said.outcome == "not_applicable":
            return _Effect(said, None)
        outcome = EFFECTS.get((said.outcome, said.severity), "passed")
        return _Effect(said, outcome, "" if outcome == "passed" else sentence(said))

    def _waived(self, effect: _Effect) -> _Effect:
        """Let a waiver take the effect of a rule away; the rule's finding stays in the verdict."""
        said = self.waivers.waive(effect.rule, self.analysis.source.digest)
        if said.outcome != "waived":
            return effect
        return _Effect(
            said, "passed", f"{printable(said.id)} is waived by {printable(said.waiver or '', 300)}"
        )

    def _specs(self, rule: Rule) -> Sequence[str]:
        if rule.against is not None and rule.against != POLICY_BASELINE:
            return (rule.against,)
        return self.policy.baseline.use if self.override is None else self.override

    def _without_baseline(self, rule: Rule, found: Found) -> _Effect:
        """Let the policy's choice decide about a comparison with nothing to compare with; say so."""
        missing = found.state == "missing"
        key = "when_missing" if missing else "when_not_comparable"
        choice = self.policy.baseline.when_missing if missing else self.policy.baseline.when_not_comparable
        what = "no baseline" if missing else "no comparable baseline"
        note = f"{what} ({found.why}); baseline.{key} is {choice}"
        outcome: RuleOutcome = "failed" if choice == "block" else "not_applicable"
        said = result(rule, self.policy.name, outcome, f"{note}: {asked(rule)}")
        return _Effect(said, milder(CHOICES[choice], EFFECTS["failed", rule.severity]), note)


def _with_groups(rule: Rule, said: RuleResult, analysis: Analysis, reference: Reference | None) -> RuleResult:
    """Say beside what could not hold that an analysis made before lacks the group of metrics it needs."""
    group = rule.metric.group
    if group is None or said.outcome not in {"failed", "inconclusive"}:
        return said
    compared = reference.analysis if reference is not None and rule.operator.compares else None
    for name, made in (("the analysis", analysis), ("the baseline's analysis", compared)):
        if made is None or _has_figure(rule, made):
            continue
        groups = made.engine.settings.get("groups")
        if isinstance(groups, list) and group not in groups:
            lacks = f"{name} was made without the group of metrics {group!r}: analyze with full=True (--full)"
            return replace(said, message=f"{said.message}; {lacks}")
    return said


def _has_figure(rule: Rule, analysis: Analysis) -> bool:
    if rule.metric.level == "layer":
        return any(layer_value(rule.metric, row) is not None for row in analysis.layers)
    return model_value(rule.metric, analysis, {}) is not None


def _with_caution(rule: Rule, said: RuleResult, reference: Reference | None) -> RuleResult:
    """Say beside a comparison what it left out, and whether its metric is apt for what changed."""
    if reference is None or not rule.operator.compares or rule.metric.level not in _SPECTRAL:
        return said
    notes = [f"on {reference.pairing.partial}"] if reference.pairing and reference.pairing.partial else []
    mind = caution(rule.metric, reference.change) if reference.change else None
    notes += [f"mind: {mind}"] if mind else []
    return replace(said, message="; ".join([said.message, *notes])) if notes else said


def sentence(said: RuleResult) -> str:
    """Return which rule it is, why it is there, and what it found, in one line for a person."""
    return f"{printable(said.id)} ({printable(said.description, None)}): {said.message}"


def _decision(policy: Policy, convention: str, outcome: Outcome, notes: Sequence[str]) -> PolicyResult:
    message = "; ".join(notes) if notes else "every rule that applied held"
    digest = policy_digest(policy, convention)
    return PolicyResult(policy.name, digest, policy.file, policy.mode, outcome, message)


def error_verdict(
    policies: Sequence[Policy],
    error: str,
    *,
    uri: str | None = None,
    convention: str = "gate-1",
    waivers: Waivers | None = None,
) -> Verdict:
    """Return the verdict on a model that could not be read: ``on_error`` block or warn."""
    decided = [
        _decision(
            policy,
            convention,
            "warned" if policy.on_error == "warn" else "error",
            [f"the model could not be read ({printable(error, 500)}); on_error is {policy.on_error}"],
        )
        for policy in policies
    ]
    # There is nothing that a waiver could cover, and it is said of each.
    return Verdict(
        worst(policy.outcome for policy in decided) if decided else "error",
        tuple(decided),
        (),
        (),
        analysis=None,
        error=error,
        uri=uri,
        waivers=(waivers or no_waivers()).results(None),
    )


def nothing_verdict(
    policies: Sequence[Policy],
    error: str,
    *,
    uri: str | None = None,
    convention: str = "gate-1",
    waivers: Waivers | None = None,
    unsafe_globals: tuple[str, ...] | None = None,
    digest: str | None = None,
    resolve: Callable[[str], Baseline] = no_baseline,
    run_metrics: Mapping[str, float] | None = None,
    baselines: Sequence[str] | None = None,
) -> Verdict:
    """Return the verdict on a model without a weight matrix.

    The rules that need no weights, those about its files and its run, are judged all the same; the
    outcome of a policy is the worst of theirs and what ``when_nothing_to_measure`` says.  ``block``
    leaves it ``inconclusive`` (exit 4) where no rule refuses: nothing was evaluated, so nothing is
    known to be wrong; it refuses a promotion all the same.

    Parameters
    ----------
    policies, resolve, run_metrics, baselines, waivers:
        As for :func:`judge`.
    error:
        Why there is nothing to measure.
    uri, digest:
        Of the model; None where it is not known.
    convention:
        The name of the one that would have been used.
    unsafe_globals:
        What loading the model would import; None where nobody looked, which leaves rules about its
        files inconclusive.
    """
    candidate = without_weights(uri or "", convention, unsafe_globals or (), digest or "")
    known = frozenset({"unsafe_globals"}) if unsafe_globals is not None else frozenset[str]()
    lookup = Baselines(candidate, resolve)
    metrics = dict(run_metrics or {})
    excused = waivers or no_waivers()
    judged = [
        _Judgment(policy, candidate, metrics, lookup, baselines, excused).run_without_weights(error, known)
        for policy in policies
    ]
    return Verdict(
        worst(policy.outcome for policy, _ in judged),
        tuple(policy for policy, _ in judged),
        tuple(lookup.results.values()),
        tuple(rule for _, rules in judged for rule in rules),
        analysis=None,
        error=error,
        run_metrics=metrics,
        uri=uri,
        waivers=excused.results(digest),
        waived_until=excused.until,
    )
