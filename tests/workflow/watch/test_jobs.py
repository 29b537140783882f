"""What a worker does with versions that are half there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.workflow.check import CheckRequest
from gate.workflow.sources import RegistryAddress
from gate.workflow.watch import jobs
from gate.workflow.watch.worker import _answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflow.watch.registry import Models


@pytest.fixture
def configuration(models: Models, policy: Path) -> dict[str, object]:
    return {
        "policies": [str(policy)],
        "waivers": None,
        "options": {"jobs": 1},
        "address": {"tracking_uri": models.address, "registry_uri": models.address},
    }


def answer(configuration: dict[str, object], kind: str, name: str, version: int) -> dict[str, dict[str, str]]:
    job = {"kind": kind, "uri": f"models:/{name}/{version}", "enforced": False, "deep": True, "message": "no"}
    return _answer(configuration, job)


def test_a_version_that_is_gone_is_told_from_one_whose_files_are(
    models: Models, configuration: dict[str, object]
) -> None:
    version = models.register("gone", 1)
    request = CheckRequest(f"models:/gone/{version}", address=RegistryAddress(models.address, models.address))
    assert not jobs.is_gone(request)
    models.client.delete_model_version("gone", str(version))
    assert jobs.is_gone(request)
    for kind in jobs.JOBS:
        assert answer(configuration, kind, "gone", version)["failed"]["kind"] == "gone"


def test_a_version_whose_run_is_not_there_is_no_version_that_is_gone(
    models: Models, configuration: dict[str, object]
) -> None:
    """It can be recorded that it cannot be checked, although nobody can say where its files were."""
    models.client.create_registered_model("runless")
    version = int(models.client.create_model_version("runless", f"runs:/{'0' * 32}/model").version)
    failed = answer(configuration, "check", "runless", version)["failed"]
    assert failed["kind"] == "usage"
    done = answer(configuration, "give-up", "runless", version)["done"]
    assert done["outcome"] == "error"
    listed = jobs._listed(CheckRequest(f"models:/runless/{version}", address=RegistryAddress(models.address)))
    decision = models.registry.decision(listed.resolved)
    assert decision is not None
    assert (decision.outcome, decision.report) == ("error", done["report"])


def test_what_is_decided_already_is_not_decided_again(
    models: Models, configuration: dict[str, object]
) -> None:
    version = models.register("decided", 2)
    assert answer(configuration, "check", "decided", version)["done"]["outcome"] == "passed"
    first = models.decision("decided", version)
    for kind in ("check", "files"):
        assert answer(configuration, kind, "decided", version)["done"]["outcome"] is None
    assert models.decision("decided", version) == first
