"""Signed decisions against a real server: recorded, waited for, verified, forged, overridden."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gate
from gate.cli.main import run
from gate.errors import RegistryError, UsageError
from gate.registry import Naming, Registry
from gate.registry.attest import deliver, seen_envelopes
from gate.registry.attestation import AttestationError, SigningKey, TrustedKey
from gate.registry.attestation.documents import trusted_key_document
from gate.registry.attestation.envelope import digest_of, open_envelope, sign
from gate.registry.attestation.keys import new_key, parse_signing_key
from gate.registry.failures import ConflictError, RefusedError
from gate.workflow.check import CheckRequest, check_source
from gate.workflow.sources import RegistryAddress
from gate.workflow.verify import VerifyRequest, verify_decisions
from gate.workflow.wait import wait_for_decision
from tests.registry.conftest import Place, make_model

if TYPE_CHECKING:
    from gate.report.verification import Verification

TAG = "gate.attestation.default"
BLOCKING = """
version: 1
name: default
rules:
  - {id: never, description: Nothing passes, metric: model.alpha, at_most: 0}
"""


@dataclass
class Story:
    """One recorded version, its key and the folder of trusted ones."""

    place: Place
    uri: str
    name: str
    version: int
    key: SigningKey
    trusted: TrustedKey
    keys: Path
    folder: Path

    @property
    def address(self) -> RegistryAddress:
        return RegistryAddress(self.place.connection.tracking_uri)

    def check(self, *policies: Path, **options: Any) -> Any:
        return check_source(CheckRequest(self.uri, policies, address=self.address, **options))

    def tags(self) -> dict[str, str]:
        return dict(self.place.client.get_model_version(self.name, str(self.version)).tags)

    def tag(self, key: str, value: str) -> None:
        self.place.client.set_model_version_tag(self.name, str(self.version), key, value)

    def verify(self, **changes: Any) -> Verification:
        return verify_decisions(VerifyRequest(self.uri, self.keys, address=self.address, **changes))

    def failing(self, **changes: Any) -> set[str]:
        found = self.verify(**changes)
        assert not found.valid
        return {each.name for one in found.decisions for each in one.findings if each.outcome == "fails"}


@pytest.fixture(scope="module")
def keypair() -> tuple[bytes, TrustedKey]:
    made = new_key("check")
    return made.private_pem, made.trusted


@pytest.fixture
def story(
    mlflow_server: str,
    keypair: tuple[bytes, TrustedKey],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Story:
    pem, trusted = keypair
    monkeypatch.setenv("GATE_SIGNING_KEY", pem.decode())
    monkeypatch.delenv("GATE_TRUSTED_KEYS", raising=False)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "check.yaml").write_text(trusted_key_document(trusted))
    place = Place(Registry.connect(mlflow_server, naming=Naming()), None)
    folder = make_model(tmp_path / "model", seed=0)
    name = f"signed {request.node.name}"
    version = place.version(name, folder)
    uri = f"models:/{name}/{version}"
    return Story(
        place, uri, name, version, parse_signing_key(pem, "the key"), trusted, tmp_path / "keys", folder
    )


def test_recorded_signed_kept_and_superseded(story: Story, tmp_path: Path) -> None:
    first = story.check()
    assert first.recorded.signed_by == first.verdict.signed_by == story.trusted.id
    before = story.tags()[TAG]
    signed = open_envelope(before, [story.trusted])
    found = story.place.client.get_model_version(story.name, str(story.version))
    subject, statement = signed.statement.subject, signed.statement
    assert (subject.name, subject.version, subject.creation_time) == (
        story.name,
        story.version,
        found.creation_timestamp,
    )
    assert subject.registry is None
    assert subject.digest == first.verdict.analysis.source.digest == story.tags()["gate.digest"]
    assert (statement.passed, statement.outcome, statement.supersedes) == (True, "passed", None)
    assert statement.report == first.recorded.run_id
    assert statement.verdict_digest == story.tags()["gate.verdict_digest"]
    local = Path(
        story.place.client.download_artifacts(first.recorded.run_id, "verdict.intoto.jsonl", str(tmp_path))
    )
    assert local.read_text() == before + "\n"
    report = story.place.registry.read_report(first.recorded.run_id, "report.html")
    assert report is not None
    assert f"Signed by {story.trusted.id}".encode() in report
    story.check()
    second = open_envelope(story.tags()[TAG], [story.trusted])
    assert second.statement.supersedes == signed.digest == digest_of(before)
    found_valid = story.verify()
    assert (found_valid.valid, found_valid.passed) == (True, True)
    assert gate.verify(story.uri, keys=story.keys, tracking_uri=story.address.tracking_uri) == replace(
        found_valid
    )


def test_an_old_pass_that_is_put_back_after_a_block_does_not_verify(story: Story, tmp_path: Path) -> None:
    story.check()
    passed = story.tags()[TAG]
    strict = tmp_path / "strict.yaml"
    strict.write_text(BLOCKING)
    assert story.check(strict).verdict.outcome == "blocked"
    found = story.verify()
    assert (found.valid, found.passed) == (True, False)
    blocked = open_envelope(story.tags()[TAG], [story.trusted]).statement
    assert any(line.startswith("never (Nothing passes)") for line in blocked.failures)
    with pytest.raises(AttestationError, match="blocked"):
        gate.verify(story.uri, keys=story.keys, tracking_uri=story.address.tracking_uri)
    story.tag(TAG, passed)
    assert story.failing() == {"supersedes"}


def test_what_differs_is_named(story: Story, tmp_path: Path) -> None:
    story.check()
    text = story.tags()[TAG]
    statement = open_envelope(text, [story.trusted]).statement
    subject = statement.subject

    def fails(**changes: Any) -> set[str]:
        story.tag(TAG, sign(replace(statement, **changes), story.key))
        return story.failing()

    past = datetime.now(timezone.utc) - timedelta(seconds=5)
    assert fails(subject=replace(subject, version=subject.version + 1)) == {"subject"}
    assert fails(subject=replace(subject, creation_time=1)) == {"subject"}
    assert fails(subject=replace(subject, registry="another")) == {"subject"}
    assert fails(subject=replace(subject, digest="sha256:" + "0" * 64)) == {"artifact"}
    assert fails(not_after=past) == {"validity"}
    assert fails(policy="other") == {"kind"}
    story.tag(TAG, text.replace('"sig":"', '"sig":"AAAA', 1))
    assert story.failing() == {"signature"}
    story.tag(TAG, text)
    changed = tmp_path / "changed.yaml"
    changed.write_text(BLOCKING)
    assert story.failing(policies=(changed,)) == {"policy"}
    assert "no signed decision under policy strict" in " ".join(
        story.verify(policies=(Path("strict"),)).problems
    )
    other = tmp_path / "verdict.json"
    other.write_text("{}")
    assert story.failing(verdict=other) == {"verdict"}
    assert story.verify(policies=(Path("default"),)).passed


def test_trusted_for_something_else(story: Story) -> None:
    story.check()
    file = story.keys / "check.yaml"
    for key in (
        replace(story.trusted, role="override"),
        replace(story.trusted, models=("other-*",)),
        replace(story.trusted, not_after=datetime.now(timezone.utc)),
        new_key("check").trusted,
    ):
        file.write_text(trusted_key_document(key))
        assert story.failing() == {"signature"}


def test_from_files_alone_as_mlflow_downloads_them(story: Story, tmp_path: Path) -> None:
    import mlflow  # noqa: PLC0415

    recorded = story.check().recorded
    mlflow.set_tracking_uri(story.address.tracking_uri)
    evidence, model = tmp_path / "evidence", tmp_path / "downloaded"
    for file in ("verdict.intoto.jsonl", "verdict.json"):
        mlflow.artifacts.download_artifacts(
            run_id=recorded.run_id, artifact_path=file, dst_path=str(evidence)
        )
    mlflow.artifacts.download_artifacts(story.uri, dst_path=str(model))
    assert (model / "registered_model_meta").exists()
    words = ["verify", "--envelope", str(evidence / "verdict.intoto.jsonl"), "--model", str(model)]
    words += ["--keys", str(story.keys), "--verdict", str(evidence / "verdict.json")]
    assert run([*words, "--format", "json", "-o", str(tmp_path / "out.json")]) == 0
    out = json.loads((tmp_path / "out.json").read_text())
    assert (out["schema"], out["valid"], out["passed"]) == ("gate/verification/1", True, True)
    (model / "registered_model_meta").rename(model / "code" / "registered_model_meta")
    assert run(words) == 3
    shutil.rmtree(model)
    assert run(words) == 2


def test_exit_codes(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", story.address.tracking_uri or "")
    words = ["verify", story.uri, "--quiet"]
    assert run(words) == 2, "no keys"
    words += ["--keys", str(story.keys)]
    assert run(words) == 3, "no decision"
    story.check()
    assert run(words) == 0
    strict = tmp_path / "strict.yaml"
    strict.write_text(BLOCKING)
    story.check(strict)
    assert run(words) == 1
    story.tag(TAG, "{}")
    assert run(words) == 3


def test_waiting_needs_no_key(story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []
    request = CheckRequest(story.uri, address=story.address)
    with pytest.raises(RegistryError, match="nobody decided"):
        wait_for_decision(request, 1.0, told.append)
    assert told
    strict = tmp_path / "strict.yaml"
    strict.write_text(BLOCKING)
    judged = story.check(strict)
    monkeypatch.delenv("GATE_SIGNING_KEY")
    waited = wait_for_decision(replace(request, policies=(strict,)), 5.0)
    assert waited.verdict == judged.verdict
    assert any(note.startswith("judged elsewhere: default: blocked") for note in waited.notes)
    monkeypatch.setenv("GATE_TRUSTED_KEYS", str(story.keys))
    assert wait_for_decision(replace(request, policies=(strict,)), 5.0).verdict == judged.verdict
    (story.keys / "check.yaml").write_text(trusted_key_document(new_key("check").trusted))
    with pytest.raises(RegistryError, match="does not hold"):
        wait_for_decision(replace(request, policies=(strict,)), 1.0)
    with pytest.raises(RegistryError, match="nobody decided"):
        wait_for_decision(request, 1.0)  # it was decided by another wording of this policy


def test_waiting_for_an_unsigned_decision_of_a_plain_registry(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATE_SIGNING_KEY")
    judged = story.check()
    assert judged.recorded.signed_by is None
    assert TAG not in story.tags()
    assert wait_for_decision(CheckRequest(story.uri, address=story.address), 5.0).verdict == judged.verdict


def test_an_override_is_signed_shown_and_advisory(story: Story, tmp_path: Path, capsys: Any) -> None:
    made = new_key("override")
    pem = tmp_path / "override.pem"
    pem.write_bytes(made.private_pem)
    server = str(story.address.tracking_uri)
    words = ["override", story.uri, "--alias", "champion", "--reason", "the other one is on fire"]
    words += ["--key", str(pem), "--tracking-uri", server, "--expires"]
    assert run([*words, "2d"]) == 0
    assert "advisory" in capsys.readouterr().err
    signed = open_envelope(story.tags()["gate.override.champion"], [made.trusted])
    assert (signed.statement.alias, signed.statement.passed) == ("champion", False)
    result = story.check()
    assert [(each.alias, each.key) for each in result.verdict.overrides] == [("champion", made.trusted.id)]
    assert run(["history", story.name, "--tracking-uri", server]) == 0
    assert "the other one is on fire" in capsys.readouterr().out
    ended = replace(signed.statement, not_after=datetime.now(timezone.utc) - timedelta(seconds=2))
    story.tag("gate.override.champion", sign(ended, parse_signing_key(made.private_pem, "")))
    assert story.check(record=False).verdict.overrides == ()
    assert run([*words[:-1], "--expires", "2020-01-01"]) == 2
    with pytest.raises(UsageError):
        story.verify(model=tmp_path / "nowhere")


class Hosted:
    """A client of a registry with short tags, which cannot be run here: it refuses long values."""

    def __init__(self, client: Any, longest: int) -> None:
        self.client, self.longest = client, longest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        from mlflow.exceptions import RestException  # noqa: PLC0415

        if len(value) > self.longest:
            raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "value is too long"})
        self.client.set_model_version_tag(name, version, key, value)


def test_where_a_tag_is_too_short_it_holds_the_digest_and_the_run_the_envelope(story: Story) -> None:
    located = story.place.registry.resolve(story.uri)
    first = story.check()
    text = story.tags()[TAG]
    statement = open_envelope(text, [story.trusted]).statement
    hosted: Any = Hosted(story.place.client, 256)
    connection = replace(story.place.connection, client=hosted)
    done = deliver(connection, story.name, story.version, [statement], story.key, first.recorded.run_id)
    assert story.tags()[TAG] == done[0].value == digest_of(done[0].text)
    assert seen_envelopes(connection, story.name, story.version) == (done[0].text,)
    assert story.verify().passed
    assert located.version == story.version


class Contested:
    """A client whose registry says once that somebody else decided first: they do, as ``theirs``."""

    def __init__(self, client: Any, theirs: str) -> None:
        self.client, self.theirs, self.left = client, theirs, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        from mlflow.exceptions import RestException  # noqa: PLC0415

        if self.left and key == TAG:
            self.left -= 1
            self.client.set_model_version_tag(name, version, key, self.theirs)
            raise RestException(
                {"error_code": "RESOURCE_CONFLICT", "message": "another decision is in force"}
            )
        self.client.set_model_version_tag(name, version, key, value)


@pytest.mark.parametrize(
    ("ours", "theirs", "same", "wins"),
    [
        ("passed", "passed", True, True),
        ("blocked", "passed", True, True),
        ("blocked", "blocked", True, True),
        ("passed", "blocked", True, False),
        ("passed", "passed", False, False),
    ],
)
def test_a_conflict_is_retried_unless_it_would_loosen(
    story: Story, ours: Any, theirs: Any, same: bool, wins: bool
) -> None:
    run_id = story.check().recorded.run_id
    statement = replace(
        open_envelope(story.tags()[TAG], [story.trusted]).statement,
        subject=replace(
            open_envelope(story.tags()[TAG], [story.trusted]).statement.subject, registry="an id"
        ),
    )
    other = replace(statement, outcome=theirs, passed=theirs == "passed")
    if not same:
        other = replace(other, policy_digest="sha256:" + "0" * 64)
    meanwhile = sign(other, story.key)
    contested: Any = Contested(story.place.client, meanwhile)
    connection = replace(story.place.connection, client=contested)
    mine = replace(statement, outcome=ours, passed=ours == "passed")
    if wins:
        (done,) = deliver(connection, story.name, story.version, [mine], story.key, run_id)
        assert open_envelope(story.tags()[TAG], [story.trusted]).statement.supersedes == digest_of(meanwhile)
        assert seen_envelopes(connection, story.name, story.version) == (done.text,)
        return
    with pytest.raises(RefusedError, match="somebody else decided") as raised:
        deliver(connection, story.name, story.version, [mine], story.key, run_id)
    assert isinstance(raised.value.__cause__, ConflictError)
    assert story.tags()[TAG] == meanwhile
    assert seen_envelopes(connection, story.name, story.version) == ()


def test_an_enforcing_registry_takes_nothing_unsigned(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.tag("gate.registry", "6f0c")  # what an enforcing one shows; that one here does not enforce
    monkeypatch.delenv("GATE_SIGNING_KEY")
    result = story.check(record=True)
    assert result.verdict.outcome == "passed"
    assert "GATE_SIGNING_KEY_FILE" in str(result.record_error.hint)
    assert "--wait" in str(result.record_error.hint)
    assert int(result.record_error.exit_code) == 3
    assert "gate.outcome" not in story.tags()
    quiet = story.check()
    assert quiet.recorded is None
    assert any("enforces no policy" in note for note in quiet.notes)


def test_what_the_registry_enforces_judges(story: Story) -> None:
    story.tag("gate.registry", "6f0c")
    story.place.client.set_registered_model_tag(story.name, "gate.enforced.default", BLOCKING)
    result = story.check()
    assert result.verdict.outcome == "blocked"
    assert result.notes[0] == "judged by what the registry enforces: default"
    statement = open_envelope(story.tags()[TAG], [story.trusted]).statement
    assert statement.subject.registry == "6f0c"
    assert "gate.outcome" not in story.tags(), "the registry writes the mirrors itself"
    found = story.verify()
    assert (found.valid, found.passed) == (True, False)
