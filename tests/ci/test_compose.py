"""docker-compose.yml and the image: valid, hardened, and the whole story runs on what they start."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
import requests
from mlflow.server import get_app_client

from tests.ci.compose import DOCKER, FILE, Stack, binary, document, running
from tests.ci.conftest import ROOT, ci_environment
from tests.registry.enforcement.places import refusal
from tests.workflow.watch.registry import Models, children, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

ALICE = ("alice", "alice has a long password")
ONE_SHOT = {"storage-volume", "bucket", "provision"}
TO_THE_ENVIRONMENT = {"flask_key", "webhook_encryption_key"}
"""The two secrets that MLflow takes from nowhere else."""


def services() -> dict[str, Any]:
    return dict(document()["services"])


# --- the files


def test_the_compose_file_is_valid_by_its_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", services())
def test_services_are_pinned_confined_and_watched(name: str) -> None:
    service = services()[name]
    assert re.search(r":\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] != "0:0" or service["cap_add"] == ["CHOWN"]
    if name not in ONE_SHOT:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def test_each_secret_is_given_to_those_that_name_it_and_no_others() -> None:
    declared = set(document()["secrets"])
    used: set[str] = set()
    for service in services().values():
        given = set(service.get("secrets", ()))
        named = set(re.findall(r"/run/secrets/([\w.]+)", str(service)))
        assert given == named
        used |= given
    assert used == declared
    assert [name for name, service in services().items() if "signing_key" in service.get("secrets", ())] == [
        "watcher"
    ]


def test_only_mlflow_is_reachable_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"]}
    inside = {name for name, network in document()["networks"].items() if network == {"internal": True}}
    networks = {name: service.get("networks") for name, service in services().items()}
    assert networks.pop("storage-volume") is None
    assert networks.pop("mlflow") == ["storage", "judging", "clients"]
    assert networks["watcher"] == ["judging"], (
        "it reads hostile files: through MLflow, and reaches nothing else"
    )
    assert {network for joined in networks.values() for network in joined} == inside


def test_the_dockerfile_and_its_scripts_pass_their_linters() -> None:
    folder = Path(sys.executable).parent
    linted = subprocess.run(
        [folder / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout
    scripts = sorted(DOCKER.glob("*.sh"))
    assert len(scripts) == 2
    checked = subprocess.run([folder / "shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_image_is_not_root_has_a_health_check_and_a_bill_of_materials() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    assert "sbom.json" in last
    assert 'ENTRYPOINT ["gate-entrypoint"]' in last
    for source in re.findall(r"^COPY (?:--chmod=\d+ )?((?!--from)\S.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split()), source


# --- the entry point


def run_entrypoint(folder: Path, changes: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **changes}
    command = ("sh", str(DOCKER / "entrypoint.sh"), *command)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_entry_point_keeps_odd_passwords_as_they_are(tmp_path: Path) -> None:
    """By the rules of those who read them: libpq's for its file, Python's ConfigParser as MLflow uses it."""
    odd = r"a:b\c%d 'e\"$(touch pwned)` #;="
    (tmp_path / "secret").write_text(f"{odd}\n")
    done = run_entrypoint(
        tmp_path,
        {
            "PGPASSWORD_FILE": str(tmp_path / "secret"),
            "MLFLOW_AUTH_ADMIN_PASSWORD_FILE": str(tmp_path / "secret"),
            "MLFLOW_AUTH_DATABASE_URI": "sqlite:///users%20.db",
            "MLFLOW_TRACKING_PASSWORD_FILE": str(tmp_path / "secret"),
        },
        *(sys.executable, "-c"),
        "import os, configparser\n"
        "print(open(os.environ['PGPASSFILE']).read(), end='')\n"
        "ini = configparser.ConfigParser()\n"
        "ini.read([os.path.expanduser('~/.mlflow/credentials')])\n"
        "print(ini['mlflow']['mlflow_tracking_password'])\n"
        "ini.read([os.environ['MLFLOW_AUTH_CONFIG_PATH']])\n"
        "print(ini['mlflow']['admin_password'])\n"
        "print(ini['mlflow']['database_uri'])\n"
        "print(oct(os.stat(os.environ['PGPASSFILE']).st_mode & 0o777))",
    )
    assert done.returncode == 0, done.stderr
    escaped = odd.replace("\\", "\\\\").replace(":", "\\:")
    expected = [f"*:*:*:*:{escaped}", odd, odd, "sqlite:///users%20.db", "0o600"]
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("content", [None, ""])
def test_nothing_starts_without_its_secret(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    done = run_entrypoint(tmp_path, {"PGPASSWORD_FILE": str(tmp_path / "secret")}, "echo", "started")
    assert done.returncode == 78
    assert done.stdout == ""
    assert "missing, empty or not readable" in done.stderr


# --- what the preparation makes


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "gate-config"
    prepare(folder)
    return folder


def prepare(folder: Path) -> None:
    command = ["sh", str(DOCKER / "prepare.sh"), str(folder)]
    subprocess.run(command, env=ci_environment({}), cwd=folder.parent, check=True, capture_output=True)


def test_prepared_secrets_are_closed_to_others_and_never_made_twice(config: Path) -> None:
    secrets = config / "secrets"
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    prepare(config)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {name for name in document()["secrets"] if name not in before} == set()
    ignored = (config / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored
    assert "/private/" in ignored


# --- the story


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Iterator[Stack]:
    """Everything of the compose file, with a policy whose verdicts are known beforehand."""
    (config / "policies" / "default.yaml").unlink()
    write_policy(config / "policies" / "norm.yaml")
    with running(tmp_path_factory.mktemp("stack"), config) as stack:
        yield stack


@contextlib.contextmanager
def acting(name: str, password: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", name)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        yield


def secret(config: Path, name: str) -> str:
    return (config / "secrets" / name).read_text().strip()


def add_alice(stack: Stack) -> None:
    with acting("admin", secret(stack.config, "admin_password")):
        get_app_client("basic-auth", tracking_uri=stack.address).create_user(*ALICE)


def figure(stack: Stack, name: str) -> float:
    with urllib.request.urlopen(stack.metrics, timeout=10) as answer:  # noqa: S310 - our own address
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])


def test_from_registered_to_rolled_back(stack: Stack, tmp_path: Path) -> None:
    add_alice(stack)
    with acting(*ALICE):
        models = Models(stack.address, tmp_path)

        def promote(version: int) -> None:
            models.client.set_registered_model_alias("fraud", "champion", str(version))

        def champion() -> int:
            return int(models.client.get_model_version_by_alias("fraud", "champion").version)

        def decided(version: int) -> str:
            waited = gate_check_wait(stack, f"models:/fraud/{version}")
            assert waited.returncode in {0, 1}, waited.stderr
            return str(models.outcome("fraud", version))

        first = models.register("fraud", 1)
        with contextlib.suppress(mlflow.exceptions.MlflowException):  # unless the watcher was quicker
            promote(first)
            assert models.outcome("fraud", first) == "passed"
        assert decided(first) == "passed"
        promote(first)

        bad = models.register("fraud", 2, 100.0)
        assert decided(bad) == "blocked"
        with refusal("norm-in-bounds", "Report: run"):
            promote(bad)
        assert champion() == first

        fixed = models.register("fraud", 3)
        assert decided(fixed) == "passed"
        promote(fixed)
        assert champion() == fixed
        promote(first)
        assert champion() == first

        with pytest.raises(requests.exceptions.HTTPError, match=r"403.*what was judged may not change"):
            models.overwrite("fraud", first, 4, 100.0)
        with refusal("gate."):
            models.client.set_model_version_tag("fraud", str(bad), "gate.outcome", "passed")
    assert figure(stack, 'gate_watch_webhooks_total{result="accepted"}') >= 3
    assert figure(stack, 'gate_watch_checks_total{outcome="passed",reason="new"}') == 2
    assert figure(stack, 'gate_watch_checks_total{outcome="blocked",reason="new"}') == 1


def gate_check_wait(stack: Stack, source: str) -> subprocess.CompletedProcess[str]:
    """What CI runs: it has a user of MLflow, and no key."""
    changes = {
        "MLFLOW_TRACKING_URI": stack.address,
        "MLFLOW_TRACKING_USERNAME": ALICE[0],
        "MLFLOW_TRACKING_PASSWORD": ALICE[1],
    }
    return subprocess.run(
        ["gate", "check", source, "--wait", "--timeout", "2m"],
        env=ci_environment(changes),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_watcher_is_no_administrator_and_promotes_no_more_than_others(stack: Stack) -> None:
    with acting("gate-watch", secret(stack.config, "watcher_password")):
        users = get_app_client("basic-auth", tracking_uri=stack.address)
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            users.create_user("mallory", "a long password of hers")
        assert refused.value.error_code == "PERMISSION_DENIED"


def test_a_restored_dump_enforces_as_before(stack: Stack, tmp_path: Path) -> None:
    """The commands of docs/operations.md, into a second database."""
    server = ("--host=127.0.0.1", f"--port={stack.ports['5432']}", "--username=mlflow")
    password = secret(stack.config, "postgres_password")
    dump = str(tmp_path / "mlflow.dump")
    for command in (
        ("pg_dump", *server, "--format=custom", f"--file={dump}", "mlflow"),
        ("createdb", *server, "--maintenance-db=postgres", "restored"),
        ("pg_restore", *server, "--dbname=restored", "--exit-on-error", dump),
    ):
        program = [binary(command[0]), *command[1:]]
        subprocess.run(program, env={"PGPASSWORD": password}, check=True, capture_output=True)
    restored = f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{stack.ports['5432']}/restored"
    client = mlflow.MlflowClient(tracking_uri=restored, registry_uri=f"gate:{restored}")
    client.set_registered_model_alias("fraud", "champion", "3")
    with refusal("norm-in-bounds"):
        client.set_registered_model_alias("fraud", "champion", "2")
    assert client.get_model_version_by_alias("fraud", "champion").version in {3, "3"}


def test_no_secret_shows_where_others_look(stack: Stack) -> None:
    """Not in command lines, not in logs; in environments those two that MLflow reads nowhere else."""
    secrets = {path.name: path.read_text().strip() for path in (stack.config / "secrets").iterdir()}
    secrets["signing_key"] = secrets["signing_key"].splitlines()[1]
    del secrets["s3.json"], secrets["s3_credentials"]  # which hold s3_key
    for name, process in stack.processes.items():
        for number in [process.pid, *children(process.pid)]:
            if not (proc := Path("/proc", str(number))).exists() or process.poll() is not None:
                continue
            arguments, environment = (proc / "cmdline").read_text(), (proc / "environ").read_text()
            assert {key for key, value in secrets.items() if value in arguments} == set()
            assert {key for key, value in secrets.items() if value in environment} <= TO_THE_ENVIRONMENT
        assert {key for key, value in secrets.items() if value in stack.log(name)} == set()


def test_provisioning_again_changes_nothing(stack: Stack) -> None:
    for name in ("bucket", "provision"):
        stack.start(name)
        assert stack.processes[name].wait(120) == 0, stack.log(name)
    with acting("admin", secret(stack.config, "admin_password")):
        client = mlflow.MlflowClient(stack.address, stack.address)
        assert len(client.list_webhooks()) == 1
