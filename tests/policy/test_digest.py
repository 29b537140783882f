# ruff: noqa: E501 - a table of cases reads best with one case a line
from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gate.policy import parse_policy, policy_digest

TEXT = """\
version: 1
name: p
match: {models: ["fraud-*", "Risk-*"]}
baseline: {use: [alias:champion, previous], when_missing: pass}
rules:
  - id: a
    description: one
    metric: layer.alpha
    where: {kind: [dense, conv2d], min_tail: 20}
    within: [2, 6]
    allow: {share: 0.1}
  - id: b
    description: two
    metric: layer.phase
    against: baseline
    may_not_become: [random-like, rank-collapse]
"""


def digest(text: str, convention: str = "gate-1") -> str:
    return policy_digest(parse_policy(text), convention)


@pytest.mark.parametrize(("old", "new"), [
    ("description: one", "description: another reason"), ("version: 1", "# a comment\nversion: 1"),
    ("[2, 6]", "[2.0, 6.0]"), ("[2, 6]", "[2e0, 6]"), ("[2, 6]", "\n      - 2\n      - 6"),
    ("[dense, conv2d]", "[conv2d, dense, dense]"), ('["fraud-*", "Risk-*"]', "[risk-*, FRAUD-*]"),
    ("[random-like, rank-collapse]", "[rank-collapse, random-like]"),
    ("name: p", "name: p\nmode: enforce\ncoverage: {min_parameters: 0.9}\non_error: block\ngrace: 0h"),
    ("    allow: {share: 0.1}\n", "    allow: {share: 0.1, by: layers}\n    severity: block\n"),
    ("when_missing: pass", "when_missing: pass, when_not_comparable: block"),
])  # fmt: skip
def test_what_does_not_count(old: str, new: str) -> None:
    assert old in TEXT
    assert digest(TEXT.replace(old, new)) == digest(TEXT)


@pytest.mark.parametrize(("old", "new"), [
    ("[2, 6]", "[2, 6.5]"), ("share: 0.1", "share: 0.2"), ("share: 0.1", "count: 1"), ("name: p", "name: q"),
    ("name: p", "name: p\nmode: audit"), ("name: p", "name: p\ngrace: 1h"), ("when_missing: pass", "when_missing: warn"),
    ("[alias:champion, previous]", "[previous, alias:champion]"), ("min_tail: 20", "min_tail: 21"),
    ("[dense, conv2d]", "[dense]"), ("against: baseline", "against: version:1"), ("fraud-*", "fraud-?"),
    ("[2, 6]", "[2, 6]\n    severity: warn"), ("id: a", "id: c"), ("layer.alpha", "layer.alpha_sigma"),
    ("[random-like, rank-collapse]", "[random-like]"), ("share: 0.1", "share: 0.1, by: parameters"),
    ("min_tail: 20", "min_tail: 20, name: x"), ("name: p", "name: p\ncoverage: {min_parameters: 0.8}"),
    ("name: p", "name: p\non_error: warn"), ("name: p", "name: p\nwhen_nothing_to_measure: warn"),
])  # fmt: skip
def test_what_counts(old: str, new: str) -> None:
    assert old in TEXT
    assert digest(TEXT.replace(old, new)) != digest(TEXT)


def test_the_convention_counts() -> None:
    assert digest(TEXT, "paper") != digest(TEXT)


def test_the_digest_is_of_the_canonical_form_and_will_stay_so() -> None:
    text = "version: 1\nname: p\nrules: [{id: a, description: d, metric: layer.alpha, within: [2, 6]}]\n"
    canonical = (
        '{"baseline":{"use":["alias:champion","previous"],"when_missing":"block","when_not_comparable":"block"},'
        '"convention":"gate-1","coverage":{"min_parameters":0.9},"grace":0.0,'
        '"match":{"aliases":null,"models":null,"stages":null,"workspaces":null},"mode":"enforce","name":"p",'
        '"on_error":"block","rules":[{"against":null,"allow":{"by":"layers","count":0,"share":null},"id":"a",'
        '"metric":"layer.alpha","operator":{"within":[2.0,6.0]},"severity":"block",'
        '"where":{"kind":[],"min_eigenvalues":0,"min_tail":0,"name":null}}],'
        '"version":1,"when_nothing_to_measure":"block"}'
    )
    assert digest(text) == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _shuffled(node: object, draw: st.DrawFn) -> object:
    if isinstance(node, dict):
        keys = draw(st.permutations(list(node)))
        return {key: _shuffled(node[key], draw) for key in keys}
    return [_shuffled(item, draw) for item in node] if isinstance(node, list) else node


@st.composite
def rewritten(draw: st.DrawFn) -> str:
    """Write TEXT again: keys and rules in any order, flow or block style, comments between lines."""
    tree = _shuffled(YAML(typ="safe", pure=True).load(TEXT), draw)
    assert isinstance(tree, dict)
    tree["rules"] = draw(st.permutations(tree["rules"]))
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = draw(st.booleans())
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    writer.dump(tree, stream)
    comment = draw(st.text(alphabet="abc #:{[", max_size=20))
    return f"# {comment}\n{stream.getvalue()}\n# {comment}\n"


@settings(deadline=None)
@given(rewritten())
def test_order_and_style_do_not_count(text: str) -> None:
    assert digest(text) == digest(TEXT)
