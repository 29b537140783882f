"""From a base policy and a history to a proposal: limits, what to expect of them, and the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.policy import parse_policy, policy_digest
from gate.policy.kinds.results import limit_words
from gate.policy.words import count, listed, number
from gate.study.calibrate.backtest import RESOLVED, unreadable
from gate.study.calibrate.interface import Calibration, CalibrationRow, TunedRule
from gate.study.calibrate.intervals import beyond, needed, share
from gate.study.calibrate.policy_file import written
from gate.study.calibrate.readings import Reader
from gate.study.calibrate.replay import effect, nowhere, replay
from gate.study.calibrate.tune import tune
from gate.study.calibrate.wording import about_rule, head_of
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gate.policy.rules import Policy, Rule
    from gate.study.calibrate.interface import PastVersion, Share
    from gate.study.calibrate.replay import Elsewhere, Replayed
    from gate.study.calibrate.truth import Judged
    from gate.study.calibrate.tune import Setting, Tuning

_SUFFIX: Final = "-calibrated"
_LONGEST_NAME: Final = 63
_MAGIC: Final = re.compile(r"([*?\[])")
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class _History:
    """What everything here is made from."""

    versions: Sequence[PastVersion]
    judged: Judged
    elsewhere: Elsewhere
    convention: str

    def replayed(self, policy: Policy) -> tuple[Replayed, ...]:
        return replay(policy, self.versions, self.elsewhere, self.convention)

    def refused(self, done: Sequence[Replayed], places: Collection[int]) -> Share:
        return share(sum(not done[place].passes for place in places), len(places))


def calibrate(
    base: Policy,
    versions: Sequence[PastVersion],
    judged: Judged,
    target: float,
    *,
    source: Sequence[str] = (),
    elsewhere: Elsewhere = nowhere,
    convention: str = "gate-1",
    notes: Sequence[str] = (),
) -> Calibration:
    """Propose limits for the rules of ``base``.

    Parameters
    ----------
    base:
        The policy whose limits are set anew; its rules and all else stay.
    versions:
        The history, oldest first within each series.
    judged:
        Which of them are good and bad, by place.
    target:
        Largest expected share of good versions that the policy may refuse, above 0 and below 1.
    source, notes:
        What was asked for, and what a person should know; passed through.
    elsewhere:
        Finds baselines that are no versions of a series.
    convention:
        Under which everything was measured.

    Returns
    -------
    Calibration
        Its ``policy`` has been read back: every figure is of the policy as it is written.
    """
    history = _History(versions, judged, elsewhere, convention)
    measured = [place for place in sorted(judged.good) if versions[place].analysis is not None]
    bad = [place for place in sorted(judged.bad) if versions[place].analysis is not None]
    reader = Reader(base, versions, judged.good, elsewhere)
    tuning = tune(base, reader, measured, bad, target)
    rules = tuple(
        _tuned(setting, before, reader, tuning.sample, bad)
        for setting, before in zip(tuning.settings, base.rules, strict=True)
    )
    proposal = _proposal(base, tuning, versions)
    expected = _expected(tuning, rules)
    then = history.replayed(base)
    draft = _draft(history, then, base, tuning, rules, target, expected, source)
    text = written(proposal, head_of(draft), {rule.id: about_rule(rule, draft) for rule in rules})
    final = parse_policy(text, "the proposed policy")
    if policy_digest(final, convention) != policy_digest(proposal, convention):
        raise AssertionError("the proposed policy does not read back as it was meant")
    return _measured(draft, history, then, final, text, (*_notes(tuning, versions, target), RESOLVED, *notes))


def _tuned(
    setting: Setting, base: Rule, reader: Reader, sample: Sequence[int], bad: Sequence[int]
) -> TunedRule:
    rule = setting.rule
    now, then = _hits(reader, rule, sample), _hits(reader, base, sample)
    tuned = setting.blocks > 0
    found = beyond(setting.blocks, len(sample)) if tuned else (now.rate, now.low, now.high)
    return TunedRule(
        id=rule.id,
        severity=rule.severity,
        metric=rule.metric.id,
        limit=limit_words(rule),
        before=limit_words(base),
        state="tuned" if tuned else "kept",
        why=setting.why,
        n=len(sample),
        blocks=setting.blocks,
        expected=found[0],
        low=found[1],
        high=found[2],
        would_have=now,
        would_have_before=then,
        caught=_hits(reader, rule, bad),
    )


def _hits(reader: Reader, rule: Rule, places: Sequence[int]) -> Share:
    """Count the versions that a rule alone refuses or warns of."""
    said = [reader.result(place, rule) for place in places]
    return share(sum(one is not None and effect(one) != "passed" for one in said), len(places))


def _proposal(base: Policy, tuning: Tuning, versions: Sequence[PastVersion]) -> Policy:
    """Return the policy as proposed: named apart from its base, and for these models alone."""
    if not tuning.enough:
        return replace(base, file="")
    models = tuple(dict.fromkeys(v.registered for v in versions if v.registered is not None))
    match = base.match
    if match.models is None and models and all(name.isprintable() for name in models):
        match = replace(match, models=tuple(_MAGIC.sub(r"[\1]", name) for name in models))
    name = base.name if base.name.endswith(_SUFFIX) else base.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX
    return replace(
        base, name=name, file="", match=match, rules=tuple(setting.rule for setting in tuning.settings)
    )


def _expected(tuning: Tuning, rules: Sequence[TunedRule]) -> tuple[float | None, float | None, float | None]:
    """Return what share of good versions the whole policy is expected to refuse.

    Blocks of tuned limits and versions refused whatever the limits add up.  Rules kept as they are
    refuse a share of their own that no block accounts for: then the upper end is that of counting
    (Clopper & Pearson), which has room for one more version.
    """
    n, blocks = len(tuning.sample), tuning.blocks
    if n == 0 or not tuning.enough:
        return None, None, None
    kept = any(rule.state == "kept" and rule.severity == "block" for rule in rules)
    counted = share(min(blocks, n), n)
    if blocks == 0 or blocks >= n:
        return blocks / (n + 1), counted.low, counted.high
    expected, low, high = beyond(blocks, n)
    return expected, low, counted.high if kept else high


def _draft(
    history: _History,
    done: Sequence[Replayed],
    base: Policy,
    tuning: Tuning,
    rules: tuple[TunedRule, ...],
    target: float,
    expected: tuple[float | None, float | None, float | None],
    source: Sequence[str],
) -> Calibration:
    """Return the calibration as far as the file's own comments need it."""
    judged = history.judged
    good = history.refused(done, judged.good)
    bad = history.refused(done, judged.bad)
    smallest = needed(target)
    return Calibration(
        source=tuple(source),
        base=base.name,
        target=target,
        enough=tuning.enough,
        reason=_reason(len(tuning.sample), smallest, target, enough=tuning.enough),
        needed=smallest,
        truth=judged.truth,
        rules=rules,
        expected=expected[0],
        low=expected[1],
        high=expected[2],
        refusals=good,
        base_refusals=good,
        power=bad,
        base_power=bad,
        policy="",
        policy_digest="",
        versions=(),
        unreadable=unreadable(history.versions),
        notes=(),
    )


