"""Adding waivers to files that people keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.policy import InvalidPolicyError
from gate.policy.waivers import Waiver, appended, expiry, new_waiver, parse_waivers, waiver_payload

NOW = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=timezone.utc)
ONE = new_waiver(
    Waiver(
        "", "r1", f"sha256:{'a' * 64}", 'say "why": é # no comment', "Ada", NOW.replace(microsecond=0), "m"
    )
)
TWO = new_waiver(replace(ONE, id="", rule="r2", policy="p", signature='{"payload": "eA=="}'))


def test_a_new_file_holds_the_waiver() -> None:
    assert [waiver_payload(item) for item in parse_waivers(appended(None, ONE, "w.yaml"))] == [
        waiver_payload(ONE)
    ]


@pytest.mark.parametrize("indent", ["", "  ", "      "])
def test_what_stands_in_the_file_stays(indent: str) -> None:
    first = appended(None, ONE, "w.yaml").splitlines()
    kept = "\n".join([*first[:3], *(indent + line[2:] for line in first[3:]), "# the end", "", ""])
    text = appended(kept, TWO, "w.yaml")
    assert text.startswith(kept.rstrip())
    assert [(item.id, item.signature) for item in parse_waivers(text)] == [
        (ONE.id, None),
        (TWO.id, TWO.signature),
    ]


@pytest.mark.parametrize("empty", ["version: 1\nwaivers: []\n", "version: 1\nwaivers: []"])
def test_an_empty_list_is_begun(empty: str) -> None:
    assert [item.id for item in parse_waivers(appended(empty, ONE, "w.yaml"))] == [ONE.id]


@pytest.mark.parametrize(
    "form",
    [
        "waivers:\n  - {item}\nversion: 1\n",
        "version: 1\nwaivers: [{item}]\n",
    ],
)
def test_a_form_with_no_place_at_its_end_is_refused_and_not_damaged(form: str) -> None:
    item = f'{{id: a, rule: r, digest: "{ONE.digest}", reason: x, approver: y, expires: 2030-01-01}}'
    text = form.format(item=item)
    parse_waivers(text)
    with pytest.raises(UsageError, match="cannot be added to"):
        appended(text, ONE, "w.yaml")


def test_the_same_waiver_is_not_added_twice_and_a_broken_file_not_at_all() -> None:
    with pytest.raises(UsageError, match="already"):
        appended(appended(None, ONE, "w"), ONE, "w")
    with pytest.raises(InvalidPolicyError, match="approver"):
        appended(appended(None, ONE, "w").replace("approver", "aprover"), TWO, "w")
    with pytest.raises(InvalidPolicyError, match="is no name"):
        appended(None, replace(ONE, rule="no rule: of mine"), "w")


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_no_text_of_a_flag_becomes_another_key(reason: str, approver: str) -> None:
    hostile = replace(ONE, reason=reason, approver=approver)
    try:
        text = appended(None, hostile, "w")
    except InvalidPolicyError:
        return
    (read,) = parse_waivers(text)
    assert replace(read, line=None, reason="", approver="") == replace(hostile, reason="", approver="")


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("30d", NOW.replace(microsecond=0) + timedelta(days=30, seconds=1)),
        ("1s", NOW.replace(microsecond=0) + timedelta(seconds=2)),
        ("2027-01-01", datetime(2027, 1, 1, tzinfo=timezone.utc)),
        ("2027-01-01T00:00:00z", datetime(2027, 1, 1, tzinfo=timezone.utc)),
        ("2027-01-01T00:00:00-02:00", datetime(2027, 1, 1, 2, tzinfo=timezone.utc)),
    ],
)
def test_when_it_ends(words: str, ends: datetime) -> None:
    assert expiry(words, NOW) == ends


@pytest.mark.parametrize(
    "words", ["", "0", "never", "2026-06-01", "2026-06-01T12:00:00Z", "999d", "2027-02-30"]
)
def test_an_end_that_is_none_or_past_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="--expires"):
        expiry(words, NOW)


def test_ids_differ_where_anything_does() -> None:
    changed = (ONE, replace(ONE, rule="x"), replace(ONE, reason="x"), replace(ONE, policy="x"))
    assert len({new_waiver(replace(item, id="")).id for item in changed}) == 4
