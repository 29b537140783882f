"""What the template shows, as plain values: which layers are drawn in full, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.report import outline
from gate.report.figures import figure, finite
from gate.report.flags import Explained, explain, remarkable
from gate.report.html.layer_plots import density_plot, distance_plot, sparkline, survival_plot
from gate.report.html.linear_plots import linear_plot, log_linear_plot
from gate.report.html.model_plots import Mark, State, depth_plot, histogram
from gate.report.html.sorting import Order, orders
from gate.report.html.trend_plot import TrendPoint, trend_plot
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from gate.analysis.interface import Analysis
    from gate.policy.interface import HistoryPoint, RuleLayer, RuleResult, Verdict
    from gate.spectra.interface import LayerMetrics, LayerPlot

FULL: Final = 40
"""Most layers drawn in full."""
SMALL: Final = 100
"""Models of up to so many layers get the spectrum of each."""
EXTREMES: Final = 3
"""Layers named at either end of a figure."""
SHOWN_LAYERS: Final = 6
"""Layers named per rule; all of them stand in the table."""
SHOWN_MOVES: Final = 5


@dataclass(frozen=True, slots=True)
class LayerView:
    """One row of the table, and its figures when it is drawn."""

    index: int
    row: LayerMetrics
    state: State
    rules: tuple[str, ...]
    flags: tuple[Explained, ...]
    baseline: float | None
    spark: str | None
    density: Markup | None = None
    views: tuple[Markup, ...] = ()
    """The views beside the density, where it is drawn in full."""

    @property
    def anchor(self) -> str:
        """The fragment of its figures; never the name, which is hostile."""
        return f"layer-{self.index}"

    @property
    def notes(self) -> str:
        """What is to be said of it in one line."""
        failed = [f"failed {printable(rule)}" for rule in self.rules]
        reason = [f"no fit: {printable(self.row.reason)}"] if self.row.reason else []
        return "; ".join([*failed, *(flag.title for flag in self.flags), *reason])

    @property
    def full(self) -> bool:
        """Tell whether it is drawn in full."""
        return bool(self.views)


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule, with the layers that counted and where their figures are."""

    rule: RuleResult
    layers: tuple[tuple[RuleLayer, LayerView | None], ...]
    more: int


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the table of layers."""

    title: str
    layers: tuple[LayerView, ...]


@dataclass(frozen=True, slots=True)
class Extreme:
    """The layers at one end of one figure."""

    title: str
    layers: tuple[tuple[LayerView, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template shows of the layers."""

    rules: tuple[RuleView, ...]
    layers: tuple[LayerView, ...]
    sections: tuple[Section, ...]
    orders: tuple[Order, ...]
    extremes: tuple[Extreme, ...]
    full: tuple[LayerView, ...]
    small: tuple[LayerView, ...]
    moves: tuple[tuple[LayerView, float, float], ...]
    depth: Markup | None
    histogram: Markup | None
    bounds: str
    family: tuple[HistoryPoint, ...]
    trends: tuple[Markup, ...]

    @property
    def undrawn(self) -> int:
        """How many layers have only their small curve in the table."""
        return len(self.layers) - len(self.full) - len(self.small)


def page_of(analysis: Analysis | None, verdict: Verdict | None) -> Page:
    """Arrange an analysis and, where there is one, its verdict."""
    failing = outline.failing_layers(verdict) if verdict else {}
    baseline = verdict.baseline_alpha if verdict else {}
    rows = analysis.layers if analysis else ()
    states = tuple(_state(row, row.name in failing) for row in rows)
    drawn = _drawn_in_full(rows, states)
    plots = analysis.plots if analysis else {}
    layers = tuple(
        LayerView(
            index=place + 1,
            row=row,
            state=states[place],
            rules=failing.get(row.name, ()),
            flags=tuple(explain(flag) for flag in row.flags),
            baseline=finite(baseline.get(row.name)),
            spark=sparkline(plots.get(row.name)),
            density=density_plot(row, plots.get(row.name), id_=f"density-{place + 1}")
            if place in drawn or len(rows) <= SMALL
            else None,
            views=_views(row, plots.get(row.name)) if place in drawn else (),
        )
        for place, row in enumerate(rows)
    )
    bounds = _alpha_bounds(verdict)
    marks = tuple(_mark(layer) for layer in layers)
    by_name = {layer.row.name: layer for layer in layers}
    return Page(
        rules=tuple(_rule(rule, by_name) for rule in outline.ordered_rules(verdict)) if verdict else (),
        layers=layers,
        sections=_sections(layers),
        orders=orders(layers),
        extremes=_extremes(layers),
        full=tuple(
            sorted((layer for layer in layers if layer.full), key=lambda layer: _STATE_ORDER[layer.state])
        ),
        small=tuple(layer for layer in layers if layer.density is not None and not layer.full),
        moves=_moves(verdict, by_name),
        depth=depth_plot(marks, bounds),
        histogram=histogram(marks, bounds),
        bounds=_bounds_words(bounds),
        family=outline.family(verdict) if verdict else (),
        trends=_trends(verdict) if verdict else (),
    )


def _views(row: LayerMetrics, plot: LayerPlot | None) -> tuple[Markup, ...]:
    drawn = (view(row, plot) for view in (survival_plot, linear_plot, log_linear_plot, distance_plot))
    return tuple(markup for markup in drawn if markup is not None)


