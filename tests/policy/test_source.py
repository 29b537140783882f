"""YAML that was written to harm its reader."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import PolicyError
from gate.policy import InvalidPolicyError, load_policy, parse_policy
from gate.policy.source import MAX_BYTES, decode, parse_yaml

if TYPE_CHECKING:
    from pathlib import Path

BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    "billion laughs": (BOMB, 1, 4, "an anchor"),
    "object": ("version: !!python/object/apply:os.system ['true']\n", 1, 10, "a tag"),
    "custom tag": ("version: 1\nname: !x p\n", 2, 7, "a tag"),
    "alias to nowhere": ("version: 1\nname: *p\n", 2, 7, "an alias"),
    "merge key": ("<<: {version: 1}\n", 1, 1, "unknown key '<<'"),
    "deep": ("a: " + "[" * 5000, 1, 15, "nested deeper"),
    "deep blocks": ("- " * 5000, 1, 25, "nested deeper"),
    "many values": ("a: [" + "1, " * 30_000 + "1]", 1, 60_000, "more than 20000 values"),
    "two documents": ("version: 1\n---\nversion: 1\n", 2, 1, "a second document"),
    "empty": ("# nothing\n", 1, 1, "is empty"),
    "control character": ("version: \x07\n", 1, 10, "not valid YAML"),
    "code point beyond Unicode": ('a: "\\U00110000"\n', 1, 1, "not valid YAML"),
    "half a surrogate": ('version: 1\nname: "\\ud800"\n', 2, 7, "surrogate"),
    "list": ("- version: 1\n", 1, 1, "a mapping of keys"),
    "list as key": ("? [a]\n: 1\n", 1, 3, "a key that is not text"),
    "number as key": ("1: 1\n", 1, 1, "a key that is not text"),
    "unclosed": ("a: [1, 2\n", 2, 1, "not valid YAML"),
    "tab": ("a:\n\tb: 1\n", 2, 1, "not valid YAML"),
    "version 9": ("%YAML 9.9\n---\na: 1\n", 1, 1, "not valid YAML"),
}


@pytest.mark.parametrize(("text", "line", "column", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text, "p.yaml")
    assert time.perf_counter() - start < 10
    found = [(p.location.line, p.location.column) for p in caught.value.problems if message in p.message]
    if message != "more than 20000 values":  # where exactly counts nodes, not letters
        assert (line, column) in found
    assert found


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10 * 1024 * 1024)
    with pytest.raises(PolicyError, match="at most 128 KiB"):
        load_policy(path)
    with pytest.raises(PolicyError, match="at most 128 KiB"):
        parse_policy("#" * (MAX_BYTES + 1))


def test_a_pipe_does_not_make_the_gate_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PolicyError, match="does not exist"):
        load_policy(tmp_path / "pipe")


def test_bytes_that_are_not_text_are_named() -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        decode(b"version: 1\nname: \xff\n", "p.yaml")
    where = caught.value.problems[0].location
    assert (where.line, where.column) == (2, 7)


def test_a_message_shows_no_control_characters() -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy('version: 1\nname: p\n"a\\e[31m\\u202e": 1\nrules: []\n')
    assert all(str(problem).isprintable() for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-3", -3), ("3.5", 3.5), ("1e3", 1000.0), (".5", 0.5), ("true", True), ("~", None),
        ("yes", "yes"), ("0x10", "0x10"), ("1_000", "1_000"), ("1:30", "1:30"), ("'3'", "3"), ("2024-01-01", "2024-01-01"),
        ("9" * 50, "9" * 50),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    plain = parse_yaml(f"a: {text}", "p.yaml").plain()
    assert plain == {"a": value}
    assert type(plain["a"]) is type(value)


FRAGMENTS = ["version: 1\n", "name: p\n", "rules:\n", "  - id: a\n", "    within: [2, 6]\n", "&a ", "*a ", "!!x ", "{", "}",
             "[", "]", "- ", ": ", "? ", "| ", "> ", "'", '"', "\\", "#", "%", "\t", "\n", "\x00", "\u202e", "é", "\\ud800",
             ".nan", "1e999", "<<: ", "...\n", "---\n", "    metric: layer.alpha\n", "    description: d\n"]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=25).map("".join))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    shown = "valid"
    try:
        parse_policy(text, "p.yaml")
    except InvalidPolicyError as error:
        shown = "".join(str(problem) for problem in error.problems)
    assert shown.isprintable()
