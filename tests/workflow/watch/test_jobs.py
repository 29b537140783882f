"""What a worker does with versions that are half there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.registry import MissingError
from gate.workflow.check import CheckRequest
from gate.workflow.sources import RegistryAddress
from gate.workflow.watch import jobs
from gate.workflow.watch.worker import _answer, _kind
from tests.workflow.watch.registry import asked

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


def test_what_is_missing_may_be_something_else_than_the_version(models: Models) -> None:
    """A version may point to a run or a logged model that is not there: that is no reason to forget it."""
    version = models.register("half gone", 1)
    request = CheckRequest(
        f"models:/half gone/{version}", address=RegistryAddress(models.address, models.address)
    )
    assert _kind(MissingError("there is no such run"), request) == "usage"
    models.client.delete_model_version("half gone", str(version))
    assert _kind(MissingError("there is no such version"), request) == "gone"


def test_that_it_cannot_be_checked_is_recorded_as_an_error_whatever_on_error_says(
    models: Models, policy: Path, configuration: dict[str, object]
) -> None:
    policy.write_text(f"on_error: warn\n{policy.read_text().strip()}\n")
    version = models.register("given up", 1)
    done = answer(configuration, "give-up", "given up", version)["done"]
    decision = models.decision("given up", version)
    assert decision is not None
    assert (decision.outcome, decision.report, decision.passing) == ("error", done["report"], False)
    assert decision.policy_digest == asked(policy)


def test_what_is_decided_already_is_not_decided_again(
    models: Models, configuration: dict[str, object]
) -> None:
    version = models.register("decided", 2)
    assert answer(configuration, "check", "decided", version)["done"]["outcome"] == "passed"
    first = models.decision("decided", version)
    for kind in ("check", "files"):
        assert answer(configuration, kind, "decided", version)["done"]["outcome"] is None
    assert models.decision("decided", version) == first
