"""Writes docs/explanation/significance.md from the committed tables alone."""

from __future__ import annotations

import math
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
    from benchmarks.contest.significance import Rate, SeededLayer

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

_LAYERS: Final = """## What another seed does to a layer

Alpha of each layer over the copies in which it counts. Where the spread is beyond the layer's own standard
error, the weights really are other weights, which no fit can know. Some layers have an alpha of 8 or above,
or no fit, in a few copies; they then leave the model means, and a layer that counted in the baseline and no
longer does is itself a failure: what no tolerance forgives, and what most refusals by AlphaHat here are.
"""

_TOLERANCES: Final = """## The tolerance on AlphaHat

The same pairs under other values of `absolute`, everything else as in the policy. The last row is what
remains under any: layers that left the means. The tolerance of `default` is the smallest of these values at
which the change alone, beyond that row, refuses at most one pair in a hundred in either family; the anchor's
is the smallest at which it warns of at most one in a thousand.

Both limits were set after these rates had been seen, so the rows do not test them: they say what the
tolerances cost here. For your own models, `gate calibrate` measures it on your own history.
"""

_DRIFT: Final = f"""## Slow drift

A planted series (`benchmarks/contest/drift.py`): {LAYERS} layers whose eigenvalues are exactly a power law,
alpha higher by {STEP:g} in each version than in the one before. `{PREVIOUS_RULE}` compares with the version
before, `{ANCHOR_RULE}` with version 1.
"""


def write_significance(
    docs: Path, rates: Sequence[Rate], layers: Sequence[SeededLayer], steps: Sequence[Step]
) -> None:
    """Write the page and its drawing into ``docs``."""
    assets = docs / "assets" / "contest"
    (assets / "tolerance.svg").write_text(_curve(rates), encoding="utf-8")
    page = "\n".join(significance_page(rates, layers, steps))
    (docs / "explanation" / "significance.md").write_text(page, encoding="utf-8")


def significance_page(
    rates: Sequence[Rate], layers: Sequence[SeededLayer], steps: Sequence[Step]
) -> Iterator[str]:
    """Yield the page."""
    yield _INTRODUCTION
    yield from _networks()
    for policy in POLICIES:
        yield f"## Every rule of `{policy}`\n"
        yield from _table(
            ("rule", "severity", "asked of", *[NAMES[family] for family in FAMILIES]),
            _rule_rows([rate for rate in rates if rate.policy == policy and rate.tolerance is None]),
        )
    yield _LAYERS
    yield from _table(
        (
            "layer",
            "eigenvalues",
            "alpha",
            "its spread over seeds",
            "its own standard error",
            "outside the means",
        ),
        (_layer_row(layer) for layer in layers),
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
                (_tolerance(tolerance), *[share(rate) for rate in found if rate.tolerance == tolerance])
                for tolerance in TOLERANCES
            ),
        )


def _tolerance(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "any"


def _layer_row(layer: SeededLayer) -> tuple[str, ...]:
    return (
        f"{NAMES[layer.family]}, `{layer.layer}`",
        str(layer.eigenvalues),
        f"{layer.alpha:.2f}",
        f"{layer.alpha_deviation:.2f}",
        f"{layer.alpha_standard_error:.2f}",
        f"{layer.excluded} of {layer.copies} copies",
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
                        and math.isfinite(rate.tolerance)
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
