from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.registry import MissingError, Registry
from gate.registry.resolve import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry.conftest import Place


def test_every_way_to_name_a_version_is_the_same_version(place: Place, folder: Path, name: str) -> None:
    first, second = place.version(name, folder), place.version(name, folder)
    place.client.set_registered_model_alias(name, "Champion-1", str(first))
    place.client.set_model_version_tag(name, str(first), "team", "fraud")
    by_number = place.registry.resolve(f"models:/{name}/{first}")
    assert by_number.uri == f"models:/{name}/{first}"
    assert (by_number.name, by_number.version, by_number.aliases) == (name, first, ("Champion-1",))
    assert by_number.tags == {"team": "fraud"}
    assert by_number.note == ""
    by_alias = place.registry.resolve(f"models:/{name}@Champion-1")
    assert by_alias.uri == by_number.uri
    assert by_alias.note == f"alias Champion-1 is version {first}"
    latest = place.registry.resolve(f"models:/{name}/latest")
    assert latest.version == second
    assert latest.note == f"latest is version {second}"


def test_run_metrics(place: Place, folder: Path, name: str) -> None:
    version = place.registry.resolve(f"models:/{name}/{place.version(name, folder)}")
    assert version.run_id is not None
    place.client.log_metric(version.run_id, "val_accuracy", 0.5, step=0)
    place.client.log_metric(version.run_id, "val_accuracy", 0.9, step=1)
    assert place.registry.run_metrics(version) == {"val_accuracy": 0.9}


@pytest.mark.parametrize("suffix", ["/99", "@nobody", "/latest"])
def test_what_does_not_exist_is_a_usage_error(place: Place, folder: Path, name: str, suffix: str) -> None:
    if suffix != "/latest":
        place.version(name, folder)
    with pytest.raises(MissingError) as caught:
        place.registry.resolve(f"models:/{name}{suffix}")
    assert int(caught.value.exit_code) == 2
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("source", ["models:/m-0123456789abcdef", "runs:/0123456789abcdef/model"])
def test_ids_that_do_not_exist(place: Place, source: str) -> None:
    with pytest.raises(MissingError):
        place.registry.resolve(source)


def test_a_deleted_version_is_gone(place: Place, folder: Path, name: str) -> None:
    number = place.version(name, folder)
    place.client.delete_model_version(name, str(number))
    with pytest.raises(MissingError):
        place.registry.resolve(f"models:/{name}/{number}")


def test_a_copy_and_a_rename_keep_their_files(place: Place, folder: Path, name: str) -> None:
    name = name.replace("?", "")  # MLflow's own copy cuts a name there
    number = place.version(name, folder)
    copy = place.client.copy_model_version(f"models:/{name}/{number}", f"{name} copy")
    copied = place.registry.resolve(f"models:/{name} copy/{copy.version}")
    original = place.registry.resolve(f"models:/{name}/{number}")
    place.client.rename_registered_model(name, f"{name} new")
    renamed = place.registry.resolve(f"models:/{name} new/{number}")
    with (
        place.registry.open(original) as a,
        place.registry.open(copied) as b,
        place.registry.open(renamed) as c,
    ):
        assert a.digest == b.digest == c.digest


def test_paths_need_no_registry(tmp_path: Path) -> None:
    found = resolve(str(tmp_path))
    assert (found.path, found.name) == (tmp_path, None)
    with pytest.raises(UsageError, match="no file or folder"):
        resolve(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="needs a registry"):
        resolve("models:/fraud/1")


def test_describe_says_where(place: Place) -> None:
    assert place.registry.describe() == f"{place.connection.registry_uri} answers"
    assert isinstance(place.registry, Registry)
