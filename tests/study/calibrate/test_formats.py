"""Proposals and backtests in five formats: the same figures, and nothing of a name's own markup."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, get_args

import pytest

from gate.errors import UsageError
from gate.policy import load_policy, packaged_policy
from gate.study.calibrate import backtest, calibrate, good_history
from gate.study.calibrate.formats import calibration_format, calibration_format_name
from gate.study.calibrate.interface import FormatName
from tests.study.calibrate.histories import series, version

if TYPE_CHECKING:
    from gate.study.calibrate import Backtest, Calibration
    from gate.study.calibrate.interface import PastVersion

EVIL = "<script>alert(1)</script>|`*x*`\u202e\n=1+1"


@pytest.fixture(scope="module")
def versions() -> list[PastVersion]:
    found = series([3.0 + 0.02 * (n % 7) for n in range(24)])
    found[5] = replace(found[5], name=EVIL, fate="rolled back", why_fate=EVIL, quality=0.5)
    return [*found, version(25, None, name="net/25", error=EVIL)]


@pytest.fixture(scope="module")
def calibration(versions: list[PastVersion]) -> Calibration:
    base = load_policy(packaged_policy("default"))
    return calibrate(base, versions, good_history(versions), 0.05, source=[EVIL], notes=[EVIL])


@pytest.fixture(scope="module")
def tested(versions: list[PastVersion]) -> Backtest:
    policies = [load_policy(packaged_policy(name)) for name in ("default", "strict")]
    return backtest(policies, versions, good_history(versions), source=[EVIL], notes=[EVIL])


@pytest.mark.parametrize("name", get_args(FormatName))
def test_every_format_shows_both_and_no_control_character(
    name: FormatName, calibration: Calibration, tested: Backtest
) -> None:
    found = calibration_format(calibration_format_name(name))
    for text in (found.calibration(calibration), found.backtest(tested)):
        assert "net/7" in text
        assert "\u202e" not in text
        assert "\n=1+1" not in text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="no format 'junit'"):
        calibration_format_name("junit")


def test_json_has_the_schemas_and_the_policy(calibration: Calibration, tested: Backtest) -> None:
    found = calibration_format("json")
    proposal, replay = json.loads(found.calibration(calibration)), json.loads(found.backtest(tested))
    assert proposal["schema"] == "gate/calibrate/1"
    assert replay["schema"] == "gate/backtest/1"
    assert proposal["policy"] == calibration.policy
    assert proposal["power"]["of"] == 1
    assert [one["policy"] for one in replay["policies"]] == ["default", "strict"]
    assert replay["policies"][0]["versions"][5]["fate"] == "rolled back"
    assert replay["unreadable"][0]["version"] == "net/25"


def test_csv_has_a_row_for_each_version_and_policy(calibration: Calibration, tested: Backtest) -> None:
    found = calibration_format("csv")
    rows = list(csv.DictReader(io.StringIO(found.calibration(calibration))))
    replays = list(csv.DictReader(io.StringIO(found.backtest(tested))))
    assert len(rows) == 25
    assert len(replays) == 50
    assert rows[5]["bad"] == "true"
    assert rows[5]["quality"] == "0.5"
    assert {row["policy"] for row in replays} == {"default", "strict"}


def test_markdown_tables_are_whole_and_names_are_words(tested: Backtest) -> None:
    text = calibration_format("markdown").backtest(tested)
    widths = [len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")]
    tables = [run for run in re.split(r"\n\n", text) if run.startswith("| ")]
    for table in tables:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert widths
    assert "<script" not in text


class Page(HTMLParser):
    """Counts elements, and fails on none being closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in {"meta", "link", "br", "wbr", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_html_is_whole_and_runs_nothing(calibration: Calibration, tested: Backtest) -> None:
    found = calibration_format("html")
    for text, pictures in ((found.calibration(calibration), 1), (found.backtest(tested), 2)):
        page = Page()
        page.feed(text)
        assert page.open == []
        assert "script" not in page.seen
        assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
        assert page.seen.count("figure") == pictures
        assert any("<script>alert(1)</script>" in words for words in page.words)
    assert calibration.policy in "".join(_words(found.calibration(calibration)))


def _words(text: str) -> list[str]:
    page = Page()
    page.feed(text)
    return page.words


def test_columns_that_say_nothing_are_left_out(calibration: Calibration) -> None:
    text = calibration_format("text").calibration(calibration)
    assert "quality" in text
    plain = replace(calibration, versions=tuple(replace(row, quality=None) for row in calibration.versions))
    heading = calibration_format("text").calibration(plain).split("Versions\n")[1].splitlines()[0]
    assert "quality" not in heading
