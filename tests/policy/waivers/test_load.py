"""Files of waivers: what they may say, and where their mistakes stand."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from gate.policy import InvalidPolicyError
from gate.policy.waivers import load_waivers, parse_waivers, waiver_payload

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
GOOD = f"""\
version: 1
waivers:
  - id: w1            # a comment
    rule: layer-alpha-in-range
    policy: production
    model: fraud detector
    digest: {DIGEST}
    reason: known and small
    approver: Ada Lovelace
    expires: 2026-12-31
    signature: abc
  - {{id: w2, rule: r, digest: "{DIGEST}", reason: é, approver: b, expires: "2026-12-31T13:30:00+01:30"}}
"""


def test_every_key_is_read() -> None:
    first, second = parse_waivers(GOOD, "w.yaml")
    assert (first.id, first.rule, first.policy, first.model) == (
        "w1",
        "layer-alpha-in-range",
        "production",
        "fraud detector",
    )
    assert (first.digest, first.reason, first.approver) == (DIGEST, "known and small", "Ada Lovelace")
    assert (first.signature, first.line) == ("abc", 3)
    assert first.expires == datetime(2026, 12, 31, tzinfo=timezone.utc)
    assert (second.policy, second.model, second.signature, second.line) == (None, None, None, 12)
    assert second.expires == datetime(2026, 12, 31, 12, tzinfo=timezone.utc)


def test_the_signed_bytes_are_all_that_it_says_but_the_signature_however_it_is_written() -> None:
    first, second = parse_waivers(GOOD)
    assert json.loads(waiver_payload(first)) == {
        "schema": "gate/waiver/1",
        "id": "w1",
        "rule": "layer-alpha-in-range",
        "policy": "production",
        "model": "fraud detector",
        "digest": DIGEST,
        "reason": "known and small",
        "approver": "Ada Lovelace",
        "expires": "2026-12-31T00:00:00Z",
    }
    assert waiver_payload(second) == (
        b'{"approver":"b","digest":"%s","expires":"2026-12-31T12:00:00Z","id":"w2","model":null,'
        b'"policy":null,"reason":"\\u00e9","rule":"r","schema":"gate/waiver/1"}' % DIGEST.encode()
    )
    otherwise = GOOD.replace("expires: 2026-12-31\n", "expires: '2026-12-31T01:00:00+01:00'\n")
    unsigned = otherwise.replace("    signature: abc\n", "")
    assert waiver_payload(parse_waivers(unsigned)[0]) == waiver_payload(first)


CASES = (
    ("no version", "waivers: []", "1:1", "'version' is missing"),
    ("other version", "version: 2\nwaivers: []", "1:10", "version 2"),
    ("no list", "version: 1", "1:1", "'waivers' is missing"),
    ("a list", "- 1", "1:1", "a mapping of keys"),
    (
        "unknown key",
        GOOD.replace("policy: production", "policy: production\n    aprover: A"),
        "6:5",
        "did you mean 'approver'?",
    ),
    (
        "missing key",
        GOOD.replace("    reason: known and small\n", ""),
        "3:5",
        "'reason' is missing (a waiver",
    ),
    ("digest", GOOD.replace(DIGEST, "sha256:12", 1), "7:13", "is no digest"),
    ("date", GOOD.replace("2026-12-31\n", "2026-13-31\n"), "10:14", "is no moment"),
    ("no zone", GOOD.replace("2026-12-31\n", "2026-12-31T10:00:00\n"), "10:14", "with its zone"),
    ("duration", GOOD.replace("2026-12-31\n", "30d\n"), "10:14", "is no moment"),
    ("first year", GOOD.replace("2026-12-31\n", "0001-01-01T00:00:00+14:00\n"), "10:14", "is no moment"),
    ("twice", GOOD.replace("w2", "w1"), "12:10", "stands twice (the first is on line 3)"),
    ("empty reason", GOOD.replace("known and small", "' '"), "8:13", "empty"),
    ("bidi", GOOD.replace("Ada Lovelace", '"A\\u202eda"'), "9:15", "invisible"),
    ("invisible model", GOOD.replace("fraud detector", '"fr\\u200baud"'), "6:12", "invisible"),
    ("alias", GOOD.replace("known and small", "*x"), "8:13", "alias"),
    ("not text", GOOD.replace("rule: r,", "rule: 5,"), "12:20", "takes text"),
)


@pytest.mark.parametrize(
    ("text", "place", "message"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_mistake_is_told_with_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_waivers(text, "w.yaml")
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == 1, told
    assert told[0].startswith(f"w.yaml:{place}:")
    assert message in told[0]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyError, match="does not exist"):
        load_waivers(tmp_path / "none.yaml")
