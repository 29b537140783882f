"""The Kubernetes manifests: valid, hardened, and the same services as docker-compose.yml runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

from gate.registry.enforcement.tables import active_policies, all_keys, open_database, prepare
from gate.workflow.init import initialize
from tests.ci.compose import document
from tests.ci.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "ci" / "kubernetes"
VERSIONS = ("1.31", kubernetes_validate.latest_version())
WORKLOADS = ("Deployment", "StatefulSet", "Job")


@cache
def manifests() -> list[dict[str, Any]]:
    # As kubectl reads them: YAML 1.1, where 0440 is octal.
    return [
        found
        for path in sorted(FOLDER.glob("*.yaml"))
        for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [found for found in manifests() if found["kind"] in kinds]


def workloads() -> dict[str, Any]:
    """Return what pods are made from, by name."""
    return {found["metadata"]["name"]: found["spec"]["template"]["spec"] for found in of_kind(*WORKLOADS)}


def container(name: str) -> dict[str, Any]:
    (only,) = workloads()[name]["containers"]
    return dict(only)


def label(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest", manifests(), ids=lambda found: f"{found['kind']}-{found['metadata']['name']}"
)
def test_manifests_are_valid_and_name_nothing_unknown(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", workloads())
def test_what_runs_is_what_compose_runs(name: str) -> None:
    """The story that is tested on the compose file is then theirs too."""
    service, here = document()["services"][name], container(name)
    assert here["image"] == service["image"]
    assert here.get("args", []) == service.get("command", [])
    assert here.get("command") == service.get("entrypoint")
    assert {each["name"]: each["value"] for each in here.get("env", [])} == service.get("environment", {})


def test_every_service_of_compose_is_here() -> None:
    assert set(workloads()) == set(document()["services"]) - {"storage-volume"}, "fsGroup does its work"


@pytest.mark.parametrize("name", workloads())
def test_pods_may_do_no_more_than_they_need(name: str) -> None:
    pod, here = workloads()[name], container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert here["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(here["resources"]["requests"])
    assert "memory" in here["resources"]["limits"]


@pytest.mark.parametrize(
    "name", [found["metadata"]["name"] for found in of_kind("Deployment", "StatefulSet")]
)
def test_what_stays_up_is_probed(name: str) -> None:
    assert {"readinessProbe", "livenessProbe"} <= set(container(name))


@pytest.mark.parametrize("name", [found["metadata"]["name"] for found in of_kind("Deployment")])
def test_a_drained_node_takes_one_replica_at_a_time(name: str) -> None:
    (deployment,) = [found for found in of_kind("Deployment") if found["metadata"]["name"] == name]
    assert deployment["spec"]["replicas"] > 1
    (budget,) = [found for found in of_kind("PodDisruptionBudget") if found["metadata"]["name"] == name]
    assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": label(name)}}


def secret_files(name: str) -> dict[str, str]:
    """Return the files of a pod's secrets, and which Secret each comes from."""
    sources = [
        source["secret"]
        for volume in workloads()[name]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    ]
    return {item["path"]: secret["name"] for secret in sources for item in secret["items"]}


@pytest.mark.parametrize("name", workloads())
def test_a_pod_is_given_the_secrets_that_compose_gives_it(name: str) -> None:
    assert set(secret_files(name)) == set(document()["services"][name].get("secrets", ()))
    assert not any("secretKeyRef" in str(each) for each in container(name).get("env", ()))


def test_only_watchers_hold_the_signing_key() -> None:
    holders = [name for name in workloads() if "gate-signing-key" in secret_files(name).values()]
    assert holders == ["watcher"]


def spoken_to() -> Iterator[tuple[str, str, int]]:
    """Yield who speaks to whom at which port, by the addresses in commands and environments."""
    services = "|".join(found["metadata"]["name"] for found in of_kind("Service"))
    for name in workloads():
        here = container(name)
        # What a variable tells somebody else (whom MLflow answers to, where it calls back) is no connection.
        told = [each["value"] for each in here.get("env", ()) if "HOSTS" not in each["name"]]
        for address in [*here.get("args", ()), *told]:
            for other, port in re.findall(rf"[/@]({services}):(\d+)", address):
                caller = "mlflow" if address.endswith("/webhook") else name
                yield caller, other, int(port)


def allowed(way: str, name: str) -> set[tuple[str, int]]:
    """Return the pods and ports that a pod's policies name, to or from."""
    peers, found = ("from" if way == "ingress" else "to"), set()
    for policy in of_kind("NetworkPolicy"):
        if policy["spec"]["podSelector"] == {"matchLabels": label(name)}:
            for rule in policy["spec"].get(way, ()):
                for peer in rule[peers]:
                    if "podSelector" in peer:
                        other = peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
                        found.add((other, rule["ports"][0]["port"]))
    return found


def test_the_network_lets_through_what_is_spoken_and_nothing_else() -> None:
    (closed,) = [found for found in of_kind("NetworkPolicy") if found["metadata"]["name"] == "nothing"]
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    spoken = set(spoken_to())
    assert len(spoken) == 6
    assert {(name, *to) for name in workloads() for to in allowed("egress", name)} == spoken
    received = {(other, name, port) for name in workloads() for other, port in allowed("ingress", name)}
    assert received == spoken


def test_folders_as_kubernetes_mounts_them_are_read(tmp_path: Path) -> None:
    """A ConfigMap's files are links to links, so that all of them change at once."""
    made = initialize(tmp_path / "gate-config")
    mounted = {name: as_mounted(folder) for name, folder in (("P", made.policies), ("K", made.trusted))}
    database = open_database(f"sqlite:///{tmp_path / 'registry.db'}")
    settings = {"GATE_POLICIES": str(mounted["P"]), "GATE_TRUSTED_KEYS": str(mounted["K"])}
    prepare(database.engine, settings)
    with database.transaction() as session:
        assert [policy.name for policy in active_policies(session)] == ["default"]
        assert [stored.id for stored in all_keys(session)] == [key.id for key in made.keys]


def as_mounted(folder: Path) -> Path:
    mount = folder.with_name(f"{folder.name}-mounted")
    data = mount / "..2026_01_02_03_04_05.123"
    data.mkdir(parents=True)
    (mount / "..data").symlink_to(data.name)
    for file in folder.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
        (mount / file.name).symlink_to(Path("..data", file.name))
    return mount
