"""Renderings: the contract's keys, figures that agree with the JSON, and hostile names shown as text."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, get_args

import pytest

from gate.errors import UsageError
from gate.study import ModelRow, Study, study
from gate.study.formats import StudyFormatName, render_study, study_format, study_format_name
from tests.study import samples
from tests.study.build import QUICK, planted, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = get_args(StudyFormatName)


@pytest.fixture(scope="module", name="planted_study")
def fixture_planted_study() -> Study:
    return samples.plain()


@pytest.fixture(scope="module", name="hostile")
def fixture_hostile() -> Study:
    return samples.hostile()


def test_json_has_the_contracts_keys(planted_study: Study) -> None:
    found = json.loads(render_study(planted_study, "json"))
    assert next(iter(found)) == "schema"
    assert (found["schema"], found["group"], found["quality"]) == ("gate/study/1", "depth", "test_accuracy")
    assert isinstance(found["advice"], list)
    figures = {"n", "r2", "rmse", "slope", "kendall_tau", "p_value"}
    for metric in found["metrics"]:
        assert {"metric", "shape_or_scale", "simpson", "pooled", "groups", "average"} <= set(metric)
        assert metric["simpson"] in {"strict", "weak", "none", "insufficient"}
        assert figures <= set(metric["pooled"])
        assert figures <= set(metric["average"])
        for group in metric["groups"]:
            assert figures | {"group", "label"} <= set(group)
    assert [metric["shape_or_scale"] for metric in found["metrics"]] == ["shape", "unknown"]
    assert found["metrics"][0]["simpson"] == "strict"


def test_json_has_null_where_nothing_is_defined() -> None:
    table = [ModelRow(str(x), {"alpha": 1.0}, {"acc": float(x)}, {"depth": "2"}) for x in range(6)]
    found = json.loads(render_study(study(table, "depth", "acc", settings=QUICK), "json"))
    assert found["metrics"][0]["pooled"]["r2"] is None
    assert found["metrics"][0]["simpson"] == "insufficient"


def test_json_holds_the_models_so_that_anyone_can_recompute(planted_study: Study) -> None:
    found = json.loads(render_study(planted_study, "json"))
    assert len(found["models"]) == 36
    assert found["models"][0]["metrics"].keys() == {"alpha", "mine"}


def test_csv_has_the_figures_of_the_json(planted_study: Study) -> None:
    found = list(csv.DictReader(io.StringIO(render_study(planted_study, "csv"))))
    assert len(found) == 2 * (3 + 3)
    whole = json.loads(render_study(planted_study, "json"))
    pooled = next(row for row in found if row["metric"] == "alpha" and row["scope"] == "pooled")
    assert float(pooled["slope"]) == whole["metrics"][0]["pooled"]["slope"]
    assert (
        float(pooled["kendall_tau_interval_low"]) == whole["metrics"][0]["pooled"]["kendall_tau_interval"][0]
    )


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_people_see_the_advice_and_every_sub_group(planted_study: Study, name: StudyFormatName) -> None:
    page = html.unescape(render_study(planted_study, name))
    assert page.count("Simpson") >= 2
    assert "may gate" in page
    for words in ("mean of sub-groups", "all models", "train_accuracy", "strong"):
        assert words in page


@pytest.mark.parametrize("name", NAMES)
def test_a_rendering_is_the_same_each_time_and_ends_a_line(
    planted_study: Study, name: StudyFormatName
) -> None:
    page = render_study(planted_study, name)
    assert page == render_study(planted_study, name)
    assert page.endswith("\n") or name == "html"


class _Page(HTMLParser):
    """Collects tags, and whether every one that opens also closes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "wbr", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _parsed(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_html_is_well_formed_and_without_script_or_outside_request(hostile: Study) -> None:
    page = _parsed(render_study(hostile, "html"))
    assert not {"script", "img", "iframe", "link", "object", "base"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on") or name in {"src", "srcset", "style"}}
    assert all((value or "").startswith("#") for name, value in page.attributes if name == "href")


def test_html_shows_hostile_names_as_text(hostile: Study) -> None:
    page = render_study(hostile, "html")
    assert "<script" not in page
    assert "\u202e" not in page
    shown = "".join(_parsed(page).words)
    assert "</svg><script>alert(1)</script>" in shown
    assert "\\u202e" in shown


def test_html_has_one_colour_and_line_per_sub_group_and_the_pooled_one(planted_study: Study) -> None:
    page = render_study(planted_study, "html")
    figure = page[page.index('id="metric-1"') : page.index('id="metric-2"')]
    for colour in ("g0", "g1", "g2"):
        assert f'<g class="{colour}">' in figure
        assert f"points {colour} round" in figure
    assert figure.count('class="within"') == 3
    assert figure.count('class="pooled"') == 1
    marks = re.findall(r'class="points g\d round" d="([^"]*)"', figure)
    assert [mark.count("M") for mark in marks] == [12, 12, 12]
    assert "color-scheme" in page
    assert "prefers-color-scheme: dark" in page


def test_html_lines_fall_where_the_slopes_do(planted_study: Study) -> None:
    """On the screen y grows downwards: a falling line ends lower, at a larger y."""
    page = render_study(planted_study, "html")
    figure = page[page.index('id="metric-1"') : page.index('id="metric-2"')]
    for path in re.findall(r'class="within" d="M([^"]*)"', figure):
        (x0, y0), (x1, y1) = (map(float, point.split()) for point in path.split("L"))
        assert x0 < x1
        assert y0 < y1
    (pooled,) = re.findall(r'class="pooled" d="M([^"]*)"', figure)
    (x0, y0), (x1, y1) = (map(float, point.split()) for point in pooled.split("L"))
    assert x0 < x1
    assert y0 > y1


def test_html_tells_many_sub_groups_apart() -> None:
    table = rows(planted([1.0] * 30, [0.0] * 30, n=3))
    page = render_study(study(table, "depth", "test_accuracy", settings=QUICK), "html")
    marks = set(re.findall(r"points (g\d \w+)", page))
    assert len(marks) == 24


def _cells(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("| "):
            yield re.split(r"(?<!\\)\|", line)[1:-1]


def test_markdown_tables_keep_their_shape_under_hostile_names(hostile: Study) -> None:
    page = render_study(hostile, "markdown")
    assert "<script" not in page
    assert "\u202e" not in page
    assert {len(cells) for cells in _cells(page)} == {10, 9, 7}


def test_text_and_csv_are_safe_for_a_terminal_and_a_spreadsheet(hostile: Study) -> None:
    for name in ("text", "csv"):
        page = render_study(hostile, study_format_name(name))
        assert not any(not character.isprintable() and character not in "\r\n" for character in page)
    table = [ModelRow(f"m{x}", {"=1+1": float(x)}, {"acc": float(x * x)}, {"depth": "+2"}) for x in range(6)]
    found = list(csv.reader(io.StringIO(render_study(study(table, "depth", "acc", settings=QUICK), "csv"))))
    assert {row[0] for row in found[1:]} == {"'=1+1"}
    assert found[1][5] == "'+2"


def test_text_on_a_terminal_has_colour_and_in_a_pipe_has_none(planted_study: Study) -> None:
    assert "\x1b[" in study_format("text", color=True, width=100).study(planted_study)
    assert "\x1b" not in render_study(planted_study, "text")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="a study has no format 'sarif'"):
        study_format_name("sarif")


def test_fingerprints_are_shortened_for_people_and_whole_in_the_json() -> None:
    fingerprint = "sha256:" + "ab" * 32
    labels = {"architecture": fingerprint}
    table = [ModelRow(str(x), {"alpha": float(x)}, {"acc": x * x / 9}, labels) for x in range(6)]
    found = study(table, "architecture", "acc", settings=QUICK)
    assert "sha256:abababababab…" in render_study(found, "text")
    assert fingerprint not in render_study(found, "text")
    assert json.loads(render_study(found, "json"))["groups"] == [{"group": fingerprint, "n": 6}]
