"""What ``gate verify`` does: gather what can be known of a version, and see whether its decisions hold."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, ModelError, UsageError
from gate.report.verification import Verification
from gate.text import printable
from gate.workflow.sources import RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.policy.rules import Policy
    from gate.registry.attestation.interface import TrustedKey
    from gate.registry.attestation.verification import Facts
    from gate.report.verification import VerifiedDecision
    from gate.workflow.sources import Located

KEYS_VARIABLE: Final = "GATE_TRUSTED_KEYS"
MLFLOW_EXTRAS: Final = frozenset({"registered_model_meta"})
"""Files that MLflow adds to a model it downloads; they are in no artifact store."""

_LARGEST_ENVELOPES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify, and by what.

    Attributes
    ----------
    source:
        A registered version, None to verify from files alone.
    keys:
        File or folder of trusted keys, None for what ``GATE_TRUSTED_KEYS`` names.
    policies:
        Policy files that must each have a decision; empty for those that the registry says it enforces,
        else for whatever decisions there are.
    envelope:
        File of envelopes, one a line, in the place of the registry's.
    model:
        Folder or file to hash in the place of the registry's.
    verdict:
        A ``verdict.json`` that must be the one that was decided by.
    """

    source: str | None = None
    keys: Path | None = None
    policies: tuple[Path, ...] = ()
    envelope: Path | None = None
    model: Path | None = None
    verdict: Path | None = None
    address: RegistryAddress = field(default_factory=RegistryAddress)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Envelopes by policy, what is known besides, and what a person should know."""

    subject: str
    envelopes: Mapping[str, str]
    facts: Facts
    notes: tuple[str, ...] = ()


def verify_decisions(request: VerifyRequest) -> Verification:
    """Verify the signed decisions on a registered version, or in a file.

    Raises
    ------
    gate.errors.UsageError
        The request names nothing to verify or no trusted key, or a file of it cannot be read.
    gate.errors.RegistryError
        The registry cannot be reached.
    gate.errors.ModelError
        The files cannot be hashed.
    """
    if request.source is None and (request.envelope is None or request.model is None):
        raise UsageError(
            "nothing to verify",
            hint="Name models:/NAME/VERSION, or files: --envelope verdict.intoto.jsonl --model FOLDER.",
        )
    keys = _trusted(request.keys)
    located = _locate(request)
    asked = _policies(request, located)
    gathered = _gather(request, located, asked)
    return _judged(gathered, keys, asked)


def _judged(gathered: _Gathered, keys: tuple[TrustedKey, ...], asked: tuple[Policy, ...]) -> Verification:
    from gate.registry.attestation.verification import verify  # noqa: PLC0415 - cryptography, pydantic

    wanted = {policy.name: policy for policy in asked}
    decisions = tuple(
        replace(decision, counts=not wanted or decision.policy in wanted)
        for decision in (
            verify(policy, text, keys, gathered.facts) for policy, text in gathered.envelopes.items()
        )
    )
    counting = [decision for decision in decisions if decision.counts]
    problems = _missing(gathered, decisions, wanted)
    audited = {name for name, policy in wanted.items() if policy.mode == "audit"}
    notes = gathered.notes + tuple(f"policy {printable(name)} only audits" for name in sorted(audited))
    valid = not problems and all(decision.valid for decision in counting)
    passed = valid and all(decision.passed for decision in counting if decision.policy not in audited)
    return Verification(gathered.subject, valid, passed, decisions, problems, notes)


def _missing(
    gathered: _Gathered, decisions: Iterable[VerifiedDecision], wanted: Mapping[str, Policy]
) -> tuple[str, ...]:
    found = {decision.policy for decision in decisions}
    missing = [name for name, policy in wanted.items() if policy.mode == "enforce" and name not in found]
    problems = tuple(f"there is no signed decision under policy {printable(name)}" for name in missing)
    if not found and not problems:
        return (f"there is no signed decision on {gathered.subject}",)
    return problems


def _trusted(path: Path | None) -> tuple[TrustedKey, ...]:
    from gate.registry.attestation.keys import load_trusted_keys  # noqa: PLC0415 - keeps `gate --help` fast

    named = path or os.environ.get(KEYS_VARIABLE)
    if not named:
        raise UsageError(
            "no trusted keys were named, and without any nothing can be verified",
            hint=f"Give --keys FILE or FOLDER, or set {KEYS_VARIABLE}; gate init writes such a folder.",
        )
    return load_trusted_keys(Path(named))


def _locate(request: VerifyRequest) -> Located | None:
    from gate.workflow.sources import locate  # noqa: PLC0415 - keeps `gate --help` fast

    if request.source is None:
        return None
    located = locate(request.source, request.address)
    if not located.registered:
        raise UsageError(
            f"{printable(request.source)} is no registered version, and only these have signed decisions",
            hint="Name models:/NAME/VERSION, or files: --envelope verdict.intoto.jsonl --model FOLDER.",
        )
    return located


def _policies(request: VerifyRequest, located: Located | None) -> tuple[Policy, ...]:
    """Return the policies that must have decided; none where nobody says."""
    from gate.policy import governing, load_policies, policy_path  # noqa: PLC0415 - pydantic and YAML
    from gate.workflow.enforced import enforced_by_registry  # noqa: PLC0415 - as above

    if not request.policies:
        return () if located is None else enforced_by_registry(located)
    loaded = load_policies([policy_path(file) for file in request.policies])
    model = None if located is None else located.resolved.name
    asked = governing(loaded, model=model)
    if not asked:
        raise UsageError(
            f"none of the policies given governs {printable(model or 'it')}",
            hint="Look at `match: {models: [...]}` in the policies.",
        )
    return asked


def _gather(request: VerifyRequest, located: Located | None, asked: tuple[Policy, ...]) -> _Gathered:
    from gate.registry.attestation.verification import Facts  # noqa: PLC0415 - as above

    facts = Facts(
        digests=_digests(request, located),
        policies={policy.name: _policy_digests(policy) for policy in asked},
        verdict=None if request.verdict is None else _file_digest(request.verdict),
        now=datetime.now(timezone.utc),
    )
    if located is None or located.registry is None:
        subject = printable(str(request.model))
        return _Gathered(subject, _from_file(request.envelope), facts, ("no registry was asked",))
    return _from_registry(request, located, facts)


def _from_registry(request: VerifyRequest, located: Located, facts: Facts) -> _Gathered:
    from gate.registry.attest import attestations, registry_id, seen_envelopes  # noqa: PLC0415 - mlflow
    from gate.registry.failures import registry_errors  # noqa: PLC0415 - as above
    from gate.registry.statements import subject_of  # noqa: PLC0415 - as above

    version, registry = located.resolved, located.registry
    if registry is None or version.name is None or version.version is None:
        raise UsageError("there is no registry to verify with")
    connection = registry.connection
    with registry_errors(f"look up {printable(version.uri)}", connection.registry_uri):
        found = connection.client.get_model_version(version.name, str(version.version))
    subject = subject_of(found, registry_id(found.tags, connection.naming), None)
    notes: tuple[str, ...] = (version.note,) if version.note else ()
    others: tuple[str, ...] = ()
    try:
        others = seen_envelopes(connection, version.name, version.version)
    except GateError as error:
        notes += (f"earlier and later decisions could not be looked for: {error}",)
    envelopes = _from_file(request.envelope) if request.envelope else attestations(connection, found)
    return _Gathered(printable(version.uri), envelopes, replace(facts, subject=subject, others=others), notes)


def _from_file(path: Path | None) -> dict[str, str]:
    """Return the envelopes of a file by policy; two of one policy leave neither in doubt: it is refused."""
    from gate.registry.attest import split_envelopes  # noqa: PLC0415 - as above
    from gate.registry.attestation.envelope import read_unverified  # noqa: PLC0415 - as above
    from gate.registry.attestation.interface import MalformedError  # noqa: PLC0415 - as above

    if path is None:
        return {}
    found: dict[str, str] = {}
    for number, text in enumerate(split_envelopes(_bytes(path)), start=1):
        try:
            policy = read_unverified(text).policy
        except MalformedError:
            policy = f"of line {number}"
        if policy in found:
            raise UsageError(f"{printable(str(path))} holds two decisions under policy {printable(policy)}")
        found[policy] = text
    return found


def _digests(request: VerifyRequest, located: Located | None) -> frozenset[str]:
    """Hash the files: those that were named, else the registry's."""
    from gate.registry.pull import open_model  # noqa: PLC0415 - as above

    if request.model is not None:
        return _local_digests(request.model)
    if located is None or located.registry is None:
        return frozenset()
    with open_model(located.resolved, located.registry.connection) as model:
        return frozenset({model.digest})


