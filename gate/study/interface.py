"""What a study takes and returns.

Field names are those of the schema ``gate/study/1`` (docs/reference/json.md); they may be added to,
never changed within a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

STUDY_SCHEMA: Final = "gate/study/1"

Direction = Literal["higher", "lower"]
"""Which way quality is better."""

Nature = Literal["shape", "scale", "mixed", "count", "unknown"]
"""The paper's distinction of metrics (arXiv:2106.00734, section 3); unknown for a user's own."""

Label = Literal["strong", "modest", "weak", "none"]
"""How well a metric predicts quality, see :func:`gate.study.trends.label`."""

Simpson = Literal["strict", "weak", "none", "insufficient"]

Change = Literal["hyperparameters", "architecture"]
"""What differs between two models: training at a fixed sub-group, or the sub-group itself."""

Answer = Literal["may", "may not", "not shown", "too little"]

Interval = tuple[float | None, float | None]
"""Lower and upper end; None where too few resamples had a value."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the table that a study is about.

    Attributes
    ----------
    model:
        What it is called: a URI, a file name, a row of a table.
    metrics:
        What was measured on its weights; None or NaN where there is no value.
    qualities:
        What is known of how good it is, by name (test accuracy, any metric of its run).
    labels:
        Candidates for sub-groups: ``architecture``, ``depth``, ``tag:KEY``, ``param:KEY``, or a column.
    """

    model: str
    metrics: Mapping[str, float | None]
    qualities: Mapping[str, float | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A model that the study could not take in, and why."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class StudySettings:
    """Everything that changes a figure beside the table itself.

    ``min_group`` is the smallest sub-group with figures of its own; ``seed`` is of the resamples (of
    every interval) and the permutations; ``confidence`` is of the intervals and ``level`` the
    probability, after Holm's correction, below which a finding counts.
    """

    min_group: int = 5
    seed: int = 0
    resamples: int = 1000
    permutations: int = 9999
    confidence: float = 0.95
    level: float = 0.05


@dataclass(frozen=True, slots=True)
class Trend:
    """How quality goes with one metric over some models.

    ``r2``, ``rmse`` (root mean squared residual, in units of quality), ``slope`` and ``intercept`` are of
    the least-squares line of quality on the metric; ``kendall_tau`` is τ-b and ``p_value`` its
    two-sided one.  Null where they are not defined: too few models, or all values alike.
    """

    n: int
    r2: float | None = None
    rmse: float | None = None
    slope: float | None = None
    kendall_tau: float | None = None
    p_value: float | None = None
    intercept: float | None = None
    label: Label = "none"
    r2_interval: Interval = (None, None)
    slope_interval: Interval = (None, None)
    kendall_tau_interval: Interval = (None, None)


@dataclass(frozen=True, slots=True)
class GroupTrend:
    """The trend within one sub-group; fields as in :class:`Trend`."""

    group: str
    n: int
    r2: float | None = None
    rmse: float | None = None
    slope: float | None = None
    kendall_tau: float | None = None
    p_value: float | None = None
    label: Label = "none"
    intercept: float | None = None
    r2_interval: Interval = (None, None)
    slope_interval: Interval = (None, None)
    kendall_tau_interval: Interval = (None, None)


@dataclass(frozen=True, slots=True)
class GroupSize:
    """A sub-group and its number of models."""

    group: str
    n: int


@dataclass(frozen=True, slots=True)
class Covariance:
    """Analysis of covariance: F tests between nested regressions of quality.

    ``slope`` is the common one within sub-groups.  ``slope_p_value``: does it matter, given the
    sub-groups; ``group_p_value``: do the sub-groups matter, given the metric; ``unequal_p_value``: do
    the sub-groups' slopes differ.
    """

    slope: float | None = None
    slope_f: float | None = None
    slope_p_value: float | None = None
    group_f: float | None = None
    group_p_value: float | None = None
    unequal_f: float | None = None
    unequal_p_value: float | None = None
    residual_degrees: int = 0


@dataclass(frozen=True, slots=True)
class SimpsonTest:
    """What stands behind ``simpson``.

    ``pooled_slope`` is over the models of the sub-groups compared, ``opposite`` of ``groups`` have a
    slope of the other sign.  ``permutation_p_value``: quality permuted within sub-groups, how often
    the common slope is at least as large (two-sided).  ``p_value``: that both trends, the pooled one and
    an opposite one within sub-groups, are there (the larger of their p-values); ``p_value_holm``
    after Holm's correction for the metrics tried.
    """

    groups: int = 0
    opposite: int = 0
    pooled_slope: float | None = None
    pooled_p_value: float | None = None
    permutation_p_value: float | None = None
    p_value: float | None = None
    p_value_holm: float | None = None
    significant: bool = False
    covariance: Covariance = field(default_factory=Covariance)


@dataclass(frozen=True, slots=True)
class MetricStudy:
    """One metric against quality.

    ``average`` is the plain mean over ``groups`` (the paper's AVG rows), its p-value that of the mean τ
    under independence within sub-groups; ``between`` is over the means of the sub-groups, the trend
    from one architecture to the next.  ``small_groups`` had too few models with a value.
    """

    metric: str
    shape_or_scale: Nature
    simpson: Simpson
    pooled: Trend
    groups: tuple[GroupTrend, ...]
    average: Trend
    between: Trend
    simpson_test: SimpsonTest
    small_groups: tuple[GroupSize, ...] = ()
    title: str = ""
    id: str | None = None
    better: Direction | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """Two metrics against each other: pooled, and the mean τ within sub-groups."""

    a: str
    b: str
    n: int
    kendall_tau: float | None = None
    r2: float | None = None
    average_kendall_tau: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """Test quality against training quality within a sub-group; fields as in :class:`Trend`.

    ``overtrained``: better training goes with worse test quality; ``yes`` where that stands after
    Holm's correction over the sub-groups, ``suspected`` where only the sign says so.
    """

    group: str
    n: int
    r2: float | None = None
    slope: float | None = None
    kendall_tau: float | None = None
    p_value: float | None = None
    p_value_holm: float | None = None
    intercept: float | None = None
    overtrained: Literal["yes", "suspected", "no"] = "no"


@dataclass(frozen=True, slots=True)
class TrainingStudy:
    """Test quality against training quality."""

    training_quality: str
    pooled: Trend
    groups: tuple[TrainingGroup, ...]
    average: Trend
    overtrained: tuple[str, ...] = ()
    suspected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a metric may gate a kind of change, and on what evidence, in words and figures."""

    metric: str
    change: Change
    answer: Answer
    evidence: str
    better: Direction | None = None
    kendall_tau: float | None = None
    p_value_holm: float | None = None


@dataclass(frozen=True, slots=True)
class StudiedModel:
    """A model as it went into the study."""

    model: str
    group: str
    quality: float
    training_quality: float | None
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Study:
    """Which metric predicts quality, per sub-group and over all."""

    group: str
    quality: str
    metrics: tuple[MetricStudy, ...]
    advice: tuple[str, ...]
    quality_better: Direction = "higher"
    judgements: tuple[Judgement, ...] = ()
    training: TrainingStudy | None = None
    correlations: tuple[Correlation, ...] = ()
    groups: tuple[GroupSize, ...] = ()
    small_groups: tuple[GroupSize, ...] = ()
    models: tuple[StudiedModel, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    settings: StudySettings = field(default_factory=StudySettings)
    schema: str = STUDY_SCHEMA

    def metric(self, name: str) -> MetricStudy:
        """Return one metric's study, by name or by the id that policies use.

        Raises
        ------
        KeyError
            It was not studied.
        """
        for found in self.metrics:
            if name in {found.metric, found.id}:
                return found
        raise KeyError(name)
