"""Policy files to typed policies, or every mistake in them at once.

pydantic and ruamel are imported when a file is read, not before: judging needs neither.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gate.errors import Location
from gate.policy.problems import InvalidPolicyError, Problem, did_you_mean
from gate.policy.rules import BaselineUse, Match, Policy
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.policy.document import PolicyDocument, RuleDocument
    from gate.policy.rules import Rule
    from gate.policy.source import Document

PACKAGED: Final = ("default", "strict", "llm")
"""The policies that ship with the gate."""


def load_policy(path: Path | str) -> Policy:
    """Return the policy in the file at ``path``; its ``file`` is ``path`` as given.

    Raises
    ------
    gate.errors.PolicyError
        The file cannot be read or is not a valid policy; ``problems`` lists every mistake.
    """
    from gate.policy.source import read_text  # noqa: PLC0415 - see the module's docstring

    if not Path(path).exists():
        raise _no_such_file(str(path))
    return parse_policy(read_text(Path(path)), str(path))


def _no_such_file(name: str) -> InvalidPolicyError:
    packaged = f"name a YAML file, or a packaged policy: {', '.join(PACKAGED)}"
    fix = did_you_mean(_without_suffix(name), PACKAGED) or packaged
    return InvalidPolicyError([Problem(Location(name), f"the file does not exist: {printable(name)}", fix)])


def _without_suffix(name: str) -> str:
    return name.removesuffix(".yaml")


def load_policies(paths: Iterable[Path | str]) -> tuple[Policy, ...]:
    """Return the policies of several files, reporting the mistakes of all together.

    Raises
    ------
    gate.errors.PolicyError
        A file is not a valid policy, or two policies have the same name.
    """
    loaded: list[Policy] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            policy = load_policy(path)
        except InvalidPolicyError as error:
            problems.extend(error.problems)
            continue
        twin = next((other for other in loaded if other.name == policy.name), None)
        if twin is not None:
            where = Location(policy.file, 1, 1)
            problems.append(
                Problem(where, f"a second policy named '{policy.name}'", f"the first is {twin.file}")
            )
        loaded.append(policy)
    if problems:
        raise InvalidPolicyError(problems)
    return tuple(loaded)


def packaged_policy(name: str = "default") -> Path:
    """Return the path of a policy that ships with the gate.

    In a wheel the files stand in ``gate/policies``; in a checkout in ``policies`` beside ``gate``.

    Raises
    ------
    gate.errors.PolicyError
        None has that name, or the installation lacks it.
    """
    where = Location(name)
    if name not in PACKAGED:
        fix = did_you_mean(name, PACKAGED) or f"packaged are {', '.join(PACKAGED)}"
        raise InvalidPolicyError([Problem(where, "no packaged policy of that name", fix)])
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "policies", package.parent / "policies"):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path
    raise InvalidPolicyError([Problem(where, "the packaged policy is not installed", "reinstall the gate")])


def policy_path(name: Path | str) -> Path:
    """Return the file that ``name`` means: a path, or a packaged policy where no such file exists.

    A packaged policy may be named with ``.yaml``, as the output names it.

    Raises
    ------
    gate.errors.PolicyError
        The installation lacks that packaged policy.
    """
    packaged = _without_suffix(str(name))
    return packaged_policy(packaged) if packaged in PACKAGED and not Path(name).exists() else Path(name)


def packaged_name(file: str) -> str | None:
    """Return the name of the packaged policy that ``file`` is the path of, or None."""
    with contextlib.suppress(InvalidPolicyError):
        return next((name for name in PACKAGED if file == str(packaged_policy(name))), None)
    return None


def parse_policy(text: str, file: str = "<policy>") -> Policy:
    """Return the policy in ``text``; ``file`` is the name that mistakes are reported under.

    Raises
    ------
    gate.errors.PolicyError
        It is not a valid policy; ``problems`` lists every mistake.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - see the module's docstring

    from gate.policy.document import PolicyDocument  # noqa: PLC0415
    from gate.policy.mistakes import problems_of  # noqa: PLC0415
    from gate.policy.source import parse_yaml  # noqa: PLC0415

    tree = parse_yaml(text, file)
    plain = tree.plain()
    if not isinstance(plain, dict):
        fix = "start with `version: 1`"
        raise InvalidPolicyError([*tree.problems, Problem(tree.at(()), "a policy is a mapping of keys", fix)])
    problems: list[Problem] = []
    document = None
    try:
        document = PolicyDocument.model_validate(plain)
    except ValidationError as error:
        problems.extend(problems_of(error, tree))
    rules, mistakes = _read_rules(plain.get("rules"), tree)
    # What follows from an alias or a tag is no second mistake.
    known = {problem.location for problem in tree.problems}
    found = [problem for problem in (*problems, *mistakes) if problem.location not in known]
    if document is None or found or tree.problems:
        raise InvalidPolicyError([*tree.problems, *found])
    return _policy(document, rules, file)


