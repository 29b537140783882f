"""Which policies a version has to be judged by: those its registry enforces, else those of files.

A registry that enforces takes no decision by other policies, so on a model that it enforces nothing
on there is nothing to do.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.workflow.watch.logs import event

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.rules import Policy
    from gate.registry import Registry


@dataclass(frozen=True, slots=True)
class Governing:
    """The policies that govern one model, whether its registry enforces, and who is promoted.

    ``promoted`` holds the versions with an alias.
    """

    policies: tuple[Policy, ...]
    enforced: bool
    promoted: frozenset[int] = frozenset()

    def digest(self, convention: str) -> str:
        """Return one digest of the policies together."""
        from gate.policy import policy_digest  # noqa: PLC0415 - pydantic and YAML
        from gate.registry import policies_digest  # noqa: PLC0415 - imports mlflow

        return policies_digest((policy.name, policy_digest(policy, convention)) for policy in self.policies)


@dataclass
class Policies:
    """Reads policies anew for each sweep; a file that is not valid leaves what was read before."""

    files: tuple[Path, ...]
    _loaded: tuple[Policy, ...] = ()
    _known: dict[str, Governing] = field(default_factory=dict)

    def load(self) -> None:
        """Read the files.

        Raises
        ------
        gate.errors.PolicyError
            A file is not a valid policy.
        """
        from gate.policy import load_policies, policy_path  # noqa: PLC0415 - pydantic and YAML

        self._loaded = load_policies([policy_path(file) for file in self.files or ("default",)])

    def refresh(self) -> bool:
        """Read files and registry anew; tell whether the files ask for something else now."""
        before = self._loaded
        self._known = {}
        try:
            self.load()
        except UsageError as error:
            event("policy-invalid", level=logging.ERROR, error=str(error), kept="the policies read before")
        return self._loaded != before

    def forget(self, model: str) -> None:
        """Ask the registry again when ``model`` comes up."""
        self._known.pop(model, None)

    def of(self, model: str, registry: Registry) -> Governing:
        """Return what governs ``model``; the registry is asked once between refreshes.

        Raises
        ------
        gate.errors.PolicyError
            The registry enforces a policy that this version of the gate does not understand.
        gate.registry.failures.MissingError
            There is no such registered model.
        gate.errors.RegistryError
            The registry cannot be reached.
        """
        if model not in self._known:
            self._known[model] = self._look_up(model, registry)
        return self._known[model]

    def _look_up(self, model: str, registry: Registry) -> Governing:
        from gate.policy import governing, parse_policy  # noqa: PLC0415 - pydantic and YAML
        from gate.registry.sweep import model_facts  # noqa: PLC0415 - imports mlflow

        facts = model_facts(registry.connection, model)
        enforced = tuple(
            parse_policy(text, f"registry:{name}") for name, text in sorted(facts.enforced.items())
        )
        policies = enforced if facts.enforcing else governing(self._loaded, model=model)
        return Governing(policies, facts.enforcing, facts.aliased)
