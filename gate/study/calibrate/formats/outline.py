"""What every format shows, in one place: the same tables and lines, as plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report.figures import NONE, figure
from gate.report.outline import OUTCOME_SIGN, OUTCOME_WORD
from gate.study.calibrate.wording import (
    between,
    counted,
    expectation,
    percent,
    power_words,
    short,
    truth_lines,
)
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.policy.interface import Outcome
    from gate.study.calibrate.interface import (
        Backtest,
        BacktestRow,
        Calibration,
        PolicyBacktest,
        Unreadable,
    )

Column = tuple[str, bool]
"""Title, and whether it holds numbers."""

_MANY: Final = 80


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: a title, columns, rows of words and what is to be said under it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def without_empty(self) -> Grid:
        """Return it without the columns in which no row has anything."""
        kept = [at for at in range(len(self.columns)) if any(row[at] not in {"", NONE} for row in self.rows)]
        rows = tuple(tuple(row[at] for at in kept) for row in self.rows)
        return Grid(self.title, tuple(self.columns[at] for at in kept), rows, self.note) if kept else self


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report: headline, facts, tables, notes."""

    title: str
    headline: str
    facts: tuple[str, ...]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


def calibration_page(calibration: Calibration) -> Page:
    """Return what is said of a proposal."""
    head = (
        f"Limits from {len(calibration.truth.good)} good versions"
        if calibration.enough
        else "Too little history: the base policy is proposed as it is"
    )
    facts = [calibration.reason, *truth_lines(calibration.truth)]
    if calibration.enough:
        facts.append(f"the proposal is {expectation(calibration)}")
    facts.append(
        f"replayed in order, it refuses {counted(calibration.refusals)} of the good versions; "
        f"the base policy {short(calibration.base_refusals)}"
    )
    facts.append(power_words(calibration))
    return Page(
        title=f"Calibration of {_sources(calibration.source)}",
        headline=head,
        facts=tuple(map(_sentence, facts)),
        grids=(_proposed(calibration), _calibrated_versions(calibration)),
        notes=(*_shown(calibration.notes), *_unreadable(calibration.unreadable)),
    )


def _proposed(calibration: Calibration) -> Grid:
    columns = (("rule", False), ("limit", False), ("limit before", False), ("from", False),
               ("false alarms", True), ("95 % interval", True), ("caught", True))  # fmt: skip
    rows = tuple(
        (
            rule.id if rule.severity == "block" else f"{rule.id} ({rule.severity})",
            printable(rule.limit, _MANY),
            printable(rule.before, _MANY) if rule.limit != rule.before else "the same",
            f"{rule.n} versions" if rule.state == "tuned" else f"base: {rule.why}",
            percent(rule.expected),
            between(rule.low, rule.high) if rule.low is not None else NONE,
            short(rule.caught),
        )
        for rule in calibration.rules
    )
    note = (
        "False alarms: share of good versions that the rule by itself refuses or warns of, expected of a "
        "limit from the history, counted for one of the base policy. Caught: of the versions known to be bad."
    )
    return Grid("Rules", columns, rows, note).without_empty()


def _calibrated_versions(calibration: Calibration) -> Grid:
    columns = (("version", False), ("known", False), ("quality", True), ("base policy", False),
               ("proposal", False), ("failing", False))  # fmt: skip
    rows = tuple(
        (
            printable(row.name, _MANY),
            known(row.fate, row.why_fate, good=row.good, bad=row.bad),
            figure(row.quality),
            signed(row.base_outcome),
            signed(row.outcome),
            ", ".join(row.failing) or NONE,
        )
        for row in calibration.versions
    )
    return Grid("Versions", columns, rows).without_empty()


def backtest_page(backtest: Backtest) -> Page:
    """Return what is said of a backtest."""
    grids = [grid for policy in backtest.policies for grid in policy_grids(policy)]
    return Page(
        title=f"Backtest on {_sources(backtest.source)}",
        headline="; ".join(headline(policy) for policy in backtest.policies),
        facts=tuple(map(_sentence, truth_lines(backtest.truth))),
        grids=tuple(grids),
        notes=(
            *_shown(backtest.notes),
            *(f"{policy.policy}: {note}" for policy in backtest.policies for note in policy.notes),
            *_unreadable(backtest.unreadable),
        ),
    )


def headline(policy: PolicyBacktest) -> str:
    """Return what a policy would have done in one sentence."""
    return f"{policy.policy} would have refused {short(policy.refused)} versions"


def policy_grids(policy: PolicyBacktest) -> tuple[Grid, Grid]:
    """Return the versions and the rules under one policy."""
    columns = (("version", False), ("known", False), ("quality", True), ("recorded", False),
               ("decision", False), ("failing", False), ("compared with", False))  # fmt: skip
    rows = tuple(_tested(row) for row in policy.versions)
    told = f"False refusals: {counted(policy.false_refusals)} of the good versions; " + (
        f"misses: {counted(policy.misses)} of the bad ones"
        if policy.misses.of
        else "misses: unknown, no version is known to be bad"
    )
    told += "."
    versions = Grid(f"{policy.policy}: versions", columns, rows, told).without_empty()
    of_rules = (("rule", False), ("limit", False), ("applied", True), ("fired", True), ("refused", True),
               ("alone", True), ("spared without it", True), ("false refusals", True),
               ("caught", True), ("", False))  # fmt: skip
    costs = tuple(
        (
            rule.id if rule.severity == "block" else f"{rule.id} ({rule.severity})",
            printable(rule.limit, _MANY),
            str(rule.applied),
            str(rule.fired),
            str(rule.refused),
            str(rule.alone),
            str(rule.marginal),
            short(rule.false_refusals),
            short(rule.caught),
            rule.remark,
        )
        for rule in policy.rules
    )
    note = (
        "Alone: versions refused by no other rule. Spared without it: fewer refusals when the history is "
        "replayed without the rule, which changes what later versions are compared with."
    )
    return versions, Grid(f"{policy.policy}: rules", of_rules, costs, note).without_empty()


def _tested(row: BacktestRow) -> tuple[str, ...]:
    return (
        printable(row.name, _MANY),
        known(row.fate, row.why_fate, good=row.good, bad=row.bad),
        figure(row.quality),
        NONE if row.recorded is None else row.recorded,
        signed(row.outcome),
        ", ".join(row.failing) or NONE,
        printable(row.against, _MANY) if row.against else NONE,
    )


def known(fate: str, why: str, *, good: bool, bad: bool) -> str:
    """Return what is known of a version, and what it counts as."""
    counts = "bad" if bad else "good" if good else "not counted"
    told = f" ({printable(why, 60)})" if why else ""
    return counts if fate == "unknown" else f"{counts}: {fate}{told}"


def signed(outcome: Outcome) -> str:
    """Return an outcome with its sign."""
    return f"{OUTCOME_SIGN[outcome]} {OUTCOME_WORD[outcome].lower()}"


def _shown(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(printable(note, None) for note in notes)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _sources(source: Sequence[str]) -> str:
    return ", ".join(printable(one, _MANY) for one in source) or "a history"


def _unreadable(found: Sequence[Unreadable]) -> tuple[str, ...]:
    return tuple(
        f"not measured: {printable(one.version, _MANY)}: {printable(one.reason, 300)}" for one in found
    )
