"""Limits from a history: as tight as the good versions allow, and no tighter than the target.

Of n good versions, a limit at the k-th largest reading leaves the next good version beyond it with
probability k/(n + 1), whatever the distribution, as long as it is one more of their kind.  Such a
limit takes k of the n + 1 *blocks*; limits on several rules, each set among the versions that
earlier limits left, add up (see ``intervals.beyond``).  So a target of 5 % has 5 % of n + 1 blocks
to spend, and where that is less than one, the history cannot support any limit.

Blocks go first to rules whose limit refuses good versions now (they are loosened), then to the
rules that catch most bad versions when tightened, then, one by one, to all of these again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.study.calibrate.readings import Knob, knobs_of
from gate.study.calibrate.replay import PASSING, effect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.policy.rules import Policy, Rule
    from gate.study.calibrate.readings import Reader

_NO_BLOCK: Final = "to tighten it, the target leaves no room with this many versions"
_AT_THE_LIMIT: Final = "nothing in the good versions asks for another"

Readings = dict[int, float | None]
"""Reading of one knob by place in the history."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What became of one rule: the rule as proposed, how many blocks it took, and why."""

    rule: Rule
    blocks: int
    why: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of one knob: its setting and blocks, or why the base's setting stays."""

    setting: float = math.nan
    blocks: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Every rule's setting, the sample they are from, and what is refused whatever the limits."""

    settings: tuple[Setting, ...]
    sample: tuple[int, ...]
    set_apart: tuple[int, ...]
    unavoidable: tuple[int, ...]
    enough: bool

    @property
    def blocks(self) -> int:
        """Blocks that refusing rules took, and the versions refused whatever the limits."""
        spent = sum(item.blocks for item in self.settings if item.rule.severity == "block")
        return spent + len(self.unavoidable)


def tune(policy: Policy, reader: Reader, good: Sequence[int], bad: Sequence[int], target: float) -> Tuning:
    """Set the limits of ``policy`` by the good versions.

    Parameters
    ----------
    policy:
        The base: which rules there are, and their limits where the history sets none.
    reader:
        Looks at the versions through the rules.
    good, bad:
        Places of the versions in the history.
    target:
        Largest expected share of good versions that the whole policy may refuse.
    """
    known = [knobs_of(place, rule) for place, rule in enumerate(policy.rules)]
    knobs = [knob for found, _ in known for knob in found]
    table = {knob: _read(policy, reader, knob, [*good, *bad]) for knob in knobs}
    sample = _sample(policy, table, good)
    unavoidable = _unavoidable(policy, reader, known, table, sample)
    budget = math.floor(target * (len(sample) + 1) + 1e-9)
    enough = budget >= 1
    chosen: dict[Knob, Cut] = {}
    if enough:
        usable = [place for place in sample if place not in unavoidable]
        refusing = [knob for knob in knobs if policy.rules[knob.rule].severity == "block"]
        chosen = _cuts(policy, table, refusing, usable, bad, budget - len(unavoidable))
        for knob in knobs:
            if policy.rules[knob.rule].severity == "warn":
                chosen |= _cuts(policy, table, [knob], sample, bad, budget)
    settings = tuple(
        _setting(rule, found, why, chosen, enough=enough)
        for rule, (found, why) in zip(policy.rules, known, strict=True)
    )
    apart = tuple(place for place in good if place not in sample)
    return Tuning(settings, tuple(sample), apart, tuple(unavoidable), enough)


def _read(policy: Policy, reader: Reader, knob: Knob, places: Sequence[int]) -> Readings:
    return {place: reader.reading(place, policy.rules[knob.rule], knob) for place in places}


def _sample(policy: Policy, table: dict[Knob, Readings], good: Sequence[int]) -> list[int]:
    """Leave out versions that most comparisons of the policy have nothing to say of: first versions."""
    comparing = [
        readings for knob, readings in table.items()
        if policy.rules[knob.rule].operator.compares and policy.rules[knob.rule].severity == "block"
    ]  # fmt: skip
    lively = [
        readings for readings in comparing if 2 * sum(readings[at] is not None for at in good) > len(good)
    ]
    return [place for place in good if all(readings[place] is not None for readings in lively)]


