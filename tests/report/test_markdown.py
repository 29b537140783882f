"""Markdown, judged by a GitHub-flavoured renderer."""

from __future__ import annotations

import dataclasses
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gate.report import render_analysis, render_verdict
from gate.report.markdown import LIMIT, code, prose
from gate.text import printable
from tests.report import samples

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {
    "h2",
    "h3",
    "p",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "li",
    "code",
    "strong",
    "blockquote",
    "sub",
}


def rendered(text: str) -> str:
    return str(RENDERER.render(text))


def shown(html: str) -> str:
    return unescape(re.sub(r"<!--.*?-->|<[^>]*>", "", html))


@pytest.mark.parametrize("sample", samples.VERDICTS)
def test_only_our_own_elements_come_out(sample: str) -> None:
    html = rendered(render_verdict(samples.VERDICTS[sample](), "markdown"))
    assert set(re.findall(r"<([a-z0-9]+)", html)) <= OURS
    assert set(re.findall(r"<!--(.*?)-->", html)) <= {" "}


def test_a_row_has_as_many_cells_as_its_table() -> None:
    html = rendered(render_verdict(samples.hostile(), "markdown"))
    table = html.split("<tbody>")[1].split("</tbody>")[0]
    names = re.findall(r"<tr>\n<td[^>]*>.*?</td>\n<td[^>]*>(.*?)</td>", table)
    assert [shown(name) for name in names] == [printable(name, 120) for name in samples.HOSTILE_NAMES]


@given(st.text(max_size=40))
def test_any_name_shows_as_itself_in_a_table_cell(name: str) -> None:
    html = rendered(f"| a | b |\n| --- | --- |\n| {code(name)} | after |\n")
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    assert len(cells) == 2
    assert cells[1] == "after"
    assert shown(cells[0]).strip() == printable(name, 120).strip()
    assert set(re.findall(r"<([a-z]+)", cells[0])) <= {"code"}


@given(st.text(max_size=40))
def test_any_prose_shows_as_itself(text: str) -> None:
    html = rendered(f"| a | b |\n| --- | --- |\n| {prose(text)} | after |\n")
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    assert len(cells) == 2
    assert " ".join(shown(cells[0]).split()) == " ".join(printable(text, 400).split())
    assert set(re.findall(r"<([a-z]+)", cells[0])) == set()


@pytest.mark.parametrize(
    "text", ["see https://example.org", "www.example.org", "@octocat", "a@b.example", "#12", "GH-12"]
)
def test_nothing_links_or_mentions_in_prose(text: str) -> None:
    assert not re.search(r"://|@\w|www\.\w|(?<!&)#\d|GH-\d", prose(text))


def test_the_whole_is_bounded_and_says_what_it_left_out() -> None:
    analysis = samples.many(3000).analysis
    assert analysis is not None
    text = render_analysis(analysis, "markdown")
    assert len(text) <= LIMIT
    left_out = re.search(r"\*\*([\d,]+) lines? left out\*\*", text)
    assert left_out
    assert int(left_out.group(1).replace(",", "")) + text.count("model.layers.") == 3000


def test_a_thousand_long_rules_are_bounded_too() -> None:
    verdict = samples.blocked()
    rule = dataclasses.replace(verdict.rules[0], message="|" * 5000, layers=verdict.rules[0].layers * 500)
    text = render_verdict(dataclasses.replace(verdict, rules=(rule,) * 1000), "markdown")
    assert len(text) <= LIMIT
    assert "left out" in text


def test_a_small_report_leaves_nothing_out() -> None:
    assert "left out**" not in render_verdict(samples.blocked(), "markdown")
