"""The values that the parts of the watcher pass to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gate.workflow.measure import MeasureOptions
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.interface import Outcome
    from gate.registry.sweep import ListedVersion

Reason = Literal["new", "policy", "error", "files"]
"""Why a version is looked at: no decision that counts, its policies changed, its last check could not
be done, or its files are to be compared with those that were judged."""

Failing = Literal["registry", "resource", "refused", "usage", "gone", "unexpected"]
"""What kept a check from being done; ``gone``: the version is no longer there."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to watch and how; times in seconds, memory in bytes.

    ``memory`` bounds what one worker process may allocate, None for a share of this machine's;
    ``timeout`` ends a check that takes longer; ``retry_every`` is the first pause before a version
    whose outcome is ``error`` is tried again, each further one is twice as long up to ``retry_most``;
    ``rehash_every`` is how often the files of judged versions are hashed again, 0 for every sweep;
    ``waivers`` is a file as ``gate check`` takes it.
    """

    policies: tuple[Path, ...] = ()
    waivers: Path | None = None
    options: MeasureOptions = field(default_factory=MeasureOptions)
    address: RegistryAddress = field(default_factory=RegistryAddress)
    models: tuple[str, ...] = ("*",)
    every: float = 60.0
    once: bool = False
    concurrency: int = 2
    memory: int | None = None
    timeout: float = 3600.0
    retry_every: float = 300.0
    retry_most: float = 6 * 3600.0
    rehash_every: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """Where to hear MLflow's webhooks; ``url`` is the address MLflow is to send them to.

    ``host`` None serves nothing and only installs the subscription.
    """

    secret: bytes = field(repr=False)
    host: str | None = None
    port: int = 0
    url: str | None = None
    install: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One version to look at.

    ``asked`` is the digest of the policies that govern it; ``enforced`` says that the registry enforces,
    and names them itself; ``deep`` that the files are hashed even where their sizes are as they were.
    """

    version: ListedVersion
    reason: Reason
    asked: str = ""
    enforced: bool = False
    deep: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """The version's."""
        return self.version.key

    @property
    def work(self) -> tuple[Reason, str, int]:
        """What tells it from other work on a version of that name and number."""
        return self.reason, self.asked, self.version.created


@dataclass(frozen=True, slots=True)
class Done:
    """A task carried out; ``outcome`` is None where the files proved unchanged, so nothing was judged."""

    outcome: Outcome | None
    report: str = ""
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that could not be carried out, and why."""

    kind: Failing
    message: str
