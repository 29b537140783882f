"""What calibration and backtest take and return.

Field names are those of the schemas ``gate/calibrate/1`` and ``gate/backtest/1``
(docs/reference/json.md); they may be added to, never changed within a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.analysis.interface import Analysis
    from gate.policy.interface import BaselineResult, Outcome, Severity

CALIBRATE_SCHEMA: Final = "gate/calibrate/1"
BACKTEST_SCHEMA: Final = "gate/backtest/1"

FormatName = Literal["text", "json", "csv", "markdown", "html"]
"""The names ``gate calibrate --format`` accepts."""

Fate = Literal["promoted", "rolled back", "unknown"]
"""What became of a version in truth: it was promoted and stayed, was taken back, or nobody knows."""

GoodChoice = Literal["auto", "promoted", "not-bad", "all"]
"""Which versions count as good history, see :func:`gate.study.calibrate.truth.good_history`."""

State = Literal["tuned", "kept"]


@dataclass(frozen=True, slots=True)
class PastVersion:
    """One version as it is found today, and what is known of it.

    Attributes
    ----------
    model, version:
        The series it belongs to, and its place in it; only versions of one series are compared.
    name:
        What a person is shown.
    uri, created:
        Its source; when it was made, in milliseconds since 1970 (None where nobody knows).
    registered:
        Name of the registered model, None for files and runs.
    fate, why_fate:
        What became of it, and from what that is known.
    quality:
        Its value of the quality metric, None where there is none.
    recorded:
        Outcome of the decision recorded on it, None without one.  Shown, and never used as truth:
        a gate that learns from its own decisions only confirms them.
    analysis:
        What was measured, None where it could not be; ``error`` then says why, and ``empty`` that
        it could be read and holds no weight matrix.
    unsafe_globals:
        Of an ``empty`` one what loading it would import; None where nobody looked.
    """

    model: str
    version: int
    name: str
    uri: str
    created: int | None = None
    registered: str | None = None
    fate: Fate = "unknown"
    why_fate: str = ""
    quality: float | None = None
    recorded: Outcome | None = None
    run_metrics: Mapping[str, float] = field(default_factory=dict)
    analysis: Analysis | None = None
    error: str | None = None
    empty: bool = False
    unsafe_globals: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A version that could not be measured, and why."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``of``, with the interval of the true share behind it (see ``intervals``)."""

    count: int
    of: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a history, in words and numbers.

    ``good`` and ``bad`` are versions by name; ``bad_below`` is the quality under which (over which,
    for a quality that is better lower) a version counts as bad.
    """

    rule: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    promoted: int
    rolled_back: int
    unknown: int
    quality: str | None = None
    bad_below: float | None = None
    why_bad: str = ""


@dataclass(frozen=True, slots=True)
class TunedRule:
    """One rule of the proposal.

    Attributes
    ----------
    id, severity, metric, limit:
        The rule, its limit in words as proposed.
    state, why:
        Whether the limit comes from the history, or is the base policy's and why.
    before:
        The limit of the base policy, in words.
    n:
        Good versions it was measured on.
    blocks:
        How many of the n + 1 places a new version can take among them lie beyond the limit.
    expected, low, high:
        Expected share of good versions refused (warned, for a rule that warns) by the limit, and
        its 95 % interval: by order statistics where tuned, by counting where kept.
    would_have:
        Good versions that the proposed limit refuses by itself (in the sample it was made from).
    would_have_before:
        Good versions that the base policy's limit refuses by itself.
    caught:
        Bad versions that the proposed limit refuses by itself.
    """

    id: str
    severity: Severity
    metric: str
    limit: str
    before: str
    state: State
    why: str
    n: int
    blocks: int
    expected: float | None
    low: float | None
    high: float | None
    would_have: Share
    would_have_before: Share
    caught: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """A proposal: the policy as text, where each limit comes from, and what to expect of it.

    ``expected`` is the share of good versions that the whole policy is expected to refuse, with its
    95 % interval (``low``, ``high``); ``base_refusals`` what the base policy refuses of them,
    ``refusals`` what the proposal does, ``power`` what share of the bad ones the proposal refuses
    and ``base_power`` the base policy: all three from replaying the history in order.
    ``enough`` says whether there was history enough to propose limits; where not, the policy is the
    base policy, and ``reason`` says why.
    """

    source: tuple[str, ...]
    base: str
    target: float
    enough: bool
    reason: str
    needed: int
    truth: Truth
    rules: tuple[TunedRule, ...]
    expected: float | None
    low: float | None
    high: float | None
    refusals: Share
    base_refusals: Share
    power: Share
    base_power: Share
    policy: str
    policy_digest: str
    versions: tuple[CalibrationRow, ...]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]
    schema: str = CALIBRATE_SCHEMA


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One version, what is known of it and what base policy and proposal say of it."""

    model: str
    version: int
    name: str
    fate: Fate
    why_fate: str
    good: bool
    bad: bool
    quality: float | None
    base_outcome: Outcome
    base_failing: tuple[str, ...]
    outcome: Outcome
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BacktestRow:
    """What a policy would have decided on one version, at its time.

    ``failing`` are the rules that refuse or warn, ``refusing`` those that refuse; ``against`` the
    version it would have been compared with (None: none).
    """

    model: str
    version: int
    name: str
    uri: str
    created: int | None
    fate: Fate
    why_fate: str
    good: bool
    bad: bool
    quality: float | None
    recorded: Outcome | None
    outcome: Outcome
    failing: tuple[str, ...]
    refusing: tuple[str, ...]
    against: str | None
    baselines: tuple[BaselineResult, ...]
    message: str


@dataclass(frozen=True, slots=True)
class RuleCost:
    """What one rule does to a history.

    Attributes
    ----------
    applied:
        Versions on which it had something to say.
    fired:
        Those on which it failed or could not decide, whatever its severity.
    refused:
        Those that it helped to refuse.
    alone:
        Those that it alone refused.
    marginal:
        Refusals that are spared when the history is replayed without the rule; more or fewer than
        ``alone``, as other versions then become the baselines.
    false_refusals:
        Good versions that it helped to refuse.
    caught:
        Bad versions that it helped to refuse.
    remark:
        ``never fires``, ``always fires``, ``never applies``, or empty.
    """

    id: str
    severity: Severity
    metric: str
    limit: str
    applied: int
    fired: int
    refused: int
    alone: int
    marginal: int
    false_refusals: Share
    caught: Share
    remark: str


@dataclass(frozen=True, slots=True)
class PolicyBacktest:
    """What one policy would have done to a history.

    ``false_refusals`` are of the good versions, ``misses`` of the bad ones (those it lets pass).
    """

    policy: str
    file: str
    digest: str
    versions: tuple[BacktestRow, ...]
    rules: tuple[RuleCost, ...]
    refused: Share
    false_refusals: Share
    misses: Share
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backtest:
    """Several policies over one history."""

    source: tuple[str, ...]
    truth: Truth
    policies: tuple[PolicyBacktest, ...]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]
    schema: str = BACKTEST_SCHEMA


class CalibrationFormat(Protocol):
    """One output format: pure functions from values to text."""

    @property
    def name(self) -> str:
        """The name ``--format`` accepts."""
        ...

    def calibration(self, calibration: Calibration) -> str:
        """Render a proposal."""
        ...

    def backtest(self, backtest: Backtest) -> str:
        """Render a backtest."""
        ...
