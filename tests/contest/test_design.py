"""The design is what the pages say, and the committed table is of this design."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.contest.data import TRAINED_ON, digits, partly_random
from benchmarks.contest.design import COPIES, DEPTHS, FAMILIES, PER_GROUP, Network, contest, copies, sample
from benchmarks.contest.tables import read_records, read_table

TABLE = Path(__file__).resolve().parents[2] / "docs" / "assets" / "contest" / "networks.csv"
FACTORS = ("width", "batch_size", "dropout", "weight_decay", "learning_rate", "random_labels")


def test_there_are_enough_of_two_families_and_three_depths() -> None:
    found = contest()
    assert len(found) == 144
    assert Counter(network.group for network in found) == {
        f"{family}-{depth}": 24 for family in ("dense", "convolution") for depth in (3, 4, 6)
    }
    assert len({network.id for network in found + copies()}) == 144 + 2 * COPIES
    assert len({network.seed for network in found + copies()}) == 144 + 2 * COPIES


def test_sub_groups_differ_in_depth_alone() -> None:
    for family in FAMILIES:
        settings = [
            [tuple(asdict(n)[name] for name in FACTORS) for n in contest() if n.group == f"{family}-{depth}"]
            for depth in DEPTHS
        ]
        assert settings[0] == settings[1] == settings[2]


def test_every_level_of_a_factor_is_as_frequent() -> None:
    group = [network for network in contest() if network.group == "convolution-4"]
    for name in FACTORS:
        counts = Counter(asdict(network)[name] for network in group)
        assert set(counts.values()) == {PER_GROUP // len(counts)}, name
        assert len(counts) >= 2, name


def test_copies_differ_in_their_seed_alone() -> None:
    for family in FAMILIES:
        found = [network for network in copies() if network.family == family]
        assert len(found) == COPIES >= 60
        assert len({replace(network, id="", seed=0) for network in found}) == 1


def test_the_six_of_ci_are_one_of_every_sub_group() -> None:
    assert len({network.group for network in sample(6)}) == 6


def test_the_committed_table_is_of_this_design() -> None:
    assert tuple(read_records(TABLE, Network)) == contest()
    for row in read_table(TABLE):
        assert 0 < float(row["test_accuracy"]) <= 1
        assert 0 < float(row["train_accuracy"]) <= 1


def test_training_and_test_images_are_apart_and_no_digit_is_rarer_in_one() -> None:
    data = digits()
    assert data.train_pixels.shape == (TRAINED_ON, 64)
    assert data.test_pixels.shape == (1797 - TRAINED_ON, 64)
    shares = [
        np.bincount(labels, minlength=10) / len(labels) for labels in (data.train_labels, data.test_labels)
    ]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.002)
    assert abs(float(data.train_pixels.mean())) < 1e-4
    assert abs(float(data.train_pixels.std()) - 1) < 1e-4


def test_labels_become_random_in_the_share_asked_for() -> None:
    labels = np.zeros(1000, dtype=np.int64)
    replaced = partly_random(labels, 0.3, seed=1)
    assert 250 <= np.count_nonzero(replaced) <= 290, "a tenth of 300 keeps its label by chance"
    np.testing.assert_array_equal(replaced, partly_random(labels, 0.3, seed=1))
    np.testing.assert_array_equal(partly_random(labels, 0.0, seed=1), labels)
