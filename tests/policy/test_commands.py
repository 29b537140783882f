"""``gate policy validate|schema|explain`` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.cli.main import run
from gate.errors import PolicyError
from gate.policy import load_policy, packaged_policy, policy_digest
from gate.policy.reference import reference

BAD = "version: 1\nname: p\nrules:\n  - {id: a, description: d, metric: layer.alhpa, within: [6, 2]}\n"


def test_validate_names_policies_and_their_digests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "validate", "default", "llm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(policy_digest(load_policy(packaged_policy("default")), "gate-1"))


def test_validate_lists_every_mistake_on_stderr_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    assert run(["policy", "validate", str(path), "strict"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"{path}:4:37: unknown metric 'layer.alhpa' (did you mean 'layer.alpha'?)",
        f"{path}:4:58: impossible range: 6 is above 2 (write the lower end first: [2, 6])",
    ]


def test_a_local_file_goes_before_a_packaged_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("default").write_text(BAD)
    assert run(["policy", "validate", "default"]) == 2
    assert "default:4:37" in capsys.readouterr().err


def test_a_packaged_policy_may_be_named_as_its_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "explain", "strict"]) == 0
    explained = capsys.readouterr().out
    assert run(["policy", "explain", "strict.yaml"]) == 0
    assert capsys.readouterr().out == explained
    Path("strict.yaml").write_text(BAD)
    assert run(["policy", "explain", "strict.yaml"]) == 2


@pytest.mark.parametrize(("name", "fix"), [
    ("defualt", "did you mean 'default'?"), ("stict.yaml", "did you mean 'strict'?"),
    ("production.yaml", "name a YAML file, or a packaged policy: default, strict, llm"),
])  # fmt: skip
def test_a_policy_that_is_not_there_is_named_with_what_is(
    name: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "explain", name]) == 2
    assert fix in capsys.readouterr().err
    with pytest.raises(PolicyError) as caught:
        load_policy(name)
    assert name in caught.value.message
    assert fix == caught.value.hint


def test_schema_is_json_or_markdown_on_stdout_or_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["additionalProperties"] is False
    assert run(["policy", "schema", "--format", "markdown", "-o", str(tmp_path / "policy.md")]) == 0
    assert (tmp_path / "policy.md").read_text(encoding="utf-8") == reference()
    assert capsys.readouterr().out == ""


def test_explain_speaks_of_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "explain", "default"]) == 0
    out = capsys.readouterr().out
    assert all(rule.id in out for rule in load_policy(packaged_policy("default")).rules)


@pytest.mark.parametrize(
    "arguments", [["validate"], ["explain", "no-such-file.yaml"], ["schema", "--format", "xml"]]
)
def test_usage_mistakes_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err
