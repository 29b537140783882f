"""A policy run over a history in order, each version judged as it would have been at its time.

Today's champion did not exist then, so baselines are found again: ``previous`` is the newest
earlier version of the same series that the policy itself lets pass; ``alias:NAME`` the same, less
the versions that are known to have been rolled back (no registry says what an alias pointed at
then; with the policy in force it could only have been a version that passed); ``version:N`` is that
version, once it was there, for itself too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from gate.policy import error_verdict, judge, nothing_verdict, without_weights
from gate.policy.interface import Baseline
from gate.policy.outcome import EFFECTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gate.policy.interface import Outcome, RuleResult, Verdict
    from gate.policy.rules import Policy
    from gate.study.calibrate.interface import PastVersion

PASSING: Final[frozenset[Outcome]] = frozenset({"passed", "warned"})
"""Outcomes that let a version be promoted."""

Elsewhere: TypeAlias = Callable[[str, "PastVersion"], Baseline]
"""Finds a baseline that is no version of the series: another model, or a path."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One version and the verdict on it."""

    version: PastVersion
    verdict: Verdict

    @property
    def passes(self) -> bool:
        """Tell whether it could have been promoted."""
        return self.verdict.outcome in PASSING

    @property
    def fired(self) -> tuple[RuleResult, ...]:
        """The rules that refuse or warn."""
        return tuple(
            rule for rule in self.verdict.rules if effect(rule) in {"blocked", "inconclusive", "warned"}
        )

    @property
    def refusing(self) -> tuple[RuleResult, ...]:
        """The rules that refuse."""
        return tuple(rule for rule in self.verdict.rules if refuses(rule))


def effect(rule: RuleResult) -> Outcome:
    """Return what a rule's result does to its policy."""
    return EFFECTS.get((rule.outcome, rule.severity), "passed")


def refuses(rule: RuleResult) -> bool:
    """Tell whether a rule's result refuses the version."""
    return effect(rule) not in PASSING


def nowhere(spec: str, _version: PastVersion) -> Baseline:
    """Find nothing: for a history without anything to look a baseline up in."""
    return Baseline(spec, None, None, "there is nothing to look it up in")


def replay(
    policy: Policy,
    versions: Sequence[PastVersion],
    elsewhere: Elsewhere = nowhere,
    convention: str = "gate-1",
) -> tuple[Replayed, ...]:
    """Judge every version in order, and let those that pass become the baselines of later ones."""
    done: list[Replayed] = []
    passed: set[int] = set()
    for place, version in enumerate(versions):
        verdict = _judged(
            policy, version, baselines_of(versions, place, passed, elsewhere, convention), convention
        )
        done.append(Replayed(version, verdict))
        if done[-1].passes:
            passed.add(place)
    return tuple(done)


def _judged(
    policy: Policy, version: PastVersion, resolve: Callable[[str], Baseline], convention: str
) -> Verdict:
    if version.analysis is None:
        error = version.error or "not measured"
        if not version.empty:
            return error_verdict([policy], error, uri=version.uri, convention=convention)
        return nothing_verdict(
            [policy],
            error,
            uri=version.uri,
            convention=convention,
            unsafe_globals=version.unsafe_globals,
            resolve=resolve,
            run_metrics=version.run_metrics,
        )
    return judge(version.analysis, [policy], resolve=resolve, run_metrics=version.run_metrics)


def baselines_of(
    versions: Sequence[PastVersion],
    place: int,
    standing: Collection[int],
    elsewhere: Elsewhere = nowhere,
    convention: str = "gate-1",
) -> Callable[[str], Baseline]:
    """Return how to find a baseline for the version at ``place`` at its time.

    ``standing`` are the places of the versions that could have been the champion.
    """
    return _AtItsTime(versions, place, standing, elsewhere, convention).resolve


@dataclass(frozen=True, slots=True)
class _AtItsTime:
    """The history as it was when one version came; parameters as of :func:`baselines_of`."""

    versions: Sequence[PastVersion]
    place: int
    standing: Collection[int]
    elsewhere: Elsewhere
    convention: str

    def resolve(self, spec: str) -> Baseline:
        if spec.startswith("version:"):
            return self._numbered(spec, int(spec.removeprefix("version:")))
        if spec != "previous" and not spec.startswith("alias:"):
            return self.elsewhere(spec, self.versions[self.place])
        held = [at for at in self._earlier() if at in self.standing]
        if spec != "previous":
            held = [at for at in held if self.versions[at].fate != "rolled back"]
        return self._newest(spec, held, "no earlier version passed")

    def _earlier(self) -> list[int]:
        model = self.versions[self.place].model
        return [at for at in range(self.place) if self.versions[at].model == model]

    def _numbered(self, spec: str, number: int) -> Baseline:
        """Find a version by its number, also where the history begins after it."""
        version = self.versions[self.place]
        wanted = [at for at in (*self._earlier(), self.place) if self.versions[at].version == number]
        if wanted or version.registered is None or number >= version.version:
            return self._newest(spec, wanted, "that version was not there yet")
        return replace(self.elsewhere(f"models:/{version.registered}/{number}", version), spec=spec)

    def _newest(self, spec: str, places: Sequence[int], missing: str) -> Baseline:
        if not places:
            return Baseline(spec, None, None, missing)
        found, version = self.versions[places[-1]], self.versions[self.place]
        analysis = found.analysis
        if analysis is None and found.empty and version.empty:  # their runs compare
            analysis = without_weights(found.uri, self.convention, found.unsafe_globals or ())
        if analysis is None:
            return Baseline(spec, found.uri, None, f"it cannot be measured: {found.error}", found.run_metrics)
        why = "is this version itself" if found is version else f"would have been {found.name}"
        return Baseline(spec, found.uri, analysis, why, found.run_metrics)
