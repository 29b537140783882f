"""How numbers are written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from gate.report.figures import count, digest, figure, finite, fixed, percent, signed
from gate.text import printable

if TYPE_CHECKING:
    from gate.policy.interface import Value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"), (math.nan, "–"), (math.inf, "–"), (0.0, "0"), (-0.0, "0"), (3.14159, "3.142"),
        (0.04, "0.04"),
        (12345.678, "12,346"), (1234567.8, "1.235e+06"), (0.000123456, "1.235e-04"), (-2.5, "-2.5"), (7, "7"),
        (12345678, "12,345,678"), (True, "yes"), (False, "no"), ("a\nb", "a\\nb"),
        (100.0, "100"), (20.0, "20"),
    ],
)  # fmt: skip
def test_figure(value: Value, written: str) -> None:
    assert figure(value) == written


def test_fixed_lines_up() -> None:
    assert [fixed(2.0), fixed(12.345), fixed(None), fixed(3)] == ["2.00", "12.35", "–", "3"]


def test_signed_keeps_the_sign_of_small_and_whole_differences() -> None:
    assert [signed(0.0), signed(1.0), signed(-0.5), signed(1e-5)] == ["0", "+1", "-0.500", "+1.0e-05"]


def test_percent_never_rounds_up_to_all() -> None:
    assert [percent(1.0), percent(0.99999), percent(0.5), percent(0.0)] == ["100 %", "99.9 %", "50 %", "0 %"]


def test_counts_digests_and_finiteness() -> None:
    assert [count(1, "layer"), count(1234, "layer"), count(2, "entry", "entries")] == [
        "1 layer",
        "1,234 layers",
        "2 entries",
    ]
    assert digest("sha256:" + "a" * 64) == "sha256:aaaaaaaaaaaa…"
    assert digest(None) == "–"
    assert finite(True) is None
    assert finite("3") is None


def test_printable_spells_out_what_cannot_be_seen() -> None:
    assert (
        printable("a\n\t\x00\x1b\u202e\u200b\ud800\ufffe") == "a\\n\\t\\x00\\x1b\\u202e\\u200b\\ud800\\ufffe"
    )
    assert printable("né σ 層") == "né σ 層"
    assert printable("0123456789", 5) == "01…89"
    assert len(printable("\n" * 1000)) == 200
    assert printable("x" * 1000, None) == "x" * 1000
