from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.registry.description import BEGIN, END, LONGEST_BLOCK, Summary, render, report_link, with_block

SUMMARY = Summary(
    "passed", "#/experiments/1/runs/a/artifacts/report.html", "default", 3.25, 1.5, "2026-01-02"
)
OTHER = Summary("blocked", "#/experiments/1/runs/b/artifacts/report.html", "strict", None, None, "2026-01-03")
authors = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(
    lambda text: BEGIN not in text and END not in text
)


@given(before=authors, after=authors)
def test_the_authors_words_stay_byte_for_byte(before: str, after: str) -> None:
    once = with_block(before, SUMMARY)
    assert once.startswith(before)
    assert once.count(BEGIN) == once.count(END) == 1
    edited = once + after
    twice = with_block(edited, OTHER)
    assert twice == edited.replace(render(SUMMARY), render(OTHER))
    assert with_block(twice, OTHER) == twice


@given(policy=st.text(max_size=700), address=st.text("abc./:", max_size=150))
def test_never_more_than_600_characters_nor_a_broken_table(policy: str, address: str) -> None:
    block = render(Summary("inconclusive", address, policy, 1.23456e-300, -1e300, "2026-01-02T03:04:05Z"))
    assert len(block) <= LONGEST_BLOCK
    row = block.splitlines()[4]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<" not in row
    assert ">" not in row


def test_an_author_whose_text_fills_the_column_keeps_it_alone() -> None:
    block = len(render(SUMMARY))
    for length, fits in ((5000 - block - 2, True), (5000 - block - 1, False), (4999, False), (5000, False)):
        words = "x" * length
        described = with_block(words, SUMMARY)
        assert described == (f"{words}\n\n{render(SUMMARY)}" if fits else words)


def test_an_old_block_that_no_longer_fits_goes_rather_than_lies() -> None:
    old = with_block("words", SUMMARY) + "y" * (5000 - len(with_block("words", SUMMARY)))
    longer = Summary("blocked", "#/" + "x" * 150, "p", 1.0, 2.0, "2026-01-03")
    described = with_block(old, longer)
    assert described == "words" + old[old.index(END) + len(END) :]


@pytest.mark.parametrize(
    "words", [END, BEGIN, f"{END} then {BEGIN}", f"{BEGIN} left open", f"an example: {END}{BEGIN}"]
)
def test_markers_in_the_authors_words_take_nothing_away(words: str) -> None:
    once = with_block(words, SUMMARY)
    assert once == f"{words}\n\n{render(SUMMARY)}"
    assert with_block(once, OTHER) == f"{words}\n\n{render(OTHER)}"


@pytest.mark.parametrize(
    ("tracking", "registry", "start"),
    [
        ("http://host:5000", "http://host:5000", "#/experiments/"),
        ("sqlite:///a.db", "sqlite:///a.db", "#/experiments/"),
        ("sqlite:///a.db", "http://host:5000", "#/experiments/"),
        ("https://user:secret@host/mlflow/", "http://other", "https://host/mlflow/#/experiments/"),
        ("http://host/) <script>", "http://other", "#/experiments/"),
    ],
)
def test_links(tracking: str, registry: str, start: str) -> None:
    connection: Any = SimpleNamespace(tracking_uri=tracking, registry_uri=registry)
    link = report_link(connection, "7", "abc", "report.html")
    assert link.startswith(start)
    assert link.endswith("7/runs/abc/artifacts/report.html")
    assert "secret" not in link


def test_what_looks_like_ours_outside_the_markers_is_the_authors() -> None:
    own = "Spectral gate: see the wiki\nby the author"
    assert with_block(with_block(own, SUMMARY), OTHER) == f"{own}\n\n{render(OTHER)}"
