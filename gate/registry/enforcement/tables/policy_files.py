"""Policy files, read and validated as a set before anything of it is put in force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import Location
from gate.policy import InvalidPolicyError, Policy, Problem, parse_policy, policy_digest
from gate.policy.source import read_text
from gate.policy.testing import is_test_file, policy_beside

if TYPE_CHECKING:
    from collections.abc import Iterable

CONVENTION: Final = "gate-1"
"""The convention that enforced policies are judged in; it is part of a policy's digest."""

MOST_POLICIES: Final = 1000
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A valid policy and the words it was written in."""

    policy: Policy
    text: str

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self.policy.name

    @property
    def digest(self) -> str:
        """Return the digest of what the policy asks."""
        return policy_digest(self.policy, CONVENTION)


def read_policy_files(paths: Iterable[Path | str]) -> tuple[PolicyFile, ...]:
    """Return the policies of several files, all valid and no two of one name.

    Raises
    ------
    gate.errors.PolicyError
        A file is not a valid policy, or two names differ by case alone; every mistake is listed.
    """
    found: list[PolicyFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            text = read_text(Path(path))
            policy = parse_policy(text, str(path))
        except InvalidPolicyError as error:
            problems.extend(error.problems)
            continue
        twin = next((one for one in found if one.name.casefold() == policy.name.casefold()), None)
        if twin is not None:
            where = Location(str(path), 1, 1)
            problems.append(
                Problem(where, f"a second policy named '{policy.name}'", f"the first is {twin.policy.file}")
            )
        found.append(PolicyFile(policy, text))
    if problems:
        raise InvalidPolicyError(problems)
    return tuple(found)


def folder_of_policies(folder: Path) -> tuple[Path, ...]:
    """Return the policy files that stand in a folder, by name.

    Raises
    ------
    gate.errors.PolicyError
        It cannot be read, is no folder, or holds no policy file, or too many.
    """
    where = Location(str(folder))
    try:
        files = sorted(path for path in folder.iterdir() if _is_policy_file(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidPolicyError([Problem(where, f"cannot read the folder of policies: {reason}")]) from error
    if not files:
        raise InvalidPolicyError([Problem(where, "no policy file (.yaml, .yml) in this folder")])
    if len(files) > MOST_POLICIES:
        raise InvalidPolicyError([Problem(where, f"more than {MOST_POLICIES} policy files in this folder")])
    return tuple(files)


def _is_policy_file(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and not _is_test_of_one(path)


def _is_test_of_one(path: Path) -> bool:
    """Tell whether these are the tests of a policy beside them; without one they must be a policy."""
    return is_test_file(path) and policy_beside(path).is_file()
