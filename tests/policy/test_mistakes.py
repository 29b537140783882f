"""Every mistake is found at its line and column, with the fix."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.errors import ExitCode
from gate.policy import InvalidPolicyError, load_policies, load_policy, parse_policy

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "version: 1\nname: p\nrules:\n"
RULE = "  - id: a\n    description: d\n"
"""The rule's own keys start on line 6."""

ALPHA = RULE + "    metric: layer.alpha\n"
"""The operator stands on line 7, its value in column 13 when it is called ``within``."""


def problems(text: str) -> list[tuple[int | None, int | None, str, str | None]]:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text, "p.yaml")
    assert caught.value.exit_code == ExitCode.USAGE
    assert all(problem.location.file == "p.yaml" for problem in caught.value.problems)
    return [(p.location.line, p.location.column, p.message, p.fix) for p in caught.value.problems]


CASES = [
    ("unknown key", HEAD + ALPHA + "    at_mots: 3\n", 7, 5, "unknown key 'at_mots'", "did you mean 'at_most'?"),
    ("unknown top key", "mach: {}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 1, "unknown key 'mach'", "'match'"),
    ("unknown where key", HEAD + ALPHA + "    at_most: 3\n    where: {knd: [dense]}\n", 8, 13, "'knd'", "'kind'"),
    ("duplicate id", HEAD + ALPHA + "    at_most: 3\n" + ALPHA + "    at_most: 4\n", 8, 9, "'a' stands twice", "line 4"),
    ("duplicate key", HEAD + ALPHA + "    at_most: 3\n    at_most: 4\n", 8, 5, "'at_most' stands twice", "line 7"),
    ("no rules", "version: 1\nname: p\nrules: []\n", 3, 8, "'rules' is empty", "at least one"),
    ("rules missing", "version: 1\nname: p\n", 1, 1, "'rules' is missing", "needs it"),
    ("impossible range", HEAD + ALPHA + "    within: [6, 2]\n", 7, 13, "6 is above 2", "[2, 6]"),
    ("range of one", HEAD + ALPHA + "    within: [6]\n", 7, 13, "two numbers", "[LOW, HIGH]"),
    ("wrong type", HEAD + ALPHA + "    within: [2, six]\n", 7, 17, "takes a number, not 'six'", "digits"),
    ("text for a number", HEAD + ALPHA + '    at_most: "3"\n', 7, 14, "takes a number, not '3'", "quotes"),
    ("bool for a number", HEAD + ALPHA + "    at_most: true\n", 7, 14, "takes a number, not 'True'", "digits"),
    ("not a number", HEAD + ALPHA + "    at_most: .nan\n", 7, 14, "finite", ".nan"),
    ("infinite", HEAD + ALPHA + "    within: [2, .inf]\n", 7, 17, "finite", ".inf"),
    ("overflow", HEAD + ALPHA + "    at_most: 1e999\n", 7, 14, "finite", ".inf"),
    ("infinite label", HEAD + ALPHA + "    in: [.inf]\n", 7, 10, "is a number", "finite"),
    ("unknown metric", HEAD + RULE + "    metric: layer.alhpa\n    at_most: 3\n", 6, 13, "'layer.alhpa'", "'layer.alpha'"),
    ("metric without level", HEAD + RULE + "    metric: phase\n    in: [x]\n", 6, 13, "'phase'", "'layer.phase'"),
    ("run metric without name", HEAD + RULE + "    metric: run.metrics.\n    at_most: 1\n", 6, 13, "unknown metric", "NAME"),
    ("number operator on label", HEAD + RULE + "    metric: layer.phase\n    at_most: 3\n", 7, 5, "is a label", "not_in"),
    ("label operator on number", HEAD + ALPHA + "    against: baseline\n    may_not_become: [x]\n", 8, 5, "is a number", "within"),
    ("label for a number", HEAD + ALPHA + "    in: [x]\n", 7, 10, "is a number", "finite"),
    ("unknown phase", HEAD + RULE + "    metric: layer.phase\n    not_in: [random_like]\n", 7, 14, "'random_like'", "'random-like'"),
    ("label twice", HEAD + RULE + "    metric: layer.kind\n    in: [dense, dense]\n", 7, 17, "twice", "remove"),
    ("one of several flags", HEAD + RULE + "    metric: layer.flags\n    equals: constant\n", 7, 13, "several", "not_in"),
    ("unknown kind", HEAD + ALPHA + "    at_most: 3\n    where: {kind: [dence]}\n", 8, 20, "'dence'", "'dense'"),
    ("negative minimum", HEAD + ALPHA + "    at_most: 3\n    where: {min_tail: -1}\n", 8, 23, "at least 0", "larger"),
    ("against without comparison", HEAD + ALPHA + "    at_most: 3\n    against: baseline\n", 8, 5, "beside at_most", "max_increase"),
    ("comparison without against", HEAD + ALPHA + "    max_increase: {absolute: 1}\n", 7, 5, "compares", "against: baseline"),
    ("against none", HEAD + ALPHA + "    against: none\n    max_increase: {absolute: 1}\n", 7, 14, "nothing", "baseline"),
    ("tolerance as number", HEAD + ALPHA + "    against: baseline\n    max_change: 0.1\n", 8, 17, "a mapping", "{KEY: VALUE}"),
    ("tolerance empty", HEAD + ALPHA + "    against: baseline\n    max_change: {}\n", 8, 17, "no limit", "absolute"),
    ("tolerance negative", HEAD + ALPHA + "    against: baseline\n    max_change: {absolute: -1}\n", 8, 28, "at least 0", "larger"),
    ("sigmas without error", HEAD + RULE + "    metric: layer.stable_rank\n    against: baseline\n    max_change: {sigmas: 3}\n", 8, 26, "no standard error", "absolute"),
    ("sigmas of a median", HEAD + RULE + "    metric: model.alpha_median\n    against: baseline\n    max_change: {absolute: 1, sigmas: 3}\n", 8, 39, "no mean", "relative"),
    ("sigmas of a run", HEAD + RULE + "    metric: run.metrics.loss\n    against: baseline\n    max_change: {absolute: 1, sigmas: 3}\n", 8, 39, "no mean", "relative"),
    ("sigmas alone", HEAD + RULE + "    metric: model.alpha\n    against: baseline\n    max_change: {sigmas: 3}\n", 8, 26, "1.0001", "absolute"),
    ("two operators", HEAD + ALPHA + "    at_most: 3\n    at_least: 1\n", 8, 5, "at_most and at_least", "two rules"),
    ("no operator", HEAD + ALPHA, 4, 5, "no operator", "within"),
    ("no description", HEAD + "  - id: a\n    metric: layer.alpha\n    at_most: 3\n", 4, 5, "'description' is missing", "needs it"),
    ("blank description", HEAD + "  - id: a\n    description: ' '\n    metric: layer.alpha\n    at_most: 3\n", 5, 18, "empty", "why"),
    ("bidi description", HEAD + '  - id: a\n    description: "a\\u202eb"\n    metric: layer.alpha\n    at_most: 3\n', 5, 18, "invisible", "remove"),
    ("share and count", HEAD + ALPHA + "    at_most: 3\n    allow: {share: 0.1, count: 1}\n", 8, 25, "together", "one of them"),
    ("allow nothing", HEAD + ALPHA + "    at_most: 3\n    allow: {by: parameters}\n", 8, 12, "without", "share"),
    ("share above one", HEAD + ALPHA + "    at_most: 3\n    allow: {share: 1.5}\n", 8, 20, "at most 1", "smaller"),
    ("where on a model metric", HEAD + RULE + "    metric: model.alpha\n    at_most: 3\n    where: {min_tail: 3}\n", 8, 5, "about layers", "layer."),
    ("allow on a model metric", HEAD + RULE + "    metric: model.alpha\n    at_most: 3\n    allow: {count: 3}\n", 8, 5, "about layers", "layer."),
    ("unknown severity", HEAD + ALPHA + "    at_most: 3\n    severity: blok\n", 8, 15, "'blok'", "'block'"),
    ("bad duration", "grace: 24 hours\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 8, "'24 hours'", "24h"),
    ("duration with a line", 'grace: "24h\\n"\n' + HEAD + ALPHA + "    at_most: 3\n", 1, 8, "no duration", "24h"),
    ("duration a number", "grace: 24\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 8, "takes text", "quotes"),
    ("duration too long", "grace: 400d\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 8, "a year", "366d"),
    ("bare alias", "baseline: {use: [champion]}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 18, "'champion'", "alias:champion"),
    ("misspelt scheme", "baseline: {use: ['alais:x']}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 18, "'alais:x'", "'alias'"),
    ("version word", "baseline: {use: ['version:two']}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 18, "no version", "version:1"),
    ("version zero", "baseline: {use: ['version:0']}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 18, "no version", "from 1"),
    ("empty source", "baseline: {use: ['models:/']}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 18, "names nothing", "models:/NAME"),
    ("use as text", "baseline: {use: previous}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 17, "takes a list", "[A, B]"),
    ("unknown choice", "on_error: pass\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 11, "'pass'", "one of block, warn"),
    ("version 2", "version: 2\nname: p\nrules:\n" + ALPHA + "    at_most: 3\n", 1, 10, "version 2", "version: 1"),
    ("version true", "version: true\nname: p\nrules:\n" + ALPHA + "    at_most: 3\n", 1, 10, "whole number", "digits"),
    ("bad name", "version: 1\nname: my policy\nrules:\n" + ALPHA + "    at_most: 3\n", 2, 7, "'my policy'", "letters"),
    ("name with a line", 'version: 1\nname: "p\\n"\nrules:\n' + ALPHA + "    at_most: 3\n", 2, 7, "no name", "letters"),
    ("coverage as text", "coverage: {min_parameters: 90%}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 28, "'90%'", "digits"),
    ("match as list", "match: [x]\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 8, "a mapping, not a list", "KEY"),
    ("empty globs", "match: {models: []}\n" + HEAD + ALPHA + "    at_most: 3\n", 1, 17, "is empty", "item"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "fix"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_mistake_is_named_at_its_place_with_its_fix(
    text: str, line: int, column: int, message: str, fix: str
) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert found[0][:2] == (line, column)
    assert message in found[0][2]
    assert fix in (found[0][3] or "")


def test_all_mistakes_of_a_file_come_together_in_the_order_of_its_lines() -> None:
    text = (
        "version: 1\nname: a b\nmach: {}\nrules:\n"
        "  - {id: a, description: d, metric: layer.alhpa, within: [6, 2]}\n"
        "  - {id: a, metric: layer.alpha}\n"
        "  - {id: c, description: d, metric: layer.phase, at_most: .inf, severity: blok}\n"
    )
    assert [(line, column) for line, column, _, _ in problems(text)] == [
        (2, 7),  # name
        (3, 1),  # unknown key
        (5, 37),  # unknown metric
        (5, 58),  # impossible range, though the metric is not known
        (6, 5),  # no description
        (6, 5),  # no operator
        (6, 10),  # duplicate id
        (7, 59),  # not finite
        (7, 75),  # unknown severity
    ]


def test_the_error_says_the_first_mistake_and_how_many_more() -> None:
    with pytest.raises(InvalidPolicyError, match=r"^p\.yaml:3:8: .*'rules' is empty$"):
        parse_policy("version: 1\nname: p\nrules: []\n", "p.yaml")
    with pytest.raises(InvalidPolicyError, match=r"^p\.yaml:1:10: .*and 1 more"):
        parse_policy("version: 3\nname: p\nrules: []\n", "p.yaml")


def test_mistakes_of_several_files_come_together(tmp_path: Path) -> None:
    good = HEAD + ALPHA + "    at_most: 3\n"
    for name, text in (("a", good), ("b", good), ("c", "version: 1\n")):
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(InvalidPolicyError) as caught:
        load_policies([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml", tmp_path / "none.yaml"])
    shown = [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert shown[0].startswith("b.yaml:1:1: a second policy named 'p' (the first is ")
    assert shown[1].startswith("c.yaml:1:1: the key 'name' is missing")
    assert shown[-1].startswith("none.yaml: the file does not exist")


def test_a_folder_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyError, match="is a folder"):
        load_policy(tmp_path)
