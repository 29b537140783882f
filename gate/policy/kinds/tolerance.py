"""How much a value may change: absolute, relative to the baseline, in standard errors, or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gate.policy.aggregates import MEANS
from gate.policy.kinds.interface import UnfitError
from gate.policy.words import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.policy.metrics import RuleMetric

SMALLEST_BASE: Final = 0.5
"""AlphaHat and log norms may be near zero or negative; below this a share of them means nothing."""

WITH_STANDARD_ERROR: Final = frozenset({"alpha", "alpha_weighted"})
"""Fields of a layer whose standard error the engine reports, or that follow from alpha's."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The limits given; a change is too large when every one of them is exceeded."""

    absolute: float | None = None
    relative: float | None = None
    sigmas: float | None = None

    @classmethod
    def parse(cls, argument: Mapping[str, float | None], metric: RuleMetric) -> Tolerance:
        """Return the tolerance that the mapping of limits asks for.

        Raises
        ------
        UnfitError
            No limit at all, or ``sigmas`` where there is no standard error or where it alone would
            call a change of nothing significant.
        """
        limits = {name: float(value) for name, value in argument.items() if value is not None}
        if not limits:
            raise UnfitError(
                "no limit given", "write {absolute: 0.1}, {relative: 0.02} or {sigmas: 3, absolute: 0.05}"
            )
        if "sigmas" in limits:
            _check_sigmas(metric, alone=len(limits) == 1)
        return cls(**limits)

    def exceeded(self, amount: float, base: float, metric: RuleMetric) -> list[bool | None]:
        """Tell for the limits beside ``sigmas`` whether ``amount`` is beyond; None: cannot be said."""
        answers: list[bool | None] = []
        if self.absolute is not None:
            answers.append(amount > self.absolute)
        if self.relative is not None:
            tiny = metric.depends_on_scale and abs(base) < SMALLEST_BASE
            answers.append(None if tiny else amount > self.relative * abs(base))
        return answers

    def words(self) -> str:
        """Return ``3 standard errors and 0.05``."""
        parts = []
        if self.sigmas is not None:
            parts.append(f"{number(self.sigmas)} standard errors")
        if self.absolute is not None:
            parts.append(number(self.absolute))
        if self.relative is not None:
            parts.append(f"{number(100 * self.relative)} % of the baseline's")
        return " and ".join(parts)

    def canonical(self) -> dict[str, Any]:
        """Return the limits given, by name."""
        limits = {"absolute": self.absolute, "relative": self.relative, "sigmas": self.sigmas}
        return {name: value for name, value in limits.items() if value is not None}


class Change(Protocol):
    """A comparison: how much is too much, and which way counts."""

    @property
    def tolerance(self) -> Tolerance:
        """How much may change."""
        ...

    def amount(self, difference: float) -> float:
        """Return the part of ``difference`` (candidate minus baseline) that counts against it."""
        ...


def _check_sigmas(metric: RuleMetric, *, alone: bool) -> None:
    path = ("sigmas",)
    if metric.level == "layer" and metric.field not in WITH_STANDARD_ERROR:
        raise UnfitError(f"{metric.id} has no standard error", "use absolute or relative", path)
    if metric.level != "layer" and not (metric.level == "model" and metric.field in MEANS):
        message = f"{metric.id} is no mean over layers and has no standard error"
        raise UnfitError(message, "use absolute or relative", path)
    if metric.level == "model" and alone:
        raise UnfitError(
            "sigmas alone would refuse changes of nothing: scaling every weight by 1.0001 is significant",
            "give a minimum beside it, e.g. {sigmas: 3, absolute: 0.05}",
            path,
        )


def every(answers: Iterable[bool | None]) -> bool | None:
    """Return whether all hold, None when that hangs on one that cannot be said."""
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True
