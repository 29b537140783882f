"""Earlier versions are shown where they can be listed, and their absence is said where not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gate.errors import RegistryError
from gate.registry import VersionRecord
from gate.workflow.check import _with_history
from tests.report import samples


def located(earlier: Any) -> Any:
    return SimpleNamespace(resolved=object(), registry=SimpleNamespace(earlier=earlier))


def test_a_registry_that_cannot_list_versions_costs_a_note_and_not_the_verdict() -> None:
    def refuse(*_: object) -> None:
        raise RegistryError("the search is not permitted")

    verdict = samples.passed()
    kept, notes = _with_history(verdict, located(refuse))
    assert kept == verdict
    assert notes == ("the report shows no earlier versions: the search is not permitted",)


def test_a_version_without_a_decision_stays_in_the_line() -> None:
    records = (VersionRecord(7, 0, "READY", (), None, torn=True),)
    kept, notes = _with_history(samples.passed(), located(lambda *_: records))
    assert [(point.version, point.outcome) for point in kept.history] == [(7, None)]
    assert notes == ()


def test_a_file_has_no_history() -> None:
    verdict = samples.passed()
    assert _with_history(verdict, SimpleNamespace(registry=None)) == (verdict, ())  # type: ignore[arg-type]
