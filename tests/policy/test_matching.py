# ruff: noqa: E501 - a table of cases reads best with one case a line
from __future__ import annotations

import unicodedata

import pytest

from gate.policy import governing, governs
from tests.policy.build import policy

RULE = "metric: layer.alpha, within: [2, 6]"


@pytest.mark.parametrize(("match", "asked", "expected"), [
    ("{models: [fraud-*]}", {"model": "fraud-card"}, True), ("{models: [fraud-*]}", {"model": "FRAUD-card"}, True),
    ("{models: [Fraud-*]}", {"model": "fraud-card"}, True), ("{models: [fraud-*]}", {"model": "a-fraud-card"}, False),
    ("{models: [fraud-*]}", {"model": "fraud-\ncard"}, True), ("{models: [fraud-?]}", {"model": "fraud-12"}, False),
    ("{models: [a, 'b*']}", {"model": "bee"}, True), ("{models: ['[ab]']}", {"model": "b"}, True),
    ("{aliases: [champion]}", {"model": "m", "alias": "Champion"}, True),
    ("{aliases: [champion]}", {"model": "m", "alias": "champion2"}, False),
    ("{aliases: [champion], stages: [Production]}", {"model": "m", "stage": "production"}, True),
    ("{aliases: [champion], stages: [Production]}", {"model": "m", "stage": "staging"}, False),
    ("{models: [m], workspaces: [eu-*]}", {"model": "m", "workspace": "us-1"}, False),
    ("{models: [m], workspaces: [eu-*]}", {"model": "m", "workspace": "eu-1"}, True),
    ("{models: [m]}", {}, True), ("{models: [m]}", {"model": "m", "alias": "any", "workspace": "any"}, True),
    ("{models: [strasse]}", {"model": "straße"}, True),
])  # fmt: skip
def test_which_promotions_a_policy_governs(match: str, asked: dict[str, str], expected: bool) -> None:
    assert governs(policy(RULE, head=f"match: {match}"), **asked) is expected


def test_without_match_it_governs_everything() -> None:
    assert governs(policy(RULE), model="m", alias="a", stage="s", workspace="w")


def test_a_name_cannot_escape_by_another_spelling() -> None:
    head = 'match: {models: ["café-*"]}'
    for form in ("NFC", "NFD"):
        assert governs(
            policy(RULE, head=unicodedata.normalize("NFC", head)), model=unicodedata.normalize(form, "café-1")
        )
        assert governs(
            policy(RULE, head=unicodedata.normalize("NFD", head)), model=unicodedata.normalize(form, "CAFÉ-1")
        )


def test_all_that_govern_are_returned_in_order() -> None:
    one, two, three = (policy(RULE, head=f"match: {{models: [{glob}]}}") for glob in ("'*'", "b", "a"))
    assert governing([one, two, three], model="a") == (one, three)


def test_a_glob_of_many_stars_is_quick() -> None:
    assert not governs(policy(RULE, head="match: {models: ['" + "a*" * 100 + "b']}"), model="a" * 5000)
