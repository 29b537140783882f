"""What a report format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict


class Format(Protocol):
    """One output format; pure functions from values to text."""

    @property
    def name(self) -> str:
        """The name ``--format`` accepts."""
        ...

    @property
    def suffix(self) -> str:
        """Usual file suffix, with the dot."""
        ...

    def verdict(self, verdict: Verdict) -> str:
        """Render a verdict."""
        ...

    def analysis(self, analysis: Analysis) -> str:
        """Render an analysis alone.

        Raises
        ------
        gate.errors.UsageError
            The format only makes sense for a verdict (junit, sarif, ...).
        """
        ...
