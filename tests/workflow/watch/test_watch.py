"""The watcher as an operator runs it: its own process, a real registry over HTTP, real faults."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.mlflow_server import free_port, running_server
from tests.workflow.watch.proxy import proxied
from tests.workflow.watch.registry import Models, asked, until, watcher, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of these tests alone


def test_one_sweep_after_another(models: Models, policy: Path, tmp_path: Path) -> None:
    """New versions are checked, changed policies judged again without the model, changed files found."""
    small, large = models.register("sweep small", 1), models.register("sweep large", 2, 100.0)
    once = ("--once", "--policy", policy, "--model", "sweep *")
    with watcher(models.address, tmp_path, *once) as watching:
        assert watching.process.wait(120) == 0, watching.log  # blocked versions are no failure of ours
        assert watching.process.stdout is not None
        assert watching.process.stdout.read() == b""
    assert models.outcome("sweep small", small) == "passed"
    assert models.outcome("sweep large", large) == "blocked"
    first = models.decision("sweep large", large)

    with watcher(models.address, tmp_path, *once) as watching:  # nothing is left to do
        assert watching.process.wait(120) == 0
        assert not watching.events("checked")
    assert models.decision("sweep large", large) == first

    write_policy(policy, limit=7)
    with watcher(models.address, tmp_path, *once) as watching:
        assert watching.process.wait(120) == 0
        assert len(watching.events("checked")) == 2
        assert all("reused=true" in line for line in watching.events("checked")), watching.log
    judged_again = models.decision("sweep large", large)
    assert judged_again is not None
    assert judged_again.outcome == "passed"
    assert judged_again.policy_digest == asked(policy)

    models.overwrite("sweep small", small, seed=1, scale=1e4)  # as large as the file was
    with watcher(models.address, tmp_path, *once, "--rehash-every", "0") as watching:
        assert watching.process.wait(120) == 0
        assert len(watching.events("checked")) == 1, watching.log
    changed = models.decision("sweep small", small)
    assert changed is not None
    assert changed.outcome == "blocked"


def test_a_stored_verdict_that_somebody_changed_is_not_judged_by(
    models: Models, policy: Path, tmp_path: Path
) -> None:
    version = models.register("forged", 3, 100.0)
    arguments = ("--once", "--policy", policy, "--model", "forged")
    with watcher(models.address, tmp_path, *arguments) as watching:
        assert watching.process.wait(120) == 0
    before = models.decision("forged", version)
    assert before is not None
    stored = models.registry.read_report(before.report, "verdict.json")
    assert stored is not None
    models.client.log_text(
        before.report,
        stored.decode().replace('log_spectral_norm": 6', 'log_spectral_norm": 0'),
        "verdict.json",
    )
    assert models.registry.read_report(before.report, "verdict.json") != stored
    write_policy(policy, limit=5)
    with watcher(models.address, tmp_path, *arguments) as watching:
        assert watching.process.wait(120) == 0
        assert "reused" not in watching.log
    after = models.decision("forged", version)
    assert after is not None
    assert (after.outcome, after.policy_digest) == ("blocked", asked(policy))


def test_a_model_that_takes_all_memory_stops_nobody_else(
    models: Models, policy: Path, tmp_path: Path
) -> None:
    """Measuring it takes 200 MB for the Gram matrix alone; a worker itself takes some 270."""
    others = [(name, models.register(name, 4)) for name in ("memory a", "memory b")]
    greedy = models.register("memory greedy", 5, scale=0.01, shape=(5000, 5100))
    arguments = ("--policy", policy, "--model", "memory *", "--memory", "384M", "--every", "1s")
    with watcher(models.address, tmp_path, *arguments, "--retry-every", "2s") as watching:
        until(lambda: models.outcome("memory greedy", greedy) == "error")
        until(lambda: all(models.outcome(*each) == "passed" for each in others))
        until(lambda: len(watching.events("failed")) >= 2)  # it is tried again
        assert watching.process.poll() is None
    decision = models.decision("memory greedy", greedy)
    assert decision is not None
    assert not decision.passing
    with watcher(models.address, tmp_path, *arguments, "--once") as watching:
        assert watching.process.wait(120) == 3
    with watcher(models.address, tmp_path, "--once", "--policy", policy, "--model", "memory *") as watching:
        assert watching.process.wait(200) == 0, watching.log  # with room it can be judged
    assert models.outcome("memory greedy", greedy) == "passed"


def test_a_check_that_takes_too_long_is_ended(models: Models, policy: Path, tmp_path: Path) -> None:
    version = models.register("slow", 6)
    with proxied(models.address) as proxy:
        proxy.status = lambda path: time.sleep(8) if "/mlflow-artifacts/" in path else None
        arguments = ("--policy", policy, "--model", "slow", "--once", "--timeout", "5s")
        with watcher(proxy.address, tmp_path, *arguments) as watching:
            assert watching.process.wait(120) == 3, watching.log
            assert "took longer than the 5 seconds" in watching.log
    assert models.outcome("slow", version) in {None, "error"}


def test_storage_that_answers_503_holds_nobody_else_up(models: Models, policy: Path, tmp_path: Path) -> None:
    sick, well = models.register("storage sick", 7), models.register("storage well", 8)
    run = models.runs["storage sick", sick]
    with proxied(models.address) as proxy:
        proxy.status = lambda path: 503 if "/mlflow-artifacts/" in path and run in path else None
        arguments = ("--policy", policy, "--model", "storage *", "--every", "1s")
        with watcher(proxy.address, tmp_path, *arguments) as watching:
            until(lambda: models.outcome("storage well", well) == "passed")
            until(lambda: watching.events("failed"))
            assert "storage sick" in watching.events("failed")[0]
            assert models.outcome("storage sick", sick) in {None, "error"}
            proxy.status = lambda _path: None
            until(lambda: models.outcome("storage sick", sick) == "passed")


def test_two_watchers_at_once(models: Models, policy: Path, tmp_path: Path) -> None:
    arguments = ("--policy", policy, "--model", "both *", "--every", "1s", "--concurrency", "1")
    with (
        watcher(models.address, tmp_path, *arguments) as one,
        watcher(models.address, tmp_path, *arguments) as other,
    ):
        until(lambda: one.events("swept") and other.events("swept"))
        wanted = {}
        for index in range(6):
            version = models.register(f"both {index}", index, 1.0 if index % 2 else 100.0)
            wanted[f"both {index}", version] = "passed" if index % 2 else "blocked"
        # A check of the second watcher may still be writing where the first one was done already: then
        # the version has no outcome for a moment, until that writer is through.
        until(lambda: _idle(one.log) and _idle(other.log) and _all_decided(models, wanted, policy))


def _all_decided(models: Models, wanted: Mapping[tuple[str, int], str], policy: Path) -> bool:
    """Tell whether every version has the decision it should, by the policy as it is."""
    if {key: models.outcome(*key) for key in wanted} != wanted:
        return False
    return all((found := models.decision(*key)) and found.policy_digest == asked(policy) for key in wanted)


def _idle(log: str) -> bool:
    """Tell whether a sweep, later than every check, found nothing."""
    last = log.rstrip().splitlines()[-1]
    return "event=swept" in last and "found=0" in last


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_ends_when_it_is_asked_to(
    models: Models, policy: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    name = f"ended {code}"
    version = models.register(name, 9)
    with proxied(models.address) as proxy:
        stuck = "/mlflow-artifacts/"
        proxy.status = lambda path: time.sleep(60) if stuck in path else None
        with watcher(proxy.address, tmp_path, "--policy", policy, "--model", name) as watching:
            until(lambda: watching.workers() and proxy.requests > 4)
            time.sleep(1)
            workers = watching.workers()
            asked_at = time.monotonic()
            watching.process.send_signal(number)
            assert watching.process.wait(60) == code, watching.log
            assert time.monotonic() - asked_at < 40
            assert "abandoned=true" in watching.log
    until(lambda: not any(_runs(worker) for worker in workers), 10)
    assert models.outcome(name, version) is None


def _runs(process: int) -> bool:
    from pathlib import Path  # noqa: PLC0415

    return Path(f"/proc/{process}").exists()


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that may call webhooks on this machine."""
    folder = tmp_path_factory.mktemp("hooked")
    with running_server(folder, environment=WEBHOOKS) as address:
        yield address, folder


WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


def test_mlflows_own_webhooks_end_to_end(hooked: tuple[str, Path], policy: Path, tmp_path: Path) -> None:
    """With a pause of a day between sweeps, only a webhook can bring a new version to be checked."""
    address, _ = hooked
    models = Models(address, tmp_path / "models")
    port = free_port()
    arguments = ("--policy", policy, "--every", "1d", "--webhook", f"127.0.0.1:{port}", "--install-webhook")
    secret = {"GATE_WEBHOOK_SECRET": SECRET}
    with watcher(address, tmp_path, *arguments, changes=secret) as watching:
        until(lambda: watching.events("subscribed") and watching.events("swept"))
        version = models.register("hooked", 1)
        until(lambda: models.outcome("hooked", version) == "passed")
        counted = 'gate_watch_checks_total{outcome="passed",reason="new"} 1.0'
        until(lambda: counted in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text)
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        models.overwrite("hooked", version, seed=1, scale=100.0)
        models.client.set_registered_model_alias("hooked", "champion", str(version))
        until(lambda: models.outcome("hooked", version) == "blocked")  # a promotion has its files hashed
        assert SECRET not in watching.log
    with watcher(address, tmp_path, *arguments, "--once", changes=secret) as watching:
        assert watching.process.wait(120) == 0
        assert "subscription=updated" in watching.log
    assert len(models.client.list_webhooks()) == 1


def test_a_registry_that_is_down_for_a_while(policy: Path, tmp_path: Path) -> None:
    with proxied(None) as proxy:
        arguments = ("--policy", policy, "--every", "1s")
        with watcher(proxy.address, tmp_path, *arguments) as watching:
            until(lambda: watching.events("registry-unreachable"))
            with running_server(tmp_path) as address:
                proxy.upstream = address
                models = Models(address, tmp_path / "models")
                version = models.register("down", 1)
                until(lambda: models.outcome("down", version) == "passed")
            proxy.upstream = None
            seen = len(watching.events("registry-unreachable"))
            until(lambda: len(watching.events("registry-unreachable")) > seen)
            with running_server(tmp_path) as address:
                proxy.upstream = address
                models = Models(address, tmp_path / "models")
                second = models.register("down", 2, 100.0)
                until(lambda: models.outcome("down", second) == "blocked")
                assert models.outcome("down", version) == "passed"
            assert watching.process.poll() is None
