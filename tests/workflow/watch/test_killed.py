"""A watcher and its workers killed at many points of a run: nothing is lost, nothing is promotable early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflow.watch.killing import run_killed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflow.watch.registry import Models

ENDS = [8 + 37 * life % 73 for life in range(22)]
"""Numbers of the requests that are never answered, 8 to 80.  A check makes some 45 to 70, after a dozen of
the start, so that the ends fall on every stage of a check, and every third life or so gets one done."""


@pytest.mark.timeout(900)  # some 25 processes are started one after the other
def test_killed_at_many_points(models: Models, policy: Path, tmp_path: Path) -> None:
    killed = run_killed(models, policy, tmp_path, stem="killed", checks=10, ends=ENDS, concurrency=1)
    assert killed.lives == len(ENDS) >= 20
    assert killed.left > 0, "it must have been killed while there was work"
