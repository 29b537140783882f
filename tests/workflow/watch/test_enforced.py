"""The whole way on a registry that enforces: registered, decided by the watcher, promoted or refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import mlflow
import pytest

from gate.registry.attestation.documents import trusted_key_document
from gate.registry.attestation.keys import new_key
from tests.mlflow_server import running_server
from tests.workflow.watch.registry import Models, asked, watcher, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def enforcing(folder: Path, models: str = "*") -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Run a server behind the gate; yield its address, its policy and what a watcher needs to sign.

    The policy governs the registered models that the glob ``models`` matches.
    """
    for name in ("policies", "keys"):
        (folder / name).mkdir()
    policy = write_policy(folder / "policies" / "norm.yaml")
    policy.write_text(f'{policy.read_text()}match: {{models: ["{models}"]}}\n')
    made = new_key("check")
    (folder / "keys" / "check.yaml").write_text(trusted_key_document(made.trusted))
    (folder / "key.pem").write_bytes(made.private_pem)
    settings = {"GATE_POLICIES": str(folder / "policies"), "GATE_TRUSTED_KEYS": str(folder / "keys")}
    database = f"sqlite:///{folder / 'registry.db'}"
    arguments = ("--registry-store-uri", f"gate:{database}")
    with running_server(folder, backend=database, environment=settings, arguments=arguments) as address:
        yield address, policy, {"GATE_SIGNING_KEY_FILE": str(folder / "key.pem")}


def test_registered_decided_promoted(tmp_path: Path) -> None:
    with enforcing(tmp_path) as (address, policy, key):
        models = Models(address, tmp_path / "models")
        good, bad = models.register("fraud", 1), models.register("fraud", 2, 100.0)
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            models.client.set_registered_model_alias("fraud", "champion", str(good))  # nobody judged it yet
        assert refused.value.error_code == "PERMISSION_DENIED"

        with watcher(address, tmp_path, "--once", changes=key) as watching:  # by what the registry enforces
            assert watching.process.wait(120) == 0, watching.log
        decision = models.decision("fraud", good)
        assert decision is not None
        assert (decision.outcome, decision.policy_digest) == ("passed", asked(policy))
        assert models.outcome("fraud", bad) == "blocked"
        models.client.set_registered_model_alias("fraud", "champion", str(good))
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            models.client.set_registered_model_alias("fraud", "champion", str(bad))
        assert refused.value.error_code == "PERMISSION_DENIED"
        assert "norm-in-bounds" in str(refused.value)

        with watcher(address, tmp_path, "--once", changes=key) as watching:
            assert watching.process.wait(120) == 0
            assert not watching.events("checked"), "what was decided counts"

        models.overwrite("fraud", good, seed=1, scale=100.0)
        with watcher(address, tmp_path, "--once", "--rehash-every", "0", changes=key) as watching:
            assert watching.process.wait(120) == 0, watching.log
        assert models.outcome("fraud", good) == "blocked"
        models.client.delete_registered_model_alias("fraud", "champion")
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            models.client.set_registered_model_alias("fraud", "champion", str(good))
        assert refused.value.error_code == "PERMISSION_DENIED"


def test_a_watcher_without_a_key_says_so_and_decides_nothing(tmp_path: Path) -> None:
    with enforcing(tmp_path) as (address, _, _):
        models = Models(address, tmp_path / "models")
        version = models.register("fraud", 1)
        with watcher(address, tmp_path, "--once") as watching:
            assert watching.process.wait(120) == 3
            assert "GATE_SIGNING_KEY" in watching.log
        assert models.outcome("fraud", version) is None
        with watcher(address, tmp_path, changes={"GATE_SIGNING_KEY": "no key"}) as watching:
            assert watching.process.wait(60) == 2
