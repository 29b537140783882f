"""Which versions count as good and bad, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import UsageError
from gate.study.calibrate.truth import (
    Facts,
    Held,
    QualityRule,
    Selector,
    fate_of,
    fates_by_history,
    good_choice,
    good_history,
)
from tests.study.calibrate.histories import series, version

if TYPE_CHECKING:
    from gate.study.calibrate.interface import Fate

PROMOTED = (Selector.parse("alias:champ*"), Selector.parse("stage:production"))
BACK = (Selector.parse("tag:rolled_back"), Selector.parse("tag:verdict=withdrawn*"))


@pytest.mark.parametrize(
    ("facts", "fate"),
    [
        (Facts(("Champion",)), ("promoted", "alias Champion")),
        (Facts(("challenger",)), ("unknown", "")),
        (Facts(stage="Production"), ("promoted", "stage Production")),
        (Facts(stage="Archived"), ("unknown", "")),
        (Facts(tags={"rolled_back": "true"}), ("rolled back", "tag rolled_back")),
        (Facts(tags={"rolled_back": "False"}), ("unknown", "")),
        (Facts(tags={"verdict": "Withdrawn in May"}), ("rolled back", "tag verdict")),
        (Facts(("champion",), tags={"rolled_back": "yes"}), ("rolled back", "tag rolled_back")),
    ],
)
def test_what_became_of_a_version(facts: Facts, fate: tuple[str, str]) -> None:
    assert fate_of(facts, PROMOTED, BACK) == fate


@pytest.mark.parametrize("text", ["champion", "alias:", "tag:=x", "tag:k=", "branch:main", ""])
def test_a_selector_that_selects_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not say which versions"):
        Selector.parse(text)


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="good"):
        good_choice("best")


def history(**fates: Any) -> list[Any]:
    found = series([3.0] * 12)
    return [replace(one, fate=fates.get(f"v{one.version}", "unknown")) for one in found]


def test_auto_takes_all_that_are_not_bad_where_few_are_promoted() -> None:
    judged = good_history(history(v1="promoted", v2="rolled back"))
    assert judged.bad == {1}
    assert judged.good == set(range(12)) - {1}
    assert "1 known as promoted; from 8 on" in judged.truth.rule


def test_auto_takes_the_promoted_where_there_are_eight() -> None:
    versions = history(**{f"v{n}": "promoted" for n in range(1, 9)}, v9="rolled back")
    assert good_history(versions).good == set(range(8))
    assert good_history(versions, "not-bad").good == set(range(12)) - {8}
    assert good_history(versions, "all").good == set(range(12))


def test_a_promoted_version_of_bad_quality_is_bad() -> None:
    versions = [replace(one, fate="promoted", quality=0.9) for one in series([3.0] * 9)]
    versions[4] = replace(versions[4], quality=0.2)
    judged = good_history(versions, quality=QualityRule("acc", limit=0.5))
    assert judged.bad == {4}
    assert judged.good == set(range(9)) - {4}


def test_what_could_not_be_measured_is_neither_good_nor_bad() -> None:
    versions = [version(1, None, error="gone", fate="rolled back"), *series([3.0, 3.0])]
    judged = good_history(versions, "all")
    assert judged.good == {1, 2}
    assert judged.bad == frozenset()


def test_the_fence_is_tukeys() -> None:
    values = np.random.default_rng(3).normal(0.9, 0.02, 20)
    versions = [replace(one, quality=float(v)) for one, v in zip(series([3.0] * 20), values, strict=True)]
    low, high = np.quantile(values, [0.25, 0.75])
    assert QualityRule("acc").line(versions)[0] == pytest.approx(low - 1.5 * (high - low))
    assert QualityRule("loss", lower_is_better=True).line(versions)[0] == pytest.approx(
        high + 1.5 * (high - low)
    )
    assert QualityRule("acc").line(versions[:7])[0] is None


def test_a_quality_that_is_better_lower_is_bad_above() -> None:
    rule = QualityRule("loss", lower_is_better=True, limit=1.0)
    assert rule.is_bad(1.5, 1.0)
    assert not rule.is_bad(0.5, 1.0)
    assert not rule.is_bad(None, 1.0)
    assert not rule.is_bad(float("nan"), 1.0)


def test_the_history_of_an_alias_tells_promotions_and_rollbacks() -> None:
    moves = [Held(1, "champion"), Held(9, "challenger"), Held(2, "Champion"), Held(3, "champion")]
    moves += [Held(2, "champion"), Held(5, "champion"), Held(4, "", "Production"), Held(1, "", "Production")]
    fates = fates_by_history(moves, PROMOTED)
    assert {version: fate for version, (fate, _) in fates.items()} == {
        1: "promoted",
        2: "promoted",
        3: "rolled back",
        4: "rolled back",
        5: "promoted",
    }
    assert fates[3][1] == "alias champion went back to version 2"


def test_a_version_promoted_again_stands() -> None:
    moves = [Held(1, "champion"), Held(2, "champion"), Held(1, "champion"), Held(2, "champion")]
    assert fates_by_history(moves, PROMOTED)[2][0] == "promoted"


def test_the_history_counts_more_than_what_stands_now_and_less_than_a_tag() -> None:
    past: tuple[Fate, str] = ("rolled back", "alias champion went back to version 2")
    assert fate_of(Facts(("champion",), past=past), PROMOTED, BACK)[0] == "rolled back"
    promoted: tuple[Fate, str] = ("promoted", "alias champion, by its history")
    assert fate_of(Facts(past=promoted), PROMOTED, BACK) == promoted
    assert fate_of(Facts(tags={"rolled_back": "yes"}, past=promoted), PROMOTED, BACK)[0] == "rolled back"
