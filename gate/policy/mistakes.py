"""pydantic's errors in the words of a policy's author, with the fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from gate.policy import document
from gate.policy.document import MistakeError
from gate.policy.problems import InvalidPolicyError, Problem, did_you_mean, one_of
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.policy.source import Document

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a kind of file is made of.

    ``models`` says which model stands under a key, ``nouns`` what it is called there; what has no entry
    is what the nearest key before it is, and the file itself stands under the empty key.
    """

    models: Mapping[str, type[BaseModel]]
    nouns: Mapping[str, str]

    def noun(self, path: Sequence[str | int]) -> str:
        """Return what stands at ``path``, e.g. ``a rule``."""
        return self.nouns[_nearest(path, self.nouns)]

    def keys(self, path: Sequence[str | int]) -> list[str]:
        """Return the keys that may stand in the mapping at ``path``."""
        fields = self.models[_nearest(path, self.models)].model_fields
        return [field.alias or name for name, field in fields.items()]


def _nearest(path: Sequence[str | int], known: Mapping[str, object]) -> str:
    return next((step for step in reversed(path) if isinstance(step, str) and step in known), "")


POLICY: Final = Vocabulary(
    models={
        "": document.PolicyDocument,
        "match": document.MatchDocument,
        "baseline": document.BaselineDocument,
        "coverage": document.CoverageDocument,
        "rules": document.RuleDocument,
        "where": document.WhereDocument,
        "allow": document.AllowDocument,
        "max_increase": document.ToleranceDocument,
        "max_decrease": document.ToleranceDocument,
        "max_change": document.ToleranceDocument,
    },
    nouns={"": "a policy", "rules": "a rule"},
)

_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "int_type": ("a whole number", "write digits without quotes"),
    "float_type": ("a number", "write digits without quotes"),
    "string_type": ("text", "put quotes around it"),
    "list_type": ("a list", "write [A, B], or one item a line after '- '"),
    "model_type": ("a mapping", "write {KEY: VALUE}, or one 'KEY: VALUE' a line"),
}

_LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    "finite_number": ("'{name}' takes finite numbers", "remove .nan and .inf"),
    "greater_than": ("'{name}' must be above {gt:g}, not {given}", "write a larger number"),
    "greater_than_equal": ("'{name}' must be at least {ge:g}, not {given}", "write a larger number"),
    "less_than_equal": ("'{name}' must be at most {le:g}, not {given}", "write a smaller number"),
    "string_too_short": ("'{name}' is empty", "write something, or remove the key"),
    "string_too_long": ("'{name}' is longer than {max_length} characters", "shorten it"),
}


def problems_of(error: ValidationError, tree: Document, vocabulary: Vocabulary = POLICY) -> list[Problem]:
    """Return every mistake pydantic found, at its place in the file."""
    return [_problem(dict(item), tree, vocabulary) for item in error.errors(include_url=False)]


def validated(tree: Document, model: type[_Model], vocabulary: Vocabulary) -> _Model:
    """Return the document as ``model``, for files whose sense needs no look beyond their shape.

    Raises
    ------
    gate.errors.PolicyError
        It has another shape; ``problems`` lists every mistake.
    """
    plain = tree.plain()
    if not isinstance(plain, dict):
        mistake = Problem(
            tree.at(()), f"{vocabulary.nouns['']} is a mapping of keys", "start with `version: 1`"
        )
        raise InvalidPolicyError([*tree.problems, mistake])
    try:
        document = model.model_validate(plain)
    except ValidationError as error:
        # What follows from an alias or a tag is no second mistake.
        known = {problem.location for problem in tree.problems}
        found = [item for item in problems_of(error, tree, vocabulary) if item.location not in known]
        raise InvalidPolicyError([*tree.problems, *found]) from error
    if tree.problems:
        raise InvalidPolicyError(tree.problems)
    return document


def known_keys(path: Sequence[str | int], vocabulary: Vocabulary = POLICY) -> list[str]:
    """Return the keys that may stand in the mapping at ``path``."""
    return vocabulary.keys(path)


def _problem(item: dict[str, Any], tree: Document, vocabulary: Vocabulary) -> Problem:
    path: tuple[str | int, ...] = item["loc"]
    kind: str = item["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path, tree, vocabulary)
    if kind == "missing":
        needs = f"{vocabulary.noun(path[:-1])} needs it"
        return Problem(tree.at(path[:-1]), f"the key '{path[-1]}' is missing", needs)
    is_key = path[-1:] == ("[key]",)  # pydantic's way to say that the key itself is wrong
    path = path[:-1] if is_key else path
    message, fix = _words(kind, path, item)
    return Problem(tree.at(path, key=is_key), message, fix)


def _unknown_key(path: tuple[str | int, ...], tree: Document, vocabulary: Vocabulary) -> Problem:
    known = vocabulary.keys(path[:-1])
    key = str(path[-1])
    fix = did_you_mean(key, known) or f"known here: {', '.join(known)}"
    return Problem(tree.at(path, key=True), f"unknown key '{printable(key, 60)}'", fix)


def _words(kind: str, path: tuple[str | int, ...], item: dict[str, Any]) -> tuple[str, str | None]:
    given, context = item["input"], item.get("ctx", {})
    name = next((step for step in reversed(path) if isinstance(step, str)), "the policy")
    if kind in _TYPES:
        wanted, advice = _TYPES[kind]
        return f"'{name}' takes {wanted}, not {_described(given)}", advice
    if kind == "literal_error":
        known = [word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(",")]
        guess = did_you_mean(given, known) if isinstance(given, str) else None
        return f"'{name}' does not know {_described(given)}", guess or one_of(known)
    if isinstance(context.get("error"), MistakeError):
        return str(context["error"]), context["error"].fix
    if kind in {"too_short", "too_long"}:
        return _length(name, context)
    template, advice = _LIMITS.get(kind, ("'{name}': {message}", "see docs/reference/policy.md"))
    return template.format(name=name, given=_described(given), message=item["msg"], **context), advice


def _length(name: str, context: dict[str, Any]) -> tuple[str, str]:
    amount = context["actual_length"]
    if name == "within":
        return f"'within' takes two numbers, not {amount}", "write [LOW, HIGH]"
    if "min_length" in context:
        return f"'{name}' is empty", "write at least one item"
    return f"'{name}' holds {amount} items", f"write at most {context['max_length']}"


def _described(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"'{printable(str(value), 60)}'"
