"""The table of how much more alpha scatters than its plain sigma says."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from gate.spectra.calibration import COUNTS, EXPONENTS, TAIL_SHARES, factor
from gate.spectra.inflation import inflation

TABLE = json.loads(files("gate.spectra").joinpath("data").joinpath("inflation.json").read_text())


def test_the_table_is_what_its_command_makes() -> None:
    assert tuple(TABLE["counts"]) == COUNTS
    assert tuple(TABLE["tail_shares"]) == TAIL_SHARES
    row, column = COUNTS.index(100), TAIL_SHARES.index(0.5)
    remade = max(1.0, *(factor(100, 0.5, alpha, 1000) for alpha in EXPONENTS))
    assert TABLE["factors"][row][column] == pytest.approx(remade, abs=1e-3)


def test_every_factor_lies_where_the_scatter_was_found() -> None:
    factors = np.array(TABLE["factors"])
    assert factors.min() >= 1.0
    assert factors.max() < 2.0


def test_grid_points_are_met_and_between_them_it_is_between() -> None:
    factors = TABLE["factors"]
    assert inflation(100, 0.5) == pytest.approx(factors[2][2])
    middle = inflation(round(np.sqrt(100 * 200)), 0.5)
    assert min(factors[2][2], factors[3][2]) <= middle <= max(factors[2][2], factors[3][2])
    assert inflation(100, 0.75) == pytest.approx((factors[2][2] + factors[2][3]) / 2)


def test_outside_the_table_its_edge_stands() -> None:
    assert inflation(3, 0.01) == TABLE["factors"][0][0]
    assert inflation(10**6, 1.0) == TABLE["factors"][-1][-1]
