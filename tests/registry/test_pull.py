from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gate.analysis.manifest import folder_manifest, manifest_digest
from gate.errors import ModelError, RegistryError, ResourceError, UnsafeModelError
from gate.registry import artifacts as artifacts_module
from gate.registry import pull
from gate.registry.pull import open_model
from gate.registry.resolve import ResolvedSource, resolve
from gate.weights import read_weights

if TYPE_CHECKING:
    from tests.registry.conftest import Place


class Harmful:
    """Unpickling it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_pulled_version_has_the_digest_of_its_folder(
    place: Place, folder: Path, name: str, temporary: Path
) -> None:
    version = place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")
    seen: list[tuple[int, int]] = []
    with place.registry.open(version, lambda done, total: seen.append((done, total))) as model:
        assert model.digest == manifest_digest(folder_manifest(folder))
        assert model.files == folder_manifest(folder)
        assert (model.path / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
        assert model.path == model.root
    total = sum(file.size for file in model.files)
    assert seen[-1] == (total, total)
    assert list(temporary.iterdir()) == []


def test_only_weights_and_the_description_are_kept(place: Place, folder: Path, name: str) -> None:
    version = place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")
    with place.registry.open(version) as model:
        here = {path.relative_to(model.root).as_posix() for path in model.root.rglob("*") if path.is_file()}
    remote = place.connection.registry_uri.startswith("http")
    everything = {"MLmodel", "model.onnx", "python_env.yaml", "code/helper.py"}
    assert here == ({"MLmodel", "model.onnx"} if remote else everything)


def test_a_pulled_version_reads_like_its_folder_whatever_its_files_are_called(
    place: Place, folder: Path, name: str
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "text.md").write_bytes(pickle.dumps(Harmful(), protocol=0))
    (folder / "named" / "inner").mkdir(parents=True)
    (folder / "named" / "inner" / "data.csv").write_bytes(bytes(4000))
    (folder / "openvino_model.bin").write_bytes(bytes(4000))
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "vocab.txt").write_text("c\n(\n")
    (folder / "MLmodel").write_text(
        "flavors:\n  onnx: {data: model.onnx}\n  python_function: {data: named, loader_module: mine}\n"
    )
    version = place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")
    with place.registry.open(version) as model:
        pulled = read_weights(model.path, root=model.root)
        assert model.digest == manifest_digest(folder_manifest(folder))
        assert (model.root / "vocab.txt").exists() != place.connection.registry_uri.startswith("http")
    here = read_weights(folder)
    assert here.unsafe_globals == ("loader_module mine", f"{os.system.__module__}.system")
    assert ("named", 1000) in {(item.name, item.parameters) for item in here.skipped}
    assert (pulled.unsafe_globals, pulled.skipped, pulled.files) == (
        here.unsafe_globals,
        here.skipped,
        here.files,
    )


def test_a_run_artifact_may_be_a_folder_or_one_file(place: Place, folder: Path) -> None:
    run_id = place.run()
    place.client.log_artifacts(run_id, str(folder), "some where/model")
    with place.registry.open(place.registry.resolve(f"runs:/{run_id}/some where/model")) as model:
        assert model.digest == manifest_digest(folder_manifest(folder))
    with place.registry.open(place.registry.resolve(f"runs:/{run_id}/some where/model/model.onnx")) as single:
        assert single.path.read_bytes() == (folder / "model.onnx").read_bytes()
        assert single.digest == manifest_digest(folder_manifest(folder / "model.onnx"))


def test_nothing_there_is_said(place: Place) -> None:
    source = place.registry.resolve(f"runs:/{place.run()}/model")
    with pytest.raises((ModelError, RegistryError)) as caught, place.registry.open(source):
        pass
    assert int(caught.value.exit_code) == 3
    assert caught.value.hint


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, ValueError, SystemExit])
def test_the_temporary_folder_goes_whatever_happens(
    server: str, place: Place, folder: Path, name: str, temporary: Path, stopped_by: type[BaseException]
) -> None:
    version = place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")
    with pytest.raises(stopped_by), place.registry.open(version):
        raise stopped_by
    assert list(temporary.iterdir()) == []

    def stop(done: int, total: int) -> None:
        raise stopped_by

    with pytest.raises(stopped_by), place.registry.open(version, stop):
        pass
    assert list(temporary.iterdir()) == []


def test_files_that_change_while_they_are_read(tmp_path: Path, folder: Path) -> None:
    opened = open_model(resolve(str(folder)))
    with pytest.raises(ModelError, match="changed while"), opened as model:
        (model.path / "model.onnx").write_bytes(b"other")


def test_the_bodys_own_error_is_not_replaced(folder: Path) -> None:
    def change_and_fail(path: Path) -> None:
        path.unlink()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), open_model(resolve(str(folder))) as model:
        change_and_fail(model.path / "model.onnx")


Entry = namedtuple("Entry", ["path", "is_dir", "file_size"])  # noqa: PYI024 - stands for MLflow's FileInfo


class FakeStore:
    """An artifact store that lists what a test tells it to and delivers one byte a file."""

    def __init__(self, listing: dict[str | None, list[Entry]]) -> None:
        self.listing = listing
        self.fetched: list[str] = []

    def list_artifacts(self, path: str | None) -> list[Entry]:
        return self.listing.get(path, [])

    def download_artifacts(self, path: str, folder: str) -> str:
        self.fetched.append(path)
        target = Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x")
        return str(target)


def open_fake(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mlflow.store.artifact.artifact_repository_registry as repositories  # noqa: PLC0415

    monkeypatch.setattr(repositories, "get_artifact_repository", lambda *args, **keywords: store)
    connection: Any = SimpleNamespace(tracking_uri="http://t", registry_uri="http://r")
    return open_model(ResolvedSource(uri="models:/a/1", artifact_uri="fake://store"), connection)


@pytest.mark.parametrize(
    "listing",
    [
        {None: [Entry("../../etc/passwd", False, 1)]},
        {None: [Entry("/etc/passwd", False, 1)]},
        {None: [Entry("data", True, None)], "data": [Entry("model.onnx", False, 1)]},
        {None: [Entry("data", True, None)], "data": [Entry("data/../x.onnx", False, 1)]},
        {None: [Entry("data", True, None)], "data": [Entry("data/", True, None)]},
        {None: [Entry("deep/model.onnx", False, 1)]},
        {None: [Entry("a\\..\\b.onnx", False, 1)]},
        {None: [Entry("a.onnx", False, 1), Entry("a.onnx", False, 1)]},
    ],
)
def test_listings_that_lead_outside_are_refused(
    listing: dict[str | None, list[Entry]], monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    store = FakeStore(listing)
    with pytest.raises(UnsafeModelError), open_fake(store, monkeypatch):
        pass
    assert not any(".." in path for path in store.fetched)
    assert list(temporary.iterdir()) == []


def test_a_listing_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FakeStore):
        def list_artifacts(self, path: str | None) -> list[Entry]:
            return [Entry(f"{path}/d" if path else "d", True, None)]

    with pytest.raises(UnsafeModelError, match="64 deep"), open_fake(Endless({}), monkeypatch):
        pass
    monkeypatch.setattr("gate.analysis.manifest.LARGEST_LISTING", 3)
    wide = FakeStore({None: [Entry(f"{index}.onnx", False, 1) for index in range(4)]})
    with pytest.raises(UnsafeModelError, match="more than 3"), open_fake(wide, monkeypatch):
        pass


def test_a_file_of_another_size_than_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore({None: [Entry("model.onnx", False, 7)]})
    with pytest.raises(ModelError, match="1 bytes, not the 7"), open_fake(store, monkeypatch):
        pass


def test_a_disk_that_is_too_small_is_said_before_the_first_byte(
    monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    listing = [
        Entry("model.onnx", False, 3 << 30),
        Entry("a.txt", False, 1 << 30),
        Entry("b.txt", False, 2 << 30),
    ]
    store = FakeStore({None: listing})
    usage = namedtuple("usage", ["total", "used", "free"])  # noqa: PYI024 - stands for shutil's
    free = (5 << 30) + pull._SPARE_DISK - 1  # the kept file and the largest of the others need one byte more
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, free))
    with pytest.raises(ResourceError, match=r"5\.06 GiB"), open_fake(store, monkeypatch):
        pass
    assert store.fetched == []
    assert list(temporary.iterdir()) == []


def test_storage_errors_are_named_and_chained(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(FakeStore):
        def list_artifacts(self, path: str | None) -> list[Entry]:
            raise PermissionError("token for https://user:secret@bucket expired")

    with pytest.raises(RegistryError, match="expired") as caught, open_fake(Broken({}), monkeypatch):
        pass
    assert "secret" not in caught.value.message
    assert isinstance(caught.value.__cause__, PermissionError)


def test_a_server_side_path_that_is_not_here(tmp_path: Path) -> None:
    away = ResolvedSource(uri="models:/a/1", artifact_uri=f"file://{tmp_path}/missing")
    with pytest.raises(RegistryError) as caught, open_model(away):
        pass
    assert "--serve-artifacts" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("uri", "path", "expected"),
    [
        ("file:///a%20b/c", "", "/a b/c"),
        ("file://localhost/a", "x/y", "/a/x/y"),
        ("/a b/c#d?e", "", "/a b/c#d?e"),
        ("./relative", "", "relative"),
        ("file://elsewhere/a", "", None),
        ("s3://bucket/a", "", None),
        ("mlflow-artifacts:/0/a", "", None),
        ("dbfs:/a", "", None),
    ],
)
def test_what_counts_as_here(uri: str, path: str, expected: str | None) -> None:
    place = artifacts_module.local_place(ResolvedSource(uri="u", artifact_uri=uri, artifact_path=path))
    assert place == (None if expected is None else Path(expected))
