"""Which version to compare with: baseline SPECs, tried in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.registry.decision import current_decision
from gate.registry.failures import MissingError, registry_errors
from gate.registry.resolve import READY, ResolvedSource, all_versions, resolve, resolve_version
from gate.registry.source import (
    AliasSource,
    LatestSource,
    PathSource,
    VersionSource,
    checked_alias,
    parse_source,
)
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.registry.clients import Connection
    from gate.registry.source import Source

DEFAULT_BASELINE: Final = ("alias:champion", "previous")
_SPECS: Final = "A baseline is alias:NAME, previous, version:N, a source, or none."
_TOLD: Final = 8


@dataclass(frozen=True, slots=True)
class BaselineChoice:
    """What was found, or that nothing was.

    ``spec`` is the one that was found (or the whole list, when none was); ``why`` says, for every
    spec tried, what came of it.
    """

    spec: str
    resolved: ResolvedSource | None
    why: str


def choose_baseline(
    specs: Sequence[str], candidate: ResolvedSource, connection: Connection | None
) -> BaselineChoice:
    """Return the first baseline of ``specs`` that exists; ``none`` ends the list.

    A name that moves (an alias, ``previous``, ``latest``) and is the candidate itself now is passed over:
    it was to find another version.  One that is written out (``version:N``, any other source) is taken at
    its word, and a model differs from itself by nothing.

    Where a version, alias or run does not exist the next spec is tried (a first version has no champion);
    what it means that none does is for the caller to say.  A path that does not exist is a mistake at
    once: nobody means to compare with a file that is not there.

    Raises
    ------
    gate.errors.UsageError
        A spec is malformed, or names a path that does not exist.
    gate.errors.RegistryError
        The registry cannot be reached: what cannot be looked up is not missing.
    """
    told = []
    for spec in specs:
        if spec == "none":
            told.append("none was asked for")
            break
        found, why = _find(spec, candidate, connection)
        told.append(f"{printable(spec)}: {why}")
        if found is not None:
            return BaselineChoice(spec, found, "; ".join(told))
    return BaselineChoice(", ".join(specs) or "none", None, "; ".join(told) or "none was asked for")


def _find(
    spec: str, candidate: ResolvedSource, connection: Connection | None
) -> tuple[ResolvedSource | None, str]:
    if spec == "previous":
        return _previous(candidate, connection)
    source = _source_of(spec, candidate)
    if source is None:
        return None, "the model that is checked is no registered version"
    if not isinstance(source, PathSource) and connection is None:
        return None, "no registry is configured"
    try:
        found = (
            _folded(source, connection) if isinstance(source, AliasSource) else resolve(source, connection)
        )
    except MissingError as error:
        return None, f"there is none ({error.message})"
    return _unless_itself(source, found, candidate)


def _unless_itself(
    source: Source, found: ResolvedSource, candidate: ResolvedSource
) -> tuple[ResolvedSource | None, str]:
    """Pass over a name that moves and is the candidate now: whoever is the latest would always pass."""
    if found.uri != candidate.uri:
        return found, found.note or f"is {printable(found.uri)}"
    if isinstance(source, AliasSource | LatestSource):
        return None, "is the version being checked, which is not compared with itself"
    return found, "is what is checked itself"


def _folded(source: AliasSource, connection: Connection | None) -> ResolvedSource:
    """Look an alias up as it is written, else in whatever case it was set: enforcement folds case too."""
    try:
        return resolve(source, connection)
    except MissingError as error:
        if connection is None:
            raise
        aliases = _aliases(source.name, connection)
        alias = _in_other_case(source, aliases)
        if alias is None:
            told = ", ".join(printable(known) for known in sorted(aliases)[:_TOLD]) or "none"
            raise MissingError(f"{error.message.rstrip('.')}; its aliases: {told}") from error
    return resolve(AliasSource(source.name, alias), connection)


def _aliases(name: str, connection: Connection) -> Mapping[str, str]:
    with registry_errors(f"look up {printable(name)}", connection.registry_uri):
        return dict(connection.client.get_registered_model(name).aliases)


def _in_other_case(source: AliasSource, aliases: Mapping[str, str]) -> str | None:
    """Return the alias that differs from the one asked for by case alone, None where there is none.

    Raises
    ------
    gate.errors.UsageError
        Several do and name different versions: counting them as missing would let a comparison be
        switched off by setting one more.
    """
    alike = [str(alias) for alias in aliases if str(alias).casefold() == source.alias.casefold()]
    if len({str(aliases[alias]) for alias in alike}) > 1:
        names = ", ".join(printable(alias) for alias in sorted(alike))
        raise UsageError(
            f"{printable(source.uri)} may be any of {names}, which differ by case alone",
            hint="Delete the aliases that are not meant, or name one as it is written.",
        )
    return min(alike, default=None)


def _source_of(spec: str, candidate: ResolvedSource) -> Source | None:
    """Return the source that a spec names; None where it needs a registered candidate."""
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in {"alias", "version"}:
        return parse_source(spec)
    if kind == "alias":
        alias = checked_alias(rest)
        return None if candidate.name is None else AliasSource(candidate.name, alias)
    if not (rest.isascii() and rest.isdigit()):
        raise UsageError(f"{printable(spec)!r} names no version number", hint=_SPECS)
    return None if candidate.name is None else VersionSource(candidate.name, int(rest))


def _previous(candidate: ResolvedSource, connection: Connection | None) -> tuple[ResolvedSource | None, str]:
    """Return the newest earlier version whose tags hold a passing decision."""
    if candidate.name is None or candidate.version is None or connection is None:
        return None, "the model that is checked is no registered version"
    passed_over = 0
    for version in all_versions(candidate.name, connection):
        if int(version.version) >= candidate.version:
            continue
        if version.status == READY:
            found = resolve_version(version, connection)
            decision = current_decision(found, connection.naming)
            if decision is not None and decision.passing:
                return found, f"is version {found.version} ({decision.outcome})"
        passed_over += 1
    if passed_over:
        return None, f"none of the {passed_over} earlier versions holds a decision that passed"
    return None, "there is no earlier version"
