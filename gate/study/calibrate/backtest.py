"""What policies would have decided on a history, what each rule costs, and against the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.policy import governs, policy_digest
from gate.policy.kinds.results import limit_words
from gate.study.calibrate.interface import Backtest, BacktestRow, PolicyBacktest, RuleCost, Unreadable
from gate.study.calibrate.intervals import share
from gate.study.calibrate.replay import Replayed, nowhere, refuses, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.policy.rules import Policy, Rule
    from gate.study.calibrate.interface import PastVersion
    from gate.study.calibrate.replay import Elsewhere
    from gate.study.calibrate.truth import Judged

RESOLVED: Final = (
    "Baselines are those of the time: previous is the newest earlier version that this policy would have "
    "let pass, an alias the same less what was rolled back; today's champion plays no part."
)


def backtest(
    policies: Sequence[Policy],
    versions: Sequence[PastVersion],
    judged: Judged,
    *,
    source: Sequence[str] = (),
    elsewhere: Elsewhere = nowhere,
    convention: str = "gate-1",
    notes: Sequence[str] = (),
) -> Backtest:
    """Replay every policy over the versions that it governs.

    Parameters
    ----------
    policies:
        Each is replayed by itself.
    versions:
        The history, oldest first within each series.
    judged:
        Which of them are good and bad, by place.
    source, notes:
        What was asked for, and what a person should know; passed through.
    elsewhere:
        Finds baselines that are no versions of a series.
    convention:
        Under which everything was measured.
    """
    return Backtest(
        source=tuple(source),
        truth=judged.truth,
        policies=tuple(_one(policy, versions, judged, elsewhere, convention) for policy in policies),
        unreadable=unreadable(versions),
        notes=(RESOLVED, *notes),
    )


def unreadable(versions: Sequence[PastVersion]) -> tuple[Unreadable, ...]:
    """Return the versions that could not be measured, by name."""
    return tuple(Unreadable(v.name, v.error or "not measured") for v in versions if v.analysis is None)


def _one(
    policy: Policy, versions: Sequence[PastVersion], judged: Judged, elsewhere: Elsewhere, convention: str
) -> PolicyBacktest:
    governed = [place for place, version in enumerate(versions) if governs(policy, model=version.registered)]
    kept = [versions[place] for place in governed]
    good = [at for at, place in enumerate(governed) if place in judged.good]
    bad = [at for at, place in enumerate(governed) if place in judged.bad]
    done = replay(policy, kept, elsewhere, convention)
    refused = {at for at, item in enumerate(done) if not item.passes}
    left_out = len(versions) - len(kept)
    notes = (
        [f"{left_out} of {len(versions)} versions are not governed by it and left out"] if left_out else []
    )
    if policy.mode == "audit":
        notes.append("it is in audit mode: what is refused here it would have let through, and said so")
    return PolicyBacktest(
        policy=policy.name,
        file=policy.file,
        digest=policy_digest(policy, convention),
        versions=tuple(_row(item, good=at in good, bad=at in bad) for at, item in enumerate(done)),
        rules=tuple(
            _cost(rule, policy, kept, done, (good, bad), elsewhere, convention) for rule in policy.rules
        ),
        refused=share(len(refused), len(done)),
        false_refusals=share(len(refused.intersection(good)), len(good)),
        misses=share(len(set(bad) - refused), len(bad)),
        notes=tuple(notes),
    )


def _row(item: Replayed, *, good: bool, bad: bool) -> BacktestRow:
    version, verdict = item.version, item.verdict
    compared = next((baseline.uri for baseline in verdict.baselines if baseline.comparable), None)
    return BacktestRow(
        model=version.model,
        version=version.version,
        name=version.name,
        uri=version.uri,
        created=version.created,
        fate=version.fate,
        why_fate=version.why_fate,
        good=good,
        bad=bad,
        quality=version.quality,
        recorded=version.recorded,
        outcome=verdict.outcome,
        failing=tuple(rule.id for rule in item.fired),
        refusing=tuple(rule.id for rule in item.refusing),
        against=compared,
        baselines=verdict.baselines,
        message="; ".join(policy.message for policy in verdict.policies),
    )


def _cost(
    rule: Rule,
    policy: Policy,
    versions: Sequence[PastVersion],
    done: Sequence[Replayed],
    known: tuple[Sequence[int], Sequence[int]],
    elsewhere: Elsewhere,
    convention: str,
) -> RuleCost:
    good, bad = known
    said = [next((one for one in item.verdict.rules if one.id == rule.id), None) for item in done]
    applied = [one for one in said if one is not None and one.outcome != "not_applicable"]
    fired = [one for one in applied if one.outcome in {"failed", "inconclusive"}]
    refused = [at for at, one in enumerate(said) if one is not None and refuses(one)]
    return RuleCost(
        id=rule.id,
        severity=rule.severity,
        metric=rule.metric.id,
        limit=limit_words(rule),
        applied=len(applied),
        fired=len(fired),
        refused=len(refused),
        alone=sum(_alone(rule, policy, done[at]) for at in refused),
        marginal=_marginal(rule, policy, versions, done, elsewhere, convention) if refused else 0,
        false_refusals=share(len(set(refused).intersection(good)), len(good)),
        caught=share(len(set(refused).intersection(bad)), len(bad)),
        remark=_remark(len(applied), len(fired)),
    )


def _alone(rule: Rule, policy: Policy, item: Replayed) -> bool:
    """Tell whether the version would have passed without this rule, everything else as it was."""
    analysis = item.version.analysis
    covered = analysis is not None and analysis.coverage.share >= policy.min_parameters
    return covered and all(one.id == rule.id for one in item.refusing)


def _marginal(
    rule: Rule,
    policy: Policy,
    versions: Sequence[PastVersion],
    done: Sequence[Replayed],
    elsewhere: Elsewhere,
    convention: str,
) -> int:
    """Return how many refusals fewer there are without the rule; a policy of one rule loses them all."""
    before = sum(not item.passes for item in done)
    rest = tuple(other for other in policy.rules if other.id != rule.id)
    if not rest:
        return before
    without = replay(replace(policy, rules=rest), versions, elsewhere, convention)
    return before - sum(not item.passes for item in without)


def _remark(applied: int, fired: int) -> str:
    if not applied:
        return "never applies"
    if not fired:
        return "never fires"
    return "always fires" if fired == applied else ""
