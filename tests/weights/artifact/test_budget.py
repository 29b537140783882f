"""Many files, each of which is within the limits of a file: the artifact has a limit of its own."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save

from gate.errors import GateError, UnsafeModelError
from gate.weights import artifact_budget, begins_like_pickle, budget, read_weights
from gate.weights.budget import Budget, OverBudgetError, charge_artifact
from gate.weights.zip_archive import open_archive
from tests.weights.pytorch.containers import dict_of, tensor, write, zip_file, zipped

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = pickle.dumps(list(range(400)))  # some 400 steps


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave an artifact 1,000 steps; each file still has its millions."""
    monkeypatch.setattr(budget, "MAX_FILE_OPERATIONS", 100)


@pytest.mark.usefixtures("tight")
def test_pickles_beyond_the_artifacts_budget_are_reported(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(save({"fc.weight": np.ones((3, 2), "f4")}))
    for name in "abcd":
        (tmp_path / f"{name}.pkl").write_bytes(_NUMBERS)
    found = read_weights(tmp_path)
    assert found.unsafe_globals == ("unreadable pickle c.pkl", "unreadable pickle d.pkl")
    assert read_weights(tmp_path).unsafe_globals == found.unsafe_globals  # each reading has its own


@pytest.mark.usefixtures("tight")
def test_what_is_no_pickle_by_its_name_counts_too(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(save({"fc.weight": np.ones((3, 2), "f4")}))
    for name in "abcd":
        (tmp_path / name).write_bytes(pickle.dumps([b""] * 400, 0))  # begins like text, and calls something
    assert "unreadable pickle d" in read_weights(tmp_path).unsafe_globals
    other = tmp_path / "other"
    other.write_bytes(b"(" * 400)
    assert not begins_like_pickle(other)
    with artifact_budget():
        for _ in range(3):
            begins_like_pickle(tmp_path / "a")
        assert begins_like_pickle(other)  # nobody knows: it is kept and looked at


@pytest.mark.usefixtures("tight")
def test_shards_share_the_budget_and_the_error_names_the_file(tmp_path: Path) -> None:
    names = [f"pytorch_model-0000{number}-of-00003.bin" for number in (1, 2, 3)]
    for place, name in enumerate(names):
        tensors = {f"fc{place}{row}.weight": tensor("0", (2, 2)) for row in range(20)}
        write(tmp_path, zip_file(dict_of(tensors), {"0": np.ones(4, "f4")}), name)
    index = {"weight_map": {f"fc{place}0.weight": name for place, name in enumerate(names)}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(UnsafeModelError, match="the artifact's pickles take more than 1000 steps") as caught:
        read_weights(tmp_path)
    assert caught.value.location is not None
    assert caught.value.location.file in names


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.usefixtures("tight")
def test_listing_archives_is_charged_to_the_artifact(tmp_path: Path, *, is_damaged: bool) -> None:
    (tmp_path / "model.safetensors").write_bytes(save({"fc.weight": np.ones((3, 2), "f4")}))
    archive = zipped({f"{number}": b"" for number in range(20)})  # 400 steps
    if is_damaged:  # the header of the last entry: all before it are listed
        place = archive.rindex(b"PK\3\4")
        archive = archive[:place] + b"no" + archive[place + 2 :]
    for name in "abcd":
        (tmp_path / f"{name}.pkl").write_bytes(archive)
    unreadable = "abcd" if is_damaged else "cd"
    assert read_weights(tmp_path).unsafe_globals == tuple(f"unreadable pickle {n}.pkl" for n in unreadable)
    with artifact_budget():
        for _ in range(3):
            with suppress(GateError):
                open_archive(memoryview(archive))
        with pytest.raises(OverBudgetError, match="the artifact's"):
            open_archive(memoryview(archive))


@pytest.mark.usefixtures("tight")
def test_a_keras_archive_beyond_the_budget_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(zipped({"config.json": b"{}", "metadata.json": b"{}"}))
    with artifact_budget():
        charge_artifact(1000)
        with pytest.raises(OverBudgetError, match="the artifact's") as caught:
            read_weights(path)
    assert caught.value.location is not None
    assert caught.value.location.file == path.name


def test_work_that_a_file_may_not_take_is_charged_to_the_artifact() -> None:
    with artifact_budget():
        within = Budget(steps=10)
        with pytest.raises(OverBudgetError, match="its pickles"):
            within.spend(11)
        artifact = within.whole
        assert artifact is not None
        assert artifact.limits[0] - artifact.steps == 11


def test_a_budget_within_another_is_the_outer_one() -> None:
    alone = Budget()
    with artifact_budget():
        outer = Budget().whole
        with artifact_budget():
            assert Budget().whole is outer
        Budget().spend(5)
        Budget().spend(7)
        assert outer is not None
        assert outer.limits[0] - outer.steps == 12
        Budget().spend_inflated(9)
        assert outer.limits[1] - outer.inflated_bytes == 9
        for _ in range(9):
            Budget().spend(budget.MAX_FILE_OPERATIONS)
        with pytest.raises(OverBudgetError, match="the artifact's"):
            Budget().spend(budget.MAX_FILE_OPERATIONS)
        assert Budget().left() < 0
    assert alone.whole is Budget().whole is None
    with pytest.raises(OverBudgetError, match="its pickles"):
        alone.spend(budget.MAX_FILE_OPERATIONS + 1)
