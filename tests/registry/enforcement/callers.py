"""The ways to reach a registry: MLflow's client, plain HTTP on either root, a client of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.exceptions import MlflowException

from tests.registry.enforcement.places import direct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.registry.enforcement.places import Place

HTTP_STATUS = {"PERMISSION_DENIED": 403, "RESOURCE_CONFLICT": 409, "INVALID_PARAMETER_VALUE": 400}


@dataclass(frozen=True)
class Answer:
    """MLflow's error, or None for a thing done."""

    code: str | None
    message: str = ""
    value: Any = None


class Caller(Protocol):
    """What every attack is tried with."""

    def alias(self, name: str, alias: str, version: Any) -> Answer: ...
    def stage(self, name: str, version: Any, stage: str) -> Answer: ...
    def create(self, name: str, source: str, tags: Mapping[str, str] | None = None) -> Answer: ...
    def rename(self, name: str, new_name: str) -> Answer: ...
    def tag(self, name: str, version: Any, key: str, value: str) -> Answer: ...
    def untag(self, name: str, version: Any, key: str) -> Answer: ...
    def tag_model(self, name: str, key: str, value: str) -> Answer: ...


class ByClient:
    """MLflow's own client, over HTTP or on the database."""

    def __init__(self, place: Place) -> None:
        self._client = place.client

    def _call(self, method: str, *arguments: Any, **more: Any) -> Answer:
        try:
            return Answer(None, value=getattr(self._client, method)(*arguments, **more))
        except MlflowException as error:
            return Answer(error.error_code, str(error.message))

    def alias(self, name: str, alias: str, version: Any) -> Answer:
        return self._call("set_registered_model_alias", name, alias, str(version))

    def stage(self, name: str, version: Any, stage: str) -> Answer:
        return self._call("transition_model_version_stage", name, str(version), stage)

    def create(self, name: str, source: str, tags: Mapping[str, str] | None = None) -> Answer:
        return self._call("create_model_version", name, source, tags=dict(tags or {}))

    def rename(self, name: str, new_name: str) -> Answer:
        return self._call("rename_registered_model", name, new_name)

    def tag(self, name: str, version: Any, key: str, value: str) -> Answer:
        return self._call("set_model_version_tag", name, str(version), key, value)

    def untag(self, name: str, version: Any, key: str) -> Answer:
        return self._call("delete_model_version_tag", name, str(version), key)

    def tag_model(self, name: str, key: str, value: str) -> Answer:
        return self._call("set_registered_model_tag", name, key, value)


class ByRequest:
    """Plain HTTP requests, as the web pages or curl send them; a refusal has the right status too."""

    def __init__(self, place: Place, root: str) -> None:
        self._place = place
        self._root = root

    def _call(self, path: str, method: str = "POST", **body: Any) -> Answer:
        status, answer = self._place.send(path, body, method, self._root)
        if status == 200:
            return Answer(None, value=answer)
        code = answer["error_code"]
        assert HTTP_STATUS.get(code, status) == status
        return Answer(code, answer["message"])

    def alias(self, name: str, alias: str, version: Any) -> Answer:
        return self._call("registered-models/alias", name=name, alias=alias, version=str(version))

    def stage(self, name: str, version: Any, stage: str) -> Answer:
        return self._call(
            "model-versions/transition-stage",
            name=name,
            version=str(version),
            stage=stage,
            archive_existing_versions=False,
        )

    def create(self, name: str, source: str, tags: Mapping[str, str] | None = None) -> Answer:
        listed = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        return self._call("model-versions/create", name=name, source=source, tags=listed)

    def rename(self, name: str, new_name: str) -> Answer:
        return self._call("registered-models/rename", name=name, new_name=new_name)

    def tag(self, name: str, version: Any, key: str, value: str) -> Answer:
        return self._call("model-versions/set-tag", name=name, version=str(version), key=key, value=value)

    def untag(self, name: str, version: Any, key: str) -> Answer:
        return self._call("model-versions/delete-tag", "DELETE", name=name, version=str(version), key=key)

    def tag_model(self, name: str, key: str, value: str) -> Answer:
        return self._call("registered-models/set-tag", name=name, key=key, value=value)


WAYS = ("client", "api", "ajax-api", "direct")


def caller(way: str, place: Place) -> Caller:
    """Return the caller that goes this way."""
    if way == "client":
        return ByClient(place)
    if way == "direct":
        return ByClient(direct(place.settings, place.database))
    return ByRequest(place, f"/{way}")
