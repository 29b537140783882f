"""Which versions were good and which were bad: what is known, and what is assumed, in words.

A plain registry keeps no history of its aliases: what an alias points at now was promoted, and
nothing says what it pointed at before.  An enforcing one writes it down.  The user may say more: by
tags on the versions, or in a table.  What the gate itself decided is never taken for truth.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, get_args

from gate.choices import one_of
from gate.errors import UsageError
from gate.policy.words import count, number
from gate.study.calibrate.interface import GoodChoice, Truth
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.study.calibrate.interface import Fate, PastVersion

PROMOTED: Final = ("alias:champion", "alias:production", "stage:Production")
"""What tells a promoted version where the user names nothing."""

ROLLED_BACK: Final = ("tag:rolled_back",)
"""What tells a version that was taken back where the user names nothing."""

FEWEST_PROMOTED: Final = 8
"""With fewer promoted versions than these, ``auto`` takes all that are not known to be bad."""

_FENCE: Final = 1.5
_FEWEST_FOR_FENCE: Final = 8
_FORMS: Final = "Write alias:GLOB, stage:GLOB, tag:KEY or tag:KEY=GLOB."


def good_choice(word: str) -> GoodChoice:
    """Return ``word`` as one of the known choices of good history.

    Raises
    ------
    gate.errors.UsageError
        It is none of them.
    """
    found: GoodChoice = one_of(
        get_args(GoodChoice), word, f"{printable(word)!r} does not say which versions are good"
    )
    return found


@dataclass(frozen=True, slots=True)
class Facts:
    """What the registry says of one version now; names are as the registry has them.

    ``past`` is what the history of its aliases says, where there is one, see :func:`fates_by_history`.
    """

    aliases: tuple[str, ...] = ()
    stage: str = ""
    tags: Mapping[str, str] | None = None
    past: tuple[Fate, str] | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A version got an alias, or a stage; the other is empty."""

    version: int
    alias: str
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """A condition on a version's aliases, stage or tags; globs ignore case."""

    kind: Literal["alias", "stage", "tag"]
    key: str
    glob: str

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Return the selector that ``text`` writes.

        Raises
        ------
        gate.errors.UsageError
            It has none of the forms.
        """
        kind, colon, rest = text.partition(":")
        if colon and rest:
            if kind == "alias":
                return cls("alias", "", rest)
            if kind == "stage":
                return cls("stage", "", rest)
            key, equals, glob = rest.partition("=")
            if kind == "tag" and key and (glob or not equals):
                return cls("tag", key, glob or "*")
        raise UsageError(f"{printable(text)!r} does not say which versions", hint=_FORMS)

    def told(self, facts: Facts) -> str | None:
        """Return in words why a version is meant, or None where it is not."""
        if self.kind == "stage":
            return f"stage {printable(facts.stage)}" if _like(facts.stage, self.glob) else None
        if self.kind == "alias":
            found = next((alias for alias in facts.aliases if _like(alias, self.glob)), None)
            return None if found is None else f"alias {printable(found)}"
        value = (facts.tags or {}).get(self.key)
        if value is None or not _like(value, self.glob) or value.casefold() in {"false", "no", "0", ""}:
            return None
        return f"tag {printable(self.key, 60)}"


def _like(value: str, glob: str) -> bool:
    return bool(value) and fnmatchcase(value.casefold(), glob.casefold())


def fate_of(facts: Facts, promoted: Sequence[Selector], rolled_back: Sequence[Selector]) -> tuple[Fate, str]:
    """Return what became of a version and why.

    What says that it was taken back counts most, then the history of the aliases, then what they
    are now.
    """
    told = _told(facts, rolled_back)
    if told is not None:
        return "rolled back", told
    if facts.past is not None:
        return facts.past
    told = _told(facts, promoted)
    return ("unknown", "") if told is None else ("promoted", told)


def _told(facts: Facts, selectors: Sequence[Selector]) -> str | None:
    return next((told for one in selectors if (told := one.told(facts)) is not None), None)


def fates_by_history(history: Iterable[Held], promoted: Sequence[Selector]) -> Mapping[int, tuple[Fate, str]]:
    """Return what became of each version that held an alias or a stage meant by ``promoted``.

    It was promoted; it was rolled back when what it held went to an older version after it.
    """
    fates: dict[int, tuple[Fate, str]] = {}
    holder: dict[str, int] = {}
    for held in history:
        place = _told(Facts((held.alias,) if held.alias else (), held.stage), promoted)
        if place is None:
            continue
        before = holder.get(place)
        if before is not None and held.version < before:
            fates[before] = ("rolled back", f"{place} went back to version {held.version}")
        fates[held.version] = ("promoted", f"{place}, by its history")
        holder[place] = held.version
    return fates


@dataclass(frozen=True, slots=True)
class QualityRule:
    """When a version's quality makes it bad.

    ``limit`` None: at Tukey's fence, one and a half interquartile ranges beyond the quartile on the
    worse side (Tukey 1977, Exploratory Data Analysis, chapter 2), where eight versions have a value.
    """

    metric: str
    lower_is_better: bool = False
    limit: float | None = None

    def line(self, versions: Iterable[PastVersion]) -> tuple[float | None, str]:
        """Return the quality at which bad begins, and why there."""
        if self.limit is not None:
            return self.limit, "as given"
        values = sorted(v.quality for v in versions if v.quality is not None and math.isfinite(v.quality))
        if len(values) < _FEWEST_FOR_FENCE:
            return (
                None,
                f"only {count(len(values), 'version')} with a value, {_FEWEST_FOR_FENCE} tell outliers",
            )
        low, high = _quartile(values, 0.25), _quartile(values, 0.75)
        reach = _FENCE * (high - low)
        line = high + reach if self.lower_is_better else low - reach
        return line, f"an outlier among the {len(values)} versions: beyond Tukey's fence"

    def is_bad(self, quality: float | None, line: float | None) -> bool:
        """Tell whether a version is bad; one without a quality is not known to be."""
        if quality is None or line is None or not math.isfinite(quality):
            return False
        return quality > line if self.lower_is_better else quality < line


def _quartile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True, slots=True)
class Judged:
    """The versions sorted: which are good, which are bad, by place in the history."""

    good: frozenset[int]
    bad: frozenset[int]
    truth: Truth


def good_history(
    versions: Sequence[PastVersion], choice: GoodChoice = "auto", quality: QualityRule | None = None
) -> Judged:
    """Sort a history into good and bad.

    Bad is what was rolled back, or has a quality on the wrong side of the line.  Good is, by
    ``choice``: ``promoted``, what was promoted, stayed and is not bad; ``not-bad``, what is not
    known to be bad; ``all``, everything; ``auto``, the first of these where it has eight versions,
    else the second.  A version that could not be measured is neither.
    """
    measured = frozenset(place for place, version in enumerate(versions) if version.analysis is not None)
    line, why = quality.line(versions) if quality else (None, "")
    bad = frozenset(
        place
        for place in measured
        if versions[place].fate == "rolled back"
        or (quality is not None and quality.is_bad(versions[place].quality, line))
    )
    promoted = frozenset(place for place in measured - bad if versions[place].fate == "promoted")
    chosen = choice
    if chosen == "auto":
        chosen = "promoted" if len(promoted) >= FEWEST_PROMOTED else "not-bad"
    good = {"promoted": promoted, "not-bad": measured - bad, "all": measured}[chosen]
    fates = Counter(version.fate for version in versions)
    return Judged(
        good,
        bad,
        Truth(
            rule=_words(chosen, choice, len(promoted), bad),
            good=tuple(versions[place].name for place in sorted(good)),
            bad=tuple(versions[place].name for place in sorted(bad)),
            promoted=fates["promoted"],
            rolled_back=fates["rolled back"],
            unknown=fates["unknown"],
            quality=None if quality is None else quality.metric,
            bad_below=line,
            why_bad=_why_bad(quality, line, why),
        ),
    )


def _words(chosen: str, asked: str, promoted: int, bad: frozenset[int]) -> str:
    known = f", {count(len(bad), 'version')} known to be bad left out" if bad else ", none known to be bad"
    said = {
        "promoted": "versions that were promoted, stayed and are not bad",
        "not-bad": f"all versions{known}",
        "all": "all versions, whatever is known of them",
    }[chosen]
    if asked == "auto" and chosen == "not-bad":
        said += f" ({promoted} known as promoted; from {FEWEST_PROMOTED} on, only those would be taken)"
    return said


def _why_bad(quality: QualityRule | None, line: float | None, why: str) -> str:
    if quality is None:
        return "a version is bad where it was rolled back; no quality was named"
    if line is None:
        return f"{printable(quality.metric)}: no line between good and bad ({why})"
    side = "above" if quality.lower_is_better else "below"
    return f"{printable(quality.metric)} {side} {number(line)} is bad ({why})"
