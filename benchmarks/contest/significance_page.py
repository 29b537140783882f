"""Writes docs/explanation/significance.md from the committed tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contest.design import COPIES, FAMILIES, copies
from benchmarks.contest.drawing import Panel, Series, draw
from benchmarks.contest.drift import ANCHOR_RULE, LAYERS, PREVIOUS_RULE, STEP
from benchmarks.contest.page import NAMES
from benchmarks.contest.significance import POLICIES, TOLERANCES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.contest.drift import Step
    from benchmarks.contest.significance import Rate

_INTRODUCTION: Final = f"""# Significance: how often a rule refuses a model that is no worse

Written by `make contest` (`python -m benchmarks.contest significance` for this page alone). Nothing here was
typed in.

A rule that compares a version with its baseline must not refuse what is only another roll of the dice. So
{COPIES} copies of one network of each family of the [mini-contest](mini-contest.md) were trained on the same
data with the same settings, only the seed differing (initial weights, order of the images), and registered.
Every copy is judged against every other one, as if the one were the new version and the other its baseline
and its anchor: {COPIES * (COPIES - 1):,} ordered pairs a family. Rules that compare nothing are asked of each
of the {COPIES} copies once. No copy is worse than another in any way that could have been known, so each
refusal is a false one.

**Intervals** are 95 %. Pairs share models, so {COPIES * (COPIES - 1):,} pairs are not as many trials. For
rules of single models it is Wilson's interval over {COPIES} copies; for pairs, Wilson's with an effective
number of trials: the one that the variance by leaving out each copy in turn amounts to, not below
{COPIES // 2} (that many disjoint pairs are independent, and the mean over all pairs varies no more: Hoeffding
1948) and not above {COPIES}. A rate of 0 therefore has an upper limit of about one in ten; no measurement
with {COPIES} copies could promise less.

What a rate means for you: retraining from scratch is the hardest case. A fine-tune, a re-export or a
quantisation of the same weights moves the figures far less, and larger layers are measured more exactly
than these of 64 to 576 eigenvalues.
"""

_TOLERANCES: Final = """## The tolerance on AlphaHat

The same pairs under other values of `absolute`, everything else as in the policy. The fits' own uncertainty
(`sigmas`) cannot see what another seed does to a layer: the weights really are other weights. So the smallest
change that counts must lie above the spread between copies.
"""

_DRIFT: Final = f"""## Slow drift

A planted series (`benchmarks/contest/drift.py`): {LAYERS} layers whose eigenvalues are exactly a power law,
alpha higher by {STEP:g} in each version than in the one before. `{PREVIOUS_RULE}` compares with the version
before, `{ANCHOR_RULE}` with version 1.
"""


def write_significance(docs: Path, rates: Sequence[Rate], steps: Sequence[Step]) -> None:
    """Write the page and its drawing into ``docs``."""
    assets = docs / "assets" / "contest"
    (assets / "tolerance.svg").write_text(_curve(rates), encoding="utf-8")
    page = "\n".join(_page(rates, steps))
    (docs / "explanation" / "significance.md").write_text(page, encoding="utf-8")


def _page(rates: Sequence[Rate], steps: Sequence[Step]) -> Iterator[str]:
    yield _INTRODUCTION
    yield from _networks()
    for policy in POLICIES:
        yield f"## Every rule of `{policy}`\n"
        yield from _table(
            ("rule", "severity", "asked of", *[NAMES[family] for family in FAMILIES]),
            _rule_rows([rate for rate in rates if rate.policy == policy and rate.tolerance is None]),
        )
    yield _TOLERANCES
    yield from _tolerance_tables(rates)
    yield "![False refusals over the tolerance on AlphaHat](../assets/contest/tolerance.svg)\n"
    yield _DRIFT
    yield from _table(
        ("version", "AlphaHat", f"`{PREVIOUS_RULE}`", f"`{ANCHOR_RULE}`", "the policy"),
        (
            (
                str(step.version),
                f"{step.alpha_weighted:.2f}",
                step.against_previous,
                step.against_first,
                step.outcome,
            )
            for step in steps
        ),
    )
    yield _caught(steps)


def _networks() -> Iterator[str]:
    for network in copies()[: len(FAMILIES)]:
        yield (
            f"- {NAMES[network.family]}: {network.depth} weight layers of width {network.width}, batches of "
            f"{network.batch_size}, learning rate {network.learning_rate:g}, weight decay "
            f"{network.weight_decay:g}, no dropout, true labels."
        )
    yield ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _rule_rows(rates: Sequence[Rate]) -> Iterator[tuple[str, ...]]:
    for rule in dict.fromkeys(rate.rule for rate in rates):
        found = [next(rate for rate in rates if rate.rule == rule and rate.family == f) for f in FAMILIES]
        first = found[0]
        name = f"**{rule} as a whole refuses**" if rule == WHOLE else f"`{rule}`"
        asked = f"{first.trials:,} pairs" if first.compares else f"{first.trials} copies"
        yield (name, "" if rule == WHOLE else first.severity, asked, *[share(rate) for rate in found])


def share(rate: Rate) -> str:
    """Write a rate with its interval, and how often the rule had nothing to say."""
    if rate.not_applicable == rate.trials:
        return "not applicable"
    text = f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})"
    if rate.inconclusive:
        text += f", inconclusive {rate.inconclusive / rate.trials:.1%}"
    if rate.not_applicable:
        text += f", not applicable {rate.not_applicable / rate.trials:.1%}"
    return text


def _tolerance_tables(rates: Sequence[Rate]) -> Iterator[str]:
    tried = [rate for rate in rates if rate.tolerance is not None]
    for policy, rule in dict.fromkeys((rate.policy, rate.rule) for rate in tried):
        yield f"`{rule}` of `{policy}`:\n"
        found = [rate for rate in tried if (rate.policy, rate.rule) == (policy, rule)]
        yield from _table(
            ("absolute", *[NAMES[family] for family in FAMILIES]),
            (
                (f"{tolerance:g}", *[share(rate) for rate in found if rate.tolerance == tolerance])
                for tolerance in TOLERANCES
            ),
        )


def _curve(rates: Sequence[Rate]) -> str:
    panels = [
        Panel(
            f"absolute tolerance of {rule} in {policy}",
            "false refusals",
            [
                Series(
                    family,
                    [
                        (rate.tolerance, rate.rate)
                        for rate in rates
                        if (rate.policy, rate.rule, rate.family) == (policy, rule, family)
                        and rate.tolerance is not None
                    ],
                    joined=True,
                )
                for family in FAMILIES
            ],
        )
        for policy, rule in (("default", PREVIOUS_RULE), ("default", ANCHOR_RULE))
    ]
    return draw("False refusals of retrained copies", panels)


def _caught(steps: Sequence[Step]) -> str:
    refused = [step for step in steps if step.against_previous == "failed"]
    caught = [step for step in steps if step.against_first == "failed"]
    before = (
        f"The comparison with the version before refused {len(refused)} of {len(steps)} steps."
        if refused
        else f"The comparison with the version before let every one of {len(steps)} steps pass."
    )
    if not caught:
        return f"{before} The anchor did not see it either.\n"
    first = caught[0]
    risen = first.alpha_weighted - steps[0].alpha_weighted
    later = len(steps) - steps.index(first) - 1
    return (
        f"{before} The anchor failed at version {first.version}, where AlphaHat was {risen:.2f} above "
        f"version {steps[0].version}'s, and at {len(caught) - 1} of the {later} after it.\n"
    )
