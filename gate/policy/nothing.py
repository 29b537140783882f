"""The analysis that stands for a model without a weight matrix: no layers, and what is known of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.policy.aggregates import convention_called

if TYPE_CHECKING:
    from gate.analysis.interface import Analysis


def without_weights(
    uri: str, convention: str, unsafe_globals: tuple[str, ...] = (), digest: str = ""
) -> Analysis:
    """Return an analysis of nothing, for the rules that need no weights; it is shown to nobody."""
    from gate import __version__  # noqa: PLC0415 - as in gate.policy.metrics
    from gate.analysis.interface import (  # noqa: PLC0415
        Analysis,
        Coverage,
        Engine,
        FileFindings,
        Source,
    )
    from gate.spectra.summary import summarize  # noqa: PLC0415

    return Analysis(
        source=Source(uri, "", digest, ()),
        engine=Engine(__version__, convention, {}),
        coverage=Coverage(0, 0, 0, 0, ()),
        file=FileFindings(unsafe_globals),
        architecture="",
        model=summarize((), convention_called(convention)),
        layers=(),
    )
