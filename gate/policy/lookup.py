"""Finding the baseline that a rule compares with: the first that is there and comparable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from gate.policy.changes import change_between
from gate.policy.interface import Baseline, BaselineResult
from gate.policy.kinds.interface import Reference
from gate.policy.pairing import Pairing, pair_layers, partial_pairing, same_layout, why_not_comparable
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gate.analysis.interface import Analysis
    from gate.policy.changes import ChangeName

NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Found:
    """What looking for a baseline came to.

    ``reference`` is there unless the state is ``missing``; its pairing only when ``comparable``.
    """

    state: Literal["comparable", "not comparable", "missing"]
    reference: Reference | None
    why: str


@dataclass
class Baselines:
    """Looks baselines up, each specification once, and remembers what came of it."""

    analysis: Analysis
    resolve: Callable[[str], Baseline]
    results: dict[str, BaselineResult] = field(default_factory=dict)
    _references: dict[str, Reference | None] = field(default_factory=dict)
    _partial: dict[str, Reference] = field(default_factory=dict)

    def find(self, specs: Iterable[str], *, spectral: bool, partial: bool = False) -> Found:
        """Try ``specs`` in order; ``none`` ends the list.

        For spectra the first comparable one is preferred to an earlier one that is not, and with
        ``partial`` the first that has enough in common comes after these; figures of the run, the file
        or coverage compare with the first that is there.
        """
        tried: list[str] = []
        unlike: Reference | None = None
        known = _up_to_nothing(specs)
        for spec in known:
            reference = self._look_up(spec)
            if reference is not None and (reference.pairing is not None or not spectral):
                return Found("comparable", reference, "")
            why = self.results[spec].why.removeprefix(f"{spec}: ")
            tried.append(f"{printable(spec)}: {printable(why, 300)}")
            unlike = unlike or reference
        for spec in known if partial else ():
            common = self._in_common(spec)
            if isinstance(common, Reference):
                return Found("comparable", common, "")
            tried.extend([common] if common else [])
        why = "; ".join(tried) or "none asked for"
        return Found("not comparable", unlike, why) if unlike else Found("missing", None, why)

    @property
    def compared(self) -> Reference | None:
        """The first baseline that was looked up and is comparable, wholly before partly."""
        whole = (item for item in self._references.values() if item and item.pairing)
        return next(whole, None) or next(iter(self._partial.values()), None)

    def _in_common(self, spec: str) -> Reference | str:
        """Return the baseline with the common part paired, or why not; empty where nothing is there."""
        if spec in self._partial:
            return self._partial[spec]
        reference = self._references[spec]
        if reference is None or same_layout(self.analysis, reference.analysis):
            return ""
        pairing = partial_pairing(self.analysis, reference.analysis)
        if isinstance(pairing, str):
            return f"{printable(spec)} in part: {pairing}"
        found = replace(reference, pairing=pairing, change="partial")
        self._partial[spec] = found
        self.results[spec] = replace(
            self.results[spec], comparable=True, partial=True, change="partial", why=pairing.partial
        )
        return found

    def _look_up(self, spec: str) -> Reference | None:
        if spec not in self.results:
            self._references[spec], self.results[spec] = self._reference(spec)
        return self._references[spec]

    def _reference(self, spec: str) -> tuple[Reference | None, BaselineResult]:
        if spec == NOTHING:
            return None, BaselineResult(spec, None, None, comparable=False, why="no baseline wanted")
        baseline = self.resolve(spec)
        other = baseline.analysis
        if other is None:
            why = baseline.why or "there is none"
            return None, BaselineResult(spec, baseline.uri, None, comparable=False, why=why)
        unlike = why_not_comparable(self.analysis, other)
        pairing = pair_layers(self.analysis, other) if unlike is None else None
        change = self._change(other, pairing)
        result = BaselineResult(
            spec,
            baseline.uri,
            other.source.digest,
            comparable=unlike is None,
            why=unlike or baseline.why,
            change=change,
        )
        return Reference(baseline, other, pairing, change), result

    def _change(self, other: Analysis, pairing: Pairing | None) -> ChangeName | None:
        if pairing is not None:
            return change_between(self.analysis, other, pairing)
        return None if same_layout(self.analysis, other) else "architecture"


def _up_to_nothing(specs: Iterable[str]) -> list[str]:
    """Return the specifications up to the first ``none``: who asks for nothing means what follows, too."""
    known = list(specs)
    return known[: known.index(NOTHING) + 1] if NOTHING in known else known
