"""The digest of a policy: of what it asks, not of how it is written down."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.rules import Policy, Rule


def policy_digest(policy: Policy, convention: str) -> str:
    """Return ``sha256:…`` of the canonical form of ``policy`` under ``convention``.

    Comments, descriptions, key order, formatting, the order of rules, of globs and of labels, and
    the file's name do not count; defaults are filled in.  The order of baselines counts.  The
    convention does, as the same limit asks something else of numbers measured otherwise.
    """
    text = json.dumps(canonical(policy, convention), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(policy: Policy, convention: str) -> dict[str, Any]:
    """Return the canonical form: plain values, every key present."""
    return {
        "version": 1,
        "convention": convention,
        "name": policy.name,
        "match": {
            "models": _globs(policy.match.models),
            "aliases": _globs(policy.match.aliases),
            "stages": _globs(policy.match.stages),
            "workspaces": _globs(policy.match.workspaces),
        },
        "baseline": {
            "use": list(policy.baseline.use),
            "when_missing": policy.baseline.when_missing,
            "when_not_comparable": policy.baseline.when_not_comparable,
            # Only where it is asked for, so that policies without it keep the digest they had before.
            **({"partial": "compare"} if policy.baseline.partial == "compare" else {}),
        },
        "coverage": {"min_parameters": float(policy.min_parameters)},
        "on_error": policy.on_error,
        "when_nothing_to_measure": policy.when_nothing_to_measure,
        "mode": policy.mode,
        "grace": policy.grace.total_seconds(),
        "rules": sorted((_rule(rule) for rule in policy.rules), key=lambda rule: str(rule["id"])),
    }


def _globs(globs: Iterable[str] | None) -> list[str] | None:
    return None if globs is None else sorted({glob.casefold() for glob in globs})


def _rule(rule: Rule) -> dict[str, Any]:
    allow = rule.allow
    return {
        "id": rule.id,
        "metric": rule.metric.id,
        "against": rule.against,
        "operator": {rule.operator.key: rule.operator.canonical()},
        "where": {
            "kind": sorted(set(rule.where.kind)),
            "name": rule.where.name,
            "min_eigenvalues": rule.where.min_eigenvalues,
            "min_tail": rule.where.min_tail,
        },
        "allow": {
            "share": None if allow.share is None else float(allow.share),
            "count": allow.count
            if allow.share is None and allow.count
            else (None if allow.share is not None else 0),
            "by": allow.by,
        },
        "severity": rule.severity,
    }
