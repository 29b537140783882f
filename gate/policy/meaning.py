"""From a rule of the right shape to a rule that means something, or the problems in its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gate.policy.kinds import KINDS
from gate.policy.kinds.interface import UnfitError
from gate.policy.metrics import RUN_PREFIX, RuleMetric, find_metric, metric_table
from gate.policy.mistakes import known_keys
from gate.policy.problems import Problem, did_you_mean
from gate.policy.rules import Allow, Rule, Where

if TYPE_CHECKING:
    from gate.policy.document import RuleDocument
    from gate.policy.kinds.interface import RuleKind
    from gate.policy.source import Document

_ANY_NUMBER: Final = RuleMetric("a number", "layer", "alpha", "a number")


@dataclass
class RuleReader:
    """Reads the rule at ``index``; ``problems`` collects what is wrong with it.

    ``dropped`` are keys that the document lacks because their shape was wrong, reported elsewhere.
    """

    document: RuleDocument
    tree: Document
    index: int
    dropped: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Rule | None:
        """Return the rule, or None when there are problems."""
        metric = self._metric()
        operator = self._operator(metric)
        if metric is not None:
            self._check_layer_keys(metric)
        self._check_allow()
        if self.problems or self.dropped or metric is None or operator is None:
            return None
        where, allow = self.document.where, self.document.allow
        return Rule(
            id=self.document.id,
            description=self.document.description,
            metric=metric,
            operator=operator,
            against=self.document.against,
            where=Where() if where is None else Where(
                kind=tuple(dict.fromkeys(where.kind or ())),
                name=where.name,
                min_eigenvalues=where.min_eigenvalues,
                min_tail=where.min_tail,
            ),
            allow=Allow() if allow is None else Allow(allow.share, allow.count, allow.by),
            severity=self.document.severity,
            line=self.tree.at(("rules", self.index)).line,
        )  # fmt: skip

    def _note(self, path: tuple[str | int, ...], message: str, fix: str, *, key: bool = False) -> None:
        where = self.tree.at(("rules", self.index, *path), key=key)
        self.problems.append(Problem(where, message, fix))

    def _metric(self) -> RuleMetric | None:
        if "metric" in self.dropped:
            return None
        name = self.document.metric
        metric = find_metric(name)
        if metric is None:
            guess = None if name.startswith("run.") else did_you_mean(name, metric_table())
            fix = guess or f"`gate policy schema` lists them; {RUN_PREFIX}NAME is any metric of the run"
            self._note(("metric",), f"unknown metric '{name}'", fix)
        return metric

    def _operator(self, metric: RuleMetric | None) -> RuleKind | None:
        kinds = {kind.key: kind for kind in KINDS}
        given = [key for key in self._keys() if key in kinds and self._argument(key) is not None]
        keys = set(known_keys(("rules",)))
        if not given and self.dropped <= keys - kinds.keys():  # else the operator is among the dropped
            self._note((), "the rule has no operator", f"add one of {', '.join(kinds)}")
        if not given:
            return None
        if len(given) > 1:
            self._note(
                (given[1],), f"two operators: {given[0]} and {given[1]}", "make it two rules", key=True
            )
        kind = kinds[given[0]]
        self._check_against(kind)
        if metric is None and kind.takes == "numbers":
            metric = _ANY_NUMBER  # its limits can be impossible whatever the metric
        return None if metric is None else self._parsed(kind, metric)

    def _parsed(self, kind: type[RuleKind], metric: RuleMetric) -> RuleKind | None:
        if kind.takes != "both" and metric.is_label != (kind.takes == "labels"):
            what = "a label" if metric.is_label else "a number"
            fitting = [
                k.key for k in KINDS if k.takes in ("both", "labels" if metric.is_label else "numbers")
            ]
            self._note(
                (kind.key,),
                f"{kind.key} takes {kind.takes}, and {metric.id} is {what}",
                f"use {', '.join(fitting)}",
                key=True,
            )
            return None
        try:
            return kind.parse(self._argument(kind.key), metric)
        except UnfitError as error:
            self._note((kind.key, *error.path), error.message, error.fix)
            return None

    def _check_against(self, kind: type[RuleKind]) -> None:
        if kind.compares and self.document.against is None and "against" not in self.dropped:
            message = f"{kind.key} compares, and nothing says with what"
            self._note((kind.key,), message, "add `against: baseline`", key=True)
        if not kind.compares and self.document.against is not None:
            comparing = ", ".join(k.key for k in KINDS if k.compares)
            message = f"`against` does nothing beside {kind.key}"
            self._note(("against",), message, f"remove it, or compare by {comparing}", key=True)

    def _check_layer_keys(self, metric: RuleMetric) -> None:
        if metric.level == "layer":
            return
        for key in ("where", "allow"):
            if getattr(self.document, key) is not None:
                message = f"'{key}' is about layers, and {metric.id} is one figure of the model"
                self._note((key,), message, "remove it, or use a metric layer.…", key=True)

    def _check_allow(self) -> None:
        allow = self.document.allow
        if allow is None:
            return
        if allow.share is not None and allow.count is not None:
            self._note(("allow", "count"), "'share' and 'count' together", "keep one of them", key=True)
        if allow.share is None and allow.count is None:
            self._note(("allow",), "'allow' without a share or a count", "add share: 0.1 or count: 1")

    def _keys(self) -> list[str]:
        """Return the rule's keys in the order of the file."""
        return list(self.tree.plain()["rules"][self.index])

    def _argument(self, key: str) -> Any:
        value = getattr(self.document, "in_" if key == "in" else key)
        return value.model_dump() if hasattr(value, "model_dump") else value
