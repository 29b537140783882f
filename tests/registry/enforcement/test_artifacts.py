"""The files of a judged version, attacked through a real server, on a folder and on a real S3 server."""

from __future__ import annotations

import hashlib
import http.client
import inspect
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import mlflow
import pytest
import requests
from mlflow.store.artifact.artifact_repository_registry import (
    get_artifact_repository,
    get_registered_artifact_repositories,
)
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from gate.registry.enforcement.addresses import below, served_path, settled
from gate.registry.enforcement.artifacts import DELETES, WRITES, Guard, guarded
from gate.registry.enforcement.tables import VersionKey, open_database, recorded_artifacts
from tests.mlflow_server import free_port
from tests.registry.enforcement.places import Place, Settings, direct, refusal, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOTS = ("/api", "/ajax-api")
FILES = {"MLmodel": b"flavors: {}\n", "data/model.pth": b"weights" * 1000}
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Judged:
    """A decided version and where its files stand below the destination."""

    version: Any
    run: str
    folder: str


@dataclass(frozen=True)
class Proxy:
    """A server that serves artifacts behind the gate."""

    place: Place
    storage: str

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Send a request whose path is taken as it stands."""
        assert self.place.address is not None
        connection = http.client.HTTPConnection(urlsplit(self.place.address).netloc, timeout=120)
        headers = {"Content-Type": "application/json"} if body and body[:1] == b"{" else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def put(self, path: str, body: bytes = b"evil", root: str = "/api") -> int:
        return self.send("PUT", f"{root}/2.0/mlflow-artifacts/artifacts/{path}", body)[0]

    def delete(self, path: str, root: str = "/api") -> int:
        return self.send("DELETE", f"{root}/2.0/mlflow-artifacts/artifacts/{path}")[0]

    def get(self, path: str) -> bytes:
        return self.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}")[1]

    def logged(self, tmp_path: Path, folder: str = "model") -> tuple[str, str]:
        """Log a model's files as a training run does; return the run and where they stand."""
        client = self.place.client
        run = client.create_run(client.create_experiment(f"e{next(_NUMBERS)}"))
        for name, content in FILES.items():
            path = tmp_path / f"{next(_NUMBERS)}" / name
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            inner = name.rpartition("/")[0]
            client.log_artifact(run.info.run_id, str(path), f"{folder}/{inner}".rstrip("/"))
        path = urlsplit(run.info.artifact_uri).path.lstrip("/")
        return run.info.run_id, f"{path}/{folder}"

    def register(self, run: str, folder: str) -> Any:
        name = self.place.model()
        return self.place.client.create_model_version(name, f"mlflow-artifacts:/{folder}", run)

    def decide(self, version: Any) -> Any:
        return self.place.deliver(version, self.place.maker.decision(self.place.again(version)))

    def judged(self, tmp_path: Path) -> Judged:
        run, folder = self.logged(tmp_path)
        return Judged(self.decide(self.register(run, folder)), run, folder)

    def unchanged(self, judged: Judged) -> bool:
        """Tell whether the files are still those that were logged, and no others."""
        listed = mlflow.artifacts.list_artifacts(run_id=judged.run, artifact_path="model")
        names = {info.path.partition("/")[2] for info in listed}
        bytes_as_logged = all(self.get(f"{judged.folder}/{name}") == FILES[name] for name in FILES)
        return bytes_as_logged and names == {"MLmodel", "data"}


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """A real S3 server on this machine, with a bucket."""
    import boto3  # noqa: PLC0415 - only these tests need them
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    port = free_port()
    server = ThreadedMotoServer(port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - of a server of our own
        region_name="us-east-1",
    ).create_bucket(Bucket="models")
    yield {**keys, "MLFLOW_S3_ENDPOINT_URL": endpoint}
    server.stop()


@pytest.fixture(scope="module", params=["folder", "s3"])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp(request.param)
    environment = request.getfixturevalue("s3") if request.param == "s3" else {}
    destination = "gate:s3://models/all/of them" if request.param == "s3" else f"gate:{folder / 'files'}"
    with served(
        Settings.make(folder),
        f"sqlite:///{folder / 'registry.db'}",
        environment=environment,
        arguments=("--artifacts-destination", destination),
    ) as place:
        mlflow.set_tracking_uri(place.address)
        yield Proxy(place, request.param)


