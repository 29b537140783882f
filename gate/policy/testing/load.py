"""Test files to typed cases, or every mistake in them at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gate.policy.problems import InvalidPolicyError, Problem, did_you_mean
from gate.policy.testing.interface import Case, CaseModel, CaseWaiver, Expectation, TestFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.policy.source import Document
    from gate.policy.testing.document import CaseDocument, ModelDocument, TestsDocument

_SUFFIXES: Final = (".test.yaml", ".test.yml")
_ONLY_WITH_LAYERS: Final = ("metrics", "coverage", "findings", "digest")

Place = tuple[str | int, ...]


def is_test_file(path: Path) -> bool:
    """Tell by its name whether ``path`` is a test file."""
    return path.name.endswith(_SUFFIXES) and path.name not in _SUFFIXES


def policy_beside(path: Path) -> Path:
    """Return the policy that a test file at ``path`` is about unless it names another: NAME.yaml."""
    suffix = next(suffix for suffix in _SUFFIXES if path.name.endswith(suffix))
    return path.with_name(path.name.removesuffix(suffix) + suffix.removeprefix(".test"))


def load_tests(path: Path) -> TestFile:
    """Return the cases in the file at ``path``.

    Raises
    ------
    gate.errors.PolicyError
        It cannot be read or is not a valid test file; ``problems`` lists every mistake with its place.
    """
    from gate.policy.source import read_text  # noqa: PLC0415 - YAML, as in gate.policy.load

    return parse_tests(read_text(path), str(path))


def parse_tests(text: str, file: str) -> TestFile:
    """Return the cases in ``text``; ``file`` is its name, by which the policy is found too.

    Raises
    ------
    gate.errors.PolicyError
        It is not valid; ``problems`` lists every mistake.
    """
    from gate.policy.mistakes import Vocabulary, validated  # noqa: PLC0415 - pydantic
    from gate.policy.source import parse_yaml  # noqa: PLC0415 - as above
    from gate.policy.testing import document as shapes  # noqa: PLC0415 - pydantic

    tree = parse_yaml(text, file)
    vocabulary = Vocabulary(
        {
            "": shapes.TestsDocument,
            "cases": shapes.CaseDocument,
            "model": shapes.ModelDocument,
            "baseline": shapes.ModelDocument,
            "baselines": shapes.ModelDocument,
            "layers": shapes.LayerDocument,
            "findings": shapes.FindingsDocument,
            "waivers": shapes.WaiverCaseDocument,
            "expect": shapes.ExpectDocument,
        },
        {
            "": "a test file",
            "cases": "a case",
            "model": "a model",
            "baseline": "a model",
            "baselines": "a model",
            "layers": "a layer",
            "waivers": "a waiver",
        },
    )
    document = validated(tree, shapes.TestsDocument, vocabulary)
    problems = [*_senseless(document, tree), *_twins(document, tree)]
    if problems:
        raise InvalidPolicyError(problems)
    cases = tuple(_case(item, tree, ("cases", index)) for index, item in enumerate(document.cases))
    return TestFile(file, document.policy or _policy_of(file, tree), cases)


def _policy_of(file: str, tree: Document) -> str:
    path = Path(file)
    if not is_test_file(path):
        fix = "add `policy: FILE`, or name the file POLICY.test.yaml"
        raise InvalidPolicyError([Problem(tree.at(()), "nothing says which policy this is about", fix)])
    return policy_beside(path).name


def _senseless(document: TestsDocument, tree: Document) -> Iterator[Problem]:
    for index, case in enumerate(document.cases):
        place: Place = ("cases", index)
        for path, model in _models(case):
            yield from _model_problems(model, tree, (*place, *path))
        if not case.expect.model_fields_set or (
            case.expect.outcome is None and not (case.expect.rules or case.expect.layers)
        ):
            fix = "add outcome, rules or layers"
            yield Problem(tree.at((*place, "expect")), "the case expects nothing", fix)


def _models(case: CaseDocument) -> Iterator[tuple[Place, ModelDocument]]:
    yield ("model",), case.model
    if case.baseline is not None:
        yield ("baseline",), case.baseline
    for spec, model in case.baselines.items():
        yield ("baselines", spec), model


def _model_problems(model: ModelDocument, tree: Document, place: Place) -> Iterator[Problem]:
    from gate.policy.testing.document import SOURCES  # noqa: PLC0415 - pydantic

    given = [key for key in SOURCES if getattr(model, key) is not None]
    if len(given) != 1:
        what = "no source of the model" if not given else f"two sources: {given[0]} and {given[1]}"
        yield Problem(tree.at(place), what, f"give exactly one of {', '.join(SOURCES)}")
    for key in _ONLY_WITH_LAYERS:
        of_files = key == "findings" and model.nothing_to_measure is not None
        if key in model.model_fields_set and model.layers is None and not of_files:
            yield Problem(tree.at((*place, key), key=True), f"'{key}' goes with 'layers'", "remove it")


def _twins(document: TestsDocument, tree: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, case in enumerate(document.cases):
        if case.name in first:
            line = tree.at(("cases", first[case.name], "name")).line
            message, fix = f"the case '{case.name}' stands twice", f"the first is on line {line}"
            yield Problem(tree.at(("cases", index, "name")), message, fix)
        first.setdefault(case.name, index)


def unknown_rules(tests: TestFile, known: tuple[str, ...]) -> tuple[Problem, ...]:
    """Return a problem for each rule that a case names and the policy does not have."""
    from gate.errors import Location  # noqa: PLC0415 - only where a rule is misspelt

    named = ((case, rule) for case in tests.cases for rule in (*case.expect.rules, *case.expect.layers))
    return tuple(
        Problem(
            Location(tests.file, case.line, 1),
            f"case '{case.name}' expects something of rule '{rule}', which the policy does not have",
            did_you_mean(rule, known) or f"its rules are {', '.join(known)}",
        )
        for case, rule in named
        if rule not in known
    )


def _case(document: CaseDocument, tree: Document, place: Place) -> Case:
    from gate.policy.waivers.document import moment  # noqa: PLC0415 - pydantic

    return Case(
        name=document.name,
        line=tree.at(place).line or 1,
        model=_model(document.model, tree, (*place, "model")),
        expect=Expectation(
            outcome=document.expect.outcome,
            rules=dict(document.expect.rules),
            layers={rule: tuple(names) for rule, names in document.expect.layers.items()},
        ),
        baseline=None if document.baseline is None else _model(document.baseline, tree, (*place, "baseline")),
        baselines={
            spec: _model(model, tree, (*place, "baselines", spec))
            for spec, model in document.baselines.items()
        },
        registered=document.registered,
        run_metrics=dict(document.run_metrics),
        waivers=tuple(
            CaseWaiver(item.rule, item.digest, None if item.expires is None else moment(item.expires))
            for item in document.waivers
        ),
        now=None if document.now is None else moment(document.now),
    )


def _model(document: ModelDocument, tree: Document, place: Place) -> CaseModel:
    layers: tuple[dict[str, Any], ...] | None = None
    if document.layers is not None:
        layers = tuple(layer.model_dump(exclude_unset=True) for layer in document.layers)
    return CaseModel(
        location=tree.at(place),
        file=document.file,
        saved=document.saved,
        layers=layers,
        unreadable=document.unreadable,
        nothing=document.nothing_to_measure,
        metrics=dict(document.metrics),
        findings={} if document.findings is None else document.findings.model_dump(exclude_unset=True),
        coverage=document.coverage,
        digest=document.digest,
    )