def _unavoidable(
    policy: Policy,
    reader: Reader,
    known: Sequence[tuple[tuple[Knob, ...], str]],
    table: dict[Knob, Readings],
    sample: Sequence[int],
) -> list[int]:
    """Return the good versions that are refused whatever the limits: by rules kept, or by no figure."""
    refused = set()
    for rule, (knobs, _) in zip(policy.rules, known, strict=True):
        if rule.severity != "block":
            continue
        for place in sample:
            said = reader.result(place, rule) if not knobs else None
            if said is not None and effect(said) not in PASSING:
                refused.add(place)
            if any(table[knob][place] == math.inf for knob in knobs):
                refused.add(place)
    refused |= {place for place in sample if not reader.covered(place)}
    return sorted(refused)


def _cuts(
    policy: Policy,
    table: dict[Knob, Readings],
    knobs: Sequence[Knob],
    sample: Sequence[int],
    bad: Sequence[int],
    budget: int,
) -> dict[Knob, Cut]:
    """Return the setting of each knob and the blocks it took, or why it got none."""
    usable = [knob for knob in knobs if _largest(table[knob], sample) is not None]
    cuts = {knob: Cut(why="it says nothing of these versions") for knob in knobs if knob not in usable}
    strict = [knob for knob in usable if _beyond_base(policy, table, knob, sample)]
    loose = [knob for knob in usable if knob not in strict and _can_tighten(policy, table, knob, sample)]
    loose.sort(
        key=lambda knob: -_more_caught(policy, table, knob, sample, bad)
    )  # stable: else in their order
    taken = [*strict, *loose[: max(0, budget - len(strict))]]
    cuts |= {knob: Cut(why=_NO_BLOCK) for knob in loose if knob not in taken}
    cuts |= {knob: Cut(why=_AT_THE_LIMIT) for knob in usable if knob not in strict and knob not in loose}
    blocks = dict.fromkeys(taken, 1)
    for turn in range(max(0, budget - len(taken)) if taken else 0):
        blocks[taken[turn % len(taken)]] += 1
    remaining = set(sample)
    for knob in taken:
        # Versions that the rule has nothing to say of are those it refuses last.
        ordered = sorted(remaining, key=lambda place: -_or_least(table[knob][place]))
        cut = ordered[: blocks[knob]]
        setting = _or_least(table[knob][cut[-1]]) if cut else -math.inf
        if setting == -math.inf or (knob.part in {"absolute", "relative"} and setting <= 0):
            cuts[knob] = Cut(why=_AT_THE_LIMIT)
            continue
        cuts[knob] = Cut(setting, len(cut))
        remaining.difference_update(cut)
    return cuts


def _or_least(reading: float | None) -> float:
    return -math.inf if reading is None else reading


def _largest(readings: Readings, sample: Sequence[int]) -> float | None:
    found = [value for place in sample if (value := readings[place]) is not None and value != math.inf]
    return max(found) if found else None


def _beyond_base(policy: Policy, table: dict[Knob, Readings], knob: Knob, sample: Sequence[int]) -> bool:
    largest = _largest(table[knob], sample)
    return largest is not None and largest > knob.setting(policy.rules[knob.rule])


def _can_tighten(policy: Policy, table: dict[Knob, Readings], knob: Knob, sample: Sequence[int]) -> bool:
    largest = _largest(table[knob], sample)
    if largest is None or (knob.part in {"absolute", "relative"} and largest <= 0):
        return False
    return knob.turned(policy.rules[knob.rule], largest) != policy.rules[knob.rule]


def _more_caught(
    policy: Policy, table: dict[Knob, Readings], knob: Knob, sample: Sequence[int], bad: Sequence[int]
) -> int:
    """Return how many more bad versions the rule refuses at the tightest limit than at the base's."""
    tight = _largest(table[knob], sample)
    base = knob.setting(policy.rules[knob.rule])
    values = [_or_least(table[knob][place]) for place in bad]
    return sum(value > (base if tight is None else tight) for value in values) - sum(v > base for v in values)


def _setting(
    rule: Rule, knobs: Sequence[Knob], why: str, chosen: dict[Knob, Cut], *, enough: bool
) -> Setting:
    found = [knob for knob in knobs if knob in chosen and chosen[knob].blocks]
    if not found:
        told = [chosen[knob].why for knob in knobs if knob in chosen]
        return Setting(rule, 0, why or next(iter(told), "") or ("" if enough else "too little history"))
    turned = rule
    for knob in found:
        turned = knob.turned(turned, chosen[knob].setting)
    return Setting(turned, sum(chosen[knob].blocks for knob in found), "")