@pytest.fixture(scope="module")
def judged(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """One version for every attack: none may leave a trace for the next to find."""
    return proxy.judged(tmp_path_factory.mktemp("judged"))


def test_acceptance_records_names_sizes_and_etags(proxy: Proxy, judged: Judged) -> None:
    subject = VersionKey("default", judged.version.name, 1, judged.version.creation_timestamp)
    with open_database(proxy.place.database).transaction() as session:
        recorded = recorded_artifacts(session, subject)
    assert recorded is not None
    assert (recorded.root, recorded.complete) == (judged.folder, True)
    assert {file.path: file.size for file in recorded.files} == {
        name: len(content) for name, content in FILES.items()
    }
    if proxy.storage == "s3":  # an object that was sent in one piece has its MD5 for an ETag
        assert {file.path: file.etag for file in recorded.files} == {
            name: hashlib.md5(content).hexdigest()  # noqa: S324
            for name, content in FILES.items()
        }
    else:
        assert all(file.etag for file in recorded.files)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    "spelling",
    [
        "{folder}/MLmodel",
        "{folder}/data/model.pth",
        "{folder}/added.py",
        "{folder}/data/deep/added.py",
        "{up}/%6Dodel/MLmodel",
        "{up}/%256Dodel/MLmodel",
        "{up}//model/MLmodel",
        "{up}/./model/MLmodel",
        "{up}/MODEL/MLmodel",
        "{up}/x/../model/MLmodel",
    ],
)
def test_no_put_changes_a_judged_file(proxy: Proxy, judged: Judged, spelling: str, root: str) -> None:
    up = judged.folder.removesuffix("/model")
    status = proxy.put(spelling.format(folder=judged.folder, up=up), root=root)
    assert status == (400 if ".." in spelling else 403)
    assert proxy.unchanged(judged)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("levels", [-1, 0, 1, 2, 3])
def test_no_delete_takes_a_judged_file(proxy: Proxy, judged: Judged, levels: int, root: str) -> None:
    parts = judged.folder.split("/")
    path = f"{judged.folder}/MLmodel" if levels < 0 else "/".join(parts[: len(parts) - levels])
    assert proxy.delete(path, root) == 403
    assert proxy.unchanged(judged)


def test_the_refusal_says_whose_files_and_what_to_do(proxy: Proxy, judged: Judged) -> None:
    path = f"/api/2.0/mlflow-artifacts/artifacts/{judged.folder}/MLmodel"
    status, body = proxy.send("PUT", path, b"evil")
    told = json.loads(body)
    assert (status, told["error_code"]) == (403, "PERMISSION_DENIED")
    assert f"{judged.version.name} version 1" in told["message"]
    assert "new version" in told["message"]