def _measured(
    draft: Calibration,
    history: _History,
    then: Sequence[Replayed],
    final: Policy,
    text: str,
    notes: tuple[str, ...],
) -> Calibration:
    """Replay the policy as it reads back, and add what it did."""
    now = history.replayed(final)
    judged = history.judged
    return replace(
        draft,
        refusals=history.refused(now, judged.good),
        power=history.refused(now, judged.bad),
        policy=text,
        policy_digest=policy_digest(final, history.convention),
        versions=tuple(
            _row(place, before, after, judged)
            for place, (before, after) in enumerate(zip(then, now, strict=True))
        ),
        notes=notes,
    )


def _row(place: int, before: Replayed, after: Replayed, judged: Judged) -> CalibrationRow:
    version = before.version
    return CalibrationRow(
        model=version.model,
        version=version.version,
        name=version.name,
        fate=version.fate,
        why_fate=version.why_fate,
        good=place in judged.good,
        bad=place in judged.bad,
        quality=version.quality,
        base_outcome=before.verdict.outcome,
        base_failing=tuple(rule.id for rule in before.fired),
        outcome=after.verdict.outcome,
        failing=tuple(rule.id for rule in after.fired),
    )


def _reason(n: int, smallest: int, target: float, *, enough: bool) -> str:
    share_words = f"{number(100 * target)} %"
    if not enough:
        return (
            f"too little history: {count(n, 'good version')} that can be judged, and a limit that refuses at "
            f"most {share_words} of good versions takes {smallest}; the base policy is proposed as it is"
        )
    return f"{count(n, 'good version')} that can be judged; {share_words} takes at least {smallest}"


def _notes(tuning: Tuning, versions: Sequence[PastVersion], target: float) -> list[str]:
    notes = []
    if tuning.set_apart:
        named = listed((printable(versions[place].name, 80) for place in tuning.set_apart), _NAMED)
        notes.append(f"not in the sample, as there is nothing comparable to compare with: {named}")
    if tuning.unavoidable:
        named = listed((printable(versions[place].name, 80) for place in tuning.unavoidable), _NAMED)
        notes.append(f"refused whatever the limits, though good: {named}")
    size = len(tuning.sample) + 1
    if tuning.enough and tuning.blocks > target * size + 1e-9:
        notes.append(
            f"the target of {number(100 * target)} % cannot be held with this history: "
            f"{tuning.blocks} of {size} places are beyond the limits, {number(100 * tuning.blocks / size)} %"
        )
    return notes
