"""Which policies a source is judged by: those that were named, else those its registry enforces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.rules import Policy
    from gate.workflow.check import CheckRequest
    from gate.workflow.sources import Located


@dataclass(frozen=True, slots=True)
class Governing:
    """The policies that govern a source, and a sentence on where they come from.

    ``enforcing`` says that the source is in a registry that enforces; ``enforced`` that the policies are
    the ones it enforces, ``named`` that somebody named them.
    """

    policies: tuple[Policy, ...]
    note: str = ""
    enforcing: bool = False
    enforced: bool = False
    named: bool = False

    @property
    def untaken(self) -> bool:
        """Whether the registry would take no decision by these: it enforces, and others or none."""
        return self.enforcing and not self.enforced and not self.named


def governing_policies(request: CheckRequest, located: Located, alias: str | None = None) -> Governing:
    """Return what judges a source, and its promotion to ``alias`` where that is meant.

    Policies that were named govern by their ``match``; a registry's own are those that it says govern
    the model; otherwise the packaged one judges whatever it is given, but is asked whether it governs
    an alias.

    Raises
    ------
    gate.errors.PolicyError
        A policy is not valid; a registry's own is named ``registry:NAME``.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.policy import governing  # noqa: PLC0415 - pydantic and YAML
    from gate.workflow.check import load_governing  # noqa: PLC0415 - it imports this

    enforcing = enforces(located)
    if request.governing:
        return Governing(request.governing, "", enforcing, named=True)
    if request.policies:
        return Governing(load_governing(request, located.resolved.name, alias), "", enforcing, named=True)
    if enforcing and (loaded := enforced_by_registry(located)):
        names = ", ".join(printable(policy.name) for policy in loaded)
        return Governing(
            governing(loaded, alias=alias), f"judged by what the registry enforces: {names}", True, True
        )
    note = "judged by the packaged policy default.yaml (no --policy was given)"
    return Governing(load_governing(request, None, alias), note, enforcing)


def enforced_by_registry(located: Located) -> tuple[Policy, ...]:
    """Return the policies that the registry itself says govern the model; none of a plain registry.

    Raises
    ------
    gate.errors.PolicyError
        One is not valid; it is named ``registry:NAME``.
    gate.errors.RegistryError
        The registry cannot be reached.
    """
    from gate.policy import parse_policy  # noqa: PLC0415 - pydantic and YAML
    from gate.registry.sweep import model_facts  # noqa: PLC0415 - keeps `gate --help` fast

    if not enforces(located) or located.registry is None or located.resolved.name is None:
        return ()
    texts = model_facts(located.registry.connection, located.resolved.name).enforced
    return tuple(parse_policy(text, f"registry:{name}") for name, text in sorted(texts.items()))


def enforces(located: Located) -> bool:
    """Tell whether the source is a version in a registry that enforces."""
    from gate.registry.attest import registry_id  # noqa: PLC0415 - keeps `gate --help` fast

    if located.registry is None or not located.registered:
        return False
    return registry_id(located.resolved.tags, located.registry.connection.naming) is not None
