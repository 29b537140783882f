"""The conventions' names and what sets them apart; importing them stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate.errors import UsageError
from gate.spectra import CONVENTIONS, convention


def test_names() -> None:
    assert [preset.name for preset in CONVENTIONS] == [
        "gate-1",
        "paper",
        "weightwatcher-0.7",
        "weightwatcher-0.2",
    ]
    for preset in CONVENTIONS:
        assert convention(preset.name) is preset


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UsageError) as caught:
        convention("weightwatcher")
    assert caught.value.hint is not None
    assert all(preset.name in caught.value.hint for preset in CONVENTIONS)


def test_gate_1_is_frozen() -> None:
    gate = convention("gate-1")
    assert (gate.conv_scale, gate.pooled, gate.split, gate.zero, gate.ks) == (
        1.0,
        True,
        True,
        "rounding",
        "untruncated",
    )
    assert (gate.small_sample, gate.small_sample_tail, gate.outlier_alpha, gate.failed_as) == (
        20,
        8,
        8.0,
        None,
    )
    assert (gate.stored_whole, gate.per_n, gate.size_limits, gate.rank) == (False, False, None, "zero")


MEASURE = """
import numpy
from gate.layer import WeightLayer
from gate.spectra import Settings, convention, measure_layers
w = numpy.arange(600.0).reshape(30, 20) % 7.3
l = WeightLayer('a', 'dense', w.shape, 'float64', lambda: w, 'a', w.shape)
assert measure_layers([l], Settings(convention('gate-1')))[0].rows[0].matrix_rank
"""


@pytest.mark.parametrize(
    ("code", "absent"),
    [("import gate.spectra", ("numpy", "scipy")), (MEASURE, ("scipy", "mlflow", "torch", "threadpoolctl"))],
)
def test_heavy_modules_are_not_imported(code: str, absent: tuple[str, ...]) -> None:
    check = f"present = [name for name in {absent!r} if name in sys.modules]\nassert not present, present"
    subprocess.run([sys.executable, "-c", f"{code}\nimport sys\n{check}"], check=True, timeout=60)