def _local_digests(path: Path) -> frozenset[str]:
    """Return the digest of a folder, and without what MLflow added to it when it was downloaded."""
    from gate.analysis.manifest import folder_manifest, manifest_digest  # noqa: PLC0415 - as above

    if not path.exists():
        raise UsageError(f"there is no file or folder {printable(str(path))!r}")
    files = folder_manifest(path)
    stored = [file for file in files if file.path not in MLFLOW_EXTRAS]
    return frozenset({manifest_digest(files), manifest_digest(stored)})


def _policy_digests(policy: Policy) -> frozenset[str]:
    """Return the digest of a policy under every convention: the decision does not name its own."""
    from gate.policy import policy_digest  # noqa: PLC0415 - as above
    from gate.spectra.conventions import CONVENTIONS  # noqa: PLC0415 - as above

    return frozenset(policy_digest(policy, convention.name) for convention in CONVENTIONS)


def _file_digest(path: Path) -> str:
    from gate.analysis.manifest import hash_file  # noqa: PLC0415 - as above

    try:
        return hash_file(path, str(path)).digest
    except ModelError as error:
        raise UsageError(error.message) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_ENVELOPES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {printable(str(path))}: {error.strerror}") from error
    if len(content) > _LARGEST_ENVELOPES:
        raise UsageError(f"{printable(str(path))} is too large to hold signed decisions")
    return content
