"""The committed pages are what the committed tables say, and the default policy what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest.answers import by_run, collapsed
from benchmarks.contest.design import FAMILIES
from benchmarks.contest.drift import ANCHOR_RULE, PREVIOUS_RULE, walk
from benchmarks.contest.looks import Look
from benchmarks.contest.networks import models
from benchmarks.contest.page import answered, study_of
from benchmarks.contest.significance import Rate, SeededLayer
from benchmarks.contest.significance_page import significance_page
from benchmarks.contest.tables import read_records, read_table
from gate.policy import load_policy, packaged_policy

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLES = DOCS / "assets" / "contest"


@pytest.fixture(scope="module")
def rates() -> list[Rate]:
    return read_records(TABLES / "significance.csv", Rate)


def test_the_answers_follow_from_the_table() -> None:
    rows = models(read_table(TABLES / "networks.csv"))
    said = "\n".join(answered(rows, {family: study_of(rows, family) for family in FAMILIES}))
    assert said in (DOCS / "explanation" / "mini-contest.md").read_text(encoding="utf-8")


def test_what_is_said_of_the_long_runs_follows_from_their_curves() -> None:
    page = (DOCS / "explanation" / "mini-contest.md").read_text(encoding="utf-8")
    runs = by_run(read_records(TABLES / "collapse.csv", Look))
    assert len(runs) == 2
    for seen in runs.values():
        assert collapsed(seen) in page


def test_the_page_on_significance_is_its_tables(rates: list[Rate]) -> None:
    layers = read_records(TABLES / "copies.csv", SeededLayer)
    written = (DOCS / "explanation" / "significance.md").read_text(encoding="utf-8")
    assert "\n".join(significance_page(rates, layers, walk())) == written, (
        "run: python -m benchmarks.contest pages"
    )


def test_every_packaged_rule_was_measured_as_it_stands(rates: list[Rate]) -> None:
    for name in ("default", "strict"):
        for rule in load_policy(packaged_policy(name)).rules:
            for family in FAMILIES:
                (rate,) = [
                    rate
                    for rate in rates
                    if (rate.policy, rate.rule, rate.family, rate.tolerance) == (name, rule.id, family, None)
                ]
                assert rate.severity == rule.severity


@pytest.mark.parametrize(("rule", "most"), [(PREVIOUS_RULE, 0.01), (ANCHOR_RULE, 0.001)])
def test_the_default_tolerances_are_the_smallest_that_the_copies_allow(
    rates: list[Rate], rule: str, most: float
) -> None:
    """By the change alone: what no tolerance forgives, a layer that left the means, is not counted."""
    tried = [rate for rate in rates if (rate.policy, rate.rule) == ("default", rule)]

    def worst(tolerance: float) -> float:
        shares = []
        for family in FAMILIES:
            by_tolerance = {rate.tolerance: rate.rate for rate in tried if rate.family == family}
            shares.append(by_tolerance[tolerance] - by_tolerance[float("inf")])
        return max(shares)

    tolerances = sorted({rate.tolerance for rate in tried if rate.tolerance is not None})
    smallest = next(tolerance for tolerance in tolerances if worst(tolerance) <= most)
    stands = next(each for each in load_policy(packaged_policy()).rules if each.id == rule)
    canonical = stands.operator.canonical()
    assert isinstance(canonical, dict)
    assert canonical["absolute"] == smallest
