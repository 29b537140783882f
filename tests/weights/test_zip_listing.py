"""Listing an archive once for every reader that asks whether a file is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gate.errors import GateError, ModelError
from gate.weights import zip_listing
from gate.weights.readers import reader_of
from gate.weights.zip_archive import open_archive
from gate.weights.zip_listing import names_in
from tests.weights.pytorch.containers import tensor, zip_file, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.zip_archive import Archive


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often an archive is listed."""
    seen: list[int] = []

    def counted(data: memoryview) -> Archive:
        seen.append(len(data))
        return open_archive(data)

    monkeypatch.setattr(zip_listing, "open_archive", counted)
    zip_listing._last.clear()
    return seen


def test_readers_that_ask_in_turn_share_one_listing(tmp_path: Path, listings: list[int]) -> None:
    for name in ("unknown.bin", "model.pt"):
        path = tmp_path / name
        path.write_bytes(zip_file(tensor("0", (2, 2)), {"0": np.ones(4, "f4")}))
        found = reader_of(path)
        assert found is not None
        assert found.format == "pytorch-zip"
        assert len(listings) == 1
        listings.clear()


def test_a_file_that_was_replaced_is_listed_anew(tmp_path: Path, listings: list[int]) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(zipped({"a": b"1"}))
    assert names_in(path) == names_in(path) == ("a",)
    assert len(listings) == 1
    other = tmp_path / "other"
    other.write_bytes(zipped({"b": b"1"}))
    other.replace(path)
    assert names_in(path) == ("b",)


def test_very_many_names_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(zipped({"a": b"1", "b": b"2"}))
    names_in(path)
    assert zip_listing._last
    monkeypatch.setattr(zip_listing, "_MOST_REMEMBERED", 2)
    zip_listing._last.clear()
    assert names_in(path) == ("a", "b")
    assert not zip_listing._last


def test_what_is_no_archive_has_no_names_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(b"\x80\x02N.")
    assert names_in(path) == ()
    path.write_bytes(zipped({"a": b"1"})[:-4])
    for _ in range(2):  # errors are not remembered as no names
        with pytest.raises(GateError):
            names_in(path)
    with pytest.raises(ModelError):
        names_in(tmp_path / "none")
