from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.analysis.interface import SourceFile
from gate.analysis.manifest import checked_path, folder_manifest, list_files, manifest_digest
from gate.errors import ModelError, UnsafeModelError

if TYPE_CHECKING:
    from pathlib import Path


def test_digest_is_of_the_documented_bytes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "é.bin").write_bytes(b"weights")
    (tmp_path / "MLmodel").write_bytes(b"")
    (tmp_path / "empty folder").mkdir()
    empty, weights = hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"weights").hexdigest()
    written_out = (
        '{"schema":"gate/manifest/1"}\n'
        f'{{"path":"MLmodel","sha256":"{empty}","size":0}}\n'
        f'{{"path":"data/\\u00e9.bin","sha256":"{weights}","size":7}}\n'
    )
    files = folder_manifest(tmp_path)
    assert [(file.path, file.size) for file in files] == [("MLmodel", 0), ("data/é.bin", 7)]
    assert manifest_digest(files) == f"sha256:{hashlib.sha256(written_out.encode()).hexdigest()}"
    assert manifest_digest(reversed(files)) == manifest_digest(files)


def test_a_single_file_is_named_alone(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a")
    (tmp_path / "b.onnx").write_bytes(b"b")
    assert [file.path for file in folder_manifest(tmp_path / "a.onnx")] == ["a.onnx"]


@given(change=st.sampled_from(["path", "size", "digest"]))
def test_every_part_of_an_entry_counts(change: str) -> None:
    file = SourceFile("a", 1, "sha256:00")
    other = {
        "path": SourceFile("b", 1, "sha256:00"),
        "size": SourceFile("a", 2, "sha256:00"),
        "digest": SourceFile("a", 1, "sha256:01"),
    }[change]
    assert manifest_digest([file]) != manifest_digest([other])


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "b").write_bytes(b"x" * 5)
    seen: list[tuple[int, int]] = []
    folder_manifest(tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(10, 15), (15, 15)]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../a",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        "a\\b",
        "C:/x",
        "a\0b",
        "/".join("a" * 65),
    ],
)
def test_paths_outside_are_refused(path: str) -> None:
    with pytest.raises(UnsafeModelError):
        checked_path(path)
    with pytest.raises(UnsafeModelError):
        manifest_digest([SourceFile(path, 0, "sha256:00")])


def test_twice_the_same_path_is_refused() -> None:
    with pytest.raises(UnsafeModelError, match="twice"):
        manifest_digest([SourceFile("a", 0, "sha256:00"), SourceFile("a", 0, "sha256:01")])


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (tmp_path / "secret").write_text("secret")
    (model / "weights").write_text("weights")
    (model / "inside").symlink_to("weights")
    assert dict(list_files(model)) == {"inside": 7, "weights": 7}
    (model / "outside").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeModelError, match="leads out"):
        list_files(model)


def test_linked_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "sub").mkdir(parents=True)
    (model / "sub" / "loop").symlink_to(model)
    with pytest.raises(UnsafeModelError, match="neither a file"):
        list_files(model)
    (model / "sub" / "loop").unlink()
    os.mkfifo(model / "pipe")
    with pytest.raises(UnsafeModelError, match="neither a file"):
        list_files(model)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no file"):
        list_files(tmp_path)
    with pytest.raises(ModelError, match="cannot list"):
        list_files(tmp_path / "missing")
