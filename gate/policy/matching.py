"""Which policies govern a promotion."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.rules import Policy


def governs(
    policy: Policy,
    *,
    model: str | None = None,
    alias: str | None = None,
    stage: str | None = None,
    workspace: str | None = None,
) -> bool:
    """Tell whether ``policy`` governs a promotion.

    Globs ignore case; a key the policy omits matches everything.  What is None is not part of the
    promotion (a file has no model name, setting an alias no stage) and excludes nothing.
    """
    asked = (
        (policy.match.models, model),
        (policy.match.aliases, alias),
        (policy.match.stages, stage),
        (policy.match.workspaces, workspace),
    )
    return all(value is None or globs is None or matches(globs, value) for globs, value in asked)


def governing(
    policies: Iterable[Policy],
    *,
    model: str | None = None,
    alias: str | None = None,
    stage: str | None = None,
    workspace: str | None = None,
) -> tuple[Policy, ...]:
    """Return the policies that govern a promotion, see :func:`governs`; all of them must pass."""
    return tuple(
        policy
        for policy in policies
        if governs(policy, model=model, alias=alias, stage=stage, workspace=workspace)
    )


def matches(globs: Iterable[str], value: str) -> bool:
    """Tell whether one of ``globs`` matches ``value``, both folded as the registry folds names."""
    folded = _fold(value)
    return any(fnmatchcase(folded, _fold(glob)) for glob in globs)


def _fold(text: str) -> str:
    """Fold case, and write composed letters one way: both spellings look the same to a person."""
    return unicodedata.normalize("NFC", text.casefold())
