"""A run of checks whose watcher is killed over and over, and what must hold meanwhile and at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.workflow.watch.proxy import proxied
from tests.workflow.watch.registry import asked, watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.workflow.watch.proxy import Proxy
    from tests.workflow.watch.registry import Models

Expected = dict[tuple[str, int], str]


@dataclass(frozen=True)
class Killed:
    """How many lives were ended, and how many versions were still without a decision at the last end."""

    lives: int
    left: int


def run_killed(
    models: Models,
    policy: Path,
    folder: Path,
    *,
    stem: str,
    checks: int,
    ends: Iterable[int],
    concurrency: int,
) -> Killed:
    """Register ``checks`` versions, and end a life of the watcher at each request number of ``ends``.

    Every other time the server still hears of the last request, and only its answer is lost.  The
    last life is left to finish; then every version has the decision it should have.
    """
    expected: Expected = {}
    for index in range(checks):
        name = f"{stem} {index}"
        version = models.register(name, index, 1.0 if index % 2 else 100.0)
        expected[name, version] = "passed" if index % 2 else "blocked"
    arguments = (*("--policy", str(policy), "--model", f"{stem} *"), *("--concurrency", str(concurrency)))
    lives, left = 0, checks
    with proxied(models.address) as proxy:
        for end in ends:
            proxy.arm(end, deliver_last=lives % 2 == 1)
            if not _live(proxy, folder, arguments):
                break
            lives += 1
            left = _nothing_early(models, expected, f"life {lives}")
        proxy.arm(None)
        with watcher(proxy.address, folder, "--once", *arguments) as watching:
            assert watching.process.wait(60 + 30 * checks) == 0, watching.log
    _as_expected(models, policy, expected)
    return Killed(lives, left)


def _live(proxy: Proxy, folder: Path, arguments: Iterable[str]) -> bool:
    """Let a watcher live to its end; tell whether it met it before all work was done."""
    with watcher(proxy.address, folder, *arguments, "--once", "--rehash-every", "9d") as watching:
        while watching.process.poll() is None and not proxy.reached.wait(0.1):
            pass
        watching.kill()
    return proxy.reached.is_set()


def _nothing_early(models: Models, expected: Mapping[tuple[str, int], str], when: str) -> int:
    """Check that no version shows an outcome that is not its own; count those without a decision."""
    without = 0
    for (name, version), outcome in expected.items():
        resolved = models.registry.resolve(f"models:/{name}/{version}")
        decision = models.registry.decision(resolved)
        stands = None if decision is None else decision.outcome
        assert stands in {None, outcome}, when
        assert resolved.tags.get("gate.outcome") in {None, outcome}, when
        without += decision is None
    return without


def _as_expected(models: Models, policy: Path, expected: Mapping[tuple[str, int], str]) -> None:
    for (name, version), outcome in expected.items():
        resolved = models.registry.resolve(f"models:/{name}/{version}")
        decision = models.registry.decision(resolved)
        assert decision is not None
        assert (decision.outcome, decision.policy_digest) == (outcome, asked(policy))
        with models.registry.open(resolved) as model:
            assert decision.digest == model.digest
        assert models.client.get_run(decision.report).info.status == "FINISHED"
