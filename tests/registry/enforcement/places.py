"""Enforcing registries to test against: real servers, real databases."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from tests.mlflow_server import running_server
from tests.registry.enforcement.signing import Maker, Pair, policy_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_COUNTER = itertools.count(1)


@dataclass
class Settings:
    """What an operator gives a server: policies by name, and keys by role."""

    folder: Path
    policies: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Pair] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, *policies: str) -> Settings:
        """Write policy texts, and a key of each role, to folders below ``folder``."""
        for name in ("policies", "keys"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        settings = cls(folder)
        for text in policies or (policy_text("production"),):
            settings.put_policy(text)
        for role in ("check", "waive", "override"):
            settings.put_key(role, Pair.make(role))
        return settings

    def put_policy(self, text: str) -> None:
        name = text.split("name: ", 1)[1].split("\n", 1)[0]
        self.policies[name] = text
        (self.folder / "policies" / f"{name}.yaml").write_text(text)

    def put_key(self, name: str, pair: Pair) -> Pair:
        self.keys[name] = pair
        pair.write(self.folder / "keys")
        return pair

    @property
    def environment(self) -> dict[str, str]:
        return {
            "GATE_POLICIES": str(self.folder / "policies"),
            "GATE_TRUSTED_KEYS": str(self.folder / "keys"),
        }


@dataclass(frozen=True)
class Place:
    """An enforcing registry: how to reach it, and what its operator gave it."""

    client: mlflow.MlflowClient
    settings: Settings
    address: str | None = None
    database: str = ""

    @property
    def maker(self) -> Maker:
        return Maker(self.settings.keys["check"], self.settings.policies)

    def model(self, stem: str = "fraud") -> str:
        """Register a new name: governed if it starts with ``fraud``."""
        name = f"{stem}-{next(_COUNTER)}"
        self.client.create_registered_model(name)
        return name

    def version(self, name: str | None = None, **more: Any) -> Any:
        """Register a version (of a new governed model by default)."""
        made = self.client.create_model_version(name or self.model(), "s3://bucket/model", **more)
        return self.again(made)

    def again(self, version: Any) -> Any:
        """Read a version anew."""
        return self.client.get_model_version(version.name, str(version.version))

    def deliver(self, version: Any, text: str, policy: str = "production") -> Any:
        """Set a decision's tag, as `gate check` does, and return the version as it is then."""
        key = f"gate.attestation.{policy}"
        self.client.set_model_version_tag(version.name, str(version.version), key, text)
        return self.again(version)

    def passed(self, name: str | None = None) -> Any:
        """Register a version and let it pass."""
        version = self.version(name)
        return self.deliver(version, self.maker.decision(version))

    def promote(self, version: Any, alias: str = "champion") -> None:
        self.client.set_registered_model_alias(version.name, alias, str(version.version))

    def holder(self, name: str, alias: str = "champion") -> int | None:
        """Return which version holds an alias."""
        # MLflow's client hides a model that calls itself a prompt; what is below it does not.
        found = self.client._get_registry_client().get_registered_model(name).aliases.get(alias)
        return None if found is None else int(found)

    def send(
        self, path: str, body: Mapping[str, Any], method: str = "POST", root: str = "/api"
    ) -> tuple[int, Any]:
        """Send one plain HTTP request to MLflow's API; return status and JSON."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.address}{root}/2.0/mlflow/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return int(answer.status), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@contextlib.contextmanager
def refusal(*words: str, code: str = "PERMISSION_DENIED") -> Iterator[None]:
    """Expect MLflow's error of this code, with these words in its message."""
    with pytest.raises(mlflow.exceptions.MlflowException) as caught:
        yield
    assert caught.value.error_code == code, caught.value.message
    for word in words:
        assert word in caught.value.message


@contextlib.contextmanager
def served(
    settings: Settings,
    database: str,
    *,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[Place]:
    """Run an MLflow server whose registry is behind the gate."""
    folder = settings.folder
    with running_server(
        folder,
        backend=database,
        environment={**settings.environment, **(environment or {})},
        workers=workers,
        arguments=("--registry-store-uri", f"gate:{database}", *arguments),
    ) as address:
        yield Place(mlflow.MlflowClient(address, address), settings, address, database)


def direct(settings: Settings, database: str) -> Place:
    """Open the same registry with a Python client that talks to the database itself."""
    os.environ.update(settings.environment)
    client = mlflow.MlflowClient(tracking_uri=database, registry_uri=f"gate:{database}")
    return Place(client, settings, None, database)