def test_mlflows_own_clients_are_refused(proxy: Proxy, judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("evil")
    client = proxy.place.client
    with pytest.raises(requests.HTTPError, match="may not change"):
        client.log_artifact(judged.run, str(tmp_path / "MLmodel"), "model")
    with pytest.raises(requests.HTTPError, match="may not change"):
        get_artifact_repository(client.get_run(judged.run).info.artifact_uri).delete_artifacts("model")
    status, _ = proxy.send(
        "POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={judged.run}&path=model/MLmodel", b"evil"
    )
    assert status == 403
    assert proxy.unchanged(judged)


def test_what_was_not_judged_is_written_listed_read_and_deleted_as_ever(proxy: Proxy, tmp_path: Path) -> None:
    judged, client = proxy.judged(tmp_path), proxy.place.client
    (tmp_path / "notes.txt").write_text("more")
    client.log_artifact(judged.run, str(tmp_path / "notes.txt"))
    client.log_artifact(judged.run, str(tmp_path / "notes.txt"), "model2")
    client.log_text(judged.run, "text", "plots/a b.txt")
    assert {info.path for info in client.list_artifacts(judged.run)} == {
        "model",
        "model2",
        "notes.txt",
        "plots",
    }
    fetched = mlflow.artifacts.download_artifacts(run_id=judged.run, artifact_path="model")
    assert {name: open(f"{fetched}/{name}", "rb").read() for name in FILES} == FILES  # noqa: PTH123, SIM115
    up = judged.folder.removesuffix("/model")
    assert proxy.put(f"{up}/model2/notes.txt", b"newer") == 200
    assert proxy.get(f"{up}/model2/notes.txt") == b"newer"
    assert proxy.delete(f"{up}/model2") in {200, 204}
    assert "model2" not in {info.path for info in client.list_artifacts(judged.run)}


def test_an_upload_that_was_under_way_when_the_decision_came_is_not_published(
    proxy: Proxy, tmp_path: Path
) -> None:
    run, folder = proxy.logged(tmp_path)
    version = proxy.register(run, folder)

    def slowly() -> Iterator[bytes]:
        yield b"e" * 100_000
        proxy.decide(version)
        yield b"v" * 100_000

    path = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/MLmodel"
    connection = http.client.HTTPConnection(urlsplit(str(proxy.place.address)).netloc, timeout=120)
    connection.request("PUT", path, slowly(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 403
    assert proxy.unchanged(Judged(version, run, folder))


def test_a_deleted_versions_files_are_free_again(proxy: Proxy, tmp_path: Path) -> None:
    judged = proxy.judged(tmp_path)
    proxy.place.client.delete_model_version(judged.version.name, "1")
    assert proxy.put(f"{judged.folder}/MLmodel") == 200
    assert proxy.delete(judged.folder) in {200, 204}


@pytest.mark.parametrize(
    "source",
    [
        "runs:/{run}/model",
        "RUNS:/{run}/%6Dodel",
        "mlflow-artifacts:/{up}/%6Dodel",
        "mlflow-artifacts:///{up}//model/",
        "MLFLOW-ARTIFACTS:/{folder}?like=this#one",
    ],
)
def test_files_are_protected_however_their_version_names_them(
    proxy: Proxy, tmp_path: Path, source: str
) -> None:
    run, folder = proxy.logged(tmp_path)
    address = source.format(run=run, folder=folder, up=folder.removesuffix("/model"))
    body = {"name": proxy.place.model(), "source": address, "run_id": run}
    assert proxy.place.send("model-versions/create", body)[0] == 200
    version = proxy.place.client.get_model_version(body["name"], "1")
    fetched = mlflow.artifacts.download_artifacts(f"models:/{body['name']}/1")
    assert {name: open(f"{fetched}/{name}", "rb").read() for name in FILES} == FILES  # noqa: PTH123, SIM115
    proxy.decide(version)
    assert proxy.put(f"{folder}/MLmodel") == 403
    assert proxy.delete(folder) == 403
    assert proxy.unchanged(Judged(version, run, folder))


def test_a_run_that_nobody_knows_has_no_place(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", "gate:/srv/files")
    mlflow.set_tracking_uri(proxy.place.address)
    with refusal(code="RESOURCE_DOES_NOT_EXIST"):
        served_path(f"runs:/{'0' * 32}/model")


def test_a_decision_that_a_direct_client_delivers_protects_what_the_server_serves(
    proxy: Proxy, tmp_path: Path
) -> None:
    run, folder = proxy.logged(tmp_path)
    version = proxy.register(run, folder)
    beside = direct(proxy.place.settings, proxy.place.database)
    beside.deliver(version, beside.maker.decision(beside.again(version)))
    assert proxy.put(f"{folder}/MLmodel") == 403
    assert proxy.unchanged(Judged(version, run, folder))


@pytest.mark.parametrize(
    "path", ["1/model", "1/%6Dodel", "1/%256Dodel", "/1//%25%36D%6fdel/", "1/x/%2e%2e/model"]
)
def test_every_encoding_of_a_path_comes_down_to_one(path: str) -> None:
    assert settled(path) == "1/model"


def parts(proxy: Proxy, step: str, folder: str, body: dict[str, Any], root: str = "/api") -> tuple[int, Any]:
    status, answer = proxy.send(
        "POST", f"{root}/2.0/mlflow-artifacts/mpu/{step}/{folder}", json.dumps(body).encode()
    )
    return status, json.loads(answer or b"{}")


@pytest.mark.parametrize("root", ROOTS)
def test_uploads_in_parts_are_refused_at_their_start_and_at_their_end(
    proxy: Proxy, tmp_path: Path, root: str
) -> None:
    run, folder = proxy.logged(tmp_path)
    version = proxy.register(run, folder)
    begun = {"path": "MLmodel", "num_parts": 1}
    status, started = parts(proxy, "create", folder, begun, root)
    if proxy.storage != "s3":
        assert status == 501  # as without the gate
        return
    assert status == 200
    sent = requests.put(started["credentials"][0]["url"], b"evil", timeout=30)
    assert sent.status_code == 200
    etag = sent.headers["ETag"]
    proxy.decide(version)
    done = {
        "path": "MLmodel",
        "upload_id": started["upload_id"],
        "parts": [{"part_number": 1, "etag": etag}],
    }
    assert parts(proxy, "complete", folder, done, root)[0] == 403
    assert parts(proxy, "create", folder, begun, root)[0] == 403
    assert parts(proxy, "create", folder, {**begun, "path": "x/../MLmodel"}, root)[0] == 403
    assert parts(proxy, "abort", folder, done, root)[0] == 200
    assert proxy.unchanged(Judged(version, run, folder))
    elsewhere = folder.replace("/model", "/other")
    status, started = parts(proxy, "create", elsewhere, begun, root)
    assert status == 200
    status, answer = proxy.send("GET", f"{root}/2.0/mlflow-artifacts/presigned/{folder}/MLmodel")
    assert status == 200
    assert requests.get(json.loads(answer)["url"], timeout=30).content == FILES["MLmodel"]


READS = frozenset(
    {
        "abort_multipart_upload",  # takes back what was never published
        "convert_b2_uri_to_s3_endpoint_url",
        "convert_r2_uri_to_s3_endpoint_url",
        "download_archived_trace_data",
        "download_artifacts",
        "download_trace_attachment",
        "download_trace_attachment_to_file",
        "download_trace_data",
        "download_trace_data_to_file",
        "flush_async_logging",
        "get_download_presigned_url",
        "get_ftp_client",
        "get_local_path",
        "get_s3_file_upload_extra_args",
        "get_underlying_uri",
        "is_models_uri",
        "is_runs_uri",
        "list_artifacts",
        "parse_gcs_uri",
        "parse_runs_uri",
        "parse_s3_compliant_uri",
        "parse_wasbs_uri",
        "split_models_uri",
    }
)
THROUGH_LOG_ARTIFACT = frozenset({"upload_archived_trace_data", "upload_attachment", "upload_trace_data"})


def test_every_method_of_mlflows_repositories_is_known_to_read_or_is_guarded() -> None:
    """A method that a later MLflow adds fails here until somebody looked at it."""
    known = READS | THROUGH_LOG_ARTIFACT | WRITES.keys() | {DELETES}
    for repository in get_registered_artifact_repositories().values():
        if inspect.isclass(repository):
            methods = {name for name, _ in inspect.getmembers(repository, inspect.isfunction)}
            assert {name for name in methods if not name.startswith("_")} <= known, repository


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    (tmp_path / "kept.txt").write_text("kept")
    return guarded(LocalArtifactRepository(str(tmp_path)), Guard(""))


@pytest.mark.parametrize("uri", ["postgresql+psycopg2://127.0.0.1:1/none", "sqlite:///{folder}/empty.db", ""])
def test_while_the_tables_cannot_be_asked_nothing_is_written_and_all_is_read(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("GATE_DATABASE", uri.format(folder=tmp_path))
    with refusal("cannot look up", code="TEMPORARILY_UNAVAILABLE"):
        repository.log_artifact(__file__)
    with refusal("cannot look up", code="TEMPORARILY_UNAVAILABLE"):
        repository.log_artifacts(str(tmp_path), "copy")
    with refusal("cannot look up", code="TEMPORARILY_UNAVAILABLE"):
        repository.delete_artifacts("kept.txt")
    assert (tmp_path / "kept.txt").read_text() == "kept"
    assert [info.path for info in repository.list_artifacts() if info.path == "kept.txt"] == ["kept.txt"]


def test_a_repository_outside_the_destination_writes_nothing(tmp_path: Path) -> None:
    outside = guarded(LocalArtifactRepository(str(tmp_path)), Guard(None))
    with refusal("destination"):
        outside.log_artifact(__file__)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("root", "uri", "path"),
    [
        ("/srv/files", "/srv/files", ""),
        ("/srv/files/", "/srv/files/1/r", "1/r"),
        ("/srv/files", "file:///srv/files/1/a%20b", "1/a b"),
        ("/srv/files", "/srv/files/1/%72", "1/r"),
        ("/srv/files", "/srv/files2/1", None),
        ("/srv/files", "s3://srv/files", None),
        ("s3://bucket", "s3://bucket/1/r", "1/r"),
        ("s3://bucket/all", "s3://bucket/all/1//r", "1/r"),
        ("s3://bucket/all", "s3://bucket/all/../1", None),
        ("s3://bucket/all", "s3://other/all/1", None),
    ],
)
def test_where_something_stands_below_the_destination(root: str, uri: str, path: str | None) -> None:
    assert below(root, uri) == path


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/1/r/artifacts/model", "1/r/artifacts/model"),
        ("mlflow-artifacts://host:5000/1/r", "1/r"),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1/r", "1/r"),
        ("http://host/ajax-api/2.0/mlflow-artifacts/artifacts/1/r", "1/r"),
        ("http://host/%61pi/2.0/mlflow-artifacts/artifacts/1/%72", "1/r"),
        ("mlflow-artifacts:/1/%72/artifacts", "1/r/artifacts"),
        ("gate:s3://bucket/all/1/r", "1/r"),
        ("http://host/elsewhere/1/r", None),
        ("s3://bucket/all/1/r", "1/r"),
        ("s3://elsewhere/1/r", None),
        ("/tmp/model", None),  # noqa: S108 - a text
    ],
)
def test_where_a_versions_files_are_served(
    uri: str, path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", "gate:s3://bucket/all")
    assert served_path(uri) == path
    monkeypatch.delenv("MLFLOW_ARTIFACTS_DESTINATION")
    assert served_path(uri) == (None if "s3:" in uri else path)
