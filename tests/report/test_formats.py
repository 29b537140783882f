"""What holds for every format: dispatch, goldens, and that a saved verdict renders as the fresh one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.policy.interface import (
    BaselineResult,
    Mode,
    Outcome,
    PolicyResult,
    RuleLayer,
    RuleOutcome,
    RuleResult,
    Severity,
    Verdict,
)
from gate.report import (
    FormatName,
    format_name,
    get_format,
    load_analysis,
    load_verdict,
    render_analysis,
    render_verdict,
)
from gate.spectra.interface import LayerPlot
from tests.report import samples

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: tuple[FormatName, ...] = get_args(FormatName)
ANALYSIS_NAMES: tuple[FormatName, ...] = ("text", "json", "csv", "markdown", "html")


def test_every_format_is_listed_once_and_found_by_its_name() -> None:
    found = [get_format(format_name(name)) for name in NAMES]
    assert [entry.name for entry in found] == list(NAMES)
    assert len({type(entry) for entry in found}) == len(NAMES)
    assert all(entry.suffix.startswith(".") for entry in found)


def test_unknown_format_is_a_usage_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'pdf\\\\n'") as caught:
        format_name("pdf\n")
    assert caught.value.hint is not None
    assert all(name in caught.value.hint for name in NAMES)


REFUSED: dict[FormatName, str] = {
    "text": "✖ BLOCKED",
    "markdown": "## ✖ Blocked",
    "html": "Blocked",
    "json": '"outcome": "blocked"',
    "junit": "<error ",
    "sarif": '"ruleId": "gate/policy"',
    "github": "::error ",
    "gitlab": '"severity": "blocker"',
}


@pytest.mark.parametrize(("name", "refused"), REFUSED.items())
def test_an_outcome_nobody_knows_is_blocked_in_every_format(name: FormatName, refused: str) -> None:
    rules = tuple(rule for rule in samples.blocked().rules if rule.outcome == "passed")
    policies = tuple(
        dataclasses.replace(policy, outcome="passed", mode="enforce") for policy in samples.blocked().policies
    )
    passed = dataclasses.replace(samples.blocked(), outcome="passed", rules=rules, policies=policies)
    saved = render_verdict(passed, "json")
    assert refused not in render_verdict(passed, name)
    weird = load_verdict(saved.replace('"outcome": "passed"', '"outcome": "weird"', 1))
    assert [policy.outcome for policy in weird.policies] == ["passed"] * len(policies)
    assert refused in render_verdict(weird, name)


def test_every_format_that_tells_an_outcome_is_tried() -> None:
    assert set(REFUSED) == set(NAMES) - {"csv"}  # rows of layers, no outcome


GOLDEN_VERDICTS = (
    *((sample, name) for sample in ("blocked", "unreadable", "empty") for name in NAMES),
    *(("hostile", name) for name in ("text", "csv", "junit", "markdown", "sarif", "github", "gitlab")),
)


@pytest.mark.parametrize(("sample", "name"), GOLDEN_VERDICTS)
def test_golden_verdicts(name: FormatName, sample: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{sample}{get_format(name).suffix}", render_verdict(samples.VERDICTS[sample](), name))


@pytest.mark.parametrize("name", ANALYSIS_NAMES)
def test_golden_analyses(name: FormatName, golden: Callable[[str, str], None]) -> None:
    golden(f"analysis{get_format(name).suffix}", render_analysis(samples.transformer(blocks=1), name))


@pytest.mark.parametrize("sample", samples.VERDICTS)
def test_a_saved_verdict_renders_byte_for_byte_as_the_fresh_one(sample: str) -> None:
    fresh = samples.VERDICTS[sample]()
    saved = load_verdict(render_verdict(fresh, "json").encode())
    for name in NAMES:
        assert render_verdict(saved, name) == render_verdict(fresh, name), name


@pytest.mark.parametrize("name", ANALYSIS_NAMES)
def test_a_saved_analysis_renders_byte_for_byte_as_the_fresh_one(name: FormatName) -> None:
    for fresh in (samples.transformer(damaged=True), samples.hostile().analysis):
        assert fresh is not None
        assert render_analysis(load_analysis(render_analysis(fresh, "json")), name) == render_analysis(
            fresh, name
        )


TEXT = st.text(alphabet=st.characters(), max_size=12)
NUMBER = st.floats()
VALUE = st.one_of(NUMBER, st.integers(-(2**62), 2**62), TEXT, st.booleans(), st.none())
OPTIONAL = st.none() | NUMBER


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    """Any verdict the types allow, with any text and any number in it."""
    base, drawn = samples.layer("base", "dense", (64, 64), 3.0)
    changed = (
        "alpha",
        "alpha_standard_error",
        "x_min",
        "x_max",
        "ks_distance",
        "log_spectral_norm",
        "mp_edge",
    )
    rows = []
    for name in draw(st.lists(TEXT, unique=True, max_size=4)):
        figures: dict[str, Any] = {field: draw(OPTIONAL) for field in changed}
        row = dataclasses.replace(base, name=name, **figures)
        plot = draw(
            st.just(drawn)
            | st.builds(
                LayerPlot,
                edges=st.lists(NUMBER, max_size=4).map(tuple),
                counts=st.lists(st.integers(-2, 9), max_size=3).map(tuple),
                curve_x_min=st.lists(NUMBER, max_size=3).map(tuple),
                curve_ks_distance=st.lists(NUMBER, max_size=3).map(tuple),
                shuffled=st.lists(st.integers(-2, 9), max_size=3).map(tuple),
            )
        )
        rows.append((row, plot))
    names = st.sampled_from([row.name for row, _ in rows]) if rows else TEXT
    rule_layer = st.builds(RuleLayer, names | TEXT, VALUE, VALUE, st.none() | TEXT)
    rule = st.builds(
        RuleResult,
        policy=TEXT,
        id=TEXT,
        severity=st.sampled_from(get_args(Severity)),
        outcome=st.sampled_from(get_args(RuleOutcome)),
        message=TEXT,
        metric=TEXT | st.just("layer.alpha"),
        limit=TEXT,
        value=VALUE,
        baseline_value=VALUE,
        layers=st.lists(rule_layer, max_size=3).map(tuple),
        waiver=st.none() | TEXT,
        bounds=st.none() | st.tuples(OPTIONAL, OPTIONAL),
    )
    numbers = st.dictionaries(TEXT | st.just("alpha"), NUMBER, max_size=3)
    policy = st.builds(
        PolicyResult,
        name=TEXT,
        digest=TEXT,
        file=TEXT,
        mode=st.sampled_from(get_args(Mode)),
        outcome=st.sampled_from(get_args(Outcome)),
        message=TEXT,
    )
    baseline = st.builds(BaselineResult, TEXT, st.none() | TEXT, st.none() | TEXT, st.booleans(), TEXT)
    return Verdict(
        outcome=draw(st.sampled_from(get_args(Outcome))),
        policies=tuple(draw(st.lists(policy, max_size=2))),
        baselines=tuple(draw(st.lists(baseline, max_size=2))),
        rules=tuple(draw(st.lists(rule, max_size=3))),
        analysis=samples.analysis_of(rows) if rows else None,
        error=draw(st.none() | TEXT),
        run_metrics=draw(numbers),
        baseline_model=draw(numbers),
        baseline_alpha=draw(numbers),
    )


def test_keys_that_cannot_be_written_sort_as_they_are_written() -> None:
    verdict = dataclasses.replace(samples.blocked(), baseline_alpha={"\ud800": 1.0, "alpha": 2.0})
    text = render_verdict(verdict, "json")
    assert render_verdict(load_verdict(text), "json") == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verdict=verdicts())
def test_any_verdict_renders_and_comes_back(verdict: Verdict) -> None:
    saved = load_verdict(render_verdict(verdict, "json"))
    for name in NAMES:
        assert render_verdict(saved, name) == render_verdict(verdict, name), name


def test_the_room_imports_without_its_renderers_libraries() -> None:
    heavy = "{'jinja2', 'rich', 'junitparser', 'pydantic', 'numpy', 'mlflow'}"
    script = f"import gate.report, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
