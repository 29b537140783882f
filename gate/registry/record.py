"""Writing a decision into the registry, in an order that may be cut off anywhere.

A plain registry has no transactions over tags, runs and descriptions.  What holds instead, after a
crash between any two writes and with two checkers at once:

1. A passing outcome that the new verdict does not confirm is taken away before anything else.
2. The report run is written; no tag points to it yet.
3. The outcome tag goes first and comes back last, after everything it is said of: a version whose
   tags are incomplete has no outcome, and no outcome is not a passed one.
4. A checksum over the tags and the version's identity comes just before the outcome.  Tags of two
   writers do not fit together, so a reader takes them for no decision (``gate.registry.decision``).
5. The writer reads back what it wrote; if another writer got in between, it starts again at 3.
   Whoever reads back last sees every write, so two writers end with the tags of one of them.
6. The trend line and the description, which nothing depends on, come last.

Checking again does all of it anew and so mends whatever was left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Literal

from gate.errors import RegistryError, UsageError
from gate.registry.decision import BOUND_TAGS, CHECKSUM, OUTCOME, PASSING, checksum, policies_digest
from gate.registry.description import Summary, report_link, with_block
from gate.registry.failures import FailedRequestError, registry_errors
from gate.registry.reports import ensure_experiment, write_report
from gate.registry.trend import TrendChange, log_trend
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.policy.interface import Outcome, Verdict
    from gate.registry.clients import Connection
    from gate.registry.resolve import ResolvedSource

REPORT_FILE: Final = "report.html"
VERDICT_FILE: Final = "verdict.json"
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
    """

    outcome: Outcome
    policies: tuple[tuple[str, str], ...]
    digest: str | None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    checked_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @classmethod
    def of(cls, verdict: Verdict, digest: str | None, artifacts: Mapping[str, bytes]) -> RecordInput:
        """Take what is recorded from a verdict, judged now."""
        metrics = {} if verdict.analysis is None else dataclasses.asdict(verdict.analysis.model)
        policies = tuple((policy.name, policy.digest) for policy in verdict.policies)
        return cls(verdict.outcome, policies, digest, metrics, artifacts)


@dataclass(frozen=True, slots=True)
class RecordReceipt:
    """What was written, for people: the report run, its link, and what became of the extras."""

    run_id: str
    experiment_id: str
    link: str
    tags: Mapping[str, str]
    trend: TrendChange
    description: Literal["written", "left out"]


def record(connection: Connection, version: ResolvedSource, judged: RecordInput) -> RecordReceipt:
    """Record a decision on a registered version.

    Parameters
    ----------
    connection:
        Where to write.
    version:
        A registered version; its tags as given are not relied on.
    judged:
        What was decided.

    Raises
    ------
    gate.errors.UsageError
        The source is no registered version, or the version is gone.
    gate.errors.RegistryError
        Something could not be written; checking again mends it.
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
    if judged.outcome not in PASSING:
        _withdraw(connection, name, number)
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
    tags = _write_tags(connection, version, {**values, "report": run_id})
    trend = log_trend(connection, experiment_id, number, metrics, int(judged.checked_at.timestamp() * 1000))
    link = report_link(connection, experiment_id, run_id, REPORT_FILE)
    described = _describe(connection, version, judged, link)
    return RecordReceipt(run_id, experiment_id, link, tags, trend, described)


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
        verdict = hashlib.sha256(judged.artifacts[VERDICT_FILE]).hexdigest()
        values["verdict_digest"] = f"sha256:{verdict}"
    for name in ("alpha", "alpha_weighted"):
        figure = judged.metrics.get(name)
        if figure is not None and math.isfinite(figure):
            values[name] = f"{figure:.6g}"
    return values


def _withdraw(connection: Connection, name: str, number: int) -> None:
    """Take away an outcome that says passed, before anything else can fail."""
    tag = connection.naming.tag(OUTCOME)
    with registry_errors("withdraw the outcome", connection.registry_uri):
        if connection.client.get_model_version(name, str(number)).tags.get(tag) in PASSING:
            connection.client.delete_model_version_tag(name, str(number), tag)


def _write_tags(
    connection: Connection, version: ResolvedSource, values: Mapping[str, str]
) -> Mapping[str, str]:
    """Write the mirror tags until they are all ours; return them by full name."""
    naming = connection.naming
    order = [name for name in BOUND_TAGS if name != OUTCOME and name in values] + [CHECKSUM, OUTCOME]
    complete = {**values, CHECKSUM: checksum(version, values)}
    wanted = {naming.tag(name): complete[name] for name in order}
    ours = {naming.tag(name) for name in (*BOUND_TAGS, CHECKSUM)}
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
    """Take the outcome away, then write every tag, the outcome last."""
    client, name, number = connection.client, version.name, str(version.version)
    outcome = connection.naming.tag(OUTCOME)
    present = _own_tags(connection, version, ours)
    stale = sorted(present.keys() - wanted.keys() - {outcome})
    for tag in ([outcome] if outcome in present else []) + stale:
        client.delete_model_version_tag(name, number, tag)
    for tag, value in wanted.items():
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
