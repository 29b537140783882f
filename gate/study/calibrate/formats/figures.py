"""Two drawings: the false alarms of each rule with their intervals, and decisions over versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.report.html.svg import Axis, Frame, element, join, picture
from gate.study.calibrate.wording import between, percent, short
from gate.text import printable

if TYPE_CHECKING:
    from markupsafe import Markup

    from gate.study.calibrate.interface import BacktestRow, Calibration, PolicyBacktest

_WIDTH: Final = 720
_ROW: Final = 24
_LEFT: Final = 190.0
_RIGHT: Final = 700.0
_TOP: Final = 22.0
_NAME: Final = 30
_MOST_VERSIONS: Final = 120
_SIGN: Final = 13.0


def rates(calibration: Calibration) -> Markup | None:
    """Draw the share of good versions that each rule is expected to refuse, with its interval."""
    rows = [
        (rule.id, rule.expected, rule.low, rule.high)
        for rule in calibration.rules
        if rule.severity == "block"
    ]
    rows.append(("the whole policy", calibration.expected, calibration.low, calibration.high))
    known = [
        (name, rate, low, high)
        for name, rate, low, high in rows
        if rate is not None and low is not None and high is not None
    ]
    if not known:
        return None
    bottom = _TOP + _ROW * len(known)
    furthest = max(high for _, _, _, high in known)
    x = Axis(0.0, max(furthest, calibration.target) * 100 * 1.05, _LEFT, _RIGHT)
    frame = Frame(_WIDTH, int(bottom + 36), x, Axis(0.0, 0.0, bottom, _TOP), "% of good versions refused", "")
    parts: list[Markup] = []
    for place, (name, rate, low, high) in enumerate(known):
        y = _TOP + _ROW * (place + 0.5)
        said = element("title", f"{name}: {percent(rate)}, {between(low, high)}")
        line = element("path", class_="trend", d=f"M{x(100 * low):.1f} {y:.1f}H{x(100 * high):.1f}")
        dot = element("circle", cx=x(100 * rate), cy=y, r=4.0)
        label = element("text", printable(name, _NAME), x=_LEFT - 8, y=y + 3.5, class_="end")
        parts.append(element("g", said, line, dot, label))
    at = x(100 * calibration.target)
    parts.append(element("path", class_="axis", d=f"M{at:.1f} {_TOP:.1f}V{bottom:.1f}"))
    described = (
        f"Expected share of good versions refused, with 95 % intervals; the line is the target of "
        f"{percent(calibration.target)}."
    )
    return picture(frame, "False refusals", described, *parts, class_="wide rates")


def decisions(policy: PolicyBacktest) -> Markup | None:
    """Draw every version's decision, good and bad versions on lines of their own."""
    rows = policy.versions[-_MOST_VERSIONS:]
    if not rows:
        return None
    lines = [name for name in ("good", "bad", "not counted") if any(_line(row) == name for row in rows)]
    bottom = _TOP + _ROW * len(lines)
    x = Axis(-0.5, len(rows) - 0.5, 90.0, _RIGHT)
    step = -(-len(rows) // 24)
    labels = tuple((float(at), str(row.version)) for at, row in enumerate(rows) if at % step == 0)
    frame = Frame(_WIDTH, int(bottom + 36), x, Axis(0.0, 0.0, bottom, _TOP), "version", policy.policy, labels)
    size = min(_SIGN, 0.9 * (_RIGHT - 90.0) / len(rows))
    names = join(
        element("text", name, x=82.0, y=_TOP + _ROW * (at + 0.5) + 3.5, class_="end")
        for at, name in enumerate(lines)
    )
    signs = [_sign(row, x(at), _TOP + _ROW * (lines.index(_line(row)) + 0.5), size)
             for at, row in enumerate(rows)]  # fmt: skip
    described = (
        f"Decisions on {len(rows)} versions: {short(policy.refused)} refused, "
        f"{short(policy.false_refusals)} good ones, {short(policy.misses)} bad ones missed."
    )
    return picture(frame, f"Decisions of {policy.policy}", described, names, *signs, class_="wide decisions")


def _line(row: BacktestRow) -> str:
    return "bad" if row.bad else "good" if row.good else "not counted"


def _sign(row: BacktestRow, x: float, y: float, size: float) -> Markup:
    said = element("title", f"{printable(row.name, 80)}: {row.outcome}")
    corner = {"x": x - size / 2, "y": y - size / 2, "width": size, "height": size}
    return element(
        "g", said, element("use", href=f"#sign-{row.outcome}", class_=f"at {row.outcome}", **corner)
    )
