"""What a waiver lets pass, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy import error_verdict, exit_code, judge, nothing_verdict
from gate.policy.waivers import Waiver, Waivers
from gate.report import load_verdict, render_verdict
from tests.policy.build import alphas, analysis, policy

if TYPE_CHECKING:
    from gate.policy.interface import Verdict

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
TOO_HIGH = "metric: layer.alpha, within: [2, 6]"
COVERED = "metric: coverage.share, at_least: 0.5"


def waiver(**fields: Any) -> Waiver:
    known: dict[str, Any] = {
        "id": "w1",
        "rule": "r0",
        "digest": DIGEST,
        "reason": "a small layer, looked at by hand",
        "approver": "Ada",
        "expires": NOW + timedelta(days=1),
        "model": "fraud",
    }
    return Waiver(**(known | fields))


def judged(*waivers: Waiver, rules: tuple[str, ...] = (TOO_HIGH, COVERED), now: datetime = NOW) -> Verdict:
    bad = analysis(*alphas(3.0, 7.0), digest=DIGEST)
    return judge(bad, [policy(*rules)], waivers=Waivers(waivers, now, "fraud"))


def test_a_waived_rule_no_longer_blocks_and_says_by_whom_and_until_when() -> None:
    assert judged().outcome == "blocked"
    verdict = judged(waiver())
    assert (verdict.outcome, int(exit_code(verdict))) == ("passed", 0)
    rule = verdict.rules[0]
    assert rule.outcome == "waived"
    assert rule.waiver == (
        "w1: a small layer, looked at by hand (approved by Ada, until 2026-06-02T12:00:00Z)"
    )
    assert "failed" in rule.message
    assert rule.layers[0].name == "l1"
    assert [item.state for item in verdict.waivers] == ["used"]
    assert verdict.waived_until == "2026-06-02T12:00:00Z"
    assert "r0 is waived" in verdict.policies[0].message


def test_what_else_a_policy_finds_still_counts() -> None:
    warns = "metric: layer.alpha, at_most: 6.5, severity: warn"
    blocks = "metric: layer.alpha, at_most: 6.9"
    assert judged(waiver(), rules=(TOO_HIGH, warns)).outcome == "warned"
    assert judged(waiver(), rules=(TOO_HIGH, blocks)).outcome == "blocked"


def test_a_rule_that_could_not_decide_may_be_waived() -> None:
    undecided = "metric: run.metrics.acc, at_least: 0.9"
    assert judged(rules=(undecided, COVERED)).outcome == "inconclusive"
    assert judged(waiver(), rules=(undecided, COVERED)).outcome == "passed"


@pytest.mark.parametrize(
    ("fields", "state", "why"),
    [
        ({"expires": NOW}, "expired", "ended at 2026-06-01T12:00:00Z"),
        ({"expires": NOW - timedelta(days=9)}, "expired", "ended at"),
        ({"digest": OTHER}, "unused", f"for the model of digest {OTHER}, and this one has {DIGEST}"),
        ({"model": "credit"}, "unused", "for the registered model credit, and this is the registered model"),
        ({"model": None}, "unused", "for a source that is not registered"),
        ({"policy": "another"}, "unused", "no rule of policy another has the id r0"),
        ({"rule": "r9"}, "unused", "no rule has the id r9"),
        ({"rule": "r1"}, "unused", "nothing to waive: the rule is passed"),
    ],
)
def test_a_waiver_for_something_else_is_reported_and_not_honoured(
    fields: dict[str, Any], state: str, why: str
) -> None:
    verdict = judged(waiver(**fields))
    assert verdict.outcome == "blocked"
    assert verdict.rules[0].outcome == "failed"
    assert verdict.rules[0].waiver is None
    assert verdict.waived_until is None
    (found,) = verdict.waivers
    assert found.state == state
    assert why in found.why


def test_the_last_second_counts_and_the_next_does_not() -> None:
    ends = waiver(expires=NOW)
    assert judged(ends, now=NOW - timedelta(seconds=1)).outcome == "passed"
    assert judged(ends, now=NOW).outcome == "blocked"


def test_of_two_waivers_the_longer_is_used_and_the_verdict_ends_with_the_first_that_is_needed() -> None:
    long = waiver(id="long", expires=NOW + timedelta(days=5))
    other = waiver(id="other", rule="r1", expires=NOW + timedelta(days=3))
    verdict = judged(waiver(), long, other, rules=(TOO_HIGH, "metric: layer.alpha, at_most: 5"))
    assert {item.id: item.state for item in verdict.waivers} == {
        "w1": "unused",
        "long": "used",
        "other": "used",
    }
    assert "lasts longer" in verdict.waivers[0].why
    assert verdict.waived_until == "2026-06-04T12:00:00Z"


def test_a_waiver_naming_a_policy_covers_no_other_policy() -> None:
    bad = analysis(*alphas(7.0), digest=DIGEST)
    two = [policy(TOO_HIGH), replace(policy(TOO_HIGH), name="second")]
    verdict = judge(bad, two, waivers=Waivers([waiver(policy="test")], NOW, "fraud"))
    assert {rule.policy: rule.outcome for rule in verdict.rules} == {"test": "waived", "second": "failed"}
    assert verdict.outcome == "blocked"


def test_no_waiver_covers_too_little_coverage() -> None:
    half = analysis(*alphas(7.0), digest=DIGEST)
    half = replace(half, coverage=replace(half.coverage, analyzed_parameters=1))
    verdict = judge(half, [policy(TOO_HIGH)], waivers=Waivers([waiver()], NOW, "fraud"))
    assert verdict.rules[0].outcome == "waived"
    assert verdict.outcome == "inconclusive"


def test_no_waiver_covers_a_model_that_could_not_be_judged() -> None:
    policies = [policy(TOO_HIGH)]
    for make, outcome in ((error_verdict, "error"), (nothing_verdict, "inconclusive")):
        verdict = make(policies, "cut short", waivers=Waivers([waiver()], NOW, "fraud"))
        assert verdict.outcome == outcome
        assert verdict.waivers[0].state == "unused"
        assert "could not be judged" in verdict.waivers[0].why
        assert verdict.waived_until is None


def test_reports_show_what_became_of_every_waiver_and_json_comes_back() -> None:
    given = (
        waiver(),
        waiver(id="late", expires=NOW - timedelta(days=1), reason="`x` <b>|"),
        waiver(id="not-ours", model="credit"),
    )
    verdict = judged(*given)
    assert load_verdict(render_verdict(verdict, "json")) == verdict
    for name in ("text", "markdown", "html"):
        report = render_verdict(verdict, name)
        for word in ("w1", "late", "expired", "Ada", "2026-06-02T12:00:00Z", "1 waiver for other models"):
            assert word in report, (name, word)
        assert "not-ours" not in report
        assert name == "text" or "<b>|" not in report


def test_a_state_that_this_version_does_not_know_is_read_as_unused() -> None:
    saved = render_verdict(judged(waiver()), "json").replace('"state": "used"', '"state": "sealed"')
    assert load_verdict(saved).waivers[0].state == "unused"
