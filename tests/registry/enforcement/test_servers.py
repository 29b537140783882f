"""Beside the gate: basic-auth, workspaces, webhooks, files served by MLflow, a read replica."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from gate.registry.enforcement.tables import audit_trail, open_database, recorded_artifacts
from gate.registry.enforcement.tables.interface import VersionKey
from tests.registry.enforcement.places import Place, Settings, refusal, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ADMIN = ("admin", "a password of this test")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, sqlite: Callable[[Path], str]) -> Iterator[Place]:
    """A server with basic-auth and workspaces; requests go out as its administrator."""
    folder = tmp_path_factory.mktemp("guarded")
    settings = Settings.make(folder)
    database = sqlite(folder)
    environment = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a test's",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(_auth_config(folder)),
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    }
    with (
        served(settings, database, environment=environment, arguments=("--app-name", "basic-auth")) as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
        yield place


def _auth_config(folder: Path) -> Path:
    config = folder / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'users.db'}\n"
        f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return config


def _send(place: Place, method: str, path: str, body: dict[str, Any], workspace: str) -> Any:
    secret = base64.b64encode(":".join(ADMIN).encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{place.address}{path}",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Basic {secret}",
            "X-MLFLOW-WORKSPACE": workspace,
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}")


def test_basic_auth_names_who_was_refused(guarded: Place) -> None:
    version = guarded.version()
    with refusal("no decision"):
        guarded.promote(version)
    guarded.promote(guarded.deliver(version, guarded.maker.decision(version)))
    assert guarded.holder(version.name) == 1
    with open_database(guarded.database).transaction() as session:
        assert [entry.who for entry in audit_trail(session, name=version.name)] == ["admin"]


def test_a_decision_holds_in_its_workspace_alone(guarded: Place) -> None:
    version = guarded.passed()
    _send(guarded, "POST", "/api/3.0/mlflow/workspaces", {"name": "elsewhere"}, "default")
    twin = {"name": version.name}
    path = "/api/2.0/mlflow"
    _send(guarded, "POST", f"{path}/registered-models/create", twin, "elsewhere")
    _send(guarded, "POST", f"{path}/model-versions/create", {**twin, "source": "s3://b/m"}, "elsewhere")
    promote = {**twin, "alias": "champion", "version": "1"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        _send(guarded, "POST", f"{path}/registered-models/alias", promote, "elsewhere")
    assert refused.value.code == 403
    key = "gate.attestation.production"
    replay = {**twin, "version": "1", "key": key, "value": version.tags[key]}
    with pytest.raises(urllib.error.HTTPError) as replayed:
        _send(guarded, "POST", f"{path}/model-versions/set-tag", replay, "elsewhere")
    assert replayed.value.code == 403
    assert "another workspace" in json.loads(replayed.value.read())["message"]
    guarded.promote(version)


def test_files_that_the_server_serves_are_recorded_with_the_decision(place: Place, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "weights.bin").write_bytes(b"1234")
    run = place.client.create_run("0")
    place.client.log_artifacts(run.info.run_id, str(tmp_path), "model")
    name = place.model()
    place.client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    version = place.client.get_model_version(name, "1")
    place.deliver(version, place.maker.decision(version))
    with open_database(place.database).transaction() as session:
        found = recorded_artifacts(session, VersionKey("default", name, 1, version.creation_timestamp))
    assert found is not None
    assert {(file.path, file.size) for file in found.files} == {("MLmodel", 12), ("weights.bin", 4)}


def test_webhooks_are_kept_in_the_gated_registry(guarded: Place) -> None:
    made = guarded.client.create_webhook("a-hook", "http://127.0.0.1:9/hook", ["model_version.created"])
    assert [hook.name for hook in guarded.client.list_webhooks()] == ["a-hook"]
    guarded.client.delete_webhook(made.webhook_id)
    assert guarded.client.list_webhooks() == []


def test_a_read_replica_is_not_asked_about_promotions(
    tmp_path: Path, sqlite: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica is a copy from before the block: reads may show it, a promotion must not."""
    sqlite(tmp_path)
    primary, replica = tmp_path / "registry.db", tmp_path / "replica.db"
    settings = Settings.make(tmp_path)
    for key, value in settings.environment.items():
        monkeypatch.setenv(key, value)
    first = Place(
        mlflow.MlflowClient(f"sqlite:///{primary}", f"gate:sqlite:///{primary}"), settings, None, ""
    )
    version = first.passed()
    replica.write_bytes(primary.read_bytes())
    first.deliver(version, first.maker.blocked(version))

    from gate.registry.enforcement.store import GateStore  # noqa: PLC0415 - imports MLflow's stores

    store = GateStore(f"sqlite:///{primary}", f"sqlite:///{replica}")
    assert store.get_model_version(version.name, 1).tags["gate.outcome"] == "passed"
    with refusal("is blocked"):
        store.set_registered_model_alias(version.name, "champion", "1")