def _trends(verdict: Verdict) -> tuple[Markup, ...]:
    family = outline.family(verdict)
    drawn = (
        trend_plot(
            [
                TrendPoint(point.version, getattr(point, name), point.outcome, current=point is family[-1])
                for point in family
            ],
            title,
        )
        for name, title in (("alpha", "alpha"), ("alpha_weighted", "AlphaHat"))
    )
    return tuple(markup for markup in drawn if markup is not None)


_STATE_ORDER: Final[dict[State, int]] = {"failing": 0, "flagged": 1, "unfitted": 2, "plain": 3, "apart": 4}
_APART: Final = ("embedding", "depthwise")
"""Kinds that model means leave out, and rules unless they name them."""


def _state(row: LayerMetrics, failing: bool) -> State:  # noqa: FBT001 - private
    if failing:
        return "failing"
    if finite(row.alpha) is None:
        return "unfitted"
    if row.kind in _APART:
        return "apart"
    return "flagged" if remarkable(row.flags) else "plain"


def _drawn_in_full(rows: tuple[LayerMetrics, ...], states: tuple[State, ...]) -> frozenset[int]:
    """Choose the layers that matter: failing, extreme, flagged, in this order, up to the cap."""
    order = [place for place, state in enumerate(states) if state == "failing"]
    for name, _, lowest, highest in _ENDS:
        order += _ends(rows, name, lowest) + _ends(rows, name, -highest)
    order += [place for place, state in enumerate(states) if state == "flagged"]
    return frozenset(list(dict.fromkeys(order))[:FULL])


_ENDS: Final[tuple[tuple[str, str, int, int], ...]] = (
    ("alpha", "alpha", EXTREMES, EXTREMES),
    ("ks_distance", "KS distance D", 0, EXTREMES),
    ("log_spectral_norm", "log spectral norm", 0, EXTREMES),
)
"""Field, title, how many of the lowest and of the highest are extreme."""


def _ends(rows: tuple[LayerMetrics, ...], name: str, number: int) -> list[int]:
    """Return the places of the ``number`` lowest, or for a negative number highest, values of a field.

    Kinds kept apart are no extremes: a depthwise kernel has too few eigenvalues to compare.
    """
    valued = [
        (value, place)
        for place, row in enumerate(rows)
        if row.kind not in _APART and (value := finite(getattr(row, name))) is not None
    ]
    ordered = [
        place for _, place in sorted(valued, key=lambda pair: (pair[0] if number > 0 else -pair[0], pair[1]))
    ]
    return ordered[: abs(number)]


def _mark(layer: LayerView) -> Mark:
    row = layer.row
    href = f"#{layer.anchor}" if layer.density is not None else None
    return Mark(layer.index, row.name, row.alpha, row.alpha_standard_error, layer.baseline, layer.state, href)


def _alpha_bounds(verdict: Verdict | None) -> tuple[float | None, float | None] | None:
    """Return the range the first rule on layer alpha gives, the strictest severity first."""
    rules = (
        sorted(verdict.rules, key=lambda rule: ("block", "warn", "info").index(rule.severity))
        if verdict
        else []
    )
    return next(
        (rule.bounds for rule in rules if rule.metric == "layer.alpha" and rule.bounds is not None), None
    )


def _bounds_words(bounds: tuple[float | None, float | None] | None) -> str:
    """Return the policy's range in words; empty where there is none."""
    low, high = (None, None) if bounds is None else (finite(bounds[0]), finite(bounds[1]))
    if low is not None and high is not None:
        return f"policy's range, {low:g} to {high:g}"
    if low is not None:
        return f"policy's range, at least {low:g}"
    return "" if high is None else f"policy's range, at most {high:g}"


def _rule(rule: RuleResult, by_name: dict[str, LayerView]) -> RuleView:
    layers = outline.worst_layers(rule)
    shown = tuple((layer, by_name.get(layer.name)) for layer in layers[:SHOWN_LAYERS])
    return RuleView(rule, shown, max(0, len(layers) - SHOWN_LAYERS))


def _sections(layers: tuple[LayerView, ...]) -> tuple[Section, ...]:
    """Split the table by state; failing layers by alpha, the others in order of depth."""
    titles: tuple[tuple[State, str], ...] = (
        ("failing", "Failed a rule"),
        ("flagged", "Flagged"),
        ("unfitted", "Without a fit"),
        ("plain", "Unremarkable"),
        ("apart", "Kept apart: embeddings and depthwise kernels"),
    )
    found = (Section(title, tuple(_of(layers, state))) for state, title in titles)
    return tuple(section for section in found if section.layers)


def _of(layers: Iterable[LayerView], state: State) -> list[LayerView]:
    chosen = [layer for layer in layers if layer.state == state]
    return (
        sorted(chosen, key=lambda layer: -(finite(layer.row.alpha) or 0.0)) if state == "failing" else chosen
    )


def _extremes(layers: tuple[LayerView, ...]) -> tuple[Extreme, ...]:
    if len(layers) < 2 * EXTREMES:
        return ()
    rows = tuple(layer.row for layer in layers)
    found = []
    for name, title, lowest, highest in _ENDS:
        for word, number in (("highest", -highest), ("lowest", lowest)):
            chosen = tuple(
                (layers[place], figure(getattr(rows[place], name))) for place in _ends(rows, name, number)
            )
            if chosen:
                found.append(Extreme(f"{word} {title}", chosen))
    return tuple(found)


def _moves(
    verdict: Verdict | None, by_name: dict[str, LayerView]
) -> tuple[tuple[LayerView, float, float], ...]:
    moves = outline.alpha_moves(verdict)[:SHOWN_MOVES] if verdict else ()
    return tuple((by_name[name], then, now) for name, then, now in moves)
