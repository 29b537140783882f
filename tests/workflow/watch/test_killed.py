"""A watcher and its workers killed at many points of a run: nothing is lost, nothing is promotable early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflow.watch.proxy import proxied
from tests.workflow.watch.registry import asked, watcher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflow.watch.registry import Models

CHECKS = 10
KILLS = 22


@pytest.mark.timeout(900)  # some 25 processes are started one after the other
def test_killed_at_every_so_many_requests(models: Models, policy: Path, tmp_path: Path) -> None:
    """Each life ends, with no warning, at a later request than a whole number of checks would take.

    A check takes some 30 requests, so that the ends fall on every stage of recording in turn; every
    other time the server still hears of the last request, and only the answer is lost.
    """
    expected = {}
    for index in range(CHECKS):
        name = f"killed {index}"
        version = models.register(name, index, 1.0 if index % 2 else 100.0)
        expected[name, version] = "passed" if index % 2 else "blocked"
    arguments = ("--policy", policy, "--model", "killed *", "--concurrency", "1", "--rehash-every", "9d")
    cut_off = 0
    with proxied(models.address) as proxy:
        for life in range(KILLS):
            proxy.arm(4 + 13 * life % 37, deliver_last=life % 2 == 1)
            with watcher(proxy.address, tmp_path, *arguments) as watching:
                while watching.process.poll() is None and not proxy.reached.wait(0.1):
                    pass
                watching.kill()
            cut_off += proxy.reached.is_set()
            for (name, version), outcome in expected.items():
                stands = models.outcome(name, version)
                assert stands in {None, outcome}, f"life {life}"
                tag = models.registry.resolve(f"models:/{name}/{version}").tags.get("gate.outcome")
                assert tag in {None, outcome}, f"life {life}"
        assert cut_off == KILLS >= 20
        assert any(models.outcome(*key) is None for key in expected), "it must have been killed meanwhile"
        proxy.arm(None)
        with watcher(proxy.address, tmp_path, "--once", *arguments) as watching:
            assert watching.process.wait(120) == 0, watching.log
    for (name, version), outcome in expected.items():
        decision = models.decision(name, version)
        assert decision is not None
        assert decision.outcome == outcome
        assert decision.policy_digest == asked(policy)
        resolved = models.registry.resolve(f"models:/{name}/{version}")
        with models.registry.open(resolved) as model:
            assert decision.digest == model.digest
        assert models.client.get_run(decision.report).info.status == "FINISHED"
