"""What the judge does with waivers: which rule each lets pass, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gate.policy.interface import WaiverResult
from gate.policy.waivers.interface import moment_words
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.policy.interface import RuleOutcome, RuleResult
    from gate.policy.waivers.interface import Waiver

WAIVABLE: Final[frozenset[RuleOutcome]] = frozenset({"failed", "inconclusive"})
"""What a rule may have said for a waiver to matter."""


@dataclass
class Waivers:
    """The waivers given to one check; remembers which of them were used.

    Parameters
    ----------
    given:
        Every waiver of the file, those of other models too.
    now:
        The moment of the check, with its zone.
    model:
        The registered model's name; None for a source that is not registered.
    """

    given: Sequence[Waiver]
    now: datetime
    model: str | None = None
    _used: dict[str, Waiver] = field(default_factory=dict)
    _rules: dict[tuple[str, str], RuleOutcome] = field(default_factory=dict)

    def waive(self, said: RuleResult, digest: str) -> RuleResult:
        """Return the rule's result, ``waived`` where a waiver covers it on the model of ``digest``."""
        self._rules[said.policy, said.id] = said.outcome
        if said.outcome not in WAIVABLE:
            return said
        covering = [waiver for waiver in self.given if self._covers(waiver, said, digest)]
        if not covering:
            return said
        longest = max(covering, key=lambda waiver: waiver.expires)
        self._used[longest.id] = longest
        return replace(
            said,
            outcome="waived",
            waiver=_words(longest),
            message=f"waived, it would be {said.outcome}: {said.message}",
        )

    def results(self, digest: str | None) -> tuple[WaiverResult, ...]:
        """Return what became of every waiver; ``digest`` is the model's, None where it is not known."""
        return tuple(self._result(waiver, digest) for waiver in self.given)

    @property
    def until(self) -> str | None:
        """The moment when the first used waiver ends, None without any."""
        return moment_words(min(waiver.expires for waiver in self._used.values())) if self._used else None

    def _covers(self, waiver: Waiver, said: RuleResult, digest: str) -> bool:
        return (
            waiver.rule == said.id
            and waiver.policy in (None, said.policy)
            and waiver.model == self.model
            and waiver.digest == digest
            and not self._expired(waiver)
        )

    def _expired(self, waiver: Waiver) -> bool:
        return self.now >= waiver.expires

    def _result(self, waiver: Waiver, digest: str | None) -> WaiverResult:
        used, expired = waiver.id in self._used, self._expired(waiver)
        return WaiverResult(
            id=waiver.id,
            rule=waiver.rule,
            policy=waiver.policy,
            model=waiver.model,
            digest=waiver.digest,
            reason=waiver.reason,
            approver=waiver.approver,
            expires=moment_words(waiver.expires),
            state="used" if used else "expired" if expired else "unused",
            why="" if used else self._why_not(waiver, digest),
            other_model=waiver.model != self.model,
        )

    def _why_not(self, waiver: Waiver, digest: str | None) -> str:
        """Return the first reason why a waiver did nothing."""
        if waiver.model != self.model:
            return f"it is for {_named(waiver.model)}, and this is {_named(self.model)}"
        if self._expired(waiver):
            return f"it ended at {moment_words(waiver.expires)}"
        if digest is None:
            return "the model could not be judged, which no waiver covers"
        if waiver.digest != digest:
            return f"it is for the model of digest {waiver.digest}, and this one has {digest}"
        return self._why_not_this_rule(waiver)

    def _why_not_this_rule(self, waiver: Waiver) -> str:
        outcomes = [
            outcome
            for (policy, rule), outcome in self._rules.items()
            if rule == waiver.rule and waiver.policy in (None, policy)
        ]
        if not outcomes:
            where = f" of policy {printable(waiver.policy)}" if waiver.policy else ""
            return f"no rule{where} has the id {printable(waiver.rule)}"
        if WAIVABLE.isdisjoint(outcomes):
            return f"nothing to waive: the rule is {outcomes[0].replace('_', ' ')}"
        return "another waiver that lasts longer covers the rule"


def _named(model: str | None) -> str:
    return "a source that is not registered" if model is None else f"the registered model {printable(model)}"


def _words(waiver: Waiver) -> str:
    return (
        f"{waiver.id}: {waiver.reason} (approved by {waiver.approver}, until {moment_words(waiver.expires)})"
    )
