"""Histories: what needs somebody, every format, hostile names, and the way from the values to JSON."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from gate.errors import UsageError
from gate.report.history import History, ModelHistory, VersionRow, history_format, history_format_name
from gate.report.history.attention import Urgency, attention, summary, watched
from gate.text import printable
from tests.report.samples import DIGEST, HOSTILE_NAMES
from tests.report.test_html import Page

CHECKED = "2026-03-02T08:15:00Z"


def version(number: int, outcome: str | None, alpha: float | None = None, *aliases: str) -> VersionRow:
    if outcome is None:
        return VersionRow(number, CHECKED, "READY", aliases)
    return VersionRow(
        number, CHECKED, "READY", aliases, outcome, policy="production", alpha=alpha,  # type: ignore[arg-type]
        alpha_weighted=None if alpha is None else alpha * 1.5, checked_at=CHECKED, digest=DIGEST,
        report="c0ffee", link=f"https://mlflow.example/#/experiments/1/runs/c0ffee{number}/artifacts/report.html",
    )  # fmt: skip


TORN = VersionRow(2, CHECKED, "READY", torn=True)


def sample_history(*, everything: bool) -> History:
    encoder = ModelHistory(
        "fraud-encoder",
        (
            version(1, "warned", 3.39),
            TORN,
            version(3, "passed", 3.31, "champion"),
            version(4, "blocked", 3.72),
        ),
    )
    others = (
        ModelHistory("churn", (version(1, "passed", 2.9), version(2, "passed", 2.8, "champion", "staging"))),
        ModelHistory("ranker", (version(1, "blocked", 5.1, "champion"),)),
        ModelHistory("speech", (version(1, "passed", 3.0, "champion"), version(2, None))),
        ModelHistory("empty", ()),
    )
    return History("https://mlflow.example", (encoder, *others) if everything else (encoder,), everything)


def hostile_history() -> History:
    models = tuple(
        ModelHistory(
            name,
            (
                VersionRow(
                    1, name, name, (name,), "passed", policy=name, alpha=1e308, checked_at=name, digest=name
                ),
                VersionRow(2, name, name, (), "passed", policy=name, alpha=-1e308, report=name),
            ),
        )
        for name in HOSTILE_NAMES
    )
    return History(HOSTILE_NAMES[0], models, everything=True)


def test_what_needs_somebody_comes_first() -> None:
    order = [(entry.model.name, entry.urgency) for entry in watched(sample_history(everything=True))]
    assert order == [
        ("ranker", Urgency.SERVED_REFUSED),
        ("fraud-encoder", Urgency.NEWEST_REFUSED),
        ("speech", Urgency.NEWEST_UNJUDGED),
        ("churn", Urgency.NOTHING),
        ("empty", Urgency.NOTHING),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((version(1, "passed", 3.0, "champion"),), []),
        (
            (version(1, "error", None, "champion"),),
            ["champion is version 1, whose decision is: could not be judged"],
        ),
        ((version(1, None, None, "a", "b"),), ["a and b is version 1, which is not judged"]),
        ((version(1, "passed"), version(2, "inconclusive")), ["version 2, the newest: inconclusive"]),
        ((version(1, "blocked"), version(2, "passed")), []),
        ((version(1, "passed"), TORN), ["the decision on version 2 is not whole: check again"]),
        ((), []),
    ],
)
def test_attention_in_words(rows: tuple[VersionRow, ...], said: list[str]) -> None:
    assert [about.message for about in attention(ModelHistory("m", rows))] == said


def test_summary_counts_every_version_once() -> None:
    line = summary(sample_history(everything=True))
    assert line.startswith("5 registered models, 9 versions: ")
    assert sum(map(int, re.findall(r"(\d+) (?:passed|blocked|not)", line))) == 9


def test_json_holds_every_field_under_its_schema() -> None:
    found = json.loads(history_format("json").history(sample_history(everything=True)))
    assert found["schema"] == "gate/history/1"
    assert [model["name"] for model in found["models"]][:2] == ["fraud-encoder", "churn"]
    rows = found["models"][0]["versions"]
    assert [row["outcome"] for row in rows] == ["warned", None, "passed", "blocked"]
    assert [row["torn"] for row in rows] == [False, True, False, False]
    assert rows[2]["aliases"] == ["champion"]
    assert rows[3]["alpha"] == 3.72


def test_csv_has_a_row_per_version_and_runs_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(history_format("csv").history(sample_history(everything=True)))))
    assert [(row["model"], row["version"]) for row in rows][:4] == [
        ("fraud-encoder", str(number)) for number in (1, 2, 3, 4)
    ]
    assert (rows[3]["alpha"], rows[3]["torn"], rows[1]["torn"]) == ("3.72", "false", "true")
    for cells in csv.reader(io.StringIO(history_format("csv").history(hostile_history()))):
        assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_text_shows_versions_and_says_what_is_not_whole() -> None:
    text = history_format("text").history(sample_history(everything=False))
    lines = text.splitlines()
    assert lines[0] == ("fraud-encoder  4 versions: 1 passed, 1 passed with warnings, 1 blocked, 1 not whole")
    dots = {
        line.split()[0]: line.index("●") - line.index("·") for line in lines if "●" in line and "·●" in line
    }
    assert dots["4"] == 23, "the highest alpha is at the right end"
    assert "not whole: tags of the gate that make up no decision" in text
    index = history_format("text").history(sample_history(everything=True))
    assert index.index("Look at these") < index.index("champion is version 1, whose decision is: blocked")
    assert index.index("whose decision is: blocked") < index.index("version 4, the newest: blocked")
    assert "churn" not in index.partition("All models")[0]


@pytest.mark.parametrize("name", ["text", "csv", "html", "json"])
def test_hostile_names_stay_on_their_line(name: str) -> None:
    text = history_format(history_format_name(name)).history(hostile_history())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", text)


def test_html_is_as_closed_as_a_report() -> None:
    for history in (sample_history(everything=True), sample_history(everything=False), hostile_history()):
        page = Page(history_format("html").history(history))
        assert not page.open
        assert not {"script", "iframe", "img", "link", "form", "object"} & set(page.tags)
        assert not any(name.startswith("on") or name == "style" for _, name, _ in page.attributes)
        own = "https://mlflow.example/#/experiments/1/runs/c0ffee"
        assert all(
            re.fullmatch(r"#[a-z0-9_-]+", href) or href.startswith(own) for href in page.values("href")
        )
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        assert {href[1:] for href in page.values("href") if href.startswith("#")} <= set(ids)
        text = "".join(page.text)
        assert all(printable(model.name) in text for model in history.models)


def test_html_draws_alpha_and_links_to_reports() -> None:
    html = history_format("html").history(sample_history(everything=False))
    assert html.count("over versions</title>") == 2
    assert html.count('href="https://mlflow.example/') == 3
    assert "not whole" in html


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'sarif'") as caught:
        history_format_name("sarif")
    assert "csv" in (caught.value.hint or "")
