"""A rule that counts things names them, and a verdict names its model: nobody can act on a number."""

from __future__ import annotations

from gate.analysis.interface import FileFindings
from gate.policy import error_verdict
from tests.policy.build import alphas, analysis, policy, rule_of

RULE = "metric: file.unsafe_globals, at_most: 0"


def _with_globals(*names: str) -> str:
    return rule_of(analysis(*alphas(3.0), file=FileFindings(unsafe_globals=names)), RULE).message


def test_globals_are_named_and_their_names_are_harmless() -> None:
    message = _with_globals("posix.system", "evil\n\u202e.run")
    assert "posix.system" in message
    assert "evil\\n\\u202e.run" in message
    assert "\n" not in message


def test_many_globals_are_counted() -> None:
    message = _with_globals(*(f"module.name_{index:02}" for index in range(20)))
    assert "module.name_00" in message
    assert "and 12 more" in message


def test_an_unreadable_model_is_named() -> None:
    assert error_verdict([policy(RULE)], "cut short", uri="models:/fraud/3").uri == "models:/fraud/3"
