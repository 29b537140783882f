"""Writing a decision into the registry, in an order that may be cut off anywhere.

A plain registry has no transactions over tags, runs and descriptions.  What holds instead, after a
crash between any two writes and with two checkers at once:

1. A passing outcome that the new verdict does not confirm is taken away before anything else.
2. The report run is written; no tag points to it yet.  Where there is a key, the signed decisions
   follow, one per policy (``gate.registry.attest``).
3. The outcome tag goes first and comes back last, after everything it is said of: a version whose
   tags are incomplete has no outcome, and no outcome is not a passed one.
4. A checksum over the tags and the version's identity comes just before the outcome.  Tags of two
   writers do not fit together, so a reader takes them for no decision (``gate.registry.decision``).
5. The writer reads back what it wrote; if another writer got in between, it starts again at 3.
   Whoever reads back last sees every write, so two writers end with the tags of one of them.
6. The trend line and the description, which nothing depends on, come last.

Checking again does all of it anew and so mends whatever was left out.

An enforcing registry (it shows a tag ``gate.registry``) does 1 and 3 to 5 itself, in one transaction with
taking the signed decision; without a key nothing can be recorded there.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import RegistryError, UsageError
from gate.registry.attest import deliver, registry_id
from gate.registry.decision import BOUND_TAGS, CHECKSUM, OUTCOME, PASSING, checksum, policies_digest
from gate.registry.description import Summary, report_address, report_link, with_block
from gate.registry.failures import FailedRequestError, RefusedError, registry_errors
from gate.registry.reports import ensure_experiment, write_report
from gate.registry.statements import (
    FIGURES,
    baseline_uses,
    policy_decisions,
    sha256,
    statements,
)
from gate.registry.statements import VERDICT_FILE as VERDICT_FILE  # noqa: PLC0414 - readers take it from here
from gate.registry.trend import TrendChange, log_trend
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow.entities.model_registry import ModelVersion

    from gate.policy.interface import Outcome, Verdict
    from gate.policy.waivers import Waiver
    from gate.registry.attest import Delivered
    from gate.registry.attestation.interface import BaselineUse, SigningKey
    from gate.registry.clients import Connection
    from gate.registry.resolve import ResolvedSource
    from gate.registry.statements import PolicyDecision

REPORT_FILE: Final = "report.html"
_LONGEST_TAG: Final = 500
_ATTEMPTS: Final = 6
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class RecordInput:
    """What to record of one check.

    Attributes
    ----------
    outcome:
        The true one, also in audit mode.
    policies:
        Name and digest of each policy that judged.
    digest:
        The model's manifest digest, None where its files could not be read.
    metrics:
        Model metrics by name; what is None or not finite is left out.
    artifacts:
        Report files, name to content: ``report.html``, ``verdict.json``, ``layers.csv``.
    checked_at:
        When it was judged.
    decisions:
        What each policy decided: what is signed.
    baselines, run_metrics:
        What they rest on beside the model itself.
    """

    outcome: Outcome
    policies: tuple[tuple[str, str], ...]
    digest: str | None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    checked_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    decisions: tuple[PolicyDecision, ...] = ()
    baselines: tuple[BaselineUse, ...] = ()
    run_metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        verdict: Verdict,
        digest: str | None,
        artifacts: Mapping[str, bytes],
        waivers: Sequence[Waiver] = (),
    ) -> RecordInput:
        """Take what is recorded from a verdict, judged now, and the waivers that were given."""
        metrics = {} if verdict.analysis is None else dataclasses.asdict(verdict.analysis.model)
        policies = tuple((policy.name, policy.digest) for policy in verdict.policies)
        return cls(
            verdict.outcome,
            policies,
            digest,
            metrics,
            artifacts,
            decisions=policy_decisions(verdict, waivers),
            baselines=baseline_uses(verdict),
            run_metrics=verdict.run_metrics,
        )


@dataclass(frozen=True, slots=True)
class RecordReceipt:
    """What was written, for people: the report run, where it is, and what became of the extras.

    ``report`` is an address for a browser, or the run's id where the tracking server is no web page.
    """

    run_id: str
    experiment_id: str
    report: str
    tags: Mapping[str, str]
    trend: TrendChange
    description: Literal["written", "left out"]
    signed_by: str | None = None


def record(
    connection: Connection, version: ResolvedSource, judged: RecordInput, key: SigningKey | None = None
) -> RecordReceipt:
    """Record a decision on a registered version.

    Parameters
    ----------
    connection:
        Where to write.
    version:
        A registered version; its tags as given are not relied on.
    judged:
        What was decided.
    key:
        Signs it, policy by policy; without one nothing is signed.

    Raises
    ------
    gate.errors.UsageError
        The source is no registered version, or the version is gone.
    gate.errors.RegistryError
        Something could not be written; checking again mends it.  Or the registry takes signed
        decisions only and there is no key, or it refuses this one.
    """
    if version.name is None or version.version is None:
        raise UsageError(
            f"{printable(version.uri)} is no registered version, so there is nowhere to record a decision",
            hint="Check models:/NAME/VERSION, or pass --no-record.",
        )
    name, number = version.name, version.version
    values = _tag_values(judged)
    metrics = {key: float(value) for key, value in judged.metrics.items() if value is not None}
    metrics = {key: value for key, value in metrics.items() if math.isfinite(value)}
    found = _look_up(connection, name, number)
    enforcing = registry_id(found.tags, connection.naming)
    if enforcing is not None and key is None:
        raise _keyless(version.uri)
    if enforcing is None and judged.outcome not in PASSING:
        _withdraw(connection, found)
    experiment_id = ensure_experiment(connection, name)
    facts = {"model": name, "version": str(number), **values}
    run_id = write_report(
        connection,
        experiment_id,
        name=f"{name} {number}: {judged.outcome}",
        facts=facts,
        metrics=metrics,
        artifacts=judged.artifacts,
    )
    delivered: tuple[Delivered, ...] = ()
    if key is not None:
        signing = statements(found, enforcing, judged, run_id)
        delivered = deliver(connection, name, number, signing, key, run_id)
    tags: Mapping[str, str] = {done.tag: done.value for done in delivered}
    if enforcing is None:
        tags = _write_tags(connection, version, {**values, "report": run_id}, tags)
    trend = log_trend(connection, experiment_id, number, metrics, int(judged.checked_at.timestamp() * 1000))
    link = report_link(connection, experiment_id, run_id, REPORT_FILE)
    described = _describe(connection, version, judged, link)
    signed_by = key.id if key is not None and delivered else None
    report = report_address(connection, experiment_id, run_id, REPORT_FILE) or f"run {run_id}"
    return RecordReceipt(run_id, experiment_id, report, tags, trend, described, signed_by)


def _look_up(connection: Connection, name: str, number: int) -> ModelVersion:
    with registry_errors("look the version up", connection.registry_uri):
        return connection.client.get_model_version(name, str(number))


def _keyless(uri: str) -> RefusedError:
    return RefusedError(
        f"{printable(uri)} is in a registry that takes signed decisions only, and there is no signing key",
        hint="Set GATE_SIGNING_KEY_FILE to a key of the role check that it trusts (gate init makes one), or "
        "leave judging to its watcher: gate check --wait.",
    )


def _tag_values(judged: RecordInput) -> dict[str, str]:
    """Return the mirror tags by name, without prefix and without the report."""
    policy = ", ".join(name for name, _ in judged.policies)
    checked_at = judged.checked_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {
        OUTCOME: judged.outcome,
        "policy": printable(policy, _LONGEST_TAG),
        "policy_digest": policies_digest(judged.policies),
        "checked_at": checked_at,
    }
    if judged.digest is not None:
        values["digest"] = judged.digest
    if VERDICT_FILE in judged.artifacts:
        values["verdict_digest"] = sha256(judged.artifacts[VERDICT_FILE])
    for name in FIGURES:
        figure = judged.metrics.get(name)
        if figure is not None and math.isfinite(figure):
            values[name] = f"{figure:.6g}"
    return values


def _withdraw(connection: Connection, found: ModelVersion) -> None:
    """Take away an outcome that says passed, before anything else can fail."""
    tag = connection.naming.tag(OUTCOME)
    if found.tags.get(tag) in PASSING:
        with registry_errors("withdraw the outcome", connection.registry_uri):
            connection.client.delete_model_version_tag(found.name, str(found.version), tag)


def _write_tags(
    connection: Connection, version: ResolvedSource, values: Mapping[str, str], signed: Mapping[str, str]
) -> Mapping[str, str]:
    """Write the mirror tags until they, and the signed ones beside them, are all ours; return them all."""
    naming = connection.naming
    order = [name for name in BOUND_TAGS if name != OUTCOME and name in values] + [CHECKSUM, OUTCOME]
    complete = {**values, CHECKSUM: checksum(version, values)}
    wanted = {**signed, **{naming.tag(name): complete[name] for name in order}}
    ours = {naming.tag(name) for name in (*BOUND_TAGS, CHECKSUM)} | signed.keys()
    lost: FailedRequestError | None = None
    for attempt in range(_ATTEMPTS):
        try:
            with registry_errors("write the decision", connection.registry_uri):
                _write_once(connection, version, wanted, ours)
                if _own_tags(connection, version, ours) == wanted:
                    return wanted
        except FailedRequestError as error:  # two writers of one tag: the database refuses the second
            lost = error
        time.sleep(random.uniform(0.5, 1.5) * _PAUSE_SECONDS * (attempt + 1))  # noqa: S311 - no secret
    raise RegistryError(
        lost.message if lost else f"others keep writing the tags of {printable(version.uri)} meanwhile",
        hint="Check it again when they are done; until then its tags do not count as a decision.",
    ) from lost


def _write_once(
    connection: Connection, version: ResolvedSource, wanted: Mapping[str, str], ours: set[str]
) -> None:
    """Take the outcome away, then write every tag that differs, the outcome last."""
    client, name, number = connection.client, version.name, str(version.version)
    outcome = connection.naming.tag(OUTCOME)
    present = _own_tags(connection, version, ours)
    stale = sorted(present.keys() - wanted.keys() - {outcome})
    for tag in ([outcome] if outcome in present else []) + stale:
        client.delete_model_version_tag(name, number, tag)
    for tag, value in wanted.items():
        if tag == outcome or present.get(tag) != value:
            client.set_model_version_tag(name, number, tag, value)


def _own_tags(connection: Connection, version: ResolvedSource, ours: set[str]) -> dict[str, str]:
    found = connection.client.get_model_version(version.name, str(version.version))
    return {tag: value for tag, value in found.tags.items() if tag in ours}


def _describe(
    connection: Connection, version: ResolvedSource, judged: RecordInput, link: str
) -> Literal["written", "left out"]:
    values = _tag_values(judged)
    client, name, number = connection.client, version.name, str(version.version)
    summary = Summary(
        outcome=judged.outcome,
        link=link,
        policy=values["policy"],
        alpha=judged.metrics.get("alpha"),
        alpha_weighted=judged.metrics.get("alpha_weighted"),
        checked_at=values["checked_at"],
    )
    with registry_errors("write the description", connection.registry_uri):
        before = client.get_model_version(name, number).description or ""
        after = with_block(before, summary)
        if after != before:
            client.update_model_version(name, number, after)
    return "written" if link in after else "left out"
