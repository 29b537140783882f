"""The room that knows MLflow: where a model version comes from, and where its decision goes.

In: a SOURCE as somebody typed it, a baseline SPEC, what the judge decided.
Out: the model's files on local disk with their digest, the baseline that was found, and, in the
registry, a report run, a trend line, tags and a few lines in the version's description.
It must never know how a spectrum is measured, how a rule is judged or how anything is printed.

``source`` parses and ``resolve`` looks up; ``pull`` brings the files; ``baseline`` finds what to
compare with; ``record`` writes, in an order that may be cut off anywhere (``decision`` says how a
reader tells a whole decision from a torn one); ``promote`` sets an alias.  ``facade.Registry`` is
the one object other rooms hold.  MLflow itself is imported by ``clients.connect`` and not before; what
is exported here is loaded when it is first used, because a model on disk needs next to nothing of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gate.registry.baseline import BaselineChoice
    from gate.registry.clients import Connection, Naming
    from gate.registry.decision import Decision, policies_digest
    from gate.registry.facade import Registry
    from gate.registry.failures import MissingError, RefusedError
    from gate.registry.history import ModelRecord, VersionRecord
    from gate.registry.pull import LocalModel
    from gate.registry.record import RecordInput, RecordReceipt
    from gate.registry.resolve import ResolvedSource
    from gate.registry.source import Source, parse_source

__all__ = [
    "BaselineChoice",
    "Connection",
    "Decision",
    "LocalModel",
    "MissingError",
    "ModelRecord",
    "Naming",
    "RecordInput",
    "RecordReceipt",
    "RefusedError",
    "Registry",
    "ResolvedSource",
    "Source",
    "VersionRecord",
    "parse_source",
    "policies_digest",
]

_HOMES: Final = {
    "BaselineChoice": "baseline",
    "Connection": "clients",
    "Decision": "decision",
    "LocalModel": "pull",
    "MissingError": "failures",
    "ModelRecord": "history",
    "Naming": "clients",
    "RecordInput": "record",
    "RecordReceipt": "record",
    "RefusedError": "failures",
    "Registry": "facade",
    "ResolvedSource": "resolve",
    "Source": "source",
    "VersionRecord": "history",
    "parse_source": "source",
    "policies_digest": "decision",
}


if not TYPE_CHECKING:  # a type checker would take every name for known

    def __getattr__(name: str) -> Any:
        """Load a name of the room when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
