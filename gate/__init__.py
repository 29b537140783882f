"""A quality gate for the MLflow model registry, judging models by the spectra of their weights.

A model version flows one way through the rooms of this package; nothing flows back::

    model files ──> weights ──> spectra ──> policy ──> registry / report
                    (read)      (measure)   (judge)    (record, enforce, show)

``gate.analysis`` joins reading and measuring into one value, ``gate.workflow`` wires the rooms
into what a command does, and ``gate.cli`` parses, calls and prints.  ``gate.api`` is the same for
Python: :func:`analyze`, :func:`check`, :func:`verify`, :func:`to_frame` and
:func:`to_weightwatcher_frame` are reached from here, and loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes longer to import than all that stands here
if TYPE_CHECKING:
    from typing import Any, Final

    from gate.analysis.interface import Analysis
    from gate.api import analyze, check, to_frame, to_weightwatcher_frame, verify
    from gate.errors import GateError
    from gate.policy.interface import Verdict

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "GateError",
    "Verdict",
    "analyze",
    "check",
    "to_frame",
    "to_weightwatcher_frame",
    "verify",
]

_HOMES: Final = {
    "Analysis": "gate.analysis.interface",
    "GateError": "gate.errors",
    "Verdict": "gate.policy.interface",
}


if not TYPE_CHECKING:  # a type checker would take every name for known

    def __getattr__(name: str) -> Any:
        """Load a public name when it is first asked for: ``import gate`` itself costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see the docstring

        value = getattr(import_module(_HOMES.get(name, "gate.api")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