def _read_rules(items: Any, tree: Document) -> tuple[tuple[Rule, ...], list[Problem]]:
    """Return the rules that are sound, and what is wrong with the sense of the others.

    Mistakes of shape are reported already; the sound keys of such a rule are still checked.
    """
    from gate.policy.document import MOST_RULES  # noqa: PLC0415 - see the module's docstring
    from gate.policy.meaning import RuleReader  # noqa: PLC0415

    rules: list[Rule] = []
    problems = _duplicate_ids(items, tree)
    for index, item in enumerate(items[:MOST_RULES] if isinstance(items, list) else ()):
        document, dropped = _sound_part(item)
        if document is None:
            continue
        reader = RuleReader(document, tree, index, dropped)
        rule = reader.read()
        problems.extend(reader.problems)
        if rule is not None:
            rules.append(rule)
    return tuple(rules), problems


def _sound_part(item: Any) -> tuple[RuleDocument | None, frozenset[str]]:
    """Return the rule without its keys of the wrong shape, and which those are."""
    from pydantic import ValidationError  # noqa: PLC0415 - see the module's docstring

    from gate.policy.document import RuleDocument  # noqa: PLC0415

    if not isinstance(item, dict):
        return None, frozenset()
    try:
        return RuleDocument.model_validate(item), frozenset()
    except ValidationError as error:
        dropped = frozenset(str(mistake["loc"][0]) for mistake in error.errors(include_url=False))
    sound = {key: value for key, value in item.items() if key not in dropped}
    required = {"id": "unnamed", "description": "none", "metric": "none"}
    return RuleDocument.model_validate(required | sound), dropped


def _duplicate_ids(items: Any, tree: Document) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for index, item in enumerate(items if isinstance(items, list) else ()):
        name = item.get("id") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in first:
            line = tree.at(("rules", first[name], "id")).line
            place = tree.at(("rules", index, "id"))
            problems.append(
                Problem(place, f"the rule id '{name}' stands twice", f"the first is on line {line}")
            )
        first.setdefault(name, index)
    return problems


def _policy(document: PolicyDocument, rules: tuple[Rule, ...], file: str) -> Policy:
    from gate.policy.document import duration  # noqa: PLC0415 - see the module's docstring

    globs: Mapping[str, list[str] | None] = document.match.model_dump()
    return Policy(
        name=document.name,
        rules=rules,
        file=file,
        match=Match(**{key: None if value is None else tuple(value) for key, value in globs.items()}),
        baseline=BaselineUse(
            use=tuple(document.baseline.use),
            when_missing=document.baseline.when_missing,
            when_not_comparable=document.baseline.when_not_comparable,
            partial=document.baseline.partial,
        ),
        min_parameters=document.coverage.min_parameters,
        on_error=document.on_error,
        when_nothing_to_measure=document.when_nothing_to_measure,
        mode=document.mode,
        grace=duration(document.grace),
    )
