"""What is said of a proposal, the same in the policy's comments and in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.policy.words import count, number
from gate.text import printable

if TYPE_CHECKING:
    from gate.study.calibrate.interface import Calibration, Share, Truth, TunedRule


def percent(rate: float | None) -> str:
    """Return a share as a percentage with two digits that say something."""
    return "–" if rate is None else f"{number(float(f'{100 * rate:.2g}'))} %"


def between(low: float | None, high: float | None) -> str:
    """Return an interval of shares."""
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def counted(found: Share) -> str:
    """Return ``2 of 24 (8.3 %, 95 % interval 1 to 27 %)``."""
    if not found.of:
        return "none to count"
    return (
        f"{found.count} of {found.of} ({percent(found.rate)}, 95 % interval {between(found.low, found.high)})"
    )


def short(found: Share) -> str:
    """Return ``2 of 24``, or a dash where there is nothing to count."""
    return f"{found.count} of {found.of}" if found.of else "–"


def expectation(calibration: Calibration) -> str:
    """Return what share of good versions the whole policy is expected to refuse."""
    return (
        f"expected to refuse {percent(calibration.expected)} of good versions "
        f"(95 % interval {between(calibration.low, calibration.high)})"
    )


def power_words(calibration: Calibration) -> str:
    """Return what share of the bad versions is refused."""
    if not calibration.power.of:
        return "power: unknown, no version is known to be bad"
    return (
        f"power: it refuses {counted(calibration.power)} of the versions known to be bad; "
        f"the base policy {short(calibration.base_power)}"
    )


def truth_lines(truth: Truth) -> tuple[str, ...]:
    """Return what counts as good and bad, and how much is known."""
    known = f"known: {truth.promoted} promoted, {truth.rolled_back} rolled back, {truth.unknown} neither"
    return (
        f"good: {len(truth.good)}, {truth.rule}",
        f"bad: {len(truth.bad)}; {truth.why_bad}",
        known,
    )


def head_of(calibration: Calibration) -> tuple[str, ...]:
    """Return the comment at the top of the proposed policy."""
    sources = ", ".join(printable(source, 80) for source in calibration.source)
    lines = [
        f"Proposed by gate calibrate from {sources or 'a history'}; base: {printable(calibration.base)}.",
        f"{calibration.reason}."[0].upper() + f"{calibration.reason}."[1:],
        *(f"{line}."[0].upper() + f"{line}."[1:] for line in truth_lines(calibration.truth)[:2]),
    ]
    if calibration.enough:
        lines.append(f"As a whole {expectation(calibration)}, as long as they are of the same kind.")
    else:
        lines.append(f"Replayed, it refuses {counted(calibration.base_refusals)} of the good versions.")
    return tuple(lines)


def about_rule(rule: TunedRule, calibration: Calibration) -> tuple[str, ...]:
    """Return the comment of one rule."""
    verb = "refuses" if rule.severity == "block" else "warns of"
    lines = [where_from(rule)]
    if rule.state == "tuned":
        lines.append(
            f"{verb.capitalize()} at most {percent(rule.expected)} of good versions, by expectation "
            f"(95 % interval {between(rule.low, rule.high)}, n = {rule.n})."
        )
    elif rule.n:
        lines.append(f"{verb.capitalize()} {counted(rule.would_have)} of the good versions.")
    if rule.caught.of:
        lines.append(f"Would have caught {counted(rule.caught)} of the bad versions.")
    elif calibration.enough:
        lines.append("What it would have caught is unknown: no version is known to be bad.")
    return tuple(lines)


def where_from(rule: TunedRule) -> str:
    """Return where a rule's limit comes from."""
    if rule.state == "kept":
        return f"Limit of the base policy: {rule.why}."
    which = "the most extreme" if rule.blocks == 1 else f"those at the {rule.blocks} outermost places"
    before = f"the base policy's limit, {rule.before}, fails {short(rule.would_have_before)}"
    return f"Limit set by {which} of {count(rule.n, 'good version')}; {before}."
