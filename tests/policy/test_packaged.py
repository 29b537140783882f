"""What ships: three policies, the schema, the reference, the words."""
# ruff: noqa: E501 - a table of cases reads best with one case a line

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from gate.errors import PolicyError
from gate.layer import LAYER_KINDS
from gate.policy import PACKAGED, judge, load_policy, packaged_policy
from gate.policy.explain import explain
from gate.policy.kinds import KINDS
from gate.policy.metrics import metric_table
from gate.policy.reference import reference
from gate.policy.schema import json_schema
from tests.policy.build import alphas, analysis, changed, old, policy, resolver, row
from tests.policy.test_mistakes import CASES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "reference"


def load_yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_policies_are_valid_by_parser_and_schema(name: str) -> None:
    path = packaged_policy(name)
    assert load_policy(path).name == name
    jsonschema.validate(load_yaml(path.read_text(encoding="utf-8")), json_schema())


def test_a_policy_that_is_not_packaged_is_named() -> None:
    with pytest.raises(PolicyError, match="no packaged policy") as caught:
        packaged_policy("../default")
    assert "default" in (caught.value.hint or "")


def test_the_schema_is_one_and_refuses_what_the_parser_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())
    unseen = []
    for name, text, *_ in CASES:
        if name != "duplicate key" and validator.is_valid(load_yaml(text)):  # which no schema ever sees
            unseen.append(name)
    # A schema cannot say these; everything else an editor underlines.
    assert set(unseen) <= {
        "duplicate id", "impossible range", "not a number", "infinite", "overflow", "infinite label", "label for a number",
        "number operator on label", "label operator on number", "unknown phase", "label twice", "one of several flags",
        "against without comparison", "comparison without against", "against none", "tolerance empty",
        "sigmas without error", "sigmas of a median", "sigmas of a run", "sigmas alone", "blank description",
        "bidi description", "share and count", "allow nothing", "where on a model metric", "allow on a model metric",
        "duration too long", "bare alias", "misspelt scheme", "version word", "version zero", "empty source",
        "duration with a line", "name with a line",
    }  # fmt: skip


def test_the_written_schema_is_current() -> None:
    written = json.loads((DOCS / "policy.schema.json").read_text(encoding="utf-8"))
    assert written == json_schema(), "run: gate policy schema -o docs/reference/policy.schema.json"


def test_the_written_reference_is_current_and_complete() -> None:
    text = reference()
    written = (DOCS / "policy.md").read_text(encoding="utf-8")
    assert written == text, "run: gate policy schema --format markdown -o docs/reference/policy.md"
    for word in (*(kind.key for kind in KINDS), *metric_table()):
        assert f"`{word}`" in text


def test_the_reference_shows_a_policy_that_is_valid(tmp_path: Path) -> None:
    block = reference().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "p.yaml").write_text(block, encoding="utf-8")
    assert load_policy(tmp_path / "p.yaml").name == "production"


def test_explain_says_what_a_rule_asks_and_what_it_cannot_see() -> None:
    head = "match: {models: [fraud-*]}\nmode: audit\nbaseline: {when_missing: pass}\ngrace: 2d"
    text = explain(
        policy(
            "metric: model.alpha_weighted, against: baseline, max_increase: {sigmas: 3, absolute: 0.05}",
            "metric: layer.alpha, where: {kind: [dense], min_tail: 20}, within: [2, 6], allow: {share: 0.1}, severity: warn",
            "metric: run.metrics.acc, at_least: 0.9",
            head=head,
        )
    )
    words = " ".join(text.split())
    for part in (
        "It governs models fraud-*.",
        "refuses nothing",
        "Without any, a comparison passes; with none comparable, it blocks",
        "holds for 48 hours more",
        "may not rise by more than 3 standard errors and 0.05 against the baseline",
        "model.alpha_weighted is not scale-invariant",
        "layer.alpha of every dense layer with a fitted tail of at least 20 is within 2 to 6, but for 10 % of the layers",
        "Noise alone often has alpha between 2 and 6",
        "A failure warns",
        "what the training run logged",
    ):
        assert part in words


@pytest.mark.parametrize("name", PACKAGED)
def test_every_rule_of_a_packaged_policy_is_explained(name: str) -> None:
    packaged = load_policy(packaged_policy(name))
    words = " ".join(explain(packaged).split())
    for rule in packaged.rules:
        assert rule.id in words
        assert rule.description in words


HEALTHY = tuple(row(f"l{index}", 3 + index / 10, eigenvalues=300, tail_size=80) for index in range(10))
DAMAGE: dict[str, dict[str, Any]] = {
    "not finite": {"alpha": None, "alpha_weighted": None, "tail_size": None, "phase": None, "log_frobenius_norm": None, "flags": ("not-finite",)},
    "overwritten with noise": {"phase": "random-like", "alpha": 5.0, "alpha_weighted": 5.0},
    "rank lost": {"phase": "rank-collapse"},
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("damage", DAMAGE)
def test_packaged_policies_pass_a_healthy_model_and_block_one_damaged_layer(name: str, damage: str) -> None:
    packaged = [load_policy(packaged_policy(name))]
    known = resolver(champion=old(*HEALTHY), first=old(*HEALTHY))
    assert judge(analysis(*HEALTHY), packaged, resolve=known).outcome == "passed"
    hurt = analysis(*changed(HEALTHY, "l3", **DAMAGE[damage]))
    assert judge(hurt, packaged, resolve=known).outcome == "blocked"


def test_broken_weights_block_a_first_version_of_any_kind() -> None:
    default = [load_policy(packaged_policy("default"))]
    for kind in LAYER_KINDS:
        broken = row("x", None, kind=kind, tail_size=None, phase=None, flags=("not-finite",))
        assert judge(analysis(*HEALTHY, broken), default).outcome == "blocked"
    assert judge(analysis(*HEALTHY), default).outcome == "passed"


def test_a_slow_decay_is_seen_by_the_anchor() -> None:
    first = old(*alphas(*[3.0] * 8, eigenvalues=300))
    before = old(*alphas(*[3.55] * 8, eigenvalues=300))
    now = analysis(*alphas(*[3.58] * 8, eigenvalues=300))
    verdict = judge(
        now, [load_policy(packaged_policy("default"))], resolve=resolver(champion=before, first=first)
    )
    assert {rule.id for rule in verdict.rules if rule.outcome == "failed"} == {"no-slow-drift"}
    assert verdict.outcome == "warned"


def test_judging_brings_neither_pydantic_nor_yaml() -> None:
    code = "import sys, gate.policy; print([m for m in ('pydantic', 'ruamel.yaml', 'mlflow', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert done.stdout.strip() == "[]"
