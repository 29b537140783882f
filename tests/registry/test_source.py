from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.registry.source import (
    AliasSource,
    LatestSource,
    LoggedModelSource,
    PathSource,
    RunSource,
    Source,
    VersionSource,
    checked_alias,
    parse_source,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.onnx", PathSource(Path("model.onnx"))),
        ("/a folder/with: colon", PathSource(Path("/a folder/with: colon"))),
        ("C:/weights", PathSource(Path("C:/weights"))),
        ("file:///data/a%20b", PathSource(Path("/data/a b"))),
        ("models:/fraud/3", VersionSource("fraud", 3)),
        ("models:/fraud/003", VersionSource("fraud", 3)),
        ("models:///fraud/3", VersionSource("fraud", 3)),
        ("models:/fraud/3/", VersionSource("fraud", 3)),
        ("models:/a name?with#odd%20signs/3", VersionSource("a name?with#odd%20signs", 3)),
        ("models:/mail@host/3", VersionSource("mail@host", 3)),
        ("models:/mail@host@champion", AliasSource("mail@host", "champion")),
        ("models:/fraud@champion", AliasSource("fraud", "champion")),
        ("models:/fraud/Latest", LatestSource("fraud")),
        ("models:/m-0a1b2c", LoggedModelSource("m-0a1b2c")),
        ("runs:/0a1b2c/model/data/model.onnx", RunSource("0a1b2c", "model/data/model.onnx")),
    ],
)
def test_forms(text: str, expected: Source) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "file or folder"),
        ("a\0b", "file or folder"),
        ("models:/", "models:/NAME/1"),
        ("models:/fraud", "models:/fraud/1"),
        ("models:/fraud/Production", "models:/fraud@ALIAS"),
        ("models:/fraud/²", "no version number"),
        ("models:/fraud/-1", "no version number"),
        ("models:/fraud/" + "9" * 30, "no version number"),
        ("models:/fraud/3/data", "leave out"),
        ("models:/ /3", "cannot be the name"),
        ("models:/a:b/3", "cannot be the name"),
        ("models:/fraud@a b", "letters, digits"),
        ("models:/fraud@", "letters, digits"),
        ("models://profile@databricks/fraud/3", "one slash"),
        ("runs:/0a1b", "runs:/0a1b/model"),
        ("runs:/0a1b/../other", "no . or .."),
        ("runs:/-x/model", "id of a run"),
        ("s3://bucket/model", "Download it"),
        ("https://example.org/model.onnx", "Download it"),
    ],
)
def test_malformed_sources_say_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert hint in (caught.value.hint or "")
    assert int(caught.value.exit_code) == 2


@pytest.mark.parametrize(
    "alias", ["a b", "a/b", "", "latest", "LATEST", "v1", "V22", "a\n", "x" * 256, "a.b"]
)
def test_aliases_that_mlflow_refuses(alias: str) -> None:
    with pytest.raises(UsageError):
        checked_alias(alias)


@given(st.text())
def test_any_text_parses_or_is_refused_with_a_hint(text: str) -> None:
    hint: str | None = "none is needed"
    try:
        parse_source(text)
    except UsageError as error:
        hint = error.hint
    assert hint


@given(
    st.text(st.characters(exclude_characters="/:\0\n", exclude_categories=["Cs"]), min_size=1, max_size=40)
)
def test_canonical_forms_parse_to_themselves(name: str) -> None:
    for form in (f"models:/{name}/7", f"models:/{name}@champion", f"models:/{name}/latest"):
        if name.strip() and name not in {".", ".."}:
            assert parse_source(form).uri == form
