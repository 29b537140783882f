"""What ``gate history`` shows: every version of one model, or of all, with what was decided on it.

Field names are those of the schema ``gate/history/1``; they may be added to, never changed within a
schema number.  A consumer treats an outcome it does not know as blocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from gate.policy.interface import Outcome, OverrideResult

HISTORY_SCHEMA: Final = "gate/history/1"

HistoryFormatName = Literal["text", "json", "csv", "html"]
"""The names ``gate history --format`` accepts."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version and the decision on it.

    ``outcome`` and what follows are empty where there is none.  ``torn`` then says that some of the
    gate's tags are there and do not make up a decision (a check was cut off, or the tags are a
    copy's): checking again mends it.  ``created`` and ``checked_at`` are ISO 8601 in UTC; ``report``
    is the run that holds the report and ``link`` its web address, where the server has one.
    ``overrides`` are those in force on the version, whatever was decided.
    """

    version: int
    created: str
    status: str
    aliases: tuple[str, ...] = ()
    outcome: Outcome | None = None
    torn: bool = False
    policy: str = ""
    alpha: float | None = None
    alpha_weighted: float | None = None
    checked_at: str = ""
    digest: str | None = None
    report: str = ""
    link: str | None = None
    overrides: tuple[OverrideResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """One registered model; versions from the oldest to the newest."""

    name: str
    versions: tuple[VersionRow, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What was asked for: one model, or ``everything`` in the registry."""

    registry: str
    models: tuple[ModelHistory, ...]
    everything: bool = False
    schema: str = HISTORY_SCHEMA


class HistoryFormat(Protocol):
    """One output format; a pure function from the value to text."""

    @property
    def name(self) -> str:
        """The name ``--format`` accepts."""
        ...

    def history(self, history: History) -> str:
        """Render it."""
        ...
