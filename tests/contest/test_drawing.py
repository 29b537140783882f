"""The drawings are well-formed, name their series, and put points where the axes say."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks.contest.drawing import Panel, Series, draw


def test_it_is_one_svg_with_every_name_escaped() -> None:
    panel = Panel("alpha <", "accuracy & more", [Series("depth <3>", [(1.0, 2.0), (3.0, 4.0)], 1.0, 1.0)])
    drawn = ET.fromstring(draw("A & B", [panel, panel]))  # noqa: S314 - our own text
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("depth <3>") == 2
    assert words.count("accuracy & more") == 2


def test_points_stand_in_proportion() -> None:
    points = [(0.0, 0.0), (5.0, 1.0), (10.0, 2.0)]
    drawn = draw("t", [Panel("x", "y", [Series("s", points)])])
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert len(places) == 3
    (x1, y1), (x2, y2), (x3, y3) = places
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert x1 < x3
    assert y1 > y3


def test_a_trend_line_stays_within_its_panel() -> None:
    series = Series("s", [(0.0, 0.0), (1.0, 0.1), (2.0, 0.0)], slope=5.0, intercept=0.0)
    drawn = draw("t", [Panel("x", "y", [series])])
    circles = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawn)]
    (line,) = re.findall(r'y1="([\d.-]+)" x2="[\d.-]+" y2="([\d.-]+)" stroke="#0072b2"', drawn)
    assert min(map(float, line)) >= min(circles) - 20
