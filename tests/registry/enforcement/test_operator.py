"""What an operator changes from another process is seen in the registry's next request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.command import gate
from tests.registry.enforcement.places import refusal
from tests.registry.enforcement.signing import policy_text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.enforcement.places import Place


def test_pushed_policies_and_revoked_keys_are_seen_at_once(local: Place, tmp_path: Path) -> None:
    def run(*words: str | Path) -> None:
        done = gate(*words, changes={"GATE_DATABASE": f"gate:{local.database}"})
        assert done.returncode == 0, done.stderr

    first, second = local.passed(), local.passed()
    later = tmp_path / "later.yaml"
    later.write_text(policy_text("later"))
    run("policy", "push", later)
    with refusal("later"):
        local.promote(first)
    run("policy", "push", "--remove", "later")
    local.promote(first)
    run("keys", "revoke", local.settings.keys["check"].trusted.id)
    with refusal("revoked"):
        local.promote(second)
    assert local.holder(first.name) == 1
    assert local.holder(second.name) is None


def test_a_revocation_since_a_decision_leaves_the_earlier_ones(local: Place) -> None:
    before, after = local.passed(), local.passed()
    key = local.settings.keys["check"].trusted.id
    done = gate("keys", "revoke", key, "--since", "2", changes={"GATE_DATABASE": local.database})
    assert done.returncode == 0, done.stderr
    assert "decisions in force that no longer count: 1" in done.stderr
    local.promote(before)
    with refusal("revoked"):
        local.promote(after)
