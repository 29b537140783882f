"""What has to be there once beside the services: ``python provision.py bucket`` and ``… watcher``.

Either may run at every start: what is there already is left alone, a changed password or secret is
brought up to date.

``bucket``
    Makes the bucket ``S3_BUCKET`` at ``MLFLOW_S3_ENDPOINT_URL``.
``watcher``
    As MLflow's administrator: makes the user ``WATCHER_USERNAME``, with the password in
    ``WATCHER_PASSWORD_FILE``, and a role that lets it read models, set tags and write report runs, and no
    more (it is no administrator); subscribes ``WATCHER_WEBHOOK_URL`` to MLflow's webhooks, which only an
    administrator may.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WORKSPACE = "default"
ROLE = "gate-watch"
GRANTS = {"experiment": "EDIT", "registered_model": "EDIT", "workspace": "USE"}
"""``USE`` of the workspace is what lets it make the experiments of its reports."""


def bucket() -> None:
    """Make the bucket for artifacts."""
    import boto3  # noqa: PLC0415 - each command imports what it needs

    storage = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    name = os.environ["S3_BUCKET"]
    if name not in {found["Name"] for found in storage.list_buckets()["Buckets"]}:
        with contextlib.suppress(storage.exceptions.BucketAlreadyOwnedByYou):  # two at once
            storage.create_bucket(Bucket=name)


def watcher() -> None:
    """Make the watcher's user, its role and its subscription."""
    from mlflow.server import get_app_client  # noqa: PLC0415 - see bucket

    users: Any = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    name = os.environ["WATCHER_USERNAME"]
    _user(users, name, Path(os.environ["WATCHER_PASSWORD_FILE"]).read_text(encoding="utf-8").strip())
    _role(users, name)
    _subscribe(os.environ["WATCHER_WEBHOOK_URL"])


def _user(users: Any, name: str, password: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see bucket

    try:
        users.create_user(name, password)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        users.update_user_password(name, password)


def _role(users: Any, name: str) -> None:
    roles = {role.name: role for role in users.list_roles(WORKSPACE)}
    role = roles.get(ROLE) or users.create_role(
        WORKSPACE, ROLE, "gate watch: reads, records, promotes nothing"
    )
    granted = {grant.resource_type for grant in users.list_role_permissions(role.id)}
    for kind in GRANTS.keys() - granted:
        users.add_role_permission(role.id, kind, "*", GRANTS[kind])
    if ROLE not in {held.name for held in users.list_user_roles(name)}:
        users.assign_role(name, role.id)


def _subscribe(url: str) -> None:
    from gate.registry import Registry  # noqa: PLC0415 - see bucket
    from gate.registry.webhooks import subscribe  # noqa: PLC0415
    from gate.workflow.watch.webhook import webhook_secret  # noqa: PLC0415
    from gate.workflow.watch.webhook.deliveries import EVENTS  # noqa: PLC0415

    address = os.environ["MLFLOW_TRACKING_URI"]
    subscribe(Registry.connect(address, address).connection, url, EVENTS, webhook_secret().decode())


COMMANDS: dict[str, Callable[[], None]] = {"bucket": bucket, "watcher": watcher}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]]()
