"""What somebody should look at in a registry: pure, in words, most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from gate.report.figures import count
from gate.report.outline import OUTCOME_WORD, REFUSING
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import Outcome
    from gate.report.history.interface import History, ModelHistory, VersionRow


class Urgency(IntEnum):
    """How soon somebody should look, most urgent first."""

    SERVED_REFUSED = 0
    SERVED_UNJUDGED = 1
    OVERRIDDEN = 2
    NEWEST_REFUSED = 3
    TORN = 4
    NEWEST_UNJUDGED = 5
    NOTHING = 6


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing to look at."""

    urgency: Urgency
    message: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A model with what to look at, the most urgent first, and its newest version."""

    model: ModelHistory
    attention: tuple[Attention, ...]

    @property
    def newest(self) -> VersionRow | None:
        """The newest version, or None where the model has none."""
        return self.model.versions[-1] if self.model.versions else None

    @property
    def urgency(self) -> Urgency:
        """That of the most urgent thing."""
        return self.attention[0].urgency if self.attention else Urgency.NOTHING

    @property
    def aliased(self) -> tuple[VersionRow, ...]:
        """The versions that hold an alias."""
        return tuple(row for row in self.model.versions if row.aliases)


def watched(history: History) -> tuple[Watched, ...]:
    """Return the models, those that need somebody first, then by name."""
    models = (Watched(model, attention(model)) for model in history.models)
    return tuple(sorted(models, key=lambda entry: (entry.urgency, entry.model.name)))


def attention(model: ModelHistory) -> tuple[Attention, ...]:
    """Return what to look at in one model."""
    found = [about for row in model.versions if row.aliases and (about := _served(row))]
    if model.versions and not model.versions[-1].aliases:
        found += _newest(model.versions[-1])
    torn = [row.version for row in model.versions if row.torn]
    if torn:
        named = ", ".join(map(str, torn[:_NAMED])) + (" and more" if len(torn) > _NAMED else "")
        word = "version" if len(torn) == 1 else "versions"
        found.append(Attention(Urgency.TORN, f"the decision on {word} {named} is not whole: check again"))
    found += [Attention(Urgency.OVERRIDDEN, line) for line in override_lines(model)]
    return tuple(sorted(found, key=lambda about: about.urgency))


_NAMED: Final = 5


def _served(row: VersionRow) -> Attention | None:
    """Say what is wrong with a version that an alias points at."""
    aliases = " and ".join(printable(alias, 60) for alias in row.aliases)
    if row.outcome is None:
        return Attention(Urgency.SERVED_UNJUDGED, f"{aliases} is version {row.version}, which is not judged")
    if row.outcome not in REFUSING:
        return None
    said = outcome_word(row)
    return Attention(Urgency.SERVED_REFUSED, f"{aliases} is version {row.version}, whose decision is: {said}")


def _newest(row: VersionRow) -> list[Attention]:
    if row.outcome is None and not row.torn:
        return [Attention(Urgency.NEWEST_UNJUDGED, f"version {row.version}, the newest, is not judged")]
    if row.outcome in REFUSING:
        said = outcome_word(row)
        return [Attention(Urgency.NEWEST_REFUSED, f"version {row.version}, the newest: {said}")]
    return []


def override_lines(model: ModelHistory) -> tuple[str, ...]:
    """Say which aliases somebody opened for which version, whatever was decided."""
    return tuple(
        f"override in force: alias {printable(override.alias, 60)} is open for version {row.version} until "
        f"{printable(override.expires)}, signed by {printable(override.key)}: "
        f"{printable(override.reason, 400)}"
        for row in model.versions
        for override in row.overrides
    )


def outcome_word(row: VersionRow) -> str:
    """Return the outcome in a few words, or that there is none and why."""
    if row.outcome is None:
        return "not whole" if row.torn else "not judged"
    return _WORDS[row.outcome]


_WORDS: Final[dict[Outcome, str]] = {key: word.lower() for key, word in OUTCOME_WORD.items()}


def summary(history: History) -> str:
    """Count models, versions and decisions in one line."""
    rows = [row for model in history.models for row in model.versions]
    torn, unjudged = sum(row.torn for row in rows), sum(row.outcome is None and not row.torn for row in rows)
    counted = [
        (sum(row.outcome == outcome for row in rows), _WORDS[outcome])
        for outcome in ("passed", "warned", "blocked", "inconclusive", "error")
    ]
    said = [f"{number:,} {word}" for number, word in (*counted, (torn, "not whole"), (unjudged, "not judged"))
            if number]  # fmt: skip
    models = f"{count(len(history.models), 'registered model')}, " if history.everything else ""
    return f"{models}{count(len(rows), 'version')}" + (f": {', '.join(said)}" if said else "")
